"""Which files of a folder hold drawings: each file is consumed, left aside or broken.

What is left aside, and why, is said in words: hidden files, copies half made, CT slices and
images that were drawn on, tables without a volume, and whatever is of no format that is known.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from annotation.formats.dicom_file import is_dicom, sop_class_of
from annotation.formats.drawing import DrawnFileError, Reader
from annotation.formats.naming import companions_of, is_volume, looks_like_image
from annotation.formats.nrrd_header import read_nrrd_header, recognise_nrrd
from annotation.formats.refusal import plain_name
from pipeline.volume import is_partial

_UNFINISHED = (".part", ".partial", ".tmp", ".crdownload", ".filepart", ".download")
_DICOM_ENDINGS = (".dcm", ".dicom", ".ima")
_LIKE_DRAWINGS = (".nii", ".nii.gz", ".nrrd", ".nhdr", *_DICOM_ENDINGS)
_IMAGES = "1.2.840.10008.5.1.4.1.1."


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file of drawings.

    Attributes
    ----------
    path : Path
    format : str
        Name of the reader that recognised it.
    beside : tuple of Path
        Files that go with it: tables of names, the samples of a detached header.
    """

    path: Path
    format: str
    beside: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftFile:
    """A file that is not read, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """What became of every file, each list sorted by path.

    Attributes
    ----------
    files : tuple of FoundFile
        To be read.
    ignored : tuple of LeftFile
        No drawings, for a reason that is no fault.
    broken : tuple of LeftFile
        Should be drawings by their names, and are not readable as such.
    """

    files: tuple[FoundFile, ...] = ()
    ignored: tuple[LeftFile, ...] = ()
    broken: tuple[LeftFile, ...] = ()

    @property
    def consumed(self) -> tuple[Path, ...]:
        """Give all files that are read, those beside others among them."""
        every = [path for file in self.files for path in (file.path, *file.beside)]
        return tuple(sorted(set(every)))


def find_files(path: Path, reader_for: Callable[[Path], Reader | None]) -> FoundFiles:
    """Sort a file, or all files under a folder; see :func:`annotation.formats.find_drawn_files`.

    Raises
    ------
    DrawnFileError
        If there is nothing at `path`.
    """
    if not path.exists():
        raise DrawnFileError(
            f"{path}: found nothing there; expected a file or folder of drawings; check the path"
        )
    files: list[FoundFile] = []
    ignored: list[LeftFile] = []
    broken: list[LeftFile] = []
    undecided: list[Path] = []
    for one, reason in _walk(path):
        reason = reason or _why_not_opened(one)
        if reason:
            ignored.append(LeftFile(one, reason))
            continue
        try:
            reader = None if looks_like_image(one) else reader_for(one)
            if reader is None:
                undecided.append(one)
            else:
                files.append(FoundFile(one, reader.name, _beside(one)))
        except (OSError, DrawnFileError) as error:
            broken.append(LeftFile(one, _in_words(one, error)))
    taken = {beside for file in files for beside in file.beside}
    for one in undecided:
        if one in taken:
            continue
        reason, is_fault = _what_else(one)
        (broken if is_fault else ignored).append(LeftFile(one, reason))
    by_path = attrgetter("path")
    return FoundFiles(
        tuple(sorted(_not_beside(files, taken), key=by_path)),
        tuple(sorted(ignored, key=by_path)),
        tuple(sorted(broken, key=by_path)),
    )


def _walk(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield every file and link under a path, with a reason for those not to be followed."""
    if not path.is_dir():
        yield path, ""
        return
    for folder, folders, names in os.walk(path, followlinks=False):
        here = Path(folder)
        for name in sorted(folders):
            if (here / name).is_symlink():
                yield here / name, "a link to a folder, which is not followed"
        folders[:] = sorted(name for name in folders if not _is_hidden_folder(here / name))
        for name in sorted(names):
            yield here / name, ""


def _is_hidden_folder(folder: Path) -> bool:
    return folder.name.startswith(".") or folder.name == "__MACOSX"


def _why_not_opened(path: Path) -> str:
    """Say why a file is not even opened; empty if it is to be."""
    name = path.name
    if name.startswith("._"):
        return "what macOS keeps beside a file, not the file"
    if is_partial(path) or name.lower().endswith(_UNFINISHED):
        return "a copy that is not finished"
    if name.startswith("."):
        return "hidden"
    try:
        kind = path.stat().st_mode
    except (OSError, RuntimeError):
        return "a link that leads nowhere"
    return "" if stat.S_ISREG(kind) else "no ordinary file"


def _beside(path: Path) -> tuple[Path, ...]:
    if recognise_nrrd(path):
        data = read_nrrd_header(path).data_path
        detached = (data,) if data != path else ()
        return (*detached, *companions_of(path))
    return companions_of(path) if is_volume(path) else ()


def _not_beside(files: Iterable[FoundFile], taken: set[Path]) -> list[FoundFile]:
    """Leave out what is the samples of another one's header."""
    return [file for file in files if file.path not in taken]


def _what_else(path: Path) -> tuple[str, bool]:
    """Say what a file is that holds no drawings, and whether that is a fault."""
    if path.stat().st_size == 0:
        return "empty", path.name.lower().endswith(_LIKE_DRAWINGS)
    if looks_like_image(path):
        return "by its name the image that was drawn on", False
    if is_dicom(path):
        sop_class = sop_class_of(path)
        if sop_class.startswith(_IMAGES):
            return "a DICOM image or object that holds no segmentation", False
        return "a DICOM file of unknown kind", not sop_class
    if path.name.lower().endswith(_LIKE_DRAWINGS):
        return f"not readable as what its ending {_ending(path)} says", True
    return f"no known format of drawings ({_ending(path) or 'no ending'})", False


def _ending(path: Path) -> str:
    return plain_name("".join(path.suffixes[-2:]), 20)


def _in_words(path: Path, error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot be opened ({error.strerror or type(error).__name__})"
    return str(error).removeprefix(f"{path}: ")
