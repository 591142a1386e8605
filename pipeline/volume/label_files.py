"""Find the cases in a path: label maps, or folders with one mask per structure.

What is understood: a label map; a folder of label maps (``s0001.nii.gz``, or
``s0001_labels.nii.gz`` beside CTs); a folder of masks (``liver.nii.gz``); a folder of such folders,
with or without ``segmentations/`` in between, as TotalSegmentator lays them out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.anatomy import ClassMap
from pipeline.errors import BadInput, NothingToDo

_SUFFIXES = (".nii.gz", ".nii")
_LABELS_SUFFIX = "_labels"
_MASK_FOLDER = "segmentations"
# What lies beside masks and is none: what `masksmith models run` and datasets write.
_NO_MASKS = frozenset({"ct", "labels"})


@dataclass(frozen=True, slots=True)
class CaseFiles:
    """The files of one case: a label map, or masks by structure.

    Attributes
    ----------
    place : Path
        The label map, or the folder of the masks.
    masks : mapping
        Structure to file; empty for a label map.
    unknown : tuple of str
        Files in the folder whose names are no structures.
    """

    case_id: str
    place: Path
    masks: Mapping[str, Path] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    @property
    def is_label_map(self) -> bool:
        """Whether all structures are in one file."""
        return not self.masks


def find_case_files(path: Path, class_map: ClassMap) -> dict[str, CaseFiles]:
    """Find the cases in a file or folder, by case id.

    Raises
    ------
    NothingToDo
        If there is no such path, or nothing in it that could be a case.
    BadInput
        If two files stand for one case.
    """
    if path.is_file():
        return {_stem(path): CaseFiles(_stem(path), path)}
    if not path.is_dir():
        raise NothingToDo(f"{path}: there is no such file or folder")
    one = _folder_of_masks(path, class_map)
    found = [one] if one is not None else [*_label_maps(path), *_folders(path, class_map)]
    if not found:
        raise NothingToDo(
            f"{path}: found no label maps (CASE.nii.gz) and no folders of masks "
            f"(CASE/STRUCTURE.nii.gz, names of class map '{class_map.name}')"
        )
    return _by_id(found)


def _by_id(found: Iterable[CaseFiles]) -> dict[str, CaseFiles]:
    cases: dict[str, CaseFiles] = {}
    for files in found:
        other = cases.setdefault(files.case_id, files)
        if other is not files:
            raise BadInput(
                f"{files.place}: case '{files.case_id}' is also {other.place}; keep one of them"
            )
    return dict(sorted(cases.items()))


def _label_maps(folder: Path) -> list[CaseFiles]:
    files = _images(folder)
    named = [path for path in files if _stem(path).endswith(_LABELS_SUFFIX)]
    return [CaseFiles(_stem(path).removesuffix(_LABELS_SUFFIX), path) for path in (named or files)]


def _folders(folder: Path, class_map: ClassMap) -> list[CaseFiles]:
    below = (path for path in sorted(folder.iterdir()) if path.is_dir() and _is_shown(path))
    found = (_folder_of_masks(path, class_map) or _labels_in(path) for path in below)
    return [files for files in found if files is not None]


def _folder_of_masks(folder: Path, class_map: ClassMap) -> CaseFiles | None:
    """Give the masks of a folder that holds one case; None if it holds no known structure."""
    case_id = folder.resolve().name
    if case_id == _MASK_FOLDER:
        case_id = folder.resolve().parent.name
    elif (folder / _MASK_FOLDER).is_dir():
        folder = folder / _MASK_FOLDER
    files = {_stem(path): path for path in _images(folder)}
    masks = {name: path for name, path in files.items() if name in class_map}
    if not masks:
        return None
    unknown = tuple(name for name in files if name not in masks and name not in _NO_MASKS)
    return CaseFiles(case_id, folder, masks, unknown)


def _labels_in(folder: Path) -> CaseFiles | None:
    files = [path for path in _images(folder) if _stem(path) == "labels"]
    return CaseFiles(folder.name, files[0]) if files else None


def _images(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.iterdir())
        if path.name.endswith(_SUFFIXES) and path.is_file() and _is_shown(path)
    ]


def _is_shown(path: Path) -> bool:
    """Leave out hidden files: ``._liver.nii.gz`` is what macOS leaves behind."""
    return not path.name.startswith(".")


def _stem(path: Path) -> str:
    for suffix in _SUFFIXES:
        if path.name.endswith(suffix):
            return path.name.removesuffix(suffix)
    return path.stem
