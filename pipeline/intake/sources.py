"""What lies under the paths a person gives: CTs to read, series to sort, files to leave.

Only names and the first bytes of files are looked at here; parsing is done elsewhere, in a
process with limits. Every file ends up in exactly one list of `Found`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipeline.intake.totalsegmentator_layout import (
    CT_NAME,
    MASKS_NAME,
    META_NAME,
    DatasetSubject,
    dataset_subject,
    is_subject,
)

LayoutName = Literal["auto", "nifti", "dicom", "totalsegmentator"]

_NIFTI_ENDINGS = (".nii", ".nii.gz")
_DICOM_ENDINGS = (".dcm", ".ima", ".dicom")
_DICOM_MAGIC_AT = 128
_PLAIN_ENDING = re.compile(r"\.[a-z0-9]{1,5}")


@dataclass
class Found:
    """Everything under the given paths, in the order of their names.

    Attributes
    ----------
    left : list of (Path or str, str)
        What is not read, with the reason.
    missing : list of (Path, str)
        Given by name, but not there or not usable: an error, unlike what a folder holds.
    """

    nifti: list[Path] = field(default_factory=list)
    dicom: list[Path] = field(default_factory=list)
    subjects: list[DatasetSubject] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)


def find_sources(paths: Iterable[Path], layout: LayoutName = "auto") -> Found:
    """Sort the files under some paths by what they are.

    Parameters
    ----------
    paths : iterable of Path
        Files and folders; folders are gone through to the bottom, links to folders are not
        followed.
    layout : str
        What to look for. "auto" looks for everything and takes a folder that holds
        `ct.nii.gz` and `segmentations/` for a subject of a TotalSegmentator dataset.
    """
    found = Found()
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            continue
        seen.add(path.resolve())
        if path.is_dir():
            _find_in_folder(path, layout, found)
        elif path.is_file():
            _find_file(path, layout, found)
        else:
            found.missing.append((str(path), "no such file or folder"))
    _drop_repeats(found)
    return found


def _drop_repeats(found: Found) -> None:
    """Read each file once though two given paths may hold it."""
    found.nifti = list({path.resolve(): path for path in found.nifti}.values())
    found.dicom = list({path.resolve(): path for path in found.dicom}.values())
    found.subjects = list({each.folder.resolve(): each for each in found.subjects}.values())


def _find_file(path: Path, layout: LayoutName, found: Found) -> None:
    kind = _kind(path)
    if kind == "nifti" and layout in ("auto", "nifti"):
        found.nifti.append(path)
    elif kind == "dicom" and layout in ("auto", "dicom"):
        found.dicom.append(path)
    else:
        wanted = "NIfTI or DICOM" if layout == "auto" else layout
        found.missing.append((str(path), f"not a {wanted} file; give a CT or a folder of CTs"))


def _find_in_folder(root: Path, layout: LayoutName, found: Found) -> None:
    before = len(found.subjects)
    left: Counter[str] = Counter()
    for path in _files_below(root, layout, found):
        kind = _kind(path)
        if kind == "nifti" and layout in ("auto", "nifti"):
            found.nifti.append(path)
        elif kind == "dicom" and layout in ("auto", "dicom"):
            found.dicom.append(path)
        elif path.name != META_NAME:
            left[_why_left(path, kind)] += 1
    for why, count in sorted(left.items()):
        files = "1 file" if count == 1 else f"{count} files"
        found.left.append((str(root), f"{files} left alone: {why}"))
    if layout == "totalsegmentator" and len(found.subjects) == before:
        found.missing.append((str(root), f"no folder with {CT_NAME} in it"))


def _files_below(folder: Path, layout: LayoutName, found: Found) -> Iterator[Path]:
    """Give the files under a folder; subjects of a dataset are noted as a whole."""
    if layout in ("auto", "totalsegmentator"):
        if is_subject(folder, with_masks=layout == "auto"):
            found.subjects.append(dataset_subject(folder))
            return
        if (folder / MASKS_NAME).is_dir() and not (folder / CT_NAME).exists():
            found.missing.append((str(folder), f"{MASKS_NAME}/ without {CT_NAME}"))
            return
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        found.missing.append((str(folder), f"cannot be listed ({error.strerror})"))
        return
    for path in entries:
        if path.is_dir() and not path.is_symlink():
            yield from _files_below(path, layout, found)
        elif path.is_file():
            yield path


def _kind(path: Path) -> Literal["nifti", "dicom", "hidden", "other"]:
    if path.name.startswith("."):
        return "hidden"
    name = path.name.lower()
    if name.endswith(_NIFTI_ENDINGS):
        return "nifti"
    if name == "dicomdir":
        return "other"
    return "dicom" if name.endswith(_DICOM_ENDINGS) or _has_dicom_magic(path) else "other"


def _has_dicom_magic(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(_DICOM_MAGIC_AT)
            return file.read(4) == b"DICM"
    except OSError:
        return False


def _why_left(path: Path, kind: str) -> str:
    if path.name.startswith("._"):
        return "'._' files of macOS, no images"
    if kind == "hidden":
        return "hidden files"
    if kind in ("nifti", "dicom"):
        return f"{kind} files, not asked for by --layout"
    ending = path.suffix.lower()
    return f"neither NIfTI nor DICOM ({ending if _PLAIN_ENDING.fullmatch(ending) else 'no ending'})"
