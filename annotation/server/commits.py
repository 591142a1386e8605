"""A draft becomes an immutable revision; of two from one base both are kept, and the first counts.

The voxels are a file before the ledger speaks of them, and the draft is removed last: killed
anywhere in between, the same request finds what was done and gives the same answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from threading import Lock
from typing import Any

from annotation.ancestry import is_made_of
from annotation.effort_items import PERSONS
from annotation.patches import NOTHING, Patch
from annotation.revision_marks import is_aside, is_blind
from annotation.server.drafts import DraftKey, Drafts, DraftState
from annotation.server.refusals import Refusal, conflict
from annotation.server.volumes import Volumes
from pipeline.workspace import CaseRecord, Mask, Provenance, Workspace, digest_of, write_mask
from pipeline.workspace.in_force import absence, accepted_ids, verdicts_by_structure

STOOD_BACK = -1
"""Priority of a revision whose base somebody else replaced first: kept, but not in force."""
_MOST_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """What the editor asks to be made a revision.

    Attributes
    ----------
    base : str
        The mask the draft began from; empty for none.
    client : str
    sequence : int
        Of the last stroke the editor knows of.
    seconds : float
        Of activity; idle time not counted.
    strokes : int
    blind : bool
        Drawn a second time, without the first answer in sight, to measure agreement.
    aside : bool
        Changed only as a neighbour was drawn, while somebody else draws on it: that is no rival.
    """

    base: str
    client: str
    sequence: int
    seconds: float = 0.0
    strokes: int = 0
    blind: bool = False
    aside: bool = False

    def __post_init__(self) -> None:
        """Refuse what no editor sends."""
        if not (math.isfinite(self.seconds) and 0 <= self.seconds <= _MOST_SECONDS):
            raise Refusal(422, f"seconds is {self.seconds}", "send the seconds of activity")


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of a draft.

    Attributes
    ----------
    status : int
        201 a new revision, 200 nothing was changed, 409 kept beside somebody else's.
    """

    status: int
    document: dict[str, Any]


