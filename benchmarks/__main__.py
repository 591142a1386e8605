"""Measure Masksmith against its peers: `make bench`, or `python -m benchmarks --help`."""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.case import make_case
from benchmarks.comparisons import COMPARISONS, Comparison
from benchmarks.contender import ROOT, compare
from benchmarks.report import machine, result_of, table_of, write_results

HELP_GOAL_S = 0.5
NAMES = [*(comparison.name for comparison in COMPARISONS), "help"]


def main() -> int:
    """Run what was asked for; exit code 1 when a goal was missed."""
    options = read_options()
    facts = machine()
    print(f"{facts['processor']}, {facts['cores']} cores, {facts['memory_gib']} GiB, "
          f"load {facts['load_before']} before", file=sys.stderr)  # fmt: skip
    wanted = [comparison for comparison in COMPARISONS if comparison.name in options.only]
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="masksmith-bench-") as folder:
        if wanted:
            print("Making the case: 270x200x450 voxels of 1.5 mm", file=sys.stderr)
            make_case(Path(folder))
        for comparison in wanted:
            results.append(measure(comparison, Path(folder), options.runs))
            print("\n" + table_of(results[-1]))
    if "help" in options.only:
        results.append(measure_help())
    print(f"\nWritten: {write_results(options.results, results, facts)}")
    return 0 if all(result["reached"] for result in results) else 1


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=NAMES, default=NAMES, help="what to measure (default: all)"
    )
    parser.add_argument("--runs", type=int, help="measured runs of each (default: 3 to 5)")
    parser.add_argument(
        "--results",
        type=Path,
        default=ROOT / "benchmarks" / "results",
        help="folder for the JSON file (default: benchmarks/results)",
    )
    return parser.parse_args()


def measure(comparison: Comparison, folder: Path, runs: int | None) -> dict[str, Any]:
    """Measure one comparison on the case in `folder`."""
    print(f"{comparison.name}: {comparison.title}", file=sys.stderr)
    ours, peer = comparison.contenders(folder)
    return result_of(comparison, *compare(ours, peer, runs=runs or comparison.runs))


def measure_help(runs: int = 9) -> dict[str, Any]:
    """Measure how long `masksmith --help` takes, beside an interpreter that does nothing."""
    commands = {
        "masksmith --help": [str(Path(sys.executable).with_name("masksmith")), "--help"],
        "python -c pass": [sys.executable, "-c", "pass"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median_s in medians.items():
        print(f"\n{name}: {median_s * 1000:.0f} ms", end="")
    print(f" (goal for --help: under {HELP_GOAL_S * 1000:.0f} ms)")
    return {
        "name": "help",
        "seconds": seconds,
        "median_s": medians,
        "reached": medians["masksmith --help"] < HELP_GOAL_S,
    }


if __name__ == "__main__":
    sys.exit(main())
