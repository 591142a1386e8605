"""Naming the labels of a label map by the tables that stand in its header or beside it.

Only the nearest table counts: the one with the file's own name, then the one in its header,
then one for the whole folder (a label description of ITK-SNAP, nnU-Net's ``dataset.json``).
A mask is named by its file, unless a table of its own names it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from annotation.formats.drawing import Drawing, DrawnFile
from annotation.formats.label_map import LabelMap, drawings_of, mask_drawing
from annotation.formats.name_table import (
    ENDINGS,
    NotANameTableError,
    is_snap_description,
    read_name_table,
)
from annotation.formats.refusal import plain_name

_VOLUME_ENDINGS = (".nii.gz", ".nii", ".seg.nrrd", ".nrrd", ".nhdr")
_IMAGE_NAMES = ("ct", "image", "imaging", "img")
_IMAGE_FOLDERS = "images"  # nnU-Net: imagesTr, imagesTs
_DATASET = "dataset.json"


@dataclass(frozen=True, slots=True)
class Names:
    """A table of names, and the file it is from (None for the header of the volume itself)."""

    names: Mapping[int, str]
    path: Path | None
    is_own: bool


def stem_of(path: Path) -> str:
    """Give a volume's file name without its ending."""
    name = path.name
    ending = next((end for end in _VOLUME_ENDINGS if name.lower().endswith(end)), path.suffix)
    return name[: len(name) - len(ending)] if ending else name


def looks_like_image(path: Path) -> bool:
    """Whether a volume is by its place the image that was drawn on: ct.nii.gz, imagesTr/..."""
    named = stem_of(path).lower() in _IMAGE_NAMES
    return is_volume(path) and (named or path.parent.name.lower().startswith(_IMAGE_FOLDERS))


def is_volume(path: Path) -> bool:
    """Whether a file is by its ending a NIfTI or NRRD volume."""
    return path.name.lower().endswith(_VOLUME_ENDINGS)


def own_tables(path: Path) -> list[Path]:
    """List the files that may be a table of this volume's own: same name, another ending."""
    found = [path.with_name(stem_of(path) + ending) for ending in ENDINGS]
    return [table for table in found if table.is_file() and table != path]


def snap_description(path: Path) -> Path | None:
    """Find the label description of ITK-SNAP that goes with a volume.

    It has the volume's name, or it is the one ``*label*.txt`` (``.label``) of the folder.
    """
    own = [table for table in own_tables(path) if is_snap_description(table)]
    if own:
        return own[0]
    shared = [
        table
        for table in sorted(path.parent.iterdir())
        if table.suffix.lower() in (".txt", ".label")
        and "label" in table.name.lower()
        and not table.name.startswith(".")
        and table.is_file()
        and is_snap_description(table)
    ]
    return shared[0] if len(shared) == 1 and not _is_anothers(shared[0], path) else None


def dataset_table(path: Path) -> Path | None:
    """Find nnU-Net's dataset.json: in the folder, or above a folder labelsTr or labelsTs."""
    folders = [path.parent]
    if path.parent.name.startswith("labels"):
        folders.append(path.parent.parent)
    found = [folder / _DATASET for folder in folders if (folder / _DATASET).is_file()]
    return found[0] if found else None


def companions_of(path: Path) -> tuple[Path, ...]:
    """List the files beside a volume whose names it would take, the nearest first."""
    found = own_tables(path)
    found += [table for table in (snap_description(path), dataset_table(path)) if table]
    return tuple(dict.fromkeys(found))


def labelled_file(
    form: str, path: Path, found: LabelMap, header_names: Mapping[int, str] | None = None
) -> DrawnFile:
    """Make the file's drawings, named by the nearest table.

    Parameters
    ----------
    form : str
        Name of the reader.
    path : Path
    found : LabelMap
    header_names : mapping of int to str, optional
        What the file's own header says.

    Raises
    ------
    DrawnFileError
        If the table is one and contradicts itself.
    """
    table, notes = _nearest(path, header_names or {})
    drawings: tuple[Drawing, ...]
    by_table = bool(found.boxes) and table is not None and _may_name_mask(table, path)
    if found.is_mask and not by_table:
        drawings = (mask_drawing(found, plain_name(stem_of(path))),)
    else:
        names = table.names if table else {}
        drawings = drawings_of(found, names)
        notes += _unnamed(found, names)
        if table and table.path:
            notes.append(f"names from {table.path.name}")
    return DrawnFile(path, form, drawings, notes=(*found.notes, *notes))


def apply_name_table(drawn: DrawnFile, names: Mapping[int, str]) -> DrawnFile:
    """Rename the drawings whose value is in a table that a person gave."""
    drawings = tuple(
        drawing
        if drawing.value is None or drawing.value not in names
        else replace(drawing, name=names[drawing.value])
        for drawing in drawn.drawings
    )
    return replace(drawn, drawings=drawings)


def _nearest(path: Path, header_names: Mapping[int, str]) -> tuple[Names | None, list[str]]:
    notes: list[str] = []
    for table in own_tables(path):
        try:
            return Names(read_name_table(table), table, is_own=True), notes
        except NotANameTableError:
            notes.append(f"{table.name} beside it is no table of names")
    if header_names:
        return Names(header_names, None, is_own=True), notes
    for shared in (snap_description(path), dataset_table(path)):
        if shared is not None:
            try:
                return Names(read_name_table(shared), shared, is_own=False), notes
            except NotANameTableError:
                notes.append(f"{shared.name} beside it is no table of names")
    return None, notes


def _may_name_mask(table: Names, path: Path) -> bool:
    """Whether a table names a mask that has a file name too: its own one, or its folder's only."""
    if table.is_own or (table.path is not None and table.path.name == _DATASET):
        return 1 in table.names
    volumes = [
        other for other in path.parent.iterdir() if is_volume(other) and not looks_like_image(other)
    ]
    return 1 in table.names and volumes == [path]


def _unnamed(found: LabelMap, names: Mapping[int, str]) -> list[str]:
    missing = sorted(set(found.values.values()) - set(names))
    if not missing or not names:
        return []
    shown = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
    return [f"{len(missing)} values without a name in the table ({shown})"]


def _is_anothers(table: Path, path: Path) -> bool:
    """Whether a table bears the name of another volume of the folder."""
    stem = table.name[: -len(table.suffix)]
    return any(
        is_volume(other) and other != path and stem_of(other) == stem
        for other in path.parent.iterdir()
    )