@dataclass
class CommitDesk:
    """Turns drafts into revisions, one at a time for each mask."""

    workspace: Workspace
    volumes: Volumes
    drafts: Drafts
    _locks: dict[tuple[str, str], Lock] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def record(self, case_id: str, structure: str) -> CaseRecord:
        """Give a case with the masks of one structure: a case has a hundred times as many."""
        case, ledger = self.workspace.case(case_id), self.workspace.ledger
        return CaseRecord(case, ledger.masks(case_id, structure), ledger.verdicts(case_id))

    def commit(self, key: DraftKey, request: CommitRequest) -> Committed:
        """Make a revision of a draft.

        Raises
        ------
        Refusal
            409 when the draft is another one than the editor knows, 404 when there is none.
        """
        with self._alone(key.case_id, key.structure), self.drafts.held(key):
            record = self.record(key.case_id, key.structure)
            state = self.drafts.state(key)
            before = self._done_before(record, key, request, state)
            if before is not None:
                self.drafts.remove(key)
                return self._answer(key, before, record)
            if state is None:
                raise Refusal(404, "there is no draft to keep", "load the case anew")
            _require_same(state, request)
            return self._commit(key, request, state, record)

    def settled(self, key: DraftKey, record: CaseRecord) -> DraftState | None:
        """Give the state of a draft; one that a killed server had made a revision of is gone."""
        with self.drafts.held(key):
            state = self.drafts.state(key)
            if state is None or _made_of(record, key, "draft", _draft_digest(state)) is None:
                return state
            self.drafts.remove(key)
            return None

    def keep(self, key: DraftKey, mask_id: str, over: str) -> Committed:
        """Put one's own revision that stood back into force, knowing the one that is there.

        Raises
        ------
        Refusal
            409 when yet another one came meanwhile, 404 when this person has no such revision.
        """
        with self._alone(key.case_id, key.structure):
            record = self.record(key.case_id, key.structure)
            mine = find_mask(record, key.structure, mask_id)
            if mine.provenance.maker != f"person:{key.by}" or is_blind(mine):
                raise Refusal(404, "no such revision of yours", "load the case anew")
            done = [m for m in record.masks if m.provenance.parents == (mine.id, over)]
            if done and done[-1].provenance.maker == mine.provenance.maker:
                return self._answer(key, done[-1], record)
            now = record.in_force().get(key.structure)
            if now is None or now.id != over:
                raise _overtaken(now)
            draft = Drawn(self.volumes.patch(mine), self.volumes.patch(now), (mine.id, over))
            mask = self._store(key, record, draft, {"kept_over": over}, {})
            return self._answer(key, mask, _with(record, mask))

    def _commit(
        self, key: DraftKey, request: CommitRequest, state: DraftState, record: CaseRecord
    ) -> Committed:
        if request.blind:
            _require_first_answer(record, key.structure)
        base = find_mask(record, key.structure, request.base) if request.base else None
        order = self.volumes.order(key.case_id)
        given = self.volumes.patch(base)
        drawn = order.stored_patch(self.drafts.played(key, order.shown_patch(given)))
        if base is not None and drawn.same_as(given) and not request.blind:
            self.drafts.remove(key)
            document = {"mask_id": base.id, "voxels": base.voxels, "added": 0, "removed": 0}
            return Committed(200, document | {"in_force": True, "note": "nothing was changed"})
        overtaken = not request.blind and _rival(record, key.structure, request.base) is not None
        stands_back = overtaken or request.blind or request.aside
        draft = Drawn(drawn, given, (base.id,) if base else (), stands_back)
        sources = {"draft": _draft_digest(state), "commit": _request_digest(key, request)}
        mask = self._store(key, record, draft, _about(request), sources)
        self.drafts.remove(key)
        return self._answer(key, mask, _with(record, mask))

    def _store(
        self,
        key: DraftKey,
        record: CaseRecord,
        draft: Drawn,
        about: dict[str, str],
        sources: dict[str, str],
    ) -> Mask:
        """Write the file, then the ledger's row in one short transaction."""
        added, removed = draft.drawn.added_to(draft.given), draft.given.added_to(draft.drawn)
        facts = {"added": str(added), "removed": str(removed), "tool": "workbench"}
        provenance = Provenance(
            "human",
            f"person:{key.by}",
            parents=draft.parents,
            priority=STOOD_BACK if draft.stands_back else 0,
            software={"masksmith": version("masksmith")},
            sources=sources,
            about=about | facts,
        )
        patch = draft.drawn if draft.drawn.voxels else NOTHING
        mask = write_mask(
            self.workspace.layout, record.case, key.structure, patch.crop, provenance, box=patch.box
        )
        self.workspace.record_masks([mask])
        return mask

    def _done_before(
        self, record: CaseRecord, key: DraftKey, request: CommitRequest, state: DraftState | None
    ) -> Mask | None:
        if state is not None:
            return _made_of(record, key, "draft", _draft_digest(state))
        return _made_of(record, key, "commit", _request_digest(key, request))

    def _answer(self, key: DraftKey, mask: Mask, record: CaseRecord) -> Committed:
        about = mask.provenance.about
        now = record.in_force().get(key.structure)
        document = {
            "mask_id": mask.id,
            "voxels": mask.voxels,
            "added": int(about.get("added", 0)),
            "removed": int(about.get("removed", 0)),
            "in_force": now is not None and now.id == mask.id,
            "note": _note(record, key.structure, mask, now),
        }
        is_silent = is_blind(mask) or is_aside(mask)
        if mask.provenance.priority != STOOD_BACK or is_silent or now is None:
            return Committed(201, document)
        refusal = _overtaken(now)
        yours = {"mask_id": mask.id, "voxels": mask.voxels}
        return Committed(409, refusal.document | {"yours": yours})

    @contextmanager
    def _alone(self, case_id: str, structure: str) -> Iterator[None]:
        with self._lock:
            lock = self._locks.setdefault((case_id, structure), Lock())
        with lock:
            yield


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Voxels that become a revision, in the file's order, and what they were made from."""

    drawn: Patch
    given: Patch
    parents: tuple[str, ...]
    stands_back: bool = False


