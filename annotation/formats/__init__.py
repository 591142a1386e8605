"""One reader per format of files drawn elsewhere.

A new format is one file that holds a reader (see :class:`annotation.formats.drawing.Reader`) and
one entry in :data:`READERS`. The order counts: the first reader that recognises a file by its
content reads it, so that those that know more about a file come before those that know less.
"""

from pathlib import Path

from annotation.formats.dicom_seg import DicomSegReader
from annotation.formats.drawing import DrawnFile, DrawnFileError, Reader, ReadLimits
from annotation.formats.finding import FoundFile, FoundFiles, LeftFile, find_files
from annotation.formats.itk_snap import ItkSnapReader
from annotation.formats.mitk import MitkReader
from annotation.formats.name_table import read_name_table
from annotation.formats.naming import apply_name_table
from annotation.formats.nifti import NiftiReader
from annotation.formats.nora import NoraReader
from annotation.formats.nrrd_label_map import NrrdReader
from annotation.formats.refusal import refused
from annotation.formats.rtstruct import RtstructReader
from annotation.formats.seg_nrrd import SegNrrdReader

READERS: tuple[Reader, ...] = (
    SegNrrdReader(),
    MitkReader(),
    ItkSnapReader(),
    NoraReader(),
    NiftiReader(),
    NrrdReader(),
    DicomSegReader(),
    RtstructReader(),
)
"""Every reader, the most particular first."""

__all__ = [
    "READERS",
    "FoundFile",
    "FoundFiles",
    "LeftFile",
    "find_drawn_files",
    "read_drawn_file",
    "reader_for",
]


def reader_for(path: Path) -> Reader | None:
    """Give the reader that recognises a file by its content; None if none does.

    Raises
    ------
    OSError
        If the file cannot be opened.
    """
    return next((reader for reader in READERS if reader.recognises(path)), None)


def read_drawn_file(
    path: Path, limits: ReadLimits | None = None, *, name_table: Path | None = None
) -> DrawnFile:
    """Read a file of drawings, whatever its format, in this process.

    Files from outside are better read by
    :func:`annotation.formats.guarded.read_guarded`, in a process of their own.

    Parameters
    ----------
    path : Path
    limits : ReadLimits, optional
    name_table : Path, optional
        A table of values and names that a person gave; it counts before any other.

    Raises
    ------
    DrawnFileError
        If no reader knows it, or the one that does cannot read it.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise refused(path, "no ordinary file", "a file of drawings", "give its files instead")
        reader = reader_for(path)
        if reader is None:
            raise refused(
                path,
                "no format of drawings that is known",
                "one of " + ", ".join(one.name for one in READERS),
                "save it as NIfTI, .seg.nrrd, DICOM SEG or RTSTRUCT",
            )
        drawn = reader.read(path, limits or ReadLimits())
        return apply_name_table(drawn, read_name_table(name_table)) if name_table else drawn
    except OSError as error:
        raise DrawnFileError(
            f"{path}: found a file that cannot be opened ({error.strerror or error}); expected a "
            "readable one; check its permissions and whether it is still there"
        ) from None
    except MemoryError:
        raise DrawnFileError(
            f"{path}: found a file that takes more memory than there is; expected a segmentation "
            "that fits; export fewer segments into one file"
        ) from None


def find_drawn_files(path: Path) -> FoundFiles:
    """Look at a file, or at all files under a folder, and say what each of them is.

    Every file ends as one that is to be read (perhaps with others beside it, such as tables of
    names), as left aside with a reason, or as broken with a reason. Only the beginnings of files
    are read. Links to folders are not followed.
    """
    return find_files(Path(path), reader_for)
