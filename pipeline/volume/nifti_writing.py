"""Writing NIfTI: a fresh header, Fortran order, atomic, and nothing that names a person."""

import io
import json
import struct
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.volume.atomic_file import atomic_path
from pipeline.volume.grid import Grid

Intent = Literal["none", "label"]

_INTENT_CODES: dict[str, int] = {"none": 0, "label": 1002}
_COMMENT_CODE = 6
_LEVEL = 1


def write_nifti(
    path: Path,
    array: NDArray[np.generic],
    grid: Grid,
    *,
    extension: Mapping[str, Any] | None = None,
    intent: Intent = "none",
) -> None:
    """Write a volume as NIfTI-1, compressed when the name ends in ``.gz``.

    The header is made new, never copied from another file, and the gzip member carries
    neither a name nor a time: fields carried over have leaked patients' names.

    Parameters
    ----------
    path : Path
    array : ndarray, shape (I, J, K)
        Bool is stored as uint8.
    grid : Grid
        Its shape must be the array's.
    extension : mapping, optional
        JSON values kept in a header extension (comment, code 6).
    intent : {"none", "label"}

    Raises
    ------
    ValueError
        When array and grid differ in shape.
    OSError
        When the file cannot be written.
    """
    path = Path(path)
    with atomic_path(path) as partial, partial.open("wb") as file:
        if path.name.endswith(".gz"):
            _write_compressed(file, array, grid, extension, intent)
        else:
            _write(file, array, grid, extension, intent)


def encode_nifti(
    array: NDArray[np.generic],
    grid: Grid,
    *,
    extension: Mapping[str, Any] | None = None,
    intent: Intent = "none",
) -> bytes:
    """Give the bytes of the ``.nii.gz`` that :func:`write_nifti` would write."""
    buffer = io.BytesIO()
    _write_compressed(buffer, array, grid, extension, intent)
    return buffer.getvalue()


def _write_compressed(
    file: IO[bytes],
    array: NDArray[np.generic],
    grid: Grid,
    extension: Mapping[str, Any] | None,
    intent: Intent,
) -> None:
    from isal import igzip

    with igzip.IGzipFile(
        filename="", mode="wb", compresslevel=_LEVEL, fileobj=file, mtime=0
    ) as stream:
        _write(stream, array, grid, extension, intent)


def _write(
    stream: IO[bytes],
    array: NDArray[np.generic],
    grid: Grid,
    extension: Mapping[str, Any] | None,
    intent: Intent,
) -> None:
    if array.shape != grid.shape:
        raise ValueError(f"array of shape {array.shape} on a grid of shape {grid.shape}")
    voxels = array.view(np.uint8) if array.dtype == np.bool_ else array
    voxels = np.asfortranarray(voxels, dtype=voxels.dtype.newbyteorder("<"))
    block = encode_extension(extension)
    stream.write(_header(grid, voxels.dtype.str, 348 + len(block), intent))
    stream.write(block)
    stream.write(memoryview(voxels.reshape(-1, order="F").view(np.uint8).data))


def encode_extension(values: Mapping[str, Any] | None) -> bytes:
    """Give the extension flag and, with values, one comment extension padded to 16 bytes."""
    if values is None:
        return b"\0\0\0\0"
    text = json.dumps({"masksmith": values}, sort_keys=True, ensure_ascii=True).encode()
    size = -(-(len(text) + 8) // 16) * 16
    return b"\1\0\0\0" + struct.pack("<ii", size, _COMMENT_CODE) + text.ljust(size - 8, b"\0")


def _header(grid: Grid, dtype: str, offset: int, intent: Intent) -> bytes:
    header = bytearray(_header_of_shape(grid.shape, dtype, intent))
    struct.pack_into("<f", header, 108, offset)
    struct.pack_into("<3f", header, 80, *grid.spacing_mm)
    struct.pack_into("<12f", header, 280, *grid.affine[:3].ravel())
    quaternion, sign = _quaternion(grid)
    struct.pack_into("<6f", header, 256, *quaternion, *grid.origin_mm)
    struct.pack_into("<f", header, 76, sign)
    return bytes(header)


@lru_cache(maxsize=256)
def _header_of_shape(shape: tuple[int, int, int], dtype: str, intent: Intent) -> bytes:
    from nibabel.nifti1 import Nifti1Header

    header = Nifti1Header(endianness="<")
    header.set_data_dtype(np.dtype(dtype))
    header.set_data_shape(shape)
    header.set_xyzt_units("mm")
    header["magic"] = b"n+1"
    header["scl_slope"] = 1.0
    header["scl_inter"] = 0.0
    header["qform_code"] = header["sform_code"] = 1
    header["intent_code"] = _INTENT_CODES[intent]
    return bytes(header.binaryblock)


def _quaternion(grid: Grid) -> tuple[tuple[float, float, float], float]:
    """Give the qform rotation closest to the affine: NIfTI's (b, c, d) and the handedness."""
    return _quaternion_of(grid.affine[:3, :3].tobytes(), grid.spacing_mm)


@lru_cache(maxsize=256)
def _quaternion_of(
    rotation: bytes, spacing_mm: tuple[float, float, float]
) -> tuple[tuple[float, float, float], float]:
    from nibabel.quaternions import mat2quat

    directions = np.frombuffer(rotation).reshape(3, 3) / np.array(spacing_mm)
    left, _, right = np.linalg.svd(directions)
    directions = left @ right
    sign = 1.0 if np.linalg.det(directions) > 0 else -1.0
    directions = directions * np.array([1.0, 1.0, sign])
    _, b, c, d = mat2quat(directions)
    return (float(b), float(c), float(d)), sign
