"""One file that came back: which of its drawings are which structures, and which changed."""

from dataclasses import dataclass, field
from pathlib import Path

from annotation.formats import read_drawn_file
from annotation.formats.drawing import Drawing, DrawnFile
from annotation.formats.guarded import read_guarded
from annotation.given_out import Given, given_out
from annotation.handout import HandedFile, Handout, HandoutError
from annotation.importing.names import Match, Matcher, label_of
from annotation.importing.placing import is_empty, place
from annotation.importing.refusal import ImportRefused
from annotation.patches import NOTHING, Patch, changed
from annotation.revisions import Correction, has_collected
from pipeline.workspace import CaseRecord, Workspace, digest_of, digest_of_file

_LEFT_OUT = "left out"
_FULL = 255
_ON_OTHER_AXES = ("axes turned", "resampled")
_LEAST_DICE = 0.5
"""A file on other axes is believed only if it shows what was given out about where it was."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is needed to understand the files of one handout.

    Attributes
    ----------
    folder : Path
        Of the record.
    isolate : bool
        Read each file in a process of its own, with limits on memory and time.
    """

    workspace: Workspace
    record: CaseRecord
    matcher: Matcher
    handout: Handout
    folder: Path
    isolate: bool

    def read(self, path: Path) -> DrawnFile:
        """Read a file of drawings."""
        return read_guarded(path) if self.isolate else read_drawn_file(path)


@dataclass(slots=True)
class CameBack:
    """What one file holds now.

    Attributes
    ----------
    unchanged : int
        Structures of a file that is byte for byte as it was written.
    corrections : list of Correction
        Every other structure, changed or not.
    refused : dict
        Structure or segment to why it cannot be taken.
    unmatched : dict
        Segments of which nobody knows what they are.
    notes : list of str
    """

    unchanged: int = 0
    corrections: list[Correction] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    unmatched: dict[str, Match] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def compare_file(reading: Reading, file: HandedFile) -> CameBack:
    """Read a file and tell its structures.

    Parameters
    ----------
    reading : Reading
    file : HandedFile
        One without a digest was not given out: a person saved it beside the others.

    Raises
    ------
    HandoutError
        When the file is gone, or names masks that are not here.
    DrawnFileError
        When it cannot be read.
    """
    path = reading.folder / file.path
    if not path.is_file():
        raise HandoutError(f"{path}: is gone; put it back, or open a new session")
    came = CameBack()
    # After a correction was collected, the file as it was given out takes it back.
    is_first = not has_collected(reading.record, reading.handout.id, _name_digest(file))
    if is_first and digest_of_file(path) == file.sha256:
        came.unchanged = sum(segment.structure not in file.locked for segment in file.segments)
        return came
    given = given_out(reading.workspace, reading.record, file)
    drawings = _by_structure(reading, file, reading.read(path), came)
    locked = []
    for name, drawing in drawings.items():
        before = given.get(name, Given("", NOTHING, NOTHING))
        patch = _placed(reading, name, drawing, before, came)
        if patch is None:
            continue
        if name not in file.locked:
            came.corrections.append(_correction(reading, file, name, before, patch))
        elif not patch.same_as(before.written):
            locked.append(name)
    _look_for_missing(file, given, drawings, came)
    if locked:
        came.notes.append(f"changed but only to look at, not collected: {', '.join(locked)}")
    return came


def _by_structure(
    reading: Reading, file: HandedFile, drawn: DrawnFile, came: CameBack
) -> dict[str, Drawing | None]:
    """Tell which structure each drawing is; None stands for one that has no voxel left."""
    found: dict[str, Drawing | None] = {}
    for drawing in drawn.drawings:
        name = _given_name(file, drawing)
        if name is None:
            name = _new_name(reading, drawing, came)
        if name is None:
            continue
        if name in found:
            came.refused[name] = "two segments of this name in one file; keep one and save again"
            continue
        found[name] = drawing
    for name in came.refused:
        found.pop(name, None)
    if file.painted:
        # A label map has no other way to say that nothing is left.
        gone = [s.structure for s in file.segments if s.structure not in found]
        found |= dict.fromkeys(name for name in gone if name not in came.refused)
    return found


