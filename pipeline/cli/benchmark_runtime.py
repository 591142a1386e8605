"""`masksmith benchmark-runtime`: seconds and memory of `masksmith predict` by size of the CT."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.call import Call, pass_call
from pipeline.cli.exit_codes import SOME_FAILED
from pipeline.cli.group import Command
from pipeline.cli.output import write_json, write_table
from pipeline.cli.progress import progress_for
from pipeline.cli.settings_options import CommaList

if TYPE_CHECKING:
    from training.runtime.table import Measured

GB = 1e9


@dataclass(frozen=True, slots=True)
class Wish:
    """What is measured: sizes, models, device."""

    matrix: int
    slices: Sequence[int]
    models: Sequence[Path]
    fast_models: Sequence[Path]
    device: str
    repeats: int


@click.command("benchmark-runtime", cls=Command)
@click.option(
    "-o",
    "--out",
    required=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for the table: CSV, JSON, Markdown.",
)
@click.option(
    "--models",
    multiple=True,
    metavar="PATH",
    type=click.Path(exists=True, path_type=Path),
    help="The 1.5 mm models, as for predict  [default: the workspace's]",
)
@click.option(
    "--fast-models",
    multiple=True,
    metavar="PATH",
    type=click.Path(exists=True, path_type=Path),
    help="The 3 mm model, as for predict --fast  [default: the workspace's]",
)
@click.option(
    "--only",
    type=click.Choice(["1.5mm", "3mm"]),
    help="Measure one of the two.",
)
@click.option(
    "--slices",
    type=CommaList(click.IntRange(8, 4000)),
    default="280,458,824",
    show_default=True,
    help="Slices of the CTs.",
)
@click.option(
    "--matrix",
    type=click.IntRange(16, 2048),
    default=512,
    show_default=True,
    help="Pixels of a slice along each side.",
)
@click.option("-d", "--device", default="cpu", show_default=True, help="cpu, gpu or gpu:N.")
@click.option(
    "--repeats",
    type=click.IntRange(1, 20),
    default=1,
    show_default=True,
    help="Runs of each; the median time and the largest memory count.",
)
@pass_call
@click.pass_context
def command(context: click.Context, call: Call, /, out: Path, only: str, **asked: Any) -> None:
    """Measure how long a prediction takes and what memory it needs.

    Makes synthetic CTs (the sizes of the paper by default), predicts each with the 1.5 mm and the
    3 mm models as `masksmith predict` does, and writes runtime, memory and GPU memory as a table.
    """
    from training.nnunet_process import device_kind

    wish = Wish(**asked)
    device_kind(wish.device)
    out.mkdir(parents=True, exist_ok=True)
    measured = _measure(call, wish, out, [only] if only else ["1.5mm", "3mm"])
    _write(call, measured, out, wish)
    context.exit(SOME_FAILED if any(each.note for each in measured) else 0)


def _measure(call: Call, wish: Wish, out: Path, names: Sequence[str]) -> list[Measured]:
    """Go through sizes and models; one that fails does not stop the others."""
    from pipeline.stage import Outcome

    measured: list[Measured] = []
    with (
        progress_for(call, "benchmark-runtime") as progress,
        tempfile.TemporaryDirectory(prefix=".runtime-", dir=out) as scratch,
    ):
        progress.expect(len(wish.slices) * len(names))
        for each in _each(call, wish, Path(scratch), names):
            measured.append(each)
            subject = f"{'x'.join(map(str, each.shape))} {each.model}"
            note = each.note or f"{each.runtime_s:.1f} s, {each.ram_gb:.2f} GB"
            progress.hear(Outcome(subject, "failed" if each.note else "done", note))
    return measured


def _each(call: Call, wish: Wish, scratch: Path, names: Sequence[str]) -> Iterator[Measured]:
    from pipeline.anatomy import find_class_map
    from training.runtime.synthetic_ct import write_synthetic_ct

    class_map = find_class_map("class_map", call.configs_path)
    ct = scratch / "ct.nii.gz"
    for slices in wish.slices:
        write_synthetic_ct(ct, class_map, wish.matrix, slices)
        for name in names:
            yield _predict(call, wish, ct, (wish.matrix, wish.matrix, slices), name)


def _predict(call: Call, wish: Wish, ct: Path, shape: tuple[int, int, int], name: str) -> Measured:
    from statistics import median

    from training.nnunet_process import device_kind
    from training.runtime.table import Measured
    from training.runtime.watched_process import watch

    arguments = _arguments(call, wish, ct, fast=name == "3mm")
    kind, number = device_kind(wish.device)
    gpu = (number or 0) if kind == "gpu" else None
    runs = []
    for _ in range(wish.repeats):
        runs.append(watch(arguments, ct.with_name("log"), gpu=gpu))
        if runs[-1].failure:
            return Measured(name, shape, note=runs[-1].failure)
    on_gpu = [run.gpu_bytes for run in runs if run.gpu_bytes is not None]
    return Measured(
        model=name,
        shape=shape,
        runtime_s=round(median(run.seconds for run in runs), 2),
        ram_gb=round(max(run.ram_bytes for run in runs) / GB, 3),
        gpu_gb=round(max(on_gpu) / GB, 3) if on_gpu else None,
    )


def _arguments(call: Call, wish: Wish, ct: Path, *, fast: bool) -> list[str]:
    """Give the command line of one prediction, as a user would type it."""
    models = wish.fast_models if fast else wish.models
    shared = ["--workspace", str(call.workspace_path), "--configs", str(call.configs_path)]
    if call.jobs:
        shared += ["--jobs", str(call.jobs)]
    return [
        *(sys.executable, "-m", "pipeline.cli", "predict", "--no-progress", *shared),
        *("-i", str(ct), "-o", str(ct.with_name("labels.nii.gz")), "--force"),
        *("--device", wish.device, *(["--fast"] if fast else [])),
        *(word for path in models for word in ("--models", str(path))),
    ]


def _write(call: Call, measured: Sequence[Measured], out: Path, wish: Wish) -> None:
    from training.runtime.table import machine, minutes
    from training.runtime.table import write_table as write_files

    write_files(out, measured, wish.device)
    if call.as_json:
        write_json({"machine": machine(wish.device), "predictions": measured, "out": out})
        return
    rows = [
        (
            "x".join(map(str, each.shape)),
            each.model,
            None if each.runtime_s is None else minutes(each.runtime_s),
            each.ram_gb,
            each.gpu_gb,
        )
        for each in measured
    ]
    write_table(("size", "model", "runtime", "ram_gb", "gpu_gb"), rows)
    for each in measured:
        if each.note:
            click.echo(f"failed {each.model}: {each.note}", err=True)
    click.echo(f"benchmark-runtime: {out / 'runtime.md'}")
