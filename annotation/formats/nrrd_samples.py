"""The samples of an NRRD file, decompressed into one array of the declared size and no further."""

import bz2
from collections.abc import Iterator
from typing import IO, Any, cast

import numpy as np
from isal import igzip
from numpy.typing import NDArray

from annotation.formats.drawing import ReadLimits
from annotation.formats.nrrd_geometry import space_axes
from annotation.formats.nrrd_header import NrrdHeader
from annotation.formats.refusal import plain_name, refused, require_size
from pipeline.volume.nifti import UNREADABLE

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
_BROKEN: tuple[type[Exception], ...] = (*UNREADABLE, ValueError)


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
