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
from dataclasses import dataclass
from io import BufferedReader, BytesIO, FileIO
from pathlib import Path
from typing import Any

from annotation.formats.drawing import DrawnFileError, ReadLimits
from annotation.formats.refusal import plain_name, refused

_DEFLATED = "1.2.840.10008.1.2.1.99"
_MOST_INFLATED_BYTES = 2 * 2**30
_INFLATE_STEP_BYTES = 2**20
_PREAMBLE_BYTES = 128
_META_BYTES = 2**16
_SOP_CLASS, _TRANSFER_SYNTAX = 0x00020002, 0x00020010

# What pydicom raises on files that are broken or lie; anything else is a fault of ours.
UNREADABLE: tuple[type[Exception], ...] = (
    OSError, EOFError, ValueError, LookupError, AttributeError, TypeError,
    NotImplementedError, OverflowError, RecursionError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip


def is_dicom(path: Path) -> bool:
    """Tell by the mark after the preamble whether a file is DICOM."""
    with path.open("rb") as file:
        return file.read(_PREAMBLE_BYTES + 4)[_PREAMBLE_BYTES:] == b"DICM"


@dataclass(frozen=True, slots=True)
class MetaInformation:
    """What the first group of a DICOM file says: kind, encoding, and where the object begins."""

    sop_class: str
    transfer_syntax: str
    object_offset: int


def meta_information(path: Path) -> MetaInformation:
    """Read the first group of a file, from its first 64 KiB only.

    Raises
    ------
    DrawnFileError
        If it is no DICOM or its first group is broken.
    """
    from pydicom.filereader import data_element_generator

    with path.open("rb") as file:
        start = BytesIO(file.read(_META_BYTES))
    with readable(path):
        if start.read(_PREAMBLE_BYTES + 4)[_PREAMBLE_BYTES:] != b"DICM":
            raise ValueError("no mark after the preamble")
        elements = {
            int(element.tag): element.value or b""
            for element in data_element_generator(
                start, False, True, stop_when=lambda tag, vr, length: tag.group != 2
            )
        }
        sop_class, syntax = (
            elements.get(tag, b"").decode("ascii", "replace").rstrip("\0 ")
            for tag in (_SOP_CLASS, _TRANSFER_SYNTAX)
        )
    return MetaInformation(sop_class, syntax, start.tell())


def sop_class_of(path: Path) -> str:
    """Read from the file's meta information what kind of object it is; empty if unreadable."""
    if not is_dicom(path):
        return ""
    try:
        return meta_information(path).sop_class
    except DrawnFileError:
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
    with readable(path), _WithinTheFile(path) as file:
        _require_small_when_inflated(path, limits)
        return pydicom.dcmread(file)


class _WithinTheFile(BufferedReader):
    """A file of which never more is asked for than there is.

    A length in a damaged file can be anything up to 4 GB, and would be allocated.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(FileIO(path))
        self._size = path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(self._size - self.tell(), 0)
        return super().read(left if size is None or size < 0 else min(size, left))


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
    meta = meta_information(path)
    if meta.transfer_syntax != _DEFLATED:
        return
    most = min(limits.max_bytes, _MOST_INFLATED_BYTES)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    total = 0
    with path.open("rb") as file:
        file.seek(meta.object_offset)
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
