"""What is to be drawn once more, without the first answer in sight."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from annotation.server.access import Annotator, Bench
from annotation.server.agreement import BlindTask, blind_tasks
from annotation.server.case_page import blind_document
from annotation.server.commits import find_mask
from annotation.server.people import Person
from annotation.server.progress import persons_masks
from annotation.server.workbench import Workbench
from pipeline.workspace import Mask
from pipeline.workspace.in_force import is_excluded

router = APIRouter()
_MOST_COUNTED = 20


@router.get("/api/blind", response_model=None)
def blind(bench: Bench, person: Annotator) -> Response | dict[str, Any]:
    """Name a mask to be drawn once more, from what, and how many are left; 204 where none is.

    The editor shows the revision `base` and nothing that was made of it, and sends strokes and
    commit with `"blind": true`: what comes of them is kept beside the mask in force and never
    replaces it.
    """
    tasks = _tasks(bench, person) if bench.settings.blind_share else []
    if not tasks:
        return Response(status_code=204)
    first = tasks[0]
    document = {"case": first.case_id, "structure": first.structure, "base": first.base}
    return document | {
        "left": min(len(tasks), _MOST_COUNTED),
        "more": len(tasks) > _MOST_COUNTED,
    }


@router.get("/api/cases/{case_id}/masks/{structure}/blind")
def blind_case(
    bench: Bench,
    person: Annotator,
    case_id: str,
    structure: str,
    base: Annotated[str, Query(pattern="^[0-9a-f]{64}$")],
) -> dict[str, Any]:
    """Describe a case as one sees it who draws a mask once more, from the revision `base`."""
    case, named = bench.case(case_id), bench.structure(structure)
    mask = find_mask(bench.desk.record(case.id, named.name), named.name, base)
    return blind_document(bench, case, named, mask)


def _tasks(bench: Workbench, person: Person) -> list[BlindTask]:
    """List the first ones: to count all would be to read every case."""

    def is_in_force(mask: Mask) -> bool:
        if not bench.may_edit(person, mask.case_id):
            return False
        record = bench.desk.record(mask.case_id, mask.structure)
        now = record.in_force().get(mask.structure)
        return now is not None and now.id == mask.id and not is_excluded(record.verdicts)

    masks, share = persons_masks(bench.workspace), bench.settings.blind_share
    return list(islice(blind_tasks(masks, person.name, share, is_in_force), _MOST_COUNTED + 1))
