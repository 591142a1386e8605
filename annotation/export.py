"""Any masks of any cases as files for other programs.

::

    request = ExportRequest(Path("out"), "seg.nrrd", structures=("liver",))
    for result in export_masks(workspace, request):
        ...

One file per case, or one per case and structure. Beside them a record says which mask each
segment is (`annotation.handout`), so that 'masksmith collect' can bring them back as revisions
of the right masks. Files are written atomically and never over others unless told to.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from annotation.formats.writers import Outgoing, Writer, outgoing_masks, writer_of
from annotation.handout import (
    HandedFile,
    Handout,
    HandoutError,
    handed_file,
    read_handout,
    with_version,
    write_handout,
)
from annotation.person import person_or_login
from pipeline.errors import BadInput, MasksmithError, NothingToDo, UsageError
from pipeline.workspace import CaseRecord, Mask, Origin, Workspace, digest_of_file
from pipeline.workspace.in_force import masks_in_force
from pipeline.workspace.planted import require_real

if TYPE_CHECKING:
    from annotation.formats.writers.source_series import SeriesFolder, SourceSeries

IN_FORCE = "in-force"
ACCEPTED = "accepted"
SOURCES = (IN_FORCE, ACCEPTED, *get_args(Origin))


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What shall go out, and where to.

    Attributes
    ----------
    folder : Path
    format : str
        Name of a writer: ``nifti``, ``seg.nrrd``, ``dicom-seg`` or ``rtstruct``.
    cases : tuple of str
        None named: every case that is not excluded.
    structures : tuple of str
        None named: every structure that has a mask.
    source : str
        ``in-force``, ``accepted``, or an origin: of each structure the revision that would count
        if there were no others and no verdicts.
    per_structure : bool
        One file per structure, in a folder per case.
    dicom : Path or None
        Where the series lie that the cases were made from; DICOM formats need it.
    force : bool
        Write over files that are there.
    """

    folder: Path
    format: str
    cases: tuple[str, ...] = ()
    structures: tuple[str, ...] = ()
    source: str = IN_FORCE
    per_structure: bool = False
    dicom: Path | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What became of one case.

    Attributes
    ----------
    status : {"done", "kept", "failed"}
        ``kept``: these very files are there already.
    files : tuple of Path
    masks : int
        How many masks they hold.
    """

    case_id: str
    status: Literal["done", "kept", "failed"]
    note: str = ""
    files: tuple[Path, ...] = ()
    masks: int = 0


@dataclass(frozen=True, slots=True)
class _Way:
    """All that is decided before the first case."""

    workspace: Workspace
    request: ExportRequest
    writer: Writer
    series: "SeriesFolder | None"


def export_masks(workspace: Workspace, request: ExportRequest) -> Iterator[ExportResult]:
    """Export, case by case; one that cannot be does not stop the others.

    Raises
    ------
    UsageError
        When format or source are unknown, a DICOM format lacks its folder, or a case is planted.
    ClassMapError, NothingToDo
        When a structure or a case is not there.
    BadInput
        When the folder cannot be written to.
    """
    way = _way(workspace, request)
    for record in _records(workspace, request):
        try:
            result = _export_case(way, record)
        except MasksmithError as error:
            result = ExportResult(record.case.id, "failed", str(error))
        except OSError as error:
            note = f"{request.folder}: cannot be written ({error.strerror or error})"
            result = ExportResult(record.case.id, "failed", note)
        if result is not None:
            yield result


def _way(workspace: Workspace, request: ExportRequest) -> _Way:
    writer = writer_of(request.format)
    if request.source not in SOURCES:
        raise UsageError(
            f"source '{request.source}' is unknown; expected one of {', '.join(SOURCES)}"
        )
    for name in request.structures:
        workspace.class_map[name]
    for case_id in request.cases:
        require_real(workspace.case(case_id))
    if writer.needs_series != (request.dicom is not None):
        raise UsageError(
            f"{writer.name} refers to the series a case was made from: say --dicom FOLDER"
            if writer.needs_series
            else f"{writer.name} needs no --dicom; leave it out"
        )
    try:
        request.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"{request.folder}: cannot be made ({error.strerror}); name a folder you may write to"
        ) from None
    return _Way(workspace, request, writer, _series_folder(request))


def _series_folder(request: ExportRequest) -> "SeriesFolder | None":
    if request.dicom is None:
        return None
    from annotation.formats.writers.source_series import SeriesFolder

    return SeriesFolder(request.dicom)


def _records(workspace: Workspace, request: ExportRequest) -> Iterator[CaseRecord]:
    if request.cases:
        yield from (workspace.record(case_id) for case_id in dict.fromkeys(request.cases))
        return
    yield from (record for record in workspace.records() if not record.excluded)


def chosen_masks(
    workspace: Workspace, record: CaseRecord, source: str, structures: tuple[str, ...] = ()
) -> dict[str, Mask]:
    """Choose a case's masks from a source, by structure, of the class map's structures only."""
    if source == IN_FORCE:
        found = record.in_force()
    elif source == ACCEPTED:
        found = record.accepted()
    else:
        found = masks_in_force([mask for mask in record.masks if mask.origin == source], ())
    wanted = set(structures or workspace.class_map.names)
    return {name: found[name] for name in workspace.class_map.names if name in wanted & set(found)}


def _export_case(way: _Way, record: CaseRecord) -> ExportResult | None:
    """Export one case; None for one that nobody named and that has nothing to export."""
    request = way.request
    masks = chosen_masks(way.workspace, record, request.source, request.structures)
    if not masks:
        if not request.cases:
            return None
        raise NothingToDo(f"no mask to export ({request.source})")
    there = _plan(way, record.case.id, tuple(masks))
    if not request.force and _is_kept(there, masks):
        return ExportResult(record.case.id, "kept", "exported before", there.paths, len(masks))
    series = way.series.series_of(way.workspace, record.case) if way.series else None
    outgoing = outgoing_masks(way.workspace, record, masks)
    files, notes = _write(way, there, outgoing, series)
    notes += _missing(request, masks)
    handout = Handout(
        case_id=record.case.id,
        format=way.writer.name,
        files=tuple(files),
        by=_who(),
        about={"class_map": outgoing.class_map, "source": request.source, "notes": notes},
    )
    write_handout(there.record, with_version(handout))
    paths = tuple(there.record.parent / file.path for file in files)
    exported = sum(len(file.segments) for file in files)
    return ExportResult(record.case.id, "done", "; ".join(notes), paths, exported)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where the files of a case go.

    Attributes
    ----------
    record : Path
        Of the handout.
    files : tuple
        Path and, for a file per structure, the structure.
    """

    record: Path
    files: tuple[tuple[Path, str | None], ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(path for path, _ in self.files)


def _plan(way: _Way, case_id: str, names: tuple[str, ...]) -> _Plan:
    folder, suffix = way.request.folder, way.writer.suffix
    if not way.request.per_structure:
        path = folder / f"{case_id}{suffix}"
        # A label map's record is also its table of names: same name, another ending.
        name = case_id if way.writer.name == "nifti" else path.name
        return _Plan(path.with_name(f"{name}.json"), ((path, None),))
    files = tuple((folder / case_id / f"{name}{suffix}", name) for name in names)
    return _Plan(folder / case_id / f"{way.writer.name}.json", files)


def _is_kept(plan: _Plan, masks: dict[str, Mask]) -> bool:
    """Tell whether these masks lie there already; refuse where other files are in the way.

    Raises
    ------
    BadInput
        When a file exists that is not what would be written.
    """
    there = [path for path in (plan.record, *plan.paths) if path.exists()]
    if not there:
        return False
    try:
        handout = read_handout(plan.record)
    except HandoutError:
        raise _in_the_way(there[0], "is there already") from None
    for file in handout.files:
        path = plan.record.parent / file.path
        if path.exists() and digest_of_file(path) != file.sha256:
            raise _in_the_way(path, "was changed after it was exported (collect it first)")
    whole = all(path.exists() for path in plan.paths)
    if whole and handout.masks() == {name: mask.id for name, mask in masks.items()}:
        return True
    raise _in_the_way(there[0], "is there already, of other masks")


def _in_the_way(path: Path, why: str) -> BadInput:
    return BadInput(f"{path}: {why}; name another folder, or write over it with --force")


def _write(
    way: _Way, plan: _Plan, outgoing: Outgoing, series: "SourceSeries | None"
) -> tuple[list[HandedFile], list[str]]:
    files: list[HandedFile] = []
    notes: list[str] = []
    for path, name in plan.files:
        part = outgoing if name is None else outgoing.only(name)
        if way.writer.needs_series and all(segment.is_empty for segment in part.segments):
            notes.append(f"left out, being empty: {', '.join(s.name for s in part.segments)}")
            continue
        notes += way.writer.write(part, path, series)
        if way.writer.needs_series:
            part = replace(part, segments=tuple(s for s in part.segments if not s.is_empty))
        files.append(handed_file(part, path, plan.record, way.writer.name))
    if not files:
        raise NothingToDo(f"every mask is empty; {way.writer.name} cannot say so")
    return files, notes


def _who() -> str:
    """Give the login name; an export needs nobody's name."""
    try:
        return person_or_login("")
    except UsageError:
        return "unknown"


def _missing(request: ExportRequest, masks: dict[str, Mask]) -> list[str]:
    missing = [name for name in request.structures if name not in masks]
    return [f"no mask of {', '.join(missing)}"] if missing else []
