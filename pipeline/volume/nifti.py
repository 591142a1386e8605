"""Reading NIfTI files that may come from anywhere.

The header is read first and checked against limits and against the size of the file, so
that a file of 62 bytes that declares terabytes is refused before any memory is taken; the
stream is then read into one Fortran-ordered array and checked to its end.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from isal import igzip, isal_zlib
from numpy.typing import NDArray

from pipeline.errors import BadInput
from pipeline.volume.grid import Grid

# Deflate cannot shrink by more than 1032:1 (RFC 1951: 258 bytes in two bits).
_LARGEST_DEFLATE_RATIO = 1040
_LARGEST_EXTENSION_BYTES = 16 * 2**20
_COMMENT_CODE = 6
_EXTENSION_KEY = "masksmith"
# What a truncated or corrupt compressed file raises on the way.
UNREADABLE: tuple[type[Exception], ...] = (
    EOFError,
    OSError,
    struct.error,
    cast("type[Exception]", isal_zlib.error),
)
_READABLE_KINDS = "iufb"


class NiftiError(BadInput):
    """A file that is no readable three-dimensional NIfTI volume."""


@dataclass(frozen=True, slots=True)
class NiftiLimits:
    """What a file may declare before it is refused unread."""

    max_bytes: int = 6 * 2**30
    max_size: int = 8192


@dataclass(frozen=True, slots=True)
class NiftiHeader:
    """What the header of a file says.

    ``affine_gap_mm`` is the largest distance between the corners placed by sform and by
    qform when both are set, else 0.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    grid: Grid
    slope: float
    intercept: float
    sform_code: int
    qform_code: int
    affine_gap_mm: float
    extension: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class NiftiVolume:
    """A volume and where it lies.

    Attributes
    ----------
    array : ndarray, shape (I, J, K)
        Fortran-ordered, native byte order; float32 when the header asks for scaling.
    grid : Grid
    extension : mapping or None
        The JSON object Masksmith stored in the header, if any.
    header : NiftiHeader
    """

    array: NDArray[np.generic]
    grid: Grid
    extension: Mapping[str, Any] | None
    header: NiftiHeader = field(repr=False)


def read_nifti(path: Path, *, limits: NiftiLimits | None = None) -> NiftiVolume:
    """Read a three-dimensional NIfTI-1 or -2 file (.nii or .nii.gz).

    Parameters
    ----------
    path : Path
    limits : NiftiLimits, optional

    Raises
    ------
    NiftiError
        When the file is missing, truncated, corrupt, not NIfTI, not 3-D, RGB or complex,
        declares more than the limits allow, or has an affine that places nothing.
    """
    path = Path(path)
    with _open(path) as stream, _named_errors(path):
        header = _read_header(stream, path, limits or NiftiLimits())
        array = _read_voxels(stream, header, path)
    return NiftiVolume(_scaled(array, header), header.grid, header.extension, header)


def read_nifti_grid(path: Path, *, limits: NiftiLimits | None = None) -> Grid:
    """Read only the header of a NIfTI file and give its grid; raises as :func:`read_nifti`."""
    return read_nifti_header(path, limits=limits).grid


def read_nifti_header(path: Path, *, limits: NiftiLimits | None = None) -> NiftiHeader:
    """Read and check only the header of a NIfTI file; raises as :func:`read_nifti`."""
    path = Path(path)
    with _open(path) as stream, _named_errors(path):
        return _read_header(stream, path, limits or NiftiLimits())


