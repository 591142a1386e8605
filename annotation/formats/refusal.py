"""The words with which a file of drawings is refused, and the texts that are taken from one."""

import unicodedata
from pathlib import Path

from annotation.formats.drawing import DrawnFileError, ReadLimits

_LONGEST_NAME = 200
_LONGEST_PERSON = 64
_FIRST_BELIEVABLE_YEAR = 1970  # before tomography; de-identified files are dated 1900 or 1901


def refused(path: Path, found: str, expected: str, advice: str) -> DrawnFileError:
    """Make an error whose message always has the same parts.

    Parameters
    ----------
    path : Path
        The file.
    found, expected : str
        What it holds, with figures, and what it should hold.
    advice : str
        What to do.
    """
    return DrawnFileError(f"{path}: found {found}; expected {expected}; {advice}")


def require_size(path: Path, voxels: int, voxel_bytes: int, limits: ReadLimits) -> None:
    """Refuse a declared size beyond the limits, before anything is allocated.

    Raises
    ------
    DrawnFileError
        If `voxels` or the bytes that they take are more than `limits` allow.
    """
    if voxels > limits.max_voxels or voxels * voxel_bytes > limits.max_bytes:
        raise refused(
            path,
            f"{voxels:,} voxels declared ({voxels * voxel_bytes:,} bytes)",
            f"at most {limits.max_voxels:,} voxels and {limits.max_bytes:,} bytes",
            "export fewer segments into one file, or crop it",
        )


def require_drawings(path: Path, count: int, limits: ReadLimits) -> None:
    """Refuse a file with more drawings than the limits allow.

    Raises
    ------
    DrawnFileError
    """
    if count > limits.max_drawings:
        raise refused(
            path,
            f"{count:,} different labels or segments",
            f"at most {limits.max_drawings:,}",
            "check that it is a label map and no image",
        )


def plain_name(value: object, longest: int = _LONGEST_NAME) -> str:
    """Take a name out of a file: one line without control characters, cut at a length."""
    text = "" if value is None else str(value)
    kept = "".join(" " if unicodedata.category(sign)[0] == "C" else sign for sign in text)
    return " ".join(kept.split())[:longest].strip()


def plain_person(value: object) -> str:
    """Take a person's name if it is a plain short text, else nothing.

    DICOM separates family and given name by ``^``.
    """
    text = plain_name(value, 10 * _LONGEST_PERSON).replace("^", " ")
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_PERSON else ""


def iso_time(date: object, time: object) -> str:
    """Turn DICOM's date (YYYYMMDD) and time (HHMMSS.ffffff) into ISO 8601; empty if no such.

    Dates before 1970 are those with which de-identified files are stamped, and are left out.
    """
    from datetime import datetime

    day, hour = str(date or "").strip(), str(time or "").strip().partition(".")[0]
    try:
        moment = datetime.strptime(day + hour.ljust(6, "0")[:6], "%Y%m%d%H%M%S")
    except ValueError:
        return ""
    if moment.year < _FIRST_BELIEVABLE_YEAR:
        return ""
    return moment.isoformat() if hour else moment.date().isoformat()
