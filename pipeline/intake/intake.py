"""Stage intake: take CTs in from NIfTI files, DICOM series and TotalSegmentator folders.

Every file under the given paths ends either as a case or with a written reason. Foreign
files are parsed in worker processes with a memory limit and a timeout; the driver decides
what is new, writes the cases and tells the ledger.
"""

import shutil
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.engine import Engine, ProcessEngine
from pipeline.errors import NothingToDo
from pipeline.intake.arrivals import Arrival, Reception
from pipeline.intake.dicom_header import SliceHeader
from pipeline.intake.dicom_series import group_series
from pipeline.intake.filing import FilingCabinet
from pipeline.intake.given_masks import (
    GivenMasks,
    GivenTask,
    store_given_masks,
    sweep_partial_masks,
)
from pipeline.intake.reading import (
    HeaderTask,
    ReadCt,
    ReadHeaders,
    chunks,
    read_headers,
    read_one,
    scratch_folder,
)
from pipeline.intake.settings import IntakeSettings
from pipeline.intake.sources import Found, find_sources
from pipeline.stage import Outcome, Stage
from pipeline.workspace import Case, Layout, Provenance, Workspace

_HEADERS_PER_TASK = 64
_HEADER_MEMORY_BYTES = 2**30
_MASKS_PER_TIMEOUT = 25
_NAMES_SHOWN = 5


def run(workspace: Workspace, settings: IntakeSettings, engine: Engine) -> Iterator[Outcome]:
    """Take in what lies under the given paths, one outcome per CT or reason.

    Raises
    ------
    NothingToDo
        If there is neither NIfTI nor DICOM.
    Refused
        If the table given for NIfTI files cannot be read.
    """
    if settings.isolate and engine.jobs == 1:
        engine = ProcessEngine(1)
    arrivals: list[Arrival] = []
    for arrival in arrivals_of(workspace, settings, engine):
        if isinstance(arrival, Outcome):
            yield arrival
        else:
            arrivals.append(arrival)
    _sweep(workspace.layout)
    yield from _take_in(workspace, settings, arrivals, engine)
    _sweep(workspace.layout)


def arrivals_of(
    workspace: Workspace, settings: IntakeSettings, engine: Engine
) -> Iterator[Arrival | Outcome]:
    """Find the CTs under the given paths, and say why the other files are none.

    Raises
    ------
    NothingToDo
        If there is neither NIfTI nor DICOM.
    Refused
        If the table given for NIfTI files cannot be read.
    """
    found = find_sources(settings.paths, settings.layout)
    if not (found.nifti or found.dicom or found.subjects or found.missing):
        paths = ", ".join(str(path) for path in settings.paths)
        raise NothingToDo(f"{paths}: no NIfTI file and no DICOM; name a folder that holds CTs")
    yield from _left_alone(found)
    yield from _received(Reception(workspace, settings), found, engine)


STAGE = Stage(
    name="intake",
    summary="Take CTs in: NIfTI, DICOM series, TotalSegmentator folders.",
    Settings=IntakeSettings,
    run=run,
)


def _left_alone(found: Found) -> Iterator[Outcome]:
    for subject, note in found.missing:
        yield Outcome(subject, "failed", note)
    for subject, note in found.left:
        yield Outcome(subject, "kept", note)


def _received(reception: Reception, found: Found, engine: Engine) -> Iterator[Arrival | Outcome]:
    yield from reception.nifti(found.nifti)
    yield from reception.dataset(found.subjects)
    headers: list[SliceHeader] = []
    unread: Counter[Path] = Counter()
    for read in _all_headers(found, engine):
        headers.extend(read.headers)
        unread.update(path.parent for path, _ in read.refused)
        for path, reason in read.refused:
            yield Outcome(str(path), "failed", reason)
    yield from reception.series(group_series(headers), unread)


def _all_headers(found: Found, engine: Engine) -> Iterator[ReadHeaders]:
    """Read all DICOM headers; a task that dies is done again file by file to find the culprit."""
    again: list[HeaderTask] = []
    tasks = [
        HeaderTask(files, _HEADER_MEMORY_BYTES) for files in chunks(found.dicom, _HEADERS_PER_TASK)
    ]
    for result in engine.map(read_headers, tasks, timeout_s=120):
        if result.value is not None:
            yield result.value
        else:
            again.extend(HeaderTask((path,), _HEADER_MEMORY_BYTES) for path in result.item.files)
    for result in engine.map(read_headers, again, timeout_s=30):
        if result.value is not None:
            yield result.value
        else:
            yield ReadHeaders((), ((result.item.files[0], f"header not read: {result.error}"),))