class _named_errors:  # noqa: N801 - used like a function
    """Turn what decompressors and nibabel raise into a NiftiError that names the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UNREADABLE):
            raise NiftiError(f"{self._path}: cannot be read to its end ({error})") from error
        if isinstance(error, BadInput) and not str(error).startswith(str(self._path)):
            raise NiftiError(f"{self._path}: {error}") from error


def _open(path: Path) -> IO[bytes]:
    if not path.is_file():
        raise NiftiError(f"{path}: no such file")
    with path.open("rb") as file:
        magic = file.read(2)
    if magic == b"\x1f\x8b":
        return cast("IO[bytes]", igzip.open(path, "rb"))
    return path.open("rb")


def _read_header(stream: IO[bytes], path: Path, limits: NiftiLimits) -> NiftiHeader:
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header
    from nibabel.spatialimages import HeaderDataError

    size = stream.read(4)
    kinds = {348: Nifti1Header, 540: Nifti2Header}
    kind = kinds.get(int.from_bytes(size, "little")) or kinds.get(int.from_bytes(size, "big"))
    if kind is None:
        raise NiftiError(f"{path}: not a NIfTI file (first bytes {size.hex() or 'missing'})")
    length = 348 if kind is Nifti1Header else 540
    block = size + _read_exactly(stream, length - 4)
    try:
        raw = kind(block, check=False)
        header = _check_header(raw, path, limits)
    except HeaderDataError as error:
        raise NiftiError(f"{path}: header not usable: {error}") from error
    extension = _read_extension(stream, header.offset - length)
    return NiftiHeader(**{**_fields(header), "extension": extension})


def _fields(header: NiftiHeader) -> dict[str, Any]:
    return {name: getattr(header, name) for name in header.__dataclass_fields__}


def _check_header(raw: Any, path: Path, limits: NiftiLimits) -> NiftiHeader:
    if raw["magic"].item()[:2] != b"n+":
        raise NiftiError(f"{path}: expected a single-file NIfTI, found magic {raw['magic'].item()}")
    shape = _checked_shape(raw, path, limits)
    dtype = _checked_dtype(raw, path)
    _check_declared_size(int(np.prod(shape, dtype=object)) * dtype.itemsize, path, limits)
    least = 352 if raw.sizeof_hdr == 348 else 544
    offset = float(raw["vox_offset"])
    if not np.isfinite(offset) or not least <= offset <= least + _LARGEST_EXTENSION_BYTES:
        raise NiftiError(f"{path}: voxel offset {offset} lies outside {least} and 16 MiB after it")
    slope, intercept = raw.get_slope_inter()
    grid = Grid((shape[0], shape[1], shape[2]), raw.get_best_affine())
    return NiftiHeader(
        shape=shape,
        dtype=dtype,
        offset=int(offset),
        grid=grid,
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
        sform_code=int(raw["sform_code"]),
        qform_code=int(raw["qform_code"]),
        affine_gap_mm=_affine_gap_mm(raw, grid),
    )


def _checked_shape(raw: Any, path: Path, limits: NiftiLimits) -> tuple[int, ...]:
    dims = [int(value) for value in raw["dim"]]
    count = dims[0]
    if not 1 <= count <= 7:
        raise NiftiError(f"{path}: declares {count} dimensions, expected 3")
    sizes = dims[1 : count + 1]
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes.pop()
    if len(sizes) != 3:
        found = " x ".join(str(size) for size in sizes)
        raise NiftiError(f"{path}: {len(sizes)}-D ({found}), expected one 3-D volume")
    if min(sizes) < 1 or max(sizes) > limits.max_size:
        raise NiftiError(f"{path}: sizes {sizes}, expected 1 to {limits.max_size} voxels a side")
    return tuple(sizes)


def _checked_dtype(raw: Any, path: Path) -> np.dtype[Any]:
    code = int(raw["datatype"])
    try:
        dtype = raw.get_data_dtype()
    except KeyError as error:
        raise NiftiError(f"{path}: voxel type {code} is not one of NIfTI's") from error
    if dtype.kind not in _READABLE_KINDS or dtype.itemsize > 8:
        raise NiftiError(f"{path}: voxel type {code} ({dtype}), expected whole or real numbers")
    return cast("np.dtype[Any]", dtype)


def _check_declared_size(declared: int, path: Path, limits: NiftiLimits) -> None:
    on_disk = path.stat().st_size
    if declared > limits.max_bytes:
        raise NiftiError(
            f"{path}: declares {declared:,} bytes of voxels, more than the limit of "
            f"{limits.max_bytes:,}"
        )
    if declared > on_disk * _LARGEST_DEFLATE_RATIO:
        raise NiftiError(
            f"{path}: declares {declared:,} bytes of voxels, but {on_disk:,} bytes on disk "
            "cannot hold them: truncated or lying"
        )


def _affine_gap_mm(raw: Any, grid: Grid) -> float:
    if int(raw["sform_code"]) <= 0 or int(raw["qform_code"]) <= 0:
        return 0.0
    qform = raw.get_qform()
    if not np.isfinite(qform).all() or abs(np.linalg.det(qform[:3, :3])) < 1e-9:
        return float("inf")
    return grid.corner_gap_mm(Grid(grid.shape, qform))


def _read_extension(stream: IO[bytes], length: int) -> Mapping[str, Any] | None:
    block = _read_exactly(stream, length)
    return parse_extension(block)


def parse_extension(block: bytes) -> Mapping[str, Any] | None:
    """Find Masksmith's JSON object in the bytes between header and voxels.

    Parameters
    ----------
    block : bytes
        From the extension flag (4 bytes) to the voxel offset.
    """
    if len(block) < 20 or block[0] == 0:
        return None
    position = 4
    while position + 8 <= len(block):
        size, code = struct.unpack_from("<ii", block, position)
        if size < 16 or position + size > len(block):
            return None
        if code == _COMMENT_CODE:
            found = _json_object(block[position + 8 : position + size])
            if found is not None:
                return found
        position += size
    return None


def _json_object(text: bytes) -> Mapping[str, Any] | None:
    try:
        values = json.loads(text.rstrip(b"\0"))
    except ValueError:
        return None
    content = values.get(_EXTENSION_KEY) if isinstance(values, dict) else None
    return content if isinstance(content, dict) else None


def _read_exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise EOFError(f"{count} bytes expected, {len(data)} found")
    return data


def _read_voxels(stream: IO[bytes], header: NiftiHeader, path: Path) -> NDArray[np.generic]:
    flat = np.empty(int(np.prod(header.shape)), header.dtype)
    view = flat.view(np.uint8).data
    filled = 0
    while filled < len(view):
        count = stream.readinto(view[filled:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError(f"{len(view):,} bytes of voxels declared, {filled:,} found")
        filled += count
    # Reading on makes gzip check its checksum; a long tail means the header lies.
    if len(stream.read(2**20)) == 2**20:
        raise NiftiError(f"{path}: holds more data than its header declares")
    array = flat.astype(header.dtype.newbyteorder("="), copy=False)
    return array.reshape(header.shape, order="F")


def _scaled(array: NDArray[np.generic], header: NiftiHeader) -> NDArray[np.generic]:
    if header.slope == 1.0 and header.intercept == 0.0:
        return array
    scaled = array.astype(np.float32)
    scaled *= np.float32(header.slope)
    scaled += np.float32(header.intercept)
    return scaled
