"""Contact sheets of a workspace: a case with findings gets one, drawn anew only when it changes."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.anatomy import ClassMap
from pipeline.engine import Engine
from pipeline.stage import Outcome
from pipeline.volume import write_file_atomically
from pipeline.workspace import Case, CaseRecord, Workspace, digest_of
from pipeline.workspace.case_file import read_ct
from pipeline.workspace.case_findings import case_findings
from pipeline.workspace.in_force import paint_order
from qc.contact_sheet import (
    SHEET_VERSION,
    SheetItem,
    SheetScan,
    draw_contact_sheet,
    items_of_findings,
)
from qc.drawing import paint_masks
from qc.png_encoding import digest_inside, encode_png

log = logging.getLogger(__name__)

_TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True)
class SheetTask:
    """One sheet to draw.

    Attributes
    ----------
    masks : tuple of (int, Path)
        Label value and file of each mask in force, in the order in which they are painted.
    digest : str
        Of everything the sheet depends on.
    """

    case: Case
    ct: Path
    masks: tuple[tuple[int, Path], ...]
    items: tuple[SheetItem, ...]
    class_map: ClassMap
    file: Path
    digest: str


def draw_contact_sheets(
    workspace: Workspace, records: Iterable[CaseRecord], engine: Engine, *, again: bool = False
) -> Iterator[Outcome]:
    """Draw the sheets that changed, and take away those of cases without findings.

    Parameters
    ----------
    again : bool
        Whether unchanged sheets are drawn too.

    Yields
    ------
    Outcome
        Only of cases whose sheet could not be drawn.
    """
    tasks = []
    for record in records:
        task = sheet_task(workspace, record)
        if task is None:
            workspace.layout.contact_sheet(record.case.id).unlink(missing_ok=True)
        elif again or digest_inside(task.file) != task.digest:
            tasks.append(task)
    for result in engine.map(draw_sheet, tasks, timeout_s=_TIMEOUT_S):
        if result.value is None:
            reason = result.error or "no picture"
            yield Outcome(result.item.case.id, "failed", f"contact sheet: {reason}")


def sheet_task(workspace: Workspace, record: CaseRecord) -> SheetTask | None:
    """Collect what a worker needs; None for a case whose findings name nothing to draw."""
    case, layout, class_map = record.case, workspace.layout, workspace.class_map
    noticed = case_findings(layout, [case.id])
    for problem in noticed.damaged:
        log.warning("contact sheet: %s", problem)
    items = items_of_findings((each.finding for each in noticed.found), class_map)
    if not items:
        return None
    in_force = {name: mask for name, mask in record.in_force().items() if name in class_map}
    accepted = {mask.id for mask in record.accepted().values()}
    order = paint_order(in_force, accepted)
    look = [SHEET_VERSION, class_map.digest, [s.colour for s in class_map]]
    return SheetTask(
        case=case,
        ct=layout.ct(case.id),
        masks=tuple(
            (class_map[mask.structure].value, layout.mask(case.id, mask.structure, mask.id))
            for mask in order
        ),
        items=tuple(items),
        class_map=class_map,
        file=layout.contact_sheet(case.id),
        digest=digest_of(
            [look, case.ct_digest, [mask.id for mask in order], [i.to_dict() for i in items]]
        ),
    )


def draw_sheet(task: SheetTask) -> int:
    """Draw one sheet and write it; give its size in bytes."""
    labels = paint_masks(task.case, task.masks, task.class_map.dtype)
    scan = SheetScan(task.case.id, read_ct(task.ct, task.case), labels, task.case.grid)
    pixels = draw_contact_sheet(scan, task.items, task.class_map)
    data = encode_png(pixels, {"case": task.case.id, "digest": task.digest})
    write_file_atomically(task.file, data)
    return len(data)
