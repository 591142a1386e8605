"""Pictures to PNG, some six times faster than Pillow: one filter for all rows, and isal's deflate.

Pillow tries five filters on every row; what is drawn here packs best with one of two, known ahead.
"""

import json
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2
_LEVEL = 1
"""Of isal: 2 takes longer and gains nothing, 3 takes four times as long and loses."""

_AS_IS, _FROM_ABOVE = 0, 2


def encode_png(
    pixels: NDArray[np.uint8] | NDArray[np.uint16], said: Mapping[str, str] | None = None
) -> bytes:
    """Encode a picture.

    Parameters
    ----------
    pixels : ndarray
        uint8, shape (height, width, 3): colours; uint8 or uint16, shape (height, width): values.
    said : mapping, optional
        A few words about it; they go into the text chunk ``masksmith`` as JSON.
    """
    colours = pixels.ndim == 3
    height, width = pixels.shape[:2]
    depth = 8 * pixels.dtype.itemsize
    kind = _RGB if colours else _GREY
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    rows = _rows(pixels, _FROM_ABOVE if colours else _AS_IS)
    chunks = [_chunk(b"IHDR", header)]
    if said is not None:
        chunks.append(_chunk(b"tEXt", b"masksmith\0" + json.dumps(said).encode("ascii")))
    chunks += [_chunk(b"IDAT", isal_zlib.compress(rows.data, _LEVEL)), _chunk(b"IEND", b"")]
    return _SIGNATURE + b"".join(chunks)


def digest_inside(path: Path) -> str | None:
    """Read the digest among a picture's words; None if it bears none or is not there."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            said = json.loads(str(image.info.get("masksmith", "null")))
    except (OSError, ValueError, SyntaxError):
        return None
    return said.get("digest") if isinstance(said, dict) else None


def _rows(pixels: NDArray[np.generic], way: int) -> NDArray[np.uint8]:
    """Put the filter's number before each row; 16 bits stand with the high byte first."""
    if pixels.dtype == np.uint16:
        pixels = pixels.astype(">u2")
    height = pixels.shape[0]
    plain = np.ascontiguousarray(pixels).reshape(height, -1).view(np.uint8)
    rows = np.empty((height, 1 + plain.shape[1]), np.uint8)
    rows[:, 0] = way
    rows[:, 1:] = plain
    if way == _FROM_ABOVE:
        rows[1:, 1:] -= plain[:-1]
    return rows


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
