"""Opening a DICOM file of drawings: checked before it is inflated, named when it is broken.

Raw UIDs stay in memory (see :class:`annotation.formats.drawing.References`); no message quotes
a value that could name a patient.
"""

import logging
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from annotation.formats.drawing import ReadLimits
from annotation.formats.refusal import plain_name, refused

_DEFLATED = "1.2.840.10008.1.2.1.99"
_MOST_INFLATED_BYTES = 2 * 2**30
_INFLATE_STEP_BYTES = 2**20
_PREAMBLE_BYTES = 128

# What pydicom raises on files that are broken or lie; anything else is a fault of ours.
UNREADABLE: tuple[type[Exception], ...] = (
    OSError, EOFError, ValueError, KeyError, AttributeError, TypeError, IndexError,
    NotImplementedError, OverflowError, RecursionError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip


def is_dicom(path: Path) -> bool:
    """Tell by the mark after the preamble whether a file is DICOM."""
    with path.open("rb") as file:
        return file.read(_PREAMBLE_BYTES + 4)[_PREAMBLE_BYTES:] == b"DICM"


def sop_class_of(path: Path) -> str:
    """Read from the file's meta information what kind of object it is; empty if unreadable."""
    from pydicom.errors import BytesLengthException, InvalidDicomError
    from pydicom.filereader import read_file_meta_info

    if not is_dicom(path):
        return ""
    with _quiet():
        try:
            meta = read_file_meta_info(path)
            return str(meta.get("MediaStorageSOPClassUID", ""))
        except (InvalidDicomError, BytesLengthException, *UNREADABLE):
            return ""


def read_dicom(path: Path, limits: ReadLimits) -> Any:
    """Read a whole DICOM file.

    Returns
    -------
    pydicom.FileDataset

    Raises
    ------
    DrawnFileError
        If it is broken, or larger than the limits, on disk or inflated.
    """
    import pydicom

    if path.stat().st_size > limits.max_bytes:
        raise refused(
            path,
            f"{path.stat().st_size:,} bytes",
            f"at most {limits.max_bytes:,}",
            "export fewer segments into one file",
        )
    with readable(path):
        _require_small_when_inflated(path, limits)
        return pydicom.dcmread(path)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what pydicom raises inside into a DrawnFileError that quotes nothing of the file."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    with _quiet():
        try:
            yield
        except (InvalidDicomError, BytesLengthException, *UNREADABLE) as error:
            raise refused(
                path,
                f"a DICOM object that cannot be read ({type(error).__name__})",
                "a whole DICOM file",
                "copy or export it again",
            ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep pydicom from logging and warning: its lines quote values."""
    from pydicom.config import IGNORE, settings

    settings.reading_validation_mode = IGNORE
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _require_small_when_inflated(path: Path, limits: ReadLimits) -> None:
    """Inflate a deflated file in small steps, so that a bomb is met before it is opened."""
    from pydicom.filereader import read_file_meta_info

    meta = read_file_meta_info(path)
    if meta.get("TransferSyntaxUID") != _DEFLATED:
        return
    most = min(limits.max_bytes, _MOST_INFLATED_BYTES)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    total = 0
    with path.open("rb") as file:
        file.seek(_PREAMBLE_BYTES + 4 + 12 + int(meta["FileMetaInformationGroupLength"].value))
        while block := file.read(2**16):
            while block:
                total += len(inflater.decompress(block, _INFLATE_STEP_BYTES))
                block = inflater.unconsumed_tail
                if total > most:
                    raise refused(
                        path,
                        f"a deflated file that expands beyond {most:,} bytes",
                        "a structure set or segmentation",
                        "leave it out",
                    )


def software_of(dataset: Any) -> dict[str, str]:
    """Say what wrote an object: model (or maker) and version, as far as it says."""
    maker = plain_name(dataset.get("ManufacturerModelName")) or plain_name(
        dataset.get("Manufacturer")
    )
    versions = dataset.get("SoftwareVersions") or ""
    version = versions if isinstance(versions, str) else "; ".join(str(one) for one in versions)
    return {maker: plain_name(version)} if maker else {}


def items_of(dataset: Any, name: str) -> list[Any]:
    """Give the items of a sequence; none if it is missing, empty or no sequence."""
    from pydicom.sequence import Sequence

    value = dataset.get(name)
    return list(value) if isinstance(value, Sequence) else []


def numbers_of(dataset: Any, name: str) -> tuple[float, ...]:
    """Give the numbers of a field; none if it is missing."""
    value = dataset.get(name)
    if value is None or value == "":
        return ()
    parts = [value] if isinstance(value, str | int | float) else list(value)
    return tuple(float(part) for part in parts)


def uid_of(dataset: Any, name: str) -> str:
    """Give a UID; empty if missing."""
    return str(dataset.get(name) or "").strip()
