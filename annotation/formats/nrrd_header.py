"""The header of an NRRD file: fields parsed by pynrrd, and the key/value pairs programs add.

Format: http://teem.sourceforge.net/nrrd/format.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotation.formats.refusal import plain_name, refused

MAGIC = b"NRRD"

_LARGEST_HEADER_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class NrrdHeader:
    """What the header of an NRRD file says.

    Attributes
    ----------
    fields : mapping
        Of the format, as pynrrd parses them.
    texts : mapping of str to str
        The key/value pairs (``key:=value``) that programs add.
    data_path : Path
        Where the samples are: the file itself or one beside it.
    data_offset : int
        At which byte of it they begin.
    """

    path: Path
    fields: Mapping[str, Any]
    texts: Mapping[str, str]
    data_path: Path
    data_offset: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """Samples along each axis, the fastest first."""
        return tuple(int(size) for size in self.fields["sizes"])

    @property
    def list_axis(self) -> int | None:
        """The one axis that runs through no space (layers, segments), if there is one."""
        directions = self.directions
        free = [axis for axis, row in enumerate(directions) if np.isnan(row).any()]
        many = [axis for axis in free if self.sizes[axis] > 1]
        return next(iter(many or free), None)

    @property
    def directions(self) -> NDArray[np.float64]:
        """One row per axis: its step in space (mm), or NaN for an axis that is not in space."""
        rows: NDArray[np.float64] = np.asarray(self.fields["space directions"], dtype=np.float64)
        return rows


def recognise_nrrd(path: Path) -> bool:
    """Tell from its first bytes whether a file is NRRD."""
    with path.open("rb") as file:
        return file.read(4) == MAGIC


def read_nrrd_header(path: Path) -> NrrdHeader:
    """Read and check the header of an NRRD file.

    Raises
    ------
    DrawnFileError
        If it has no end, repeats a field, lacks one, or points to samples elsewhere.
    """
    block = _header_block(path)
    lines = block.decode("utf-8", "replace").splitlines()
    fields, texts = _parse(path, lines)
    for name in ("type", "dimension", "sizes", "encoding"):
        if name not in fields:
            raise refused(
                path, f"no field '{name}'", "a whole NRRD header", "save the segmentation again"
            )
    if len(fields["sizes"]) != fields["dimension"]:
        raise refused(
            path,
            f"{len(fields['sizes'])} sizes for {fields['dimension']} dimensions",
            "one size per dimension",
            "save the segmentation again",
        )
    data_path, offset = _place_of_samples(path, fields, len(block))
    return NrrdHeader(path, fields, texts, data_path, offset)


def _header_block(path: Path) -> bytes:
    with path.open("rb") as file:
        start = file.read(_LARGEST_HEADER_BYTES)
    if not start.startswith(MAGIC):
        raise refused(path, "no NRRD file", "first bytes 'NRRD'", "check what the file is")
    ends = [start.find(mark) + len(mark) for mark in (b"\n\n", b"\n\r\n") if start.find(mark) >= 0]
    if ends:
        return start[: min(ends)]
    if len(start) == _LARGEST_HEADER_BYTES:
        raise refused(
            path,
            "a header of more than 16 MiB",
            "a header that ends in an empty line",
            "save the segmentation again",
        )
    return start  # a header without samples after it (.nhdr) need not end in an empty line


def _parse(path: Path, lines: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    import nrrd

    own = [line for line in lines if ":=" not in line.partition(": ")[0]]
    try:
        with np.errstate(invalid="ignore"):  # sizes that are no numbers are refused below
            fields = dict(nrrd.read_header(own))
    except (
        nrrd.NRRDError, ValueError, TypeError, IndexError, KeyError, AttributeError,
        OverflowError, StopIteration,
    ) as error:  # fmt: skip
        raise refused(
            path,
            f"a header that cannot be read ({plain_name(error, 120)})",
            "a whole NRRD header with each field once",
            "save the segmentation again",
        ) from None
    texts: dict[str, str] = {}
    for line in lines:
        key, separator, value = line.partition(":=")
        if line.startswith("#") or not separator or ": " in key:
            continue
        if texts.setdefault(key.strip(), _unescaped(value.strip())) != _unescaped(value.strip()):
            raise refused(
                path,
                f"two values of '{plain_name(key, 60)}'",
                "each key once",
                "save the segmentation again",
            )
    return fields, texts


def _unescaped(value: str) -> str:
    r"""Undo NRRD's escapes in a value: ``\\`` and ``\n``."""
    parts = value.split("\\\\")
    return "\\".join(part.replace("\\n", "\n") for part in parts)


def _place_of_samples(path: Path, fields: dict[str, Any], header_bytes: int) -> tuple[Path, int]:
    skips = [fields.get(name, 0) for name in ("lineskip", "line skip")]
    byte_skips = [fields.get(name, 0) for name in ("byteskip", "byte skip")]
    if any(skips) or any(byte_skips):
        raise refused(
            path,
            "bytes or lines to skip before the samples",
            "samples from the first byte",
            "save the segmentation again",
        )
    name = fields.get("data file", fields.get("datafile"))
    if name is None:
        return path, header_bytes
    beside = path.parent / str(name)
    inside = "/" not in str(name) and "\\" not in str(name) and str(name) not in ("", ".", "..")
    if not inside or beside.resolve().parent != path.parent.resolve() or not beside.is_file():
        raise refused(
            path,
            f"samples in '{plain_name(name, 80)}'",
            "one file in the same folder",
            "put the data file beside the header, or save as one .nrrd",
        )
    return beside, 0
