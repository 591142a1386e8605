"""Measure prediction against nnUNetv2_predict: `make bench-predict`.

The same weights of 104 structures, the same CT, in turn, on the CPU: seconds, the peak of the
memory of all processes, and how far the labels agree. Then CTs that only we are given.
"""

import argparse
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from benchmarks.contender import ROOT
from benchmarks.page_tables import write_between_marks
from benchmarks.predict_cases import small_model, write_large_ct
from benchmarks.process_memory import Limits, Measured, run_measured
from pipeline.volume import read_nifti
from training.nnunet_model import NnunetModel
from training.nnunet_process import NnunetFolders, ProcessSettings, child_environment

MARK = "bench-predict"
GOAL_SHARE = 0.4
KEPT_FREE_GIB = 3.0
LARGE_VOXELS = 10_000
"""6 ml: some hundred voxels of a 3 mm model."""


@dataclass(frozen=True)
class Bench:
    """Where the benchmark works and with which model.

    Attributes
    ----------
    limits : Limits
        What a program may take; never more than the free memory, less what others need.
    """

    folder: Path
    model: NnunetModel
    limits: Limits

    def ours(self, ct: Path) -> tuple[Measured, Path]:
        """Run `masksmith predict`."""
        output = self.folder / "ours" / "labels.nii.gz"
        shutil.rmtree(output.parent, ignore_errors=True)
        command = [
            sys.executable, "-m", "pipeline.cli", "predict", "-i", str(ct), "-o", str(output),
            "--models", str(self.model.folder), "-j", "2", "--no-progress",
        ]  # fmt: skip
        kept = {name: v for name, v in os.environ.items() if not name.startswith("MASKSMITH_")}
        environment = {**kept, "PYTHONPATH": str(ROOT)}
        return self._run(command, environment, "ours.log"), output

    def peer(self, ct: Path) -> tuple[Measured, Path]:
        """Run nnUNetv2_predict with as few processes as it can be told."""
        given, made = self.folder / "given", self.folder / "theirs"
        for folder in (given, made):
            shutil.rmtree(folder, ignore_errors=True)
        given.mkdir()
        (given / "ct_0000.nii.gz").hardlink_to(ct)
        trainer, plans, configuration = self.model.folder.name.split("__")
        command = [
            str(Path(sys.executable).with_name("nnUNetv2_predict")), "-i", str(given),
            "-o", str(made), "-d", self.model.folder.parent.name, "-tr", trainer, "-p", plans,
            "-c", configuration, "-f", "0", "-device", "cpu", "-npp", "1", "-nps", "1",
        ]  # fmt: skip
        folders = NnunetFolders(self.model.folder.parents[2])
        environment = child_environment(folders, ProcessSettings(self.folder / "unused"))
        return self._run(command, environment, "theirs.log"), made / "ct.nii.gz"

    def _run(self, command: list[str], environment: dict[str, str], log: str) -> Measured:
        free_gib = psutil.virtual_memory().available / 2**30 - KEPT_FREE_GIB
        limits = Limits(min(self.limits.memory_gib, free_gib), self.limits.minutes)
        return run_measured(command, environment, self.folder / log, limits)


def main() -> int:
    """Measure, print the table, and write it into the page if asked."""
    options = read_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing is left running
    options.folder.mkdir(parents=True, exist_ok=True)
    model = small_model(options.folder / f"model-{options.spacing_mm:g}mm", options.spacing_mm)
    bench = Bench(options.folder, model, Limits(options.limit_gib, options.limit_minutes))
    rows = [row for slices in options.slices for row in compare(bench, slices, options.runs)]
    rows += [row for slices in options.only_ours for row in alone(bench, slices)]
    text = table_of(rows, options.spacing_mm)
    (options.folder / "rows.json").write_text(json.dumps(rows, indent=1) + "\n")
    print(text)
    if options.page is not None:
        write_between_marks(options.page, MARK, text)
    return 0


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make bench-predict", description=__doc__)
    parser.add_argument(
        "--slices", type=int, nargs="*", default=[140, 280], help="CTs for both: 512 x 512 x these"
    )
    parser.add_argument(
        "--only-ours", type=int, nargs="*", default=[824], help="CTs for us alone (default: 824)"
    )
    parser.add_argument("--spacing-mm", type=float, default=3.0, help="the model's (default: 3)")
    parser.add_argument("--runs", type=int, default=1, help="of each on each CT (default: 1)")
    parser.add_argument("--limit-gib", type=float, default=1000.0, help="stop a program above it")
    parser.add_argument("--limit-minutes", type=float, default=30.0, help="and after that long")
    parser.add_argument("--page", type=Path, help="page whose marked part takes the table")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "benchmarks" / "results" / "predict",
        help="keeps the model and the CTs",
    )  # fmt: skip
    return parser.parse_args()


