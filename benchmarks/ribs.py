"""Measure the rib split: `make bench-ribs`, or `python -m benchmarks.ribs --help`.

How many ribs of a mask that holds them all get their right number, with and without vertebrae:
on bodies with every trouble of `benchmarks.rib_troubles`, and on a real abdomen. A rib is right if
at least 80 % of its voxels got its name.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from benchmarks.page_tables import add_page, add_real_data, tell_tables
from benchmarks.rib_bodies import (
    REAL_CASE,
    REAL_FILES,
    Chest,
    Crops,
    Mask,
    make_chest,
    real_chests,
)
from benchmarks.rib_troubles import VARIANTS
from pipeline.bootstrap.ribs import NAMES, RibSplit, split_ribs

MARK = "bench-ribs"
HELD_OUT_SEED = 7000
RIGHT_SHARE = 0.8
SMALLEST_ML = 0.15
SCOLIOSIS_DEG = (25.0, 40.0)


@dataclass(frozen=True)
class Score:
    """Counts over one or more splits.

    Attributes
    ----------
    right, ribs : int
        Ribs of the twelve pairs that got their own name, and all of them.
    extras_right, extras_said, extras : int
        Ribs beyond the twelve pairs with the name they should get, with a finding, and all.
    doubts, bodies : int
        Splits that call their numbers ambiguous, and all.
    extras_false : int
        Findings of a cervical or 13th rib in bodies that have neither.
    """

    right: int = 0
    ribs: int = 0
    extras_right: int = 0
    extras_said: int = 0
    extras: int = 0
    doubts: int = 0
    bodies: int = 0
    extras_false: int = 0

    def __add__(self, other: "Score") -> "Score":
        """Sum every count."""
        return Score(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def main() -> int:
    """Measure, print the table, and write it into the page if asked."""
    options = read_options()

    def both() -> str:
        return phantom_table(options.bodies, options.jobs) + "\n" + real_lines(options.real_data)

    tell_tables(both, options.page, MARK)
    return 0


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make bench-ribs", description=__doc__)
    parser.add_argument("--bodies", type=int, default=24, help="how many bodies (default: 24)")
    parser.add_argument("-j", "--jobs", type=int, default=1, help="bodies at a time (default: 1)")
    add_page(parser)
    add_real_data(parser)
    return parser.parse_args()


def phantom_table(bodies: int, jobs: int = 1) -> str:
    """Tabulate the share of right numbers for each sort of trouble."""
    seeds = range(HELD_OUT_SEED, HELD_OUT_SEED + bodies)
    rows: dict[str, list[Score]] = {}
    times: list[float] = []
    with ProcessPoolExecutor(jobs) as pool:
        for found, seconds in pool.map(body_scores, seeds):
            times += seconds
            for name, both in found.items():
                so_far = rows.get(name, [Score(), Score()])
                rows[name] = [old + new for old, new in zip(so_far, both, strict=True)]
            print(f"{len(times) // (2 * len(rows))} of {bodies}", file=sys.stderr, flush=True)
    lines = [
        "| ribs | with vertebrae | without | called ambiguous without |",
        "|---|---:|---:|---:|",
        *(_row(name, *both) for name, both in rows.items()),
    ]
    extra = [_extra_lines(name, *both) for name, both in rows.items() if both[0].extras]
    extra.append(_false_line([both for both in rows.values() if not both[0].extras]))
    return "\n".join(
        [
            f"{bodies} bodies, {np.median(times):.1f} s of one core for a split (median; "
            f"the longest {max(times):.1f} s):\n",
            *lines,
            "\n" + "\n".join(extra),
        ]
    )


def body_scores(seed: int) -> tuple[dict[str, list[Score]], list[float]]:
    """Score one body with every trouble, with and without vertebrae; and the seconds of each."""
    found, seconds = {}, []
    for name, chest in troubled_chests(seed):
        both = []
        for vertebrae in (chest.vertebrae(), {}):
            began = time.process_time()
            split = split_ribs(chest.mask, chest.grid, vertebrae)
            seconds.append(time.process_time() - began)
            both.append(score_split(chest, split))
        found[name] = both
    return found, seconds


def _row(name: str, with_spine: Score, without: Score) -> str:
    shares = [f"{s.right} of {s.ribs} ({s.right / s.ribs:.1%})" for s in (with_spine, without)]
    return f"| {name} | {' | '.join(shares)} | {without.doubts} of {without.bodies} |"


def _extra_lines(name: str, with_spine: Score, without: Score) -> str:
    said = [
        f"{s.extras_right} of {s.extras} named so, a finding for {s.extras_said}"
        for s in (with_spine, without)
    ]
    return f'The extra ribs of "{name}": with vertebrae {said[0]}; without {said[1]}.\n'


def _false_line(rows: Sequence[Sequence[Score]]) -> str:
    with_spine, without = (sum((row[n] for row in rows), Score()) for n in (0, 1))
    return (
        f"Ribs said to hold an extra one where there is none: with vertebrae "
        f"{with_spine.extras_false} of {with_spine.ribs}; without {without.extras_false} of "
        f"{without.ribs}.\n"
    )


def troubled_chests(seed: int) -> Iterator[tuple[str, Chest]]:
    """Give a body with every trouble in turn, and one with a strong scoliosis."""
    chest = make_chest(seed)
    for name, change in VARIANTS.items():
        yield name, change(chest, np.random.default_rng(seed))
    rng = np.random.default_rng(seed)
    bend = float(rng.choice([-1, 1]) * rng.uniform(*SCOLIOSIS_DEG))
    yield "a scoliosis of 25 to 40 degrees", make_chest(seed, bend)


def real_lines(folder: Path) -> str:
    """Say how many ribs of a real abdomen, merged into one mask, are found again."""
    if not (folder / REAL_CASE).is_dir():
        return f"Real abdomen: not measured, {REAL_CASE} is not there.\n"
    lines = []
    for chest, name in zip(real_chests(folder), REAL_FILES, strict=True):
        seen, unseen = score(chest, chest.vertebrae()), score(chest, {})
        lines.append(
            f"Real abdomen ({REAL_CASE}, {name}), TotalSegmentator's ribs merged and split again: "
            f"{seen.right} of {seen.ribs} with vertebrae, "
            f"{unseen.right} of {unseen.ribs} without.\n"
        )
    return "\n".join(lines)


def score(chest: Chest, vertebrae: Crops) -> Score:
    """Split a chest's ribs and count the right ones."""
    return score_split(chest, split_ribs(chest.mask, chest.grid, vertebrae))


def score_split(chest: Chest, split: RibSplit) -> Score:
    """Count the ribs that got the name they should get."""
    values = {name: value for value, name in NAMES.items()}
    extra = {name for f in split.findings if f.kind == "rib_extra" for name in f.structures}
    doubt = any(f.kind == "rib_number_ambiguous" and "ambiguous" in f.words for f in split.findings)

    def count(truth: Iterator[tuple[str, Mask]]) -> tuple[int, int]:
        shares = [
            float((got == values[name]).mean())
            for name, mask in truth
            if len(got := split.label_map[mask]) * chest.grid.voxel_ml >= SMALLEST_ML
        ]
        return sum(share >= RIGHT_SHARE for share in shares), len(shares)

    right, ribs = count(chest.truth())
    extras_right, extras = count(iter(chest.extras.items()))
    said = len(extra & set(chest.extras))
    false = 0 if chest.extras else len(extra)
    return Score(right, ribs, extras_right, said, extras, int(doubt), 1, false)


if __name__ == "__main__":
    sys.exit(main())
