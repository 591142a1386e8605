"""The progress page's figures, and what is to be drawn once more, blind."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from annotation.server.access import Annotator, Bench
from annotation.server.agreement import next_blind
from annotation.server.progress import persons_masks

router = APIRouter()


@router.get("/api/progress")
def progress(bench: Bench, person: Annotator) -> dict[str, Any]:
    """Give pace, hours left and agreement; annotators see of people only themselves."""
    document = bench.progress.document()
    if person.is_at_least("reviewer"):
        return document
    own = [group for group in document["by_annotator"] if group["name"] == person.name]
    return document | {"by_annotator": own}


@router.get("/api/blind", response_model=None)
def blind(bench: Bench, person: Annotator) -> Response | dict[str, Any]:
    """Name a mask to be drawn once more, and from what; 204 where there is none.

    The editor shows the revision `base` and nothing that was made of it, and sends the commit with
    `"blind": true`: it is kept beside the mask in force and never replaces it.
    """
    share = bench.settings.blind_share
    if not share:
        return Response(status_code=204)
    masks = persons_masks(bench.workspace)
    in_force = [
        mask.id
        for case_id in {mask.case_id for mask in masks}
        if bench.may_edit(person, case_id)
        for mask in bench.workspace.in_force(case_id).values()
    ]
    task = next_blind(masks, in_force, person.name, share)
    if task is None:
        return Response(status_code=204)
    return {"case": task.case_id, "structure": task.structure, "base": task.base}