Row = dict[str, object]


def compare(bench: Bench, slices: int, runs: int) -> Iterator[Row]:
    """Let both predict one CT, in turn."""
    ct = large_ct(bench.folder, slices)
    for _ in range(runs):
        ours, labels = bench.ours(ct)
        yield row_of("masksmith predict", slices, ours)
        theirs, reference = bench.peer(ct)
        row = row_of("nnUNetv2_predict", slices, theirs)
        if not ours.stopped and not theirs.stopped:
            row |= agreement(labels, reference)
            row["memory_share"] = ours.peak_gib / theirs.peak_gib
            row["time_share"] = ours.seconds / theirs.seconds
        yield row


def alone(bench: Bench, slices: int) -> Iterator[Row]:
    """Predict what the peer is not given."""
    ours, _ = bench.ours(large_ct(bench.folder, slices))
    yield row_of("masksmith predict", slices, ours)


def large_ct(folder: Path, slices: int) -> Path:
    """Make the CT, once."""
    path = folder / f"ct-{slices}.nii.gz"
    if not path.exists():
        write_large_ct(path, slices)
    return path


def row_of(name: str, slices: int, measured: Measured) -> Row:
    """Put figures into a row."""
    row: Row = {"name": name, "slices": slices, **vars(measured)}
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def agreement(ours: Path, theirs: Path) -> Row:
    """Compare two label maps: share of equal voxels, Dice of all structures together and each."""
    a, b = (np.asarray(read_nifti(path).array, np.uint8) for path in (ours, theirs))
    scores, large, found = [], [], 0
    for value in range(1, 105):
        mine, other = a == value, b == value
        both, equal = int(mine.sum()) + int(other.sum()), int((mine & other).sum())
        if both:
            found += equal
            scores.append(2 * equal / both)
            if both > 2 * LARGE_VOXELS:
                large.append(2 * equal / both)
    return {
        "equal_voxels": float((a == b).mean()),
        "dice_any": 2 * int(((a > 0) & (b > 0)).sum()) / max(1, int((a > 0).sum() + (b > 0).sum())),
        "dice_all": 2 * found / max(1, int((a > 0).sum() + (b > 0).sum())),
        "dice_large": float(np.mean(large)) if large else None,
        "large": len(large),
        "dice_mean": float(np.mean(scores)),
        "dice_min": float(np.min(scores)),
        "structures": len(scores),
    }


def _large(row: Row) -> str:
    if row["dice_large"] is None:
        return ""
    return f"mean of the {row['large']} above {LARGE_VOXELS} voxels {row['dice_large']:.3f}, "


def table_of(rows: list[Row], spacing_mm: float) -> str:
    """Write the rows as a table of a page."""
    lines = [
        f"Model at {spacing_mm:g} mm, CTs of 512 x 512 slices of 0.8 x 0.8 x 1 mm.",
        "",
        "| slices | program | seconds | peak RSS | peak PSS | |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        numbers = (
            f"{row['seconds']:.0f} | {row['peak_gib']:.1f} GiB | {row['peak_own_gib']:.1f} GiB"
        )
        said = f"stopped: {row['stopped']}" if row["stopped"] else ""
        if "memory_share" in row:
            said = (
                f"ours takes {row['memory_share']:.2f} of its memory (goal {GOAL_SHARE}) and "
                f"{row['time_share']:.2f} of its time; equal voxels {row['equal_voxels']:.2%}; "
                f"Dice of all structures together {row['dice_all']:.3f}, {_large(row)}"
                f"mean of all {row['structures']} {row['dice_mean']:.3f}"
            )
        lines.append(f"| {row['slices']} | {row['name']} | {numbers} | {said} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
