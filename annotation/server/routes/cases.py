"""The worklist, a case, its CT and masks."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field

from annotation.server.access import Annotator, Bench, Reviewer, address_of
from annotation.server.assigning import assign_cases
from annotation.server.case_page import case_document, revision_list
from annotation.server.commits import find_mask
from annotation.server.mask_answer import mask_answer
from annotation.server.people import LONGEST_NAME
from annotation.server.refusals import Refusal
from annotation.server.settings import is_loopback
from annotation.server.volumes import voxel_chunks
from annotation.server.worklist import Asked, fits, in_order, line, newest_choice, round_progress

router = APIRouter()
Word = Annotated[str, Query(max_length=200)]
MaskId = Annotated[str, Query(max_length=64, pattern="^[0-9a-f]*$")]


class Assignment(BaseModel):
    """Cases, and to whom they go."""

    cases: list[Annotated[str, Field(max_length=64)]] = Field(max_length=500)
    to: str | None = Field(None, max_length=LONGEST_NAME)


@router.get("/api/worklist")
def worklist(
    bench: Bench,
    person: Annotator,
    q: Word = "",
    structure: Word = "",
    mine: bool = False,
    open: bool = False,
) -> dict[str, Any]:
    """List cases: what is left in them, whose they are, who draws there."""
    cards, choice = bench.cards.all(), newest_choice(bench.workspace)
    assigned, leases = bench.assignments.all(), bench.leases.standing()
    asked = Asked(q, person.name if mine else "", open, structure)
    thumbnails = bench.workspace.layout.gallery_dir / "thumbnails"
    drawn = {path.stem for path in thumbnails.glob("*.webp")} if thumbnails.is_dir() else set()
    shown = [card for card in in_order(cards.values(), choice) if fits(card, asked, assigned)]
    return {
        "cases": [
            line(
                card,
                choice,
                leases.get(card.id, ()),
                assigned.get(card.id),
                thumbnail=card.id in drawn,
            )
            for card in shown
        ],
        "progress": round_progress(cards, choice),
    }


@router.post("/api/assignments")
def assign(bench: Bench, person: Reviewer, given: Assignment) -> dict[str, Any]:
    """Give cases to somebody, or back to everybody; name those that could not be given."""
    return assign_cases(bench, given.cases, given.to, person)


@router.get("/api/people")
def people(bench: Bench, person: Reviewer) -> dict[str, Any]:
    """List who may be given cases."""
    return {"people": [{"name": a.name, "role": a.role} for a in bench.people.accounts()]}


@router.get("/api/cases/{case_id}")
def case(bench: Bench, person: Annotator, case_id: str) -> dict[str, Any]:
    """Describe a case and its structures."""
    return case_document(bench, person, bench.case(case_id))


@router.get("/api/cases/{case_id}/ct")
def ct(request: Request, bench: Bench, person: Annotator, case_id: str) -> Response:
    """Send the CT: RAS, int16 HU, little-endian, first axis fastest."""
    return _voxels(request, bench.volumes.ct(bench.case(case_id).id), "int16")


@router.post("/api/cases/{case_id}/prefetch", status_code=202)
def prefetch(
    bench: Bench, person: Annotator, case_id: str, later: BackgroundTasks
) -> dict[str, Any]:
    """Begin to open the CT of the case that comes next."""
    later.add_task(bench.volumes.ct, bench.case(case_id).id)
    return {"case": case_id}


@router.get("/api/cases/{case_id}/labels")
def labels(request: Request, bench: Bench, person: Annotator, case_id: str) -> Response:
    """Send the label map of the masks in force: RAS, first axis fastest."""
    array = bench.volumes.labels(bench.case(case_id).id)
    return _voxels(request, array, str(array.dtype))


@router.get("/api/cases/{case_id}/masks/{structure}")
def mask(
    request: Request,
    bench: Bench,
    person: Annotator,
    case_id: str,
    structure: str,
    revision: MaskId = "",
) -> Response:
    """Send a mask's crop: the one in force, or the revision that is named."""
    name, case = bench.structure(structure).name, bench.case(case_id)
    record = bench.desk.record(case.id, name)
    found = find_mask(record, name, revision) if revision else record.in_force().get(name)
    if found is None:
        raise Refusal(404, f"no mask of {name} is in force", "draw one")
    patch = bench.volumes.order(case.id).shown_patch(bench.volumes.patch(found))
    return mask_answer(request, patch, found.id)


@router.get("/api/cases/{case_id}/masks/{structure}/revisions")
def revisions(bench: Bench, person: Annotator, case_id: str, structure: str) -> dict[str, Any]:
    """List every revision of a mask, newest first."""
    name, case = bench.structure(structure).name, bench.case(case_id)
    return {"revisions": revision_list(bench.desk.record(case.id, name), name)}


def _voxels(request: Request, array: Any, dtype: str) -> Response:
    """Stream a volume; packed where the way is longer than the packing."""
    accepts = "gzip" in request.headers.get("accept-encoding", "")
    packed = accepts and (array.dtype.itemsize == 1 or not is_loopback(address_of(request)))
    headers = {
        "X-Masksmith-Dtype": dtype,
        "X-Masksmith-Dims": ",".join(map(str, array.shape)),
        "X-Masksmith-Bytes": str(array.nbytes),
        "Vary": "Accept-Encoding",
    }
    headers |= {"Content-Encoding": "gzip"} if packed else {"Content-Length": str(array.nbytes)}
    return StreamingResponse(
        voxel_chunks(array, packed=packed), media_type="application/octet-stream", headers=headers
    )
