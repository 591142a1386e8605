"""NRRD files, header and samples, read so that a lying one takes no memory.

The header's fields are parsed by pynrrd; what it says is then checked against limits and
against the file before the samples are decompressed into one array of the declared size.
Format: http://teem.sourceforge.net/nrrd/format.html
"""

import bz2
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from isal import igzip
from numpy.typing import NDArray

from annotation.formats.drawing import ReadLimits
from annotation.formats.geometry import affine_of, checked_grid, checked_shape
from annotation.formats.refusal import plain_name, refused, require_size
from pipeline.volume import Grid
from pipeline.volume.nifti import UNREADABLE

MAGIC = b"NRRD"

_LARGEST_HEADER_BYTES = 16 * 2**20
_LARGEST_DEFLATE_RATIO = 1040  # RFC 1951: 258 bytes in two bits
_GZIP = ("gzip", "gz")
_BZIP2 = ("bzip2", "bz2")
_TEXT = ("ascii", "text", "txt")
_TEXT_BYTES_PER_SAMPLE = 24
_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_MILLIMETRES = ("mm", "millimeter", "millimeters", "millimetre", "millimetres", "")

_BROKEN: tuple[type[Exception], ...] = (*UNREADABLE, ValueError)

# World axes of each space: the signs that turn it to RAS (NRRD format, "space:").
_SPACES = {
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1),
    "lps": (-1, -1, 1),
}


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


def nrrd_grid(header: NrrdHeader, limits: ReadLimits) -> Grid:
    """Give the grid of the three axes that lie in space.

    Raises
    ------
    DrawnFileError
        If there are not three such axes, or nothing says which way they point.
    """
    path = header.path
    space = str(header.fields.get("space", "")).strip().lower()
    if "space directions" not in header.fields or "space origin" not in header.fields:
        raise refused(
            path,
            "no directions or origin in space",
            "'space directions' and 'space origin'",
            "save the segmentation with its geometry",
        )
    if space not in _SPACES:
        raise refused(
            path,
            f"the space '{plain_name(space, 60)}'",
            "left-posterior-superior or right-anterior-superior, to know left from right",
            "save the segmentation with its geometry",
        )
    _require_millimetres(header)
    axes = space_axes(header)
    shape = checked_shape(path, [header.sizes[axis] for axis in axes], limits)
    origin = np.asarray(header.fields["space origin"], dtype=np.float64)
    if header.directions.shape[1:] != (3,) or origin.shape != (3,):
        raise refused(path, "a space that is not 3-D", "three coordinates", "save it as 3-D")
    signs = np.diag([*_SPACES[space], 1.0])
    return checked_grid(path, shape, signs @ affine_of(header.directions[axes], origin))


def space_axes(header: NrrdHeader) -> list[int]:
    """Give the three axes that lie in space; others may have one sample, or one may list layers.

    Raises
    ------
    DrawnFileError
        If the axes are others.
    """
    directions = header.directions
    rows = directions.shape[0] if directions.ndim == 2 else 0
    if rows == len(header.sizes):
        axes = [axis for axis in range(rows) if not np.isnan(directions[axis]).any()]
        layers = [header.sizes[axis] for axis in range(rows) if axis not in axes]
        if len(axes) == 3 and sum(size > 1 for size in layers) <= 1:
            return axes
    raise refused(
        header.path,
        f"{len(header.sizes)} axes of {' x '.join(map(str, header.sizes))}",
        "three axes in space and at most one of layers",
        "save one time point as a 3-D volume",
    )


def _require_millimetres(header: NrrdHeader) -> None:
    units = [str(unit).strip().lower() for unit in header.fields.get("space units", [])]
    if any(unit not in _MILLIMETRES for unit in units):
        raise refused(
            header.path,
            f"the unit '{plain_name(units[0], 20)}'",
            "millimetres",
            "save the segmentation in millimetres",
        )


def legacy_spatial_affine(header: NrrdHeader) -> NDArray[np.float64] | None:
    """Give the affine of a four-dimensional space without a name; None for any other header.

    Early versions of 3D Slicer wrote segments along a fourth axis of space. Directions and
    origin are those of its own world, RAS (Slicer, vtkMRMLSegmentationStorageNode.cxx,
    ReadBinaryLabelmapRepresentation4DSpatial: they are copied unturned).
    """
    directions = header.directions if "space directions" in header.fields else np.empty(0)
    origin = np.asarray(header.fields.get("space origin", ()), dtype=np.float64)
    if header.fields.get("space") or directions.shape != (4, 4) or origin.shape != (4,):
        return None
    if np.isnan(directions).any() or np.abs(directions[:3, 3]).max() > 0:
        return None
    return affine_of(directions[:3, :3], origin[:3])


