"""Drawing: leases, strokes, and the revision that is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from annotation.server.access import Annotator, Bench
from annotation.server.commits import CommitRequest, Committed, find_mask
from annotation.server.drafts import NO_BASE, DraftKey, DraftState, Stroke
from annotation.server.mask_answer import mask_answer
from annotation.server.people import Person
from annotation.server.refusals import not_allowed
from annotation.server.stroke_body import read_stroke
from annotation.server.voxel_order import read_box
from annotation.server.workbench import Workbench
from pipeline.workspace.in_force import accepted_ids, verdicts_by_structure

router = APIRouter(prefix="/api/cases/{case_id}/masks/{structure}")
MASK_OR_NONE = "^(none|[0-9a-f]{64})$"
MaskOrNone = Annotated[str, Query(pattern=MASK_OR_NONE)]
Client = Annotated[str, Query(pattern="^[A-Za-z0-9-]{1,64}$")]
Number = Annotated[int, Path(ge=1, le=1_000_000)]


class LeaseWish(BaseModel):
    """Take the lease (from whoever has it: reviewers only), or just look."""

    take: bool = True
    force: bool = False
    blind: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    """The proposal of a blind drawing: it needs no lease and is in nobody's way."""


class CommitWish(BaseModel):
    """What the editor asks to be made a revision."""

    base: str | None = Field(None, pattern=MASK_OR_NONE)
    client: str = Field(pattern="^[A-Za-z0-9-]{1,64}$")
    sequence: int = Field(ge=1, le=1_000_000)
    seconds: float = 0.0
    strokes: int = Field(0, ge=0, le=1_000_000)
    blind: bool = False


class KeepWish(BaseModel):
    """One's own revision that stood back, and the one that is in force."""

    mask_id: str = Field(pattern="^[0-9a-f]{64}$")
    over: str = Field(pattern="^[0-9a-f]{64}$")


async def _body(request: Request) -> bytes:
    return await request.body()


Body = Annotated[bytes, Depends(_body)]


@dataclass(frozen=True)
class StrokePlace:
    """Which stroke of which draft, and where it lies."""

    case_id: str
    structure: str
    sequence: Number
    base: MaskOrNone
    box: Annotated[str, Query(max_length=64)]
    client: Client
    blind: bool = False


def _key(
    bench: Workbench, person: Person, case_id: str, structure: str, *, blind: bool = False
) -> DraftKey:
    return DraftKey(bench.case(case_id).id, bench.structure(structure).name, person.name, blind)


def _key_to_change(
    bench: Workbench, person: Person, case_id: str, structure: str, *, blind: bool = False
) -> DraftKey:
    key = _key(bench, person, case_id, structure, blind=blind)
    bench.require_edit(person, key.case_id)
    return key


@router.post("/lease")
def take_lease(
    bench: Bench, person: Annotator, case_id: str, structure: str, wish: LeaseWish
) -> dict[str, Any]:
    """Take or renew the right to draw, and say from what to go on."""
    key = _key_to_change(bench, person, case_id, structure, blind=wish.blind is not None)
    if wish.blind is not None:
        return _blind_start(bench, key, wish.blind)
    if wish.force and not person.is_at_least("reviewer"):
        raise not_allowed("take a mask from somebody who draws on it")
    until = None
    if wish.take:
        lease = bench.leases.take(key.case_id, key.structure, person.name, force=wish.force)
        until = lease.to_dict()["until"]
    record = bench.desk.record(key.case_id, key.structure)
    draft = bench.desk.settled(key, record)
    now = record.in_force().get(key.structure)
    said = verdicts_by_structure(record.verdicts).get(key.structure, [])
    return {
        "until": until,
        "base": now.id if now else None,
        "locked": now is not None and now.id in accepted_ids(said),
        "draft": _draft_words(draft),
    }