def _given_name(file: HandedFile, drawing: Drawing) -> str | None:
    """Give the structure that was given out under this value or name."""
    if file.painted:
        by_value = {segment.value: segment.structure for segment in file.segments}
        # Programs save a mask of 0 and 1 as 0 and 255 too.
        value = 1 if drawing.value == _FULL and set(by_value) == {1} else drawing.value
        return by_value.get(value or 0)
    names = {segment.structure for segment in file.segments}
    return drawing.name if drawing.name in names else None


def _new_name(reading: Reading, drawing: Drawing, came: CameBack) -> str | None:
    """Tell what a drawing is that was not given out; one without voxels is passed over."""
    if is_empty(drawing.shape):
        return None
    match = reading.matcher.match(drawing)
    if match.structure is None and match.how != _LEFT_OUT:
        came.unmatched[label_of(drawing)] = match
    return match.structure


def _placed(
    reading: Reading, name: str, drawing: Drawing | None, before: Given, came: CameBack
) -> Patch | None:
    """Put a drawing onto the case's grid; None if that cannot be."""
    if drawing is None or is_empty(drawing.shape):
        return NOTHING
    try:
        placed = place(drawing.shape, reading.record.case.grid)
        patch = Patch(placed.crop, placed.box)
        if placed.how in _ON_OTHER_AXES:
            _refuse_elsewhere(patch, before.written, "; ".join(placed.notes))
        _refuse_other_side(reading, name, patch, before.written)
    except ImportRefused as refused:
        came.refused[name] = refused.words
        return None
    if placed.how == "resampled":
        came.notes.append(f"{name}: {'; '.join(placed.notes)}")
    return patch


def _refuse_elsewhere(patch: Patch, written: Patch, how: str) -> None:
    """Refuse a file of other axes that does not show what was given out about where it was."""
    dice = _dice(patch, written)
    if written.voxels and dice < _LEAST_DICE:
        raise ImportRefused(
            "elsewhere",
            f"the file has other axes than were given out ({how}) and the structure lies elsewhere "
            f"(Dice {dice:.2f}, expected {_LEAST_DICE} or more): mirrored? Save it on the grid of "
            "ct.nii.gz",
        )


def _refuse_other_side(reading: Reading, name: str, patch: Patch, written: Patch) -> None:
    """Refuse a structure that lies where the one of the other side is."""
    mirror = reading.workspace.class_map[name].mirror
    other = reading.record.in_force().get(mirror) if mirror else None
    if other is None or not other.voxels:
        return
    there = Patch(reading.workspace.mask_crop(other), other.box)
    on_other, on_own = _dice(patch, there), _dice(patch, written)
    if on_other > max(on_own, _LEAST_DICE):
        raise ImportRefused(
            "sides",
            f"it lies where {mirror} is (Dice {on_other:.2f}, with {name} as given out "
            f"{on_own:.2f}): left and right exchanged?",
        )


def _dice(one: Patch, other: Patch) -> float:
    both = one.voxels - one.added_to(other)
    return 2 * both / max(one.voxels + other.voxels, 1)


def _correction(
    reading: Reading, file: HandedFile, name: str, before: Given, patch: Patch
) -> Correction:
    return Correction(
        structure=name,
        patch=changed(before.mask, before.written, patch),
        given_id=before.mask_id,
        given=before.mask,
        session=reading.handout.id,
        file_name=_name_digest(file),
    )


def _name_digest(file: HandedFile) -> str:
    """Tell files of a session apart; a name itself may be anybody's words, and stays outside."""
    return digest_of({"file": file.path})


def _look_for_missing(
    file: HandedFile,
    given: dict[str, Given],
    drawings: dict[str, Drawing | None],
    came: CameBack,
) -> None:
    """Ask about segments that were given out and are gone, as somebody may have renamed them."""
    if not file.sha256:
        return
    for name, before in given.items():
        if name in drawings or name in came.refused or name in file.locked or not before.mask_id:
            continue
        came.refused[name] = (
            f"its segment is gone from {file.path}; nothing was changed. If it is not there, say "
            "so with 'masksmith verdict'; if it was renamed, give it its name back"
        )
