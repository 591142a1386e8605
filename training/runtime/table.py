"""The runtime table as CSV, JSON and Markdown."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from pipeline.volume import write_file_atomically
from training.evaluation.tables import write_csv

_GB = 1e9


@dataclass(frozen=True, slots=True)
class Measured:
    """One prediction of one CT with one model.

    Attributes
    ----------
    runtime_s : float or None
        Of the whole command, from start to the written file; None where it failed.
    note : str
        Why there are no figures.
    """

    model: str
    shape: tuple[int, int, int]
    runtime_s: float | None = None
    ram_gb: float | None = None
    gpu_gb: float | None = None
    note: str = ""


def write_table(folder: Path, measured: Sequence[Measured], device: str) -> None:
    """Write ``runtime.csv``, ``runtime.json`` and ``runtime.md``."""
    lines = [asdict(each) | {"shape": _size(each.shape)} for each in measured]
    write_csv(folder / "runtime.csv", list(lines[0]), lines)
    document = {"machine": machine(device), "predictions": lines}
    text = json.dumps(document, indent=2, ensure_ascii=False)
    write_file_atomically(folder / "runtime.json", f"{text}\n".encode())
    write_file_atomically(folder / "runtime.md", markdown(measured, device).encode())


def markdown(measured: Sequence[Measured], device: str) -> str:
    """Lay the table out as the paper does: a line per size, three columns per model."""
    models = list(dict.fromkeys(each.model for each in measured))
    found = {(each.shape, each.model): each for each in measured}
    head = ["Image size", *(f"{m} {what}" for m in models for what in ("runtime", "RAM", "GPU"))]
    lines = [head, ["---"] * len(head)]
    for shape in dict.fromkeys(each.shape for each in measured):
        cells = [_size(shape)]
        for model in models:
            cells += _cells(found.get((shape, model)))
        lines.append(cells)
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    about = ", ".join(f"{name} {value}" for name, value in machine(device).items() if value)
    notes = [f"{_size(e.shape)}, {e.model}: {e.note}" for e in measured if e.note]
    return "\n\n".join([table, f"Measured on: {about}.", *notes]) + "\n"


def machine(device: str) -> dict[str, Any]:
    """Say what it was measured on; no host name."""
    return {
        "device": device,
        "gpu": _gpu_name() if device != "cpu" else None,
        "processors": len(os.sched_getaffinity(0)),
        "architecture": platform.machine(),
        "memory_gb": round(psutil.virtual_memory().total / _GB, 1),
    }


def minutes(seconds: float) -> str:
    """Write a time as the paper does: ``1min 17s``."""
    whole = round(seconds)
    return f"{whole // 60}min {whole % 60}s" if whole >= 60 else f"{seconds:.3g}s"


def _cells(measured: Measured | None) -> list[str]:
    if measured is None or measured.runtime_s is None:
        return ["–", "–", "–"]
    memory = [measured.ram_gb, measured.gpu_gb]
    return [
        minutes(measured.runtime_s),
        *("–" if value is None else f"{value:.1f}GB" for value in memory),
    ]


def _size(shape: tuple[int, int, int]) -> str:
    return "x".join(str(size) for size in shape)


def _gpu_name() -> str | None:
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