def find_mask(record: CaseRecord, structure: str, mask_id: str) -> Mask:
    """Give a revision by its id.

    Raises
    ------
    Refusal
        404.
    """
    for mask in record.masks:
        if mask.structure == structure and mask.id == mask_id:
            return mask
    raise Refusal(404, f"no such revision of {structure}", "load the case anew")


def _with(record: CaseRecord, mask: Mask) -> CaseRecord:
    """Give a record as it is once a mask is in the ledger."""
    if any(known.id == mask.id for known in record.masks):
        return record
    return CaseRecord(record.case, (*record.masks, mask), record.verdicts)


def _rival(record: CaseRecord, structure: str, base: str) -> Mask | None:
    """Give the mask of a person, or an accepted one, that took the place of the base.

    An accepted mask that the base itself was drawn over took nobody's place: it was there before.
    """
    now = record.in_force().get(structure)
    if now is None or now.id == base or is_aside(now):
        return None
    if base and is_made_of(find_mask(record, structure, base), now, record.masks):
        return None
    accepted = accepted_ids(verdicts_by_structure(record.verdicts).get(structure, ()))
    return now if now.origin in PERSONS or now.id in accepted else None


def _require_same(state: DraftState, request: CommitRequest) -> None:
    if (state.base, state.sequence) != (request.base, request.sequence):
        raise conflict(
            f"the draft has {state.sequence} strokes, the editor knows {request.sequence}",
            "load the draft and send what is missing",
            sequence=state.sequence,
            base=state.base or None,
        )


def _require_first_answer(record: CaseRecord, structure: str) -> None:
    """Refuse a second drawing where there is no first one: it would come into force."""
    masks = [mask for mask in record.masks if mask.structure == structure]
    if not any(mask.origin in PERSONS and not is_blind(mask) for mask in masks):
        raise conflict(
            f"nobody has drawn {structure} yet, so it cannot be drawn a second time",
            "draw it in the ordinary way",
        )


def _overtaken(now: Mask | None) -> Refusal:
    current = None
    if now is not None:
        current = {"id": now.id, "by": now.provenance.maker.removeprefix("person:")}
    who = current["by"] if current else "somebody"
    return conflict(
        f"{who} changed this mask meanwhile; both revisions are kept",
        "take theirs, or keep yours",
        current=current,
    )


def _note(record: CaseRecord, structure: str, mask: Mask, now: Mask | None) -> str:
    verdicts = verdicts_by_structure(record.verdicts).get(structure, [])
    if absence(verdicts) is not None:
        return "a verdict calls the structure absent: accept this mask to make it count"
    if now is not None and now.id != mask.id and now.id in accepted_ids(verdicts):
        return f"{now.id[:12]} is accepted and stays in force: unlock it to make this one count"
    if is_aside(mask):
        return "somebody else is drawing on it: what they make of it counts"
    if not mask.voxels:
        return "nothing is left of it: say that it is absent if it is not there"
    return ""


def _about(request: CommitRequest) -> dict[str, str]:
    about = {"seconds": f"{request.seconds:.1f}", "strokes": str(request.strokes)}
    marks = {"blind": request.blind, "aside": request.aside}
    return about | {word: "yes" for word, holds in marks.items() if holds}


def _made_of(record: CaseRecord, key: DraftKey, source: str, digest: str) -> Mask | None:
    maker = f"person:{key.by}"
    found = [
        mask
        for mask in record.masks
        if mask.structure == key.structure
        and mask.provenance.maker == maker
        and mask.provenance.sources.get(source) == digest
    ]
    return max(found, key=lambda mask: mask.provenance.created, default=None)


def _draft_digest(state: DraftState) -> str:
    strokes = [[number, *state.acknowledged[number]] for number in sorted(state.acknowledged)]
    return digest_of({"base": state.base, "begun": state.begun, "strokes": strokes})


def _request_digest(key: DraftKey, request: CommitRequest) -> str:
    asked: dict[str, object] = {
        "by": key.by,
        "base": request.base,
        "client": request.client,
        "sequence": request.sequence,
    }
    # An ordinary drawing in the same tab may have the same base and number of strokes.
    return digest_of(asked | ({"blind": True} if request.blind else {}))
