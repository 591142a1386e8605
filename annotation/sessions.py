"""Sessions: one case's masks laid out to be corrected in 3D Slicer or ITK-SNAP.

::

    session = open_session(workspace, SessionRequest("s0011", ("liver",), "slicer", Path("s11")))
    session.command                         # what starts the program on it
    ...                                     # a person corrects and saves
    collect(workspace, CollectRequest(Path("s11")))     # annotation.collect

A session's folder appears whole or not at all, and is never written over: it may hold work that
nobody has collected yet.
"""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal

from annotation import itksnap_workspace, slicer_scene
from annotation.formats.writers import Outgoing, outgoing_masks, writer_of
from annotation.handout import (
    SESSION_FILE,
    HandedFile,
    Handout,
    handed_file,
    with_version,
    write_handout,
)
from annotation.person import person_or_login
from pipeline.anatomy.windows import WINDOWS, Window, window_for
from pipeline.errors import BadInput, MissingDependency, UsageError
from pipeline.volume import write_nifti
from pipeline.workspace import CaseRecord, Mask, Workspace

Program = Literal["slicer", "itksnap"]

PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "slicer": ("Slicer", "slicer"),
    "itksnap": ("itksnap", "ITK-SNAP", "itk-snap"),
}
"""Under which names a program may be found, the usual one first."""


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What somebody wants to correct.

    Attributes
    ----------
    case_id : str
    structures : tuple of str
        To be corrected or drawn; those without a mask are laid out empty.
    program : {"slicer", "itksnap"}
    folder : Path
        New or empty.
    by : str
        Who will correct; empty means the login name.
    window : str
        Name of a preset; empty: the one for the first structure.
    neighbours : bool
        Lay out what touches the structures too, to look at.
    """

    case_id: str
    structures: tuple[str, ...]
    program: Program
    folder: Path
    by: str = ""
    window: str = ""
    neighbours: bool = True


@dataclass(frozen=True, slots=True)
class Session:
    """A session that was laid out.

    Attributes
    ----------
    folder : Path
    command : tuple of str
        Program and arguments that open it.
    masks, to_draw, reference : tuple of str
        Structures with a mask to correct, those to draw anew, those only to look at.
    notes : tuple of str
    """

    folder: Path
    command: tuple[str, ...]
    masks: tuple[str, ...]
    to_draw: tuple[str, ...]
    reference: tuple[str, ...]
    notes: tuple[str, ...]


def open_session(workspace: Workspace, request: SessionRequest) -> Session:
    """Lay out a session.

    Raises
    ------
    NothingToDo
        When there is no such case.
    ClassMapError
        When there is no such structure.
    UsageError
        When no structure is named, or program or window are unknown.
    BadInput
        When the folder holds something, or cannot be written.
    """
    by = person_or_login(request.by)
    record = workspace.record(request.case_id)
    names = tuple(dict.fromkeys(workspace.class_map[name].name for name in request.structures))
    if not names:
        raise UsageError("say which structures to open: masksmith open CASE STRUCTURE...")
    if request.program not in PROGRAMS:
        raise UsageError(f"program '{request.program}' is unknown; expected slicer or itksnap")
    window = _window(workspace, request, names)
    in_force = record.in_force()
    reference = _neighbours(workspace, names, in_force) if request.neighbours else ()
    _require_free(request.folder)
    try:
        request.folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(mkdtemp(prefix=f".{request.folder.name}.", dir=request.folder.parent))
    except OSError as error:
        raise BadInput(
            f"{request.folder}: cannot be made ({error.strerror}); name a folder you may write to"
        ) from None
    try:
        lay_out = _lay_out_slicer if request.program == "slicer" else _lay_out_itksnap
        masks: dict[str, Mask | None] = {name: in_force.get(name) for name in names}
        parts = _Parts(workspace, record, masks, {n: in_force[n] for n in reference}, window)
        files, notes = lay_out(parts, scratch, request.folder)
        about = {"program": request.program, "window": window.name, "notes": list(notes)}
        format_name = "seg.nrrd" if request.program == "slicer" else "nifti"
        handout = Handout(record.case.id, format_name, tuple(files), by, about=about)
        write_handout(scratch / SESSION_FILE, with_version(handout))
        scratch.chmod(0o755)
        scratch.rename(request.folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Session(
        request.folder,
        command_for(request.program, request.folder),
        tuple(name for name in names if masks[name] is not None),
        tuple(name for name in names if masks[name] is None),
        reference,
        notes,
    )


def command_for(program: Program, folder: Path) -> tuple[str, ...]:
    """Give the command line that opens a session."""
    usual = PROGRAMS[program][0]
    if program == "slicer":
        return (usual, str(folder / "session.mrml"))
    return (usual, "-w", str(folder / "session.itksnap"))


def start(program: Program, command: tuple[str, ...]) -> None:
    """Start a program and let it run.

    Raises
    ------
    MissingDependency
        When it is not on PATH.
    """
    found = next((path for name in PROGRAMS[program] if (path := shutil.which(name))), None)
    if found is None:
        raise MissingDependency(
            f"{command[0]} is not on PATH: install it, or open {command[-1]} in it by hand; the "
            "session is laid out"
        )
    subprocess.Popen(
        [found, *command[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    """What goes into a session."""

    workspace: Workspace
    record: CaseRecord
    masks: Mapping[str, Mask | None]
    reference: Mapping[str, Mask]
    window: Window

    def outgoing(self, masks: Mapping[str, Mask | None]) -> Outgoing:
        return outgoing_masks(self.workspace, self.record, masks)


def _lay_out_slicer(
    parts: _Parts, scratch: Path, folder: Path
) -> tuple[list[HandedFile], tuple[str, ...]]:
    case = parts.record.case
    write_nifti(scratch / slicer_scene.CT_FILE, parts.workspace.ct(case.id), case.grid)
    writer, record = writer_of("seg.nrrd"), scratch / SESSION_FILE
    masks = parts.outgoing(parts.masks)
    notes = writer.write(masks, scratch / slicer_scene.MASKS_FILE)
    files = [handed_file(masks, scratch / slicer_scene.MASKS_FILE, record, writer.name)]
    if parts.reference:
        seen = parts.outgoing(dict(parts.reference))
        path = scratch / slicer_scene.REFERENCE_FILE
        writer.write(seen, path)
        handed = handed_file(seen, path, record, writer.name)
        files.append(replace(handed, locked=tuple(s.structure for s in handed.segments)))
    slicer_scene.write_scene(scratch / "session.mrml", parts.window, bool(parts.reference))
    return files, notes


def _lay_out_itksnap(
    parts: _Parts, scratch: Path, folder: Path
) -> tuple[list[HandedFile], tuple[str, ...]]:
    case, ct = parts.record.case, parts.workspace.ct(parts.record.case.id)
    write_nifti(scratch / itksnap_workspace.CT_FILE, ct, case.grid)
    together = parts.outgoing({**parts.reference, **parts.masks})
    # What is only to be looked at lies below what is to be corrected.
    below = [name for name in together.painted if name in parts.reference]
    above = [name for name in together.painted if name not in parts.reference]
    together = replace(together, painted=(*below, *above))
    path = scratch / itksnap_workspace.MASKS_FILE
    notes = writer_of("nifti").write(together, path)
    ordered = sorted(together.segments, key=lambda segment: segment.name in parts.reference)
    itksnap_workspace.write_label_description(scratch / itksnap_workspace.LABELS_FILE, ordered)
    itksnap_workspace.write_workspace(
        scratch / "session.itksnap",
        folder,
        ordered,
        parts.window,
        (float(ct.min()), float(ct.max())),
    )
    handed = handed_file(together, path, scratch / SESSION_FILE, "nifti")
    return [replace(handed, locked=tuple(parts.reference))], notes


def _window(workspace: Workspace, request: SessionRequest, names: tuple[str, ...]) -> Window:
    if not request.window:
        return window_for([workspace.class_map[name] for name in names])
    if request.window not in WINDOWS:
        raise UsageError(f"window '{request.window}' is unknown; expected {', '.join(WINDOWS)}")
    return WINDOWS[request.window]


def _neighbours(
    workspace: Workspace, names: tuple[str, ...], in_force: Mapping[str, Mask]
) -> tuple[str, ...]:
    """List what touches the structures and has voxels, in the order of the class map."""
    touching = {near for name in names for near in workspace.class_map[name].neighbours}
    return tuple(
        name
        for name in workspace.class_map.names
        if name in touching - set(names) and name in in_force and in_force[name].voxels
    )


def _require_free(folder: Path) -> None:
    try:
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return
    except OSError as error:
        raise BadInput(f"{folder}: cannot be read ({error.strerror})") from None
    raise BadInput(
        f"{folder}: is there already and may hold work; collect it with 'masksmith collect "
        f"{folder}', or name another folder"
    )
