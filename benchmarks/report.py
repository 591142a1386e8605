"""Results as a table for people and as JSON for later."""

import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.comparisons import Comparison
from benchmarks.contender import Timing

PACKAGES = ("fury", "isal", "nibabel", "numpy", "vtk", "wgpu")


def machine() -> dict[str, Any]:
    """Return what the numbers depend on."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory_bytes / 2**30, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def result_of(comparison: Comparison, ours: Timing, peer: Timing) -> dict[str, Any]:
    """Return the figures of one comparison.

    Raises
    ------
    ValueError
        The two did not do the same work.
    """
    for fact in comparison.same:
        if ours.facts[fact] != peer.facts[fact]:
            raise ValueError(
                f"{comparison.name}: {fact} is {ours.facts[fact]!r} for {ours.name} "
                f"and {peer.facts[fact]!r} for {peer.name}"
            )
    ratio = peer.median_s / ours.median_s
    return {
        "name": comparison.name,
        "title": comparison.title,
        "ours": ours.to_dict(),
        "peer": peer.to_dict(),
        "ratio": ratio,
        "goal": comparison.goal,
        "reached": ratio >= comparison.goal,
    }


def table_of(result: dict[str, Any]) -> str:
    """Return one comparison as lines of text."""
    lines = [f"{result['title']} ({len(result['ours']['seconds'])} runs each, in turn)"]
    lines.append(f"  {'':34}{'median':>10}{'fastest':>10}{'slowest':>10}{'memory':>12}")
    for side in (result["ours"], result["peer"]):
        times = "".join(
            f"{_seconds(value):>10}"
            for value in (side["median_s"], min(side["seconds"]), max(side["seconds"]))
        )
        facts = ", ".join(f"{name} {value}" for name, value in side["facts"].items())
        lines.append(f"  {side['name']:34}{times}{side['peak_mib']:>8.0f} MiB  {facts}")
    word = "reached" if result["reached"] else "NOT reached"
    lines.append(f"  {result['ratio']:.1f}x as fast; goal {result['goal']:g}x {word}")
    return "\n".join(lines)


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def write_results(folder: Path, results: list[dict[str, Any]], facts: dict[str, Any]) -> Path:
    """Write everything that was measured into a new JSON file and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / time.strftime("%Y%m%d-%H%M%S.json", time.gmtime())
    path.write_text(json.dumps({"machine": facts, "results": results}, indent=1) + "\n")
    return path
