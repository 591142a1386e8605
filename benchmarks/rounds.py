"""Make the curves and the table of docs/rounds.md: `make bench-rounds`, `... --help`.

Runs `masksmith simulate` in a folder, which goes on where it stopped, and puts what it found into
the page and beside it.
"""

import argparse
import shutil
import sys
from pathlib import Path

from benchmarks.contender import ROOT
from benchmarks.page_tables import write_between_marks
from pipeline.cli.main import main as masksmith
from pipeline.simulation.results import RoundResult, Simulation, read_results

MARK = "bench-rounds"
FIGURE = "rounds.png"
PICTURE = (
    "![Curves for each strategy: Dice on new bodies, minutes spent per labelled case, minutes a "
    f"new case would take]({FIGURE})\n\n"
)
RESULTS = ROOT / "benchmarks" / "results" / "rounds"


def main() -> int:
    """Simulate, print the table, and write it and the figure into the page's folder if asked."""
    options = read_options()
    words = ["simulate", "--out", str(options.out), "--strategies", options.strategies]
    words += ["--iterations", str(options.iterations), "--new-cases", str(options.new_cases)]
    code = masksmith([*words, *options.more])
    if code:
        return code
    simulation = read_results(options.out)
    text = rounds_table(simulation)
    print(text)
    if options.page is not None:
        shutil.copyfile(options.out / "simulation.png", options.page.with_name(FIGURE))
        write_between_marks(options.page, MARK, PICTURE + text)
    return 0


def read_options() -> argparse.Namespace:
    """Read the command line; what is not known here is handed to simulate."""
    parser = argparse.ArgumentParser(prog="make bench-rounds", description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="DIR")
    parser.add_argument("--strategies", default="random,uncertainty")
    parser.add_argument("--iterations", type=int, default=300, help="steps of each training")
    parser.add_argument("--new-cases", type=int, default=8, help="bodies each model is scored on")
    parser.add_argument("--page", type=Path, help="page whose marked part takes the table")
    options, more = parser.parse_known_args()
    options.more = more
    return options


def rounds_table(simulation: Simulation) -> str:
    """Tabulate every round, with what the same cases take from nothing."""
    lines = [
        "| strategy | round | labelled cases | minutes per case | roughly by hand | by hand | "
        "accepted, corrected, drawn | Dice on new bodies | minutes a new case would take |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *map(_row, simulation.rounds),
    ]
    hand = simulation.by_hand
    lines.append(
        f"\nA new case without proposals: {hand.minutes:.0f} minutes by hand, "
        f"{hand.rough_minutes:.0f} roughly, with a Dice of {hand.rough_dice:.3f}."
    )
    return "\n".join(lines) + "\n"


def _row(each: RoundResult) -> str:
    cells = (
        each.strategy,
        each.round,
        each.cases,
        f"{each.minutes_per_case:.1f}",
        f"{each.rough_minutes_per_case:.1f}",
        f"{each.hand_minutes_per_case:.0f}",
        f"{each.accepted}, {each.corrected}, {each.drawn}",
        f"{each.dice:.3f}",
        f"{each.minutes_per_new_case:.1f}",
    )
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    sys.exit(main())