def read_nrrd_samples(header: NrrdHeader, limits: ReadLimits) -> NDArray[np.generic]:
    """Read the samples of a file into one Fortran-ordered array of its sizes.

    Raises
    ------
    DrawnFileError
        If they are more than the limits allow, or are not whole numbers, or the file holds
        fewer or more than declared.
    """
    path = header.path
    if min(header.sizes) < 1:
        raise refused(path, f"sizes {header.sizes}", "sizes of 1 and above", "save it again")
    dtype = _sample_type(header)
    count = int(np.prod(header.sizes, dtype=object))
    require_size(path, count, dtype.itemsize, limits)
    encoding = str(header.fields["encoding"]).lower()
    try:
        flat = _read_samples(header, encoding, count, dtype)
    except _BROKEN as error:
        raise refused(
            path,
            f"samples that cannot be read ({plain_name(error, 120)})",
            f"{count:,} whole samples in the encoding {plain_name(encoding, 20)}",
            "copy it again, or save the segmentation again",
        ) from None
    native = flat.astype(dtype.newbyteorder("="), copy=False)
    return native.reshape(header.sizes, order="F")


def _sample_type(header: NrrdHeader) -> np.dtype[Any]:
    name = str(header.fields["type"]).strip()
    code = next((code for code, names in _TYPES.items() if name in names), None)
    if code is None:
        raise refused(
            header.path,
            f"samples of type '{plain_name(name, 40)}'",
            "whole numbers",
            "save the segmentation as a label map",
        )
    dtype = np.dtype(code)
    is_text = str(header.fields["encoding"]).lower() in _TEXT
    endian = str(header.fields.get("endian", ""))
    if dtype.itemsize > 1 and not is_text and endian not in ("little", "big"):
        raise refused(
            header.path,
            f"the byte order '{plain_name(endian, 20)}'",
            "endian: little or big",
            "save the segmentation again",
        )
    return dtype.newbyteorder(">" if endian == "big" else "<")


def _read_samples(
    header: NrrdHeader, encoding: str, count: int, dtype: np.dtype[Any]
) -> NDArray[np.generic]:
    on_disk = header.data_path.stat().st_size - header.data_offset
    declared = count * dtype.itemsize
    ratios = {"raw": 1, **dict.fromkeys(_GZIP, _LARGEST_DEFLATE_RATIO)}
    if declared > on_disk * ratios.get(encoding, 10**9):
        raise EOFError(f"{on_disk:,} bytes cannot hold them: truncated or lying")
    with header.data_path.open("rb") as file:
        file.seek(header.data_offset)
        if encoding in _TEXT:
            return _text_samples(file, count, dtype)
        if encoding == "raw":
            return _fill(cast("IO[bytes]", file), count, dtype)
        if encoding in _GZIP:
            with igzip.IGzipFile(fileobj=file, mode="rb") as stream:
                return _fill(cast("IO[bytes]", stream), count, dtype)
        if encoding in _BZIP2:
            with bz2.BZ2File(file) as stream:
                return _fill(cast("IO[bytes]", stream), count, dtype)
    raise ValueError("an encoding other than raw, gzip, bzip2 and text")


def _fill(stream: IO[bytes], count: int, dtype: np.dtype[Any]) -> NDArray[np.generic]:
    flat = np.empty(count, dtype)
    view = flat.view(np.uint8).data
    filled = 0
    while filled < len(view):
        got = stream.readinto(view[filled:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError(f"{len(view):,} bytes declared, {filled:,} found")
        filled += got
    if stream.read(1):
        raise ValueError("more bytes than declared")
    return flat


def _text_samples(file: IO[bytes], count: int, dtype: np.dtype[Any]) -> NDArray[np.generic]:
    text = file.read(_TEXT_BYTES_PER_SAMPLE * count + 1)
    if len(text) > _TEXT_BYTES_PER_SAMPLE * count:
        raise ValueError("more text than declared")
    flat = np.array(text.split(), dtype=np.float64)
    if flat.size != count or not np.array_equal(flat, np.rint(flat)):
        raise ValueError(f"{flat.size:,} numbers as text")
    return flat.astype(dtype)


def layers_of(header: NrrdHeader, samples: NDArray[np.generic]) -> Iterator[NDArray[np.generic]]:
    """Yield the layers of samples, each a 3-D array; samples without a list axis are one layer."""
    axis = header.list_axis
    shape = [header.sizes[at] for at in space_axes(header)]
    if axis is None:
        yield samples.reshape(shape, order="F")
        return
    for layer in np.moveaxis(samples, axis, 0):
        yield np.asfortranarray(layer.reshape(shape, order="F"))
