"""Pick maps: for every pixel of a picture, which structure it shows.

Beside a picture lies an image of the same size that holds structure values instead of colours: so
whoever points at a rib names that rib. A page opened from disk may show an image but not read it;
for it the same values stand in a script that calls ``masksmithPickMap``.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from qc.png_encoding import encode_png

PixelBox = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom are outside."""

_FUNCTION = "masksmithPickMap"
_LEVEL = 1


@dataclass(frozen=True, slots=True, eq=False)
class PickMap:
    """Structure values at the pixels of a picture.

    Attributes
    ----------
    values : ndarray of uint8 or uint16, shape (height, width)
        0 where no structure is shown.
    """

    values: NDArray[np.unsignedinteger[Any]]

    @property
    def bits(self) -> int:
        """How many each value has, 8 or 16."""
        return 8 * self.values.dtype.itemsize

    def png(self) -> bytes:
        """Encode as a grey PNG of 8 or 16 bits, compressed without loss."""
        return encode_png(self.values)

    def script(self, case_id: str) -> bytes:
        """Write one statement of JavaScript that hands the values to a page.

        Rows are packed with zlib ("deflate" in browsers), 16 bits with the low byte first.
        """
        height, width = self.values.shape
        packed = isal_zlib.compress(
            np.ascontiguousarray(self.values, f"<u{self.bits // 8}").data, _LEVEL
        )
        said = {
            "width": width,
            "height": height,
            "bits": self.bits,
            "deflate": base64.b64encode(packed).decode("ascii"),
        }
        text = f"{_FUNCTION}({json.dumps(case_id)}, {json.dumps(said, separators=(',', ':'))});\n"
        return text.encode("ascii")


def pick_dtype(values: Iterable[int]) -> np.dtype[np.unsignedinteger[Any]]:
    """Give the smallest type that holds structure values."""
    return np.dtype(np.uint8 if max(values, default=0) <= 255 else np.uint16)


def largest_places(
    pick_map: NDArray[np.unsignedinteger[Any]], views: Iterable[PixelBox]
) -> Mapping[int, PixelBox]:
    """Find where each structure is seen largest.

    Parameters
    ----------
    pick_map : ndarray, shape (height, width)
    views : iterable of boxes
        The views to look at; the earlier one counts where two show as much.

    Returns
    -------
    mapping of int to box
        By value; a structure that is hidden in all views is not in it.
    """
    from scipy import ndimage

    seen: dict[int, int] = {}
    places: dict[int, PixelBox] = {}
    for left, top, right, bottom in views:
        view = pick_map[top:bottom, left:right]
        boxes = ndimage.find_objects(view)
        counts = np.bincount(view.reshape(-1), minlength=len(boxes) + 1)
        for value, box in enumerate(boxes, start=1):
            if box is None or counts[value] <= seen.get(value, 0):
                continue
            rows, columns = box
            seen[value] = int(counts[value])
            places[value] = (
                left + columns.start,
                top + rows.start,
                left + columns.stop,
                top + rows.stop,
            )
    return places