def _blind_start(bench: Workbench, key: DraftKey, base: str) -> dict[str, Any]:
    bench.require_mask(base, key.case_id, key.structure)
    draft = bench.desk.settled(key, bench.desk.record(key.case_id, key.structure))
    return {"until": None, "base": base, "locked": False, "draft": _draft_words(draft)}


def _draft_words(draft: DraftState | None) -> dict[str, Any] | None:
    return {"sequence": draft.sequence, "base": draft.base or None} if draft else None


@router.delete("/lease")
def release_lease(bench: Bench, person: Annotator, case_id: str, structure: str) -> dict[str, bool]:
    """Give the right to draw back."""
    key = _key(bench, person, case_id, structure)
    return {"released": bench.leases.release(key.case_id, key.structure, person.name)}


@router.put("/draft/{sequence}")
def put_stroke(
    request: Request,
    bench: Bench,
    person: Annotator,
    where: Annotated[StrokePlace, Depends()],
    body: Body,
) -> dict[str, Any]:
    """Keep one stroke; answered once it is on disk.

    It is kept also where somebody else has the lease: a stroke that was drawn offline must not be
    lost. It stays in this person's own draft, and the revision made of it replaces nobody's.
    """
    key = _key_to_change(bench, person, where.case_id, where.structure, blind=where.blind)
    base = NO_BASE if where.base == "none" else where.base
    if base and bench.drafts.state(key) is None:
        bench.require_mask(base, key.case_id, key.structure)
    box = read_box(where.box, bench.volumes.order(key.case_id).canonical.shape)
    voxels = read_stroke(body, request.headers.get("content-encoding", "").lower(), box)
    stroke = Stroke(base, where.client, where.sequence, box, voxels)
    sequence = bench.drafts.add(key, stroke)
    lease = None if key.blind else bench.leases.renew(key.case_id, key.structure, person.name)
    return {"sequence": sequence, "lease": None if lease is None else lease.to_dict()}


@router.get("/draft")
def draft(
    request: Request,
    bench: Bench,
    person: Annotator,
    case_id: str,
    structure: str,
    blind: bool = False,
) -> Response:
    """Send the mask as it stands with one's own draft on it; 204 where there is none."""
    key = _key(bench, person, case_id, structure, blind=blind)
    record = bench.desk.record(key.case_id, key.structure)
    state = bench.desk.settled(key, record)
    if state is None:
        return Response(status_code=204)
    base = find_mask(record, key.structure, state.base) if state.base else None
    shown = bench.volumes.order(key.case_id).shown_patch(bench.volumes.patch(base))
    return mask_answer(request, bench.drafts.played(key, shown), state.base, state.sequence)


@router.post("/commit", status_code=201)
def commit(
    bench: Bench, person: Annotator, case_id: str, structure: str, wish: CommitWish
) -> JSONResponse:
    """Make a revision of one's draft; 409 where somebody was first, and both are kept."""
    key = _key_to_change(bench, person, case_id, structure, blind=wish.blind)
    given = wish.model_dump() | {"base": NO_BASE if wish.base in (None, "none") else wish.base}
    held = bench.leases.of_mask(key.case_id, key.structure)
    is_anothers = held is not None and held.name != key.by
    given["aside"] = is_anothers and wish.strokes == 0 and not wish.blind
    done = bench.desk.commit(key, CommitRequest(**given))
    return _committed(bench, key, done)


@router.post("/keep", status_code=201)
def keep(
    bench: Bench, person: Annotator, case_id: str, structure: str, wish: KeepWish
) -> JSONResponse:
    """Put a revision that stood back into force, over the one that is there."""
    key = _key_to_change(bench, person, case_id, structure)
    return _committed(bench, key, bench.desk.keep(key, wish.mask_id, wish.over))


def _committed(bench: Workbench, key: DraftKey, done: Committed) -> JSONResponse:
    bench.cards.touch(key.case_id)
    return JSONResponse(done.document, status_code=done.status)
