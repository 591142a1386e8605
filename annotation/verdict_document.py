"""Verdicts as one JSON document: what the gallery exports from disk and posts to the server.

::

    document = read_verdict_document(Path("verdicts-lab-2026-03-01.json"))
    applied = apply_verdict_document(workspace, document)
    applied.counts                       # {"done": 12, "kept": 3, "failed": 1}

    {"format": "masksmith-verdicts", "version": 1, "workspace": "lab", "workspace_id": "...",
     "by": "anna", "verdicts": [{"id": "...", "case": "s0001", "structure": "liver",
     "mask": "0c1d2e3f4a5b", "decision": "fix", "reason": "leaks", "seconds": 3.2,
     "created": "2026-03-01T10:00:00.000Z", "seen": ""}]}

Each verdict ends in one result, as with `annotation.verdicts.decide`. Taking a document in twice
records nothing twice: ids that are known are kept. A verdict counts from when it was given, not
from when it was taken in, and one that somebody overtook is not applied.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotation.person import person_or_login
from annotation.verdict_entry import EntryError, Heading, read_entry, read_heading
from annotation.verdict_request import VerdictRequest, VerdictResult
from annotation.verdicts import decide
from pipeline.errors import BadInput, UsageError
from pipeline.workspace.verdict_file import known_client_ids
from pipeline.workspace.workspace_name import workspace_id

if TYPE_CHECKING:
    from pipeline.workspace import Workspace

FORMAT = "masksmith-verdicts"
MAX_BYTES = 64 * 2**20
MAX_VERDICTS = 200_000


class VerdictDocumentError(BadInput):
    """A document of verdicts that cannot be taken in at all."""


@dataclass(frozen=True, slots=True)
class AppliedDocument:
    """What became of a document.

    Attributes
    ----------
    results : tuple of VerdictResult
        One per verdict of the document, in its order.
    """

    results: tuple[VerdictResult, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many were done, kept (known before) and failed."""
        counts = Counter(result.status for result in self.results)
        return {status: counts[status] for status in ("done", "kept", "failed")}

    @property
    def recorded(self) -> int:
        """How many verdicts were added; a whole case makes many."""
        return sum(len(result.recorded) for result in self.results)

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values, each result with the id it answers."""
        return {
            "counts": self.counts,
            "recorded": self.recorded,
            "results": [
                {
                    "id": result.request.client_id,
                    "subject": result.subject,
                    "status": result.status,
                    "note": result.note,
                }
                for result in self.results
            ],
        }


def read_verdict_document(path: Path) -> Any:
    """Read a file; what is in it is judged by :func:`apply_verdict_document`.

    Raises
    ------
    VerdictDocumentError
        If it is too large, cannot be read, or is no JSON.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise VerdictDocumentError(
                f"{path}: {path.stat().st_size / 2**20:.0f} MiB, expected a verdict document of "
                f"at most {MAX_BYTES // 2**20} MiB"
            )
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise VerdictDocumentError(
            f"{path}: cannot be read as JSON ({str(error)[:200]}); export it again from the gallery"
        ) from None


def apply_verdict_document(
    workspace: "Workspace",
    document: Any,
    by: str | None = None,
    *,
    any_workspace: bool = False,
    may_decide: Callable[[str], bool] = lambda case_id: True,
) -> AppliedDocument:
    """Record the verdicts of a document, at once; one that cannot be does not stop the others.

    Parameters
    ----------
    workspace : Workspace
        Its driver lock is not taken: people go on deciding while a long stage runs.
    document : object
        What `json.loads` gave. Nothing in it is trusted.
    by : str, optional
        Who decided, whatever the document says; by default its ``by``, else the login name.
    any_workspace : bool
        Take in also what was decided in another workspace.
    may_decide : callable
        Tells of a case id whether this person may decide there. It is asked about the id as it was
        read, which is not always the one that stands in the document.

    Raises
    ------
    VerdictDocumentError
        If it is no such document, of a newer version, or of another workspace.
    """
    heading = _heading(document)
    if not any_workspace:
        _check_workspace(workspace, heading)
    known = known_client_ids(workspace.layout)
    person = person_or_login(heading.by if by is None else by)
    requests: list[VerdictRequest] = []
    results: dict[int, VerdictResult] = {}
    for place, read in enumerate(_requests(document["verdicts"], person, _shift(heading))):
        requests.append(read.request)
        if read.request.client_id and read.request.client_id in known:
            results[place] = VerdictResult(read.request, "kept", "taken in before", kept=1)
        elif read.status == "failed":
            results[place] = read
        elif not may_decide(read.request.case_id):
            note = "the case is assigned to somebody else"
            results[place] = VerdictResult(read.request, "failed", note)
    to_decide = [place for place in range(len(requests)) if place not in results]
    decided = decide(workspace, [requests[place] for place in to_decide])
    results.update(zip(to_decide, decided, strict=True))
    return AppliedDocument(tuple(results[place] for place in range(len(requests))))


def _heading(document: Any) -> Heading:
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        found = f"a {type(document).__name__}"
        if isinstance(document, Mapping):
            found = repr(str(document["format"])[:60]) if "format" in document else "no format"
        raise VerdictDocumentError(
            f'no verdict document: expected "format": "{FORMAT}", found {found}; '
            "export one from the gallery"
        )
    verdicts = document.get("verdicts")
    if not isinstance(verdicts, Sequence) or isinstance(verdicts, str):
        raise VerdictDocumentError('a verdict document needs a list "verdicts"')
    if len(verdicts) > MAX_VERDICTS:
        raise VerdictDocumentError(
            f"{len(verdicts)} verdicts in one document, expected at most {MAX_VERDICTS}; split it"
        )
    try:
        heading = read_heading(document)
    except EntryError as error:
        raise VerdictDocumentError(f"head of the verdict document: {error}") from None
    if heading.version != 1:
        raise VerdictDocumentError(
            f"a verdict document of version {heading.version}, expected 1; it was made by another "
            "version of Masksmith"
        )
    return heading


def _check_workspace(workspace: "Workspace", heading: Heading) -> None:
    """Refuse what was decided elsewhere: equal case ids may be other people there."""
    name = workspace.path.resolve().name
    same = (
        heading.workspace_id == workspace_id(workspace.layout)
        if heading.workspace_id
        else heading.workspace == name
    )
    if not same:
        raise VerdictDocumentError(
            f"these verdicts were given in another workspace ('{heading.workspace}'), this one is "
            f"'{name}' ({workspace.path}); to take them in all the same: --any-workspace"
        )


def _shift(heading: Heading) -> timedelta:
    """Say how far the clock of a page that sends at once is behind ours."""
    return timedelta(0) if heading.sent is None else datetime.now(UTC) - heading.sent


def _requests(verdicts: Sequence[Any], by: str, shift: timedelta) -> Iterator[VerdictResult]:
    """Yield each verdict as a request; one that makes no sense is already failed."""
    now = datetime.now(UTC)
    seen_ids: set[str] = set()
    for number, raw in enumerate(verdicts, 1):
        source = f"verdict {number}"
        try:
            request = replace(read_entry(raw, shift, now), by=by, source=source)
            if request.client_id in seen_ids:
                raise EntryError(f"id {request.client_id!r} stands in the document twice")
            seen_ids.add(request.client_id)
        except (EntryError, UsageError) as error:
            nothing = VerdictRequest("", "", by=by, source=source)
            yield VerdictResult(nothing, "failed", f"{source}: {error}")
        else:
            yield VerdictResult(request, "done", "")
