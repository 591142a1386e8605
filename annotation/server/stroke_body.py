"""The bytes of one stroke, checked before they are believed: no more than the box holds."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from annotation.server.refusals import Refusal
from pipeline.volume import Box

_GZIP = 16 + zlib.MAX_WBITS


def read_stroke(body: bytes, encoding: str, box: Box) -> NDArray[np.bool_]:
    """Read the voxels of a box after a stroke.

    Parameters
    ----------
    body : bytes
        One byte a voxel, 0 or 1, the first axis fastest.
    encoding : str
        ``gzip`` or nothing.
    box : tuple of slice

    Returns
    -------
    ndarray of bool, shape of the box
        Fortran-ordered.

    Raises
    ------
    Refusal
        When it is not exactly that; a stream that would unpack to more is never unpacked.
    """
    shape = tuple(side.stop - side.start for side in box)
    expected = int(np.prod(shape, dtype=np.int64))
    voxels = _unpacked(body, encoding, expected)
    if len(voxels) != expected:
        raise _refused(f"{len(voxels)} voxels in the body, the box holds {expected}")
    values = np.frombuffer(voxels, np.uint8)
    if values.size and int(values.max()) > 1:
        raise _refused(f"a voxel of value {int(values.max())}, expected 0 or 1")
    return values.reshape(shape, order="F").view(np.bool_)


def _unpacked(body: bytes, encoding: str, expected: int) -> bytes:
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise Refusal(415, f"a body packed as '{encoding[:20]}'", "send it plain or with gzip")
    unpacker = zlib.decompressobj(_GZIP)
    try:
        voxels = unpacker.decompress(body, expected + 1)
    except zlib.error:
        raise _refused("the body is no gzip stream") from None
    if len(voxels) > expected:
        raise _refused(f"the body unpacks to more than the {expected} voxels of the box")
    if not unpacker.eof or unpacker.unused_data:
        raise _refused("the gzip stream is cut off, or something follows it")
    return voxels


def _refused(what: str) -> Refusal:
    return Refusal(422, what, "send one byte a voxel for exactly the box; load the page anew")
