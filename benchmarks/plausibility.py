"""Measure the plausibility rules: `make bench-plausibility` (`python -m benchmarks.plausibility`).

Plants every kind of error of `qc.planting`, in three sizes, into synthetic bodies and a real scan,
and counts how many the rules catch and what they say of the same cases before. Caught: a finding
of severity medium or high that was not there before and names a structure that is wrong now.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.page_tables import add_page, add_real_data, tell_tables
from benchmarks.plausibility_bodies import (
    FIRST_SEED,
    REAL_CASE,
    Clean,
    make_clean,
    phantom_cohort,
    real_cases,
)
from benchmarks.plausibility_tables import CleanCount, Row, tables
from pipeline.workspace import Finding
from qc.planting import GRADES, KINDS, PARTS, CannotPlant, Part, Planted, draw_for, plant
from qc.planting.given_away import given_away
from qc.plausibility.checking import check_case
from qc.plausibility.cohort import Cohort
from qc.plausibility.scene import make_scene
from qc.plausibility.scene_measures import Context
from qc.plausibility.thresholds import shipped_thresholds

MARK = "bench-plausibility"


@dataclass(frozen=True)
class Task:
    """A case and the errors to plant into it."""

    part: Part
    kinds: tuple[str, ...]
    draws: int
    cohort: Cohort | None
    seed: int | None = None
    clean: Clean | None = None


def main() -> int:
    """Measure, print the tables, and write them into the page if asked."""
    options = read_options()
    tell_tables(partial(measured_tables, options), options.page, MARK)
    return 0


def measured_tables(options: argparse.Namespace) -> str:
    """Measure, and write every planted error into a file of its own if asked."""
    with ProcessPoolExecutor(options.jobs) as pool:
        rows, clean = measure(options, pool)
    if options.rows is not None:
        write_rows(options.rows, rows)
    return tables(rows, clean)


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make bench-plausibility", description=__doc__)
    parser.add_argument("--bodies", type=int, default=6, help="bodies of each part (default: 6)")
    parser.add_argument("--draws", type=int, default=1, help="of each kind and size (default: 1)")
    parser.add_argument("--cohort", type=int, default=12, help="other bodies (default: 12)")
    parser.add_argument("--quick", action="store_true", help="one body of each part, no cohort")
    parser.add_argument("--kinds", nargs="*", default=[], help="only these kinds of error")
    parser.add_argument(
        "--parts", nargs="*", default=list(PARTS), choices=PARTS, help="only these parts"
    )
    parser.add_argument("-j", "--jobs", type=int, default=1, help="cases at a time (default: 1)")
    add_page(parser)
    parser.add_argument("--rows", type=Path, help="CSV file for every planted error")
    add_real_data(parser)
    return parser.parse_args()


def measure(
    options: argparse.Namespace, pool: ProcessPoolExecutor
) -> tuple[list[Row], list[CleanCount]]:
    """Plant and check in every case."""
    bodies, others = (1, 0) if options.quick else (options.bodies, options.cohort)
    cohort = phantom_cohort(others, pool) if others else None
    kinds = tuple(options.kinds or (kind.name for kind in KINDS))
    work = [
        Task(part, kinds, options.draws, cohort, seed=FIRST_SEED[part] + n)
        for n in range(bodies)
        for part in options.parts
    ]
    found = list(real_cases(options.real_data))
    if not found:
        print(f"{REAL_CASE} is not in {options.real_data}: left out", file=sys.stderr)
    work += [
        Task(part, kinds, options.draws, None, clean=case)
        for case in found[: 1 if options.quick else None]
        for part in options.parts
    ]
    rows, clean = [], []
    for n, (more, count) in enumerate(pool.map(measure_case, work), start=1):
        rows += more
        clean.append(count)
        print(f"{n} of {len(work)}: {count.case}", file=sys.stderr, flush=True)
    return rows, clean


def measure_case(task: Task) -> tuple[list[Row], CleanCount]:
    """Plant every error into one case, one at a time, and check each."""
    case = task.clean or make_clean(task.seed or 0)
    look = partial(_findings, case, task.cohort)
    before = look(case.subject.labels)
    count = CleanCount(
        case.name,
        task.part,
        case.is_real,
        high=sum(f.severity == "high" for f in before),
        medium=sum(f.severity == "medium" for f in before),
    )
    rows = []
    for kind in (kind for kind in KINDS if kind.name in task.kinds):
        for grade in (grade for grade in GRADES if grade in kind.grades):
            for n in range(task.draws):
                seed = 1000 * n + (task.seed or 0)
                try:
                    planted = plant(case.subject, draw_for(kind.name, grade, seed, task.part))
                except CannotPlant:
                    continue
                caught = given_away(before, look(planted.labels), planted.wrong)
                rows.append(_row(case, task.part, planted, caught))
    return rows, count


def _findings(case: Clean, cohort: Cohort | None, labels: object) -> tuple[Finding, ...]:
    subject = case.subject
    context = Context(case.sex, case.phase, decided=frozenset(subject.class_map.names))
    scene = make_scene(labels, subject.grid, subject.class_map, subject.ct, context)  # type: ignore[arg-type]
    return check_case(scene, shipped_thresholds(), cohort)


def _row(case: Clean, part: Part, planted: Planted, caught: Sequence[Finding]) -> Row:
    return Row(
        case=case.name,
        part=part,
        is_real=case.is_real,
        kind=planted.kind,
        grade=planted.grade,
        is_caught=bool(caught),
        by=" ".join(sorted({finding.kind for finding in caught})),
        words=planted.words,
    )


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write every planted error and what caught it, to see what is missed."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(Row.__dataclass_fields__))
        table.writeheader()
        table.writerows(row.to_dict() for row in rows)


if __name__ == "__main__":
    sys.exit(main())
