"""Verdicts: what people decide about masks, structures and cases. Append-only.

::

    results = decide(workspace, [VerdictRequest("s0011", "accept", structure="liver")])
    table = read_verdict_csv(path)                       # requests, and the lines it refuses
    results = [*table.refused, *decide(workspace, table.requests)]

Each request ends in one `VerdictResult`: ``done``, ``kept`` or ``failed`` with a note; one that
fails does not stop the others. A verdict about a mask names the revision in force at that
moment, so that a later revision is never taken for the one that was looked at.

What counts after a verdict is decided in `pipeline.workspace.in_force`, nowhere else.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from annotation.ancestry import is_made_of
from annotation.person import person_or_login
from annotation.verdict_csv import VerdictFile, VerdictFileError, read_verdict_csv
from annotation.verdict_request import VerdictRequest, VerdictResult, decision_of
from pipeline.errors import BadInput, MasksmithError, NothingToDo, UsageError
from pipeline.workspace import Decision, Mask, Verdict, Workspace, now_utc
from pipeline.workspace.in_force import (
    absence,
    mask_in_force,
    masks_in_force,
    verdicts_by_structure,
)
from pipeline.workspace.seen_masks import seen_digest

__all__ = [
    "VerdictFile",
    "VerdictFileError",
    "VerdictRequest",
    "VerdictResult",
    "decide",
    "read_verdict_csv",
]

_WHOLE_CASE_DECISIONS = ("accept", "exclude_case", "include_case")
_SHORTEST_MASK_ID = 6

_ABSENT = "already absent"
_SENT_BACK = "sent back to be fixed"
_EMPTY = "undecided, the mask is empty"
_NO_MASK = "undecided, no mask"
_LATER = "decided later"


def decide(workspace: Workspace, requests: Sequence[VerdictRequest]) -> list[VerdictResult]:
    """Turn requests into verdicts and record them, all at once, at the end.

    Parameters
    ----------
    workspace : Workspace
        Read for the masks in force, and written to. Its driver lock is not taken: people go on
        deciding while a long stage runs.
    requests : sequence of VerdictRequest
        In the order in which they were decided; a later one sees the earlier ones.

    Returns
    -------
    list of VerdictResult
        One per request, in the same order. When this returns, every verdict in them is stored.

    Raises
    ------
    OSError
        If storing fails; then nothing of this call is acknowledged.
    """
    desks: dict[str, _Desk] = {}
    results = [_result(workspace, desks, request) for request in requests]
    recorded = [result for result in results if result.recorded]
    workspace.record_verdicts(
        [verdict for result in recorded for verdict in result.recorded],
        [result.request.client_id for result in recorded if result.request.client_id],
    )
    return results


@dataclass
class _Desk:
    """What lies before the person: one case, its masks, and its verdicts so far."""

    workspace: Workspace
    case_id: str
    masks: tuple[Mask, ...]
    verdicts: list[Verdict] = field(default_factory=list)

    def last(self, structure: str | None) -> Verdict | None:
        """Return the last verdict about a structure, or about the whole case for None."""
        about = [verdict for verdict in self.verdicts if verdict.structure == structure]
        return about[-1] if about else None

    def mask_to_judge(self, structure: str) -> Mask | None:
        """Return the mask in force; under an absence, the one that would be without it."""
        masks = [mask for mask in self.masks if mask.structure == structure]
        about = verdicts_by_structure(self.verdicts).get(structure, [])
        return mask_in_force(masks, [v for v in about if absence([v]) is None])

    def drawn_over(self, mask: Mask | None, seen: str | None) -> Mask | None:
        """Return the revision that was looked at, if somebody drew it over the accepted one.

        An accepted mask stays in force until its correction is accepted as well.
        """
        found = [m for m in self.masks if seen and m.id.startswith(seen.lower())]
        if mask is None or len(found) != 1 or len(seen or "") < _SHORTEST_MASK_ID:
            return None
        return found[0] if is_made_of(found[0], mask, self.masks) else None

    def later_than(self, request: VerdictRequest, structure: str | None) -> Verdict | None:
        """Return what somebody decided about a structure after the request was made, if so."""
        last = self.last(structure)
        if not request.created or last is None or last.created <= request.created:
            return None
        return last

    def moment(self, created: str = "") -> str:
        """Return when it was decided, else now, but never before the last verdict.

        The last one must count; whether a request comes too late is seen before.
        """
        if created:
            return created
        now = now_utc()
        last = max((verdict.created for verdict in self.verdicts), default="")
        if now > last:
            return now
        later = datetime.fromisoformat(last) + timedelta(microseconds=1)
        return later.isoformat(timespec="microseconds")


def _result(
    workspace: Workspace, desks: dict[str, _Desk], request: VerdictRequest
) -> VerdictResult:
    try:
        desk = _desk(workspace, desks, request.case_id)
        wanted, note = _wanted(desk, request)
    except MasksmithError as error:
        where = f"{request.source}: " if request.source else ""
        return VerdictResult(request, "failed", f"{where}{error}")
    recorded = []
    for verdict in wanted:
        if not _is_kept(desk.last(verdict.structure), verdict):
            desk.verdicts.append(verdict)
            recorded.append(verdict)
    kept = len(wanted) - len(recorded)
    return VerdictResult(request, "done" if recorded else "kept", note, tuple(recorded), kept)


def _desk(workspace: Workspace, desks: dict[str, _Desk], case_id: str) -> _Desk:
    if case_id not in desks:
        record = workspace.record(case_id)
        desks[case_id] = _Desk(workspace, case_id, record.masks, list(record.verdicts))
    return desks[case_id]


def _is_kept(last: Verdict | None, verdict: Verdict) -> bool:
    """Say whether the last verdict already says the same, by the same person, of the same mask."""
    if last is None:
        # A case that nobody excluded is included without anybody saying so.
        return verdict.decision == "include_case"
    same = (last.decision, last.by, last.mask_id) == (verdict.decision, verdict.by, verdict.mask_id)
    return same and verdict.reason in ("", last.reason)


def _wanted(desk: _Desk, request: VerdictRequest) -> tuple[list[Verdict], str]:
    """Return the verdicts a request stands for, and what to tell the person."""
    decision = decision_of(request.decision)
    _check(request, decision)
    if request.structure is not None:
        verdict, note = _about_structure(desk, request, decision)
        return [verdict], note
    if decision == "accept":
        _check_masks_seen(desk, request)
        return _whole_case(desk, request)
    _check_not_overtaken(desk, request, None)
    what = "excluded" if decision == "exclude_case" else "included"
    return [_verdict(desk, request, decision)], what


def _check(request: VerdictRequest, decision: Decision) -> None:
    if request.structure is None and decision not in _WHOLE_CASE_DECISIONS:
        raise UsageError(f"{request.decision} needs a structure")
    if request.structure is not None and decision in ("exclude_case", "include_case"):
        raise UsageError(
            f"{request.decision} is about a whole case; leave the structure "
            f"'{request.structure}' out, or call it absent_fov or absent_anatomy"
        )
    if decision == "exclude_case" and not request.reason.strip():
        raise UsageError("exclude needs a reason: others will ask why the case is gone")
    if request.rest_absent is not None and (request.structure or decision != "accept"):
        raise UsageError("calling the rest absent goes only with accepting a whole case")
    if request.rest_absent not in (None, "fov", "anatomy"):
        raise UsageError(f"the rest is '{request.rest_absent}', expected fov or anatomy")
    if request.mask_id is not None and request.structure is None:
        raise UsageError("a mask id needs the structure it is about")
    if request.seconds is not None and not (
        math.isfinite(request.seconds) and request.seconds >= 0
    ):
        raise UsageError(f"seconds is {request.seconds}, expected 0 or more")


def _about_structure(
    desk: _Desk, request: VerdictRequest, decision: Decision
) -> tuple[Verdict, str]:
    structure = desk.workspace.class_map[request.structure or ""].name
    _check_not_overtaken(desk, request, structure)
    mask = desk.mask_to_judge(structure)
    if decision == "accept":
        mask = desk.drawn_over(mask, request.mask_id) or mask
    _check_mask_seen(request, mask)
    if decision.startswith("absent"):
        why = "outside the field of view" if decision == "absent_fov" else "anatomically"
        return _verdict(desk, request, decision, structure), f"absent {why}"
    if mask is None:
        raise NothingToDo(
            f"case {desk.case_id} has no mask of {structure} to {decision}: run bootstrap or draw "
            "one, or say absent_fov or absent_anatomy"
        )
    if decision == "accept" and mask.voxels == 0:
        raise BadInput(
            f"the mask {mask.id[:12]} of {structure} in case {desk.case_id} is empty: say "
            "absent_fov or absent_anatomy if it is not there, or fix if it was missed"
        )
    done = "accepted" if decision == "accept" else "sent back to be fixed"
    return (
        _verdict(desk, request, decision, structure, mask),
        f"{done}: mask {mask.id[:12]} by {mask.provenance.maker}",
    )


def _check_mask_seen(request: VerdictRequest, mask: Mask | None) -> None:
    seen = request.mask_id
    if seen is None:
        return
    if len(seen) < _SHORTEST_MASK_ID:
        raise UsageError(f"mask id '{seen}' is too short; give {_SHORTEST_MASK_ID} or more digits")
    if mask is None or not mask.id.startswith(seen.lower()):
        now = f"{mask.id[:12]} by {mask.provenance.maker}" if mask else "none"
        raise BadInput(
            f"mask {seen[:12]} of {request.structure} in case {request.case_id} is not the one in "
            f"force, which is {now}: look at that one and decide again"
        )


def _check_not_overtaken(desk: _Desk, request: VerdictRequest, structure: str | None) -> None:
    later = desk.later_than(request, structure)
    if later is not None:
        raise BadInput(
            f"{later.by} decided {later.decision} about {structure or 'the whole case'} of "
            f"{desk.case_id} at {later.created}, after this was decided at {request.created}: "
            "the later one counts"
        )


def _check_masks_seen(desk: _Desk, request: VerdictRequest) -> None:
    if request.seen and seen_digest(desk.masks, desk.verdicts) != request.seen:
        raise BadInput(
            f"the masks of case {desk.case_id} are not the ones that were looked at any more: "
            "run masksmith gallery, look again and decide again"
        )


def _whole_case(desk: _Desk, request: VerdictRequest) -> tuple[list[Verdict], str]:
    """Accept every mask in force that has voxels, but none that was sent back."""
    in_force = masks_in_force(desk.masks, desk.verdicts)
    to_accept = {}
    stay: dict[str, list[str]] = {}
    for structure in desk.workspace.class_map.names:
        mask = in_force.get(structure)
        reason = _reason_to_stay(desk.last(structure), mask)
        if reason is None and desk.later_than(request, structure):
            reason = _LATER
        if reason is None and mask is not None:
            to_accept[structure] = mask
        else:
            stay.setdefault(reason or "", []).append(structure)
    if not to_accept:
        raise NothingToDo(
            f"case {desk.case_id} has no mask to accept ({_counted(stay)}): run bootstrap or "
            "draw masks first, or decide structure by structure"
        )
    to_call_absent: list[str] = []
    if request.rest_absent is not None:
        to_call_absent = [name for why in (_EMPTY, _NO_MASK) for name in stay.pop(why, [])]
    share = None
    if request.seconds is not None:
        share = request.seconds / (len(to_accept) + len(to_call_absent))
    shared = replace(request, seconds=share)
    wanted = [_verdict(desk, shared, "accept", name, mask) for name, mask in to_accept.items()]
    absence_word: Decision = "absent_fov" if request.rest_absent == "fov" else "absent_anatomy"
    wanted += [_verdict(desk, shared, absence_word, name) for name in to_call_absent]
    absent = f", {len(to_call_absent)} absent" if to_call_absent else ""
    return wanted, f"{len(to_accept)} accepted{absent}" + (f"; {_counted(stay)}" if stay else "")


def _reason_to_stay(last: Verdict | None, mask: Mask | None) -> str | None:
    """Say why accepting a whole case leaves a structure as it is; None if it does not."""
    if last is not None and absence([last]) is not None:
        return _ABSENT
    if mask is None:
        return _NO_MASK
    if last is not None and (last.decision, last.mask_id) == ("fix", mask.id):
        return _SENT_BACK
    return None if mask.voxels else _EMPTY


def _counted(stay: Mapping[str, Sequence[str]]) -> str:
    return ", ".join(f"{len(structures)} {why}" for why, structures in stay.items())


def _verdict(
    desk: _Desk,
    request: VerdictRequest,
    decision: Decision,
    structure: str | None = None,
    mask: Mask | None = None,
) -> Verdict:
    return Verdict(
        case_id=desk.case_id,
        decision=decision,
        by=person_or_login(request.by),
        structure=structure,
        mask_id=mask.id if mask else None,
        reason=request.reason.strip(),
        seconds=request.seconds,
        created=desk.moment(request.created),
    )
