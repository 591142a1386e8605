"""Measure the workbench under annotators at once: `make bench-serve`, `... --help`.

Twenty people sign in to a real server and draw for ten minutes, each on masks of their own, with
pauses as a person makes them. Every save that was acknowledged is looked for afterwards, in the
revisions and in the drafts, and the doctor examines the workspace. On SQLite and on PostgreSQL.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.page_tables import write_between_marks
from benchmarks.postgresql import postgresql
from benchmarks.served import Annotator, Served, add_annotators
from pipeline.anatomy import find_class_map, shipped_configs
from pipeline.phantom import BodySettings, make_body
from pipeline.workspace import Case, Provenance, Workspace, digest_of_ct, write_case
from pipeline.workspace.doctor import examine
from pipeline.workspace.mask_file import write_label_map_masks

MARK = "bench-serve"
_BRUSH_VOXELS = 24


@dataclass(frozen=True)
class Load:
    """How much is asked of the server.

    Attributes
    ----------
    pause_s : float
        Between two strokes of one annotator, on average.
    strokes : int
        Before "next" makes a revision of them.
    """

    annotators: int = 20
    seconds: float = 600.0
    pause_s: float = 1.0
    strokes: int = 6
    cases: int = 10
    spacing_mm: float = 3.0


@dataclass
class Figures:
    """What was measured on one ledger.

    Attributes
    ----------
    lost : int
        Acknowledged strokes and revisions that were not found afterwards.
    """

    ledger: str
    saves: int = 0
    commits: int = 0
    failed: int = 0
    lost: int = 0
    doctor_errors: int = 0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    worst_ms: float = 0.0


@dataclass
class Told:
    """What the server acknowledged to one annotator."""

    saves_s: list[float] = field(default_factory=list)
    mask_ids: list[str] = field(default_factory=list)
    open_strokes: dict[str, int] = field(default_factory=dict)
    failed: int = 0


def make_workspace(folder: Path, load: Load, ledger_url: str = "") -> Workspace:
    """Make a workspace of synthetic bodies whose masks a model made."""
    workspace = Workspace.create(folder, ledger_url=ledger_url)
    class_map = find_class_map("masksmith_104", shipped_configs())
    size = load.spacing_mm
    made = Provenance("model", "model:phantom")
    for number in range(load.cases):
        settings = BodySettings(seed=number, spacing_mm=(size, size, size), field_of_view="abdomen")
        body = make_body(settings, class_map)
        case_id = f"s{number + 1:04d}"
        case = Case(case_id, body.grid, digest_of_ct(body.ct, body.grid))
        write_case(workspace.layout, case, body.ct)
        workspace.record_case(case)
        masks = write_label_map_masks(workspace.layout, case, body.labels, class_map, made)
        workspace.record_masks(masks)
    return workspace


def measure(folder: Path, load: Load, ledger: str, ledger_url: str = "") -> Figures:
    """Let the annotators draw, then look for everything that was acknowledged."""
    workspace = make_workspace(folder, load, ledger_url)
    names = add_annotators(workspace, load.annotators)
    masks = [
        (mask.case_id, mask.structure)
        for case in workspace.cases()
        for mask in workspace.in_force(case.id).values()
        if mask.voxels
    ]
    shares = [masks[number :: len(names)] for number in range(len(names))]
    with Served(folder, ledger_url) as served, ThreadPoolExecutor(len(names)) as pool:
        people = [Annotator(served.address, name) for name in names]
        ends = time.monotonic() + load.seconds
        jobs = [
            pool.submit(_work, person, share, load, ends)
            for person, share in zip(people, shares, strict=True)
        ]
        told = [job.result() for job in jobs]
        figures = _figures(ledger, told)
        figures.lost = _lost_drafts(people, told)
    figures.lost += _lost_revisions(workspace, told)
    figures.doctor_errors = sum(f.severity == "error" for f in examine(workspace))
    workspace.ledger.close()
    return figures


def _work(person: Annotator, masks: list[tuple[str, str]], load: Load, ends: float) -> Told:
    """Draw on one mask after the other until the time is over."""
    told, random = Told(), np.random.default_rng(zlib.crc32(person.name.encode()))
    while True:
        for case_id, structure in masks:
            mask = f"{case_id}/masks/{structure}"
            page = person.client.get(f"/api/cases/{case_id}").json()
            base = person.lease(case_id, structure)["base"]
            for number in range(1, load.strokes + 1):
                if time.monotonic() > ends:
                    return _ended(person, told)
                time.sleep(float(random.exponential(load.pause_s)))
                low = [int(random.integers(0, max(n - _BRUSH_VOXELS, 1))) for n in page["dims"]]
                high = [min(a + _BRUSH_VOXELS, n) for a, n in zip(low, page["dims"], strict=True)]
                high[2] = low[2] + min(3, page["dims"][2] - low[2])
                box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
                voxels = random.random([b - a for a, b in zip(low, high, strict=True)]) < 0.5
                answer = person.stroke(mask, number, box, voxels, base)  # type: ignore[arg-type]
                if answer.status_code != 200:
                    told.failed += 1
                    break
                told.open_strokes[mask] = number
            _next(person, mask, told, base)


def _next(person: Annotator, mask: str, told: Told, base: str | None) -> None:
    answer = person.commit(mask, told.open_strokes.get(mask, 0), base)
    if answer.status_code == 201:
        told.mask_ids.append(answer.json()["mask_id"])
        told.open_strokes.pop(mask, None)
    else:
        told.failed += 1


def _ended(person: Annotator, told: Told) -> Told:
    told.saves_s = person.saves_s
    return told


def _figures(ledger: str, told: list[Told]) -> Figures:
    saves_ms = np.array([s for each in told for s in each.saves_s]) * 1000
    return Figures(
        ledger,
        saves=len(saves_ms),
        commits=sum(len(each.mask_ids) for each in told),
        failed=sum(each.failed for each in told),
        p50_ms=round(float(np.percentile(saves_ms, 50)), 1),
        p95_ms=round(float(np.percentile(saves_ms, 95)), 1),
        worst_ms=round(float(saves_ms.max()), 1),
    )


def _lost_drafts(people: list[Annotator], told: list[Told]) -> int:
    """Count strokes that were acknowledged, not made a revision, and are not in the draft."""
    lost = 0
    for person, each in zip(people, told, strict=True):
        for mask, number in each.open_strokes.items():
            answer = person.client.get(f"/api/cases/{mask}/draft")
            lost += number - int(answer.headers.get("X-Masksmith-Sequence", 0))
    return lost


def _lost_revisions(workspace: Workspace, told: list[Told]) -> int:
    known = {mask.id for case in workspace.cases() for mask in workspace.masks(case.id)}
    return sum(mask_id not in known for each in told for mask_id in each.mask_ids)


@contextmanager
def _ledger(name: str) -> Iterator[str]:
    if name == "sqlite":
        yield ""
        return
    with postgresql() as url:
        yield url


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serve_load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=Load.seconds)
    parser.add_argument("--annotators", type=int, default=Load.annotators)
    parser.add_argument("--cases", type=int, default=Load.cases)
    parser.add_argument("--spacing-mm", type=float, default=Load.spacing_mm)
    parser.add_argument("--pause-s", type=float, default=Load.pause_s)
    parser.add_argument("--ledgers", default="sqlite,postgresql")
    parser.add_argument("--page", type=Path, help="the page that takes the table")
    given = parser.parse_args(arguments)
    load = Load(
        annotators=given.annotators,
        seconds=given.seconds,
        pause_s=given.pause_s,
        cases=given.cases,
        spacing_mm=given.spacing_mm,
    )
    measured = []
    for name in given.ledgers.split(","):
        with tempfile.TemporaryDirectory() as folder, _ledger(name) as url:
            measured.append(measure(Path(folder) / "workspace", load, name, url))
            print(json.dumps(asdict(measured[-1])))
    if given.page:
        write_between_marks(given.page, MARK, table(load, measured))
    return 1 if any(f.lost or f.doctor_errors for f in measured) else 0


def table(load: Load, measured: list[Figures]) -> str:
    """Write what was measured as a table of a page."""
    head = (
        f"{load.annotators} annotators for {load.seconds:g} s, {load.pause_s:g} s between strokes, "
        f"{load.strokes} strokes a revision, {os.cpu_count()} cores shared with the annotators:\n\n"
        "| ledger | saves | revisions | p50 | p95 | slowest | refused | lost | doctor |\n"
        "|---|---|---|---|---|---|---|---|---|\n"
    )
    rows = [
        f"| {f.ledger} | {f.saves} | {f.commits} | {f.p50_ms:.0f} ms | {f.p95_ms:.0f} ms "
        f"| {f.worst_ms:.0f} ms | {f.failed} | {f.lost} | {f.doctor_errors} errors |"
        for f in measured
    ]
    return head + "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(main())
