"""What came back: files that were given out, compared voxel by voxel with what they held.

::

    results = collect(workspace, CollectRequest(Path("s11"), by="anna"))

Only what a person changed is taken in, as a new revision of origin ``human`` whose parent is the
mask given out, or what was collected of it before. Nothing is replaced: where the mask in force
is another one by now, both are kept and the result says which counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from annotation.came_back import CameBack, Reading, compare_file
from annotation.handout import (
    SESSION_FILE,
    HandedFile,
    Handout,
    HandoutError,
    find_handouts,
)
from annotation.importing.mapping_file import read_mapping, write_mapping
from annotation.importing.names import Match, Matcher
from annotation.importing.synonyms import load_synonyms
from annotation.person import person_or_login
from annotation.revisions import Correction, Making, is_new, store
from pipeline.errors import MasksmithError, UsageError
from pipeline.workspace import Workspace, settings_digest

NAMES_FILE = "names.yaml"
_LAID_OUT = ("ct.nii.gz",)
_ENDINGS = (".seg.nrrd", ".nrrd", ".nii.gz", ".nii")


@dataclass(frozen=True, slots=True)
class CollectRequest:
    """What shall be collected.

    Attributes
    ----------
    folder : Path
        Of a session or an export.
    by : str
        Who corrected; empty means the person a session was opened for, else the login name.
    seconds : float or None
        How long it took, shared out among what was changed.
    mapping : Path or None
        Names of new segments and their structures.
    configs : Path or None
        Where `synonyms.yaml` is; None leaves synonyms out.
    isolate : bool
        Read each file in a process of its own.
    """

    folder: Path
    by: str = ""
    seconds: float | None = None
    mapping: Path | None = None
    configs: Path | None = None
    isolate: bool = True


@dataclass(frozen=True, slots=True)
class CollectResult:
    """What became of one structure or file.

    Attributes
    ----------
    subject : str
        Case and structure, or case and file.
    status : {"done", "kept", "failed"}
        ``kept``: nothing was changed, or it is collected already.
    mask_id : str
        The new revision.
    added, removed : int
        Voxels, against what was given out.
    """

    subject: str
    status: Literal["done", "kept", "failed"]
    note: str = ""
    mask_id: str = ""
    added: int = 0
    removed: int = 0


def collect(workspace: Workspace, request: CollectRequest) -> list[CollectResult]:
    """Take in what was changed in a session or an export.

    Returns
    -------
    list of CollectResult
        When this returns, every revision in it is stored.

    Raises
    ------
    HandoutError
        When nothing in the folder says what was given out.
    WordFileError
        When the mapping cannot be read.
    WorkspaceBusy
        When another command is changing the workspace.
    UsageError
        When the name or the seconds make no sense.
    """
    seconds = request.seconds
    if seconds is not None and not (np.isfinite(seconds) and seconds >= 0):
        raise UsageError(f"seconds is {seconds}, expected 0 or more")
    if not request.folder.is_dir():
        raise HandoutError(f"{request.folder}: no such folder; name the one 'masksmith open' made")
    person_or_login(request.by)
    handouts = find_handouts(request.folder)
    matcher = _matcher(workspace, request)
    results: list[CollectResult] = []
    with workspace.driver_lock("collect"):
        came = [
            (path, handout, _came_back(workspace, request, matcher, path, handout))
            for path, handout in handouts
        ]
        new = sum(len(back.new) for _, _, back in came)
        share = None if seconds is None or not new else seconds / new
        for path, handout, back in came:
            making = Making(_person(request, path, handout), share)
            results += back.results
            results += _store(workspace, handout.case_id, back.new, making)
    unmatched = {name: match for _, _, back in came for name, match in back.unmatched.items()}
    return results + _ask_for_names(request, unmatched)


@dataclass(frozen=True, slots=True)
class _Back:
    """What came back of one handout."""

    results: list[CollectResult]
    new: list[Correction]
    unmatched: dict[str, Match]


def _came_back(
    workspace: Workspace, request: CollectRequest, matcher: Matcher, path: Path, handout: Handout
) -> _Back:
    back = _Back([], [], {})
    try:
        record = workspace.record(handout.case_id)
    except MasksmithError as error:
        note = f"{error}: was it given out from another workspace?"
        back.results.append(CollectResult(handout.case_id, "failed", note))
        return back
    reading = Reading(workspace, record, matcher, handout, path.parent, request.isolate)
    for file in _files(path, handout):
        subject = f"{handout.case_id} {file.path}"
        try:
            came = compare_file(reading, file)
        except MasksmithError as error:
            back.results.append(CollectResult(subject, "failed", str(error)))
            continue
        _sort(workspace, reading, came, back, subject)
    return back


def _sort(
    workspace: Workspace, reading: Reading, came: CameBack, back: _Back, subject: str
) -> None:
    """Share out what came back of a file: new corrections, results, names to ask for."""
    unchanged = came.unchanged
    for correction in came.corrections:
        if is_new(workspace, reading.record, correction):
            back.new.append(correction)
        elif correction.patch.same_as(correction.given):
            unchanged += 1
        else:
            name = f"{reading.record.case.id} {correction.structure}"
            back.results.append(CollectResult(name, "kept", "collected before"))
    what = "1 structure" if unchanged == 1 else f"{unchanged} structures"
    notes = ([f"{what} unchanged"] if unchanged else []) + list(came.notes)
    if notes:
        back.results.append(CollectResult(subject, "kept", "; ".join(notes)))
    back.results.extend(
        CollectResult(f"{reading.record.case.id} {name}", "failed", why)
        for name, why in came.refused.items()
    )
    back.unmatched.update(came.unmatched)


def _files(path: Path, handout: Handout) -> Iterator[HandedFile]:
    """Go through the files given out, then those a person saved beside them in a session."""
    yield from handout.files
    if path.name != SESSION_FILE:
        return
    known = {file.path for file in handout.files} | set(_LAID_OUT)
    others = [
        other
        for other in path.parent.iterdir()
        if other.name.endswith(_ENDINGS) and other.name not in known and other.is_file()
    ]
    everything = tuple(
        segment
        for file in handout.files
        for segment in file.segments
        if segment.structure not in file.locked
    )
    for other in sorted(others, key=lambda other: (other.stat().st_mtime_ns, other.name)):
        yield HandedFile(other.name, "", everything)


def _person(request: CollectRequest, path: Path, handout: Handout) -> str:
    if request.by or path.name != SESSION_FILE:
        return person_or_login(request.by)
    return handout.by


def _store(
    workspace: Workspace, case_id: str, new: list[Correction], making: Making
) -> list[CollectResult]:
    """Store corrections one after the other, then record that it was done and how long it took."""
    results = []
    for correction in new:
        record = workspace.record(case_id)
        stored = store(workspace, record, correction, making)
        workspace.record_masks([stored.mask])
        added = correction.patch.added_to(correction.given)
        removed = correction.given.added_to(correction.patch)
        note = "; ".join(part for part in (f"+{added} -{removed} voxels", stored.note) if part)
        subject = f"{case_id} {correction.structure}"
        results.append(CollectResult(subject, "done", note, stored.mask.id, added, removed))
    if results:
        _remember(workspace, results, making)
    return results


def _remember(workspace: Workspace, results: list[CollectResult], making: Making) -> None:
    """Write the run into the ledger: what was collected, of how many voxels, in which time."""
    settings = {"by": making.by}
    run = workspace.ledger.begin_run("collect", settings, settings_digest(settings))
    for result in results:
        figures = {"mask": result.mask_id, "added": result.added, "removed": result.removed}
        timed = {} if making.seconds is None else {"seconds": making.seconds}
        workspace.ledger.add_outcome(
            run, result.subject, result.status, result.note, figures | timed
        )
    workspace.ledger.end_run(run)


def _matcher(workspace: Workspace, request: CollectRequest) -> Matcher:
    class_map = workspace.class_map
    mapping = read_mapping(request.mapping, class_map) if request.mapping else {}
    # A folder without a synonym file gives the names alone.
    synonyms = load_synonyms(request.configs or request.folder, class_map)
    return Matcher(class_map, synonyms, mapping)


def _ask_for_names(request: CollectRequest, unmatched: dict[str, Match]) -> list[CollectResult]:
    """Write the mapping file for segments that nobody can tell, and say so."""
    if not unmatched:
        return []
    try:
        path = write_mapping(request.folder / NAMES_FILE, unmatched)
        what = f"write its structure into {path} and collect again with --mapping {path}"
    except OSError as error:
        what = f"say what it is with --mapping (no file written: {error.strerror})"
    return [
        CollectResult(f"segment '{name}'", "failed", f"{match.reason}; {what}")
        for name, match in sorted(unmatched.items())
    ]