def _take_in(
    workspace: Workspace, settings: IntakeSettings, arrivals: Sequence[Arrival], engine: Engine
) -> Iterator[Outcome]:
    """Read and file the CTs, then the masks that came with them."""
    cabinet = FilingCabinet(workspace, write=not settings.dry_run)
    with_masks: list[tuple[Arrival, Case, Outcome]] = []
    for arrival, read in _read_in_order(arrivals, engine, settings.timeout_s):
        outcome, case = cabinet.file(arrival, read)
        if case is not None and arrival.masks:
            with_masks.append((arrival, case, outcome))
        else:
            yield outcome
    yield from _take_masks_in(workspace, settings, with_masks, engine)


def _read_in_order(
    arrivals: Sequence[Arrival], engine: Engine, timeout_s: float
) -> Iterator[tuple[Arrival, ReadCt]]:
    """Read the CTs as the engine likes, but give them in the order they were found.

    So it does not depend on timing which of two equal CTs becomes the case.
    """
    done: dict[tuple[Path, ...], ReadCt] = {}
    waiting = deque(arrivals)
    tasks = [arrival.task for arrival in arrivals]
    for result in engine.map(read_one, tasks, timeout_s=timeout_s):
        done[result.item.files] = result.value or ReadCt(refused=f"not read: {result.error}")
        while waiting and waiting[0].task.files in done:
            arrival = waiting.popleft()
            yield arrival, done.pop(arrival.task.files)


def _take_masks_in(
    workspace: Workspace,
    settings: IntakeSettings,
    waiting: Sequence[tuple[Arrival, Case, Outcome]],
    engine: Engine,
) -> Iterator[Outcome]:
    by_files = {arrival.masks: (arrival, outcome) for arrival, _, outcome in waiting}
    if not settings.dry_run:
        for _, case, _ in waiting:
            sweep_partial_masks(workspace.layout, case.id)
    tasks = [
        GivenTask(
            layout=workspace.layout,
            case=case,
            files=arrival.masks,
            structures=frozenset(workspace.class_map.names),
            provenance=Provenance(settings.given_origin, f"dataset:{settings.dataset}"),
            memory_bytes=settings.memory_bytes,
            write=not settings.dry_run,
        )
        for arrival, case, _ in waiting
    ]
    most = max((len(task.files) for task in tasks), default=0)
    timeout_s = settings.timeout_s * (1 + most // _MASKS_PER_TIMEOUT)
    for result in engine.map(store_given_masks, tasks, timeout_s=timeout_s):
        arrival, outcome = by_files[result.item.files]
        if result.value is None:
            yield outcome
            yield Outcome(arrival.subject, "failed", f"its masks were not read: {result.error}")
            continue
        given: GivenMasks = result.value
        workspace.record_masks(given.masks)
        yield _with_masks(outcome, given)
        for path, reason in given.refused:
            yield Outcome(str(path), "failed", reason)


def _with_masks(outcome: Outcome, given: GivenMasks) -> Outcome:
    """Add to the outcome of a CT what became of its masks."""
    notes = [outcome.note] if outcome.note else []
    notes.append(f"{given.read} masks ({given.empty} empty)")
    if given.unknown:
        names = ", ".join(given.unknown[:_NAMES_SHOWN])
        more = f" and {len(given.unknown) - _NAMES_SHOWN} more"
        notes.append(
            f"{len(given.unknown)} masks of structures not in the class map, not taken in: "
            f"{names}{more if len(given.unknown) > _NAMES_SHOWN else ''}"
        )
    figures = {"masks": given.read, "empty_masks": given.empty}
    figures_of_unknown = {"unknown_structures": list(given.unknown)} if given.unknown else {}
    return Outcome(
        outcome.subject,
        outcome.status,
        "; ".join(notes),
        {**outcome.figures, **figures, **figures_of_unknown},
    )


def _sweep(layout: Layout) -> None:
    """Remove what this run or a killed one left in scratch."""
    shutil.rmtree(scratch_folder(layout), ignore_errors=True)
