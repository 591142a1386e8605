"""Filling the closed curves of one plane, pixel by pixel."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WITHIN = 0.98  # of a curve's pixels that lie in what is filled, for it to be an inner one
_TIE = 1e-6  # pixels; a centre this near to an edge lies on it


@dataclass(frozen=True, slots=True, eq=False)
class FilledPlane:
    """What the curves of one plane fill.

    Attributes
    ----------
    start : tuple of int
        Row and column of the first pixel of `inside`.
    inside : ndarray of bool, shape (rows, columns)
        Perhaps without any pixel.
    overlapping, doubled : int
        Curves that overlapped others without lying inside them; curves given twice.
    """

    start: tuple[int, int]
    inside: NDArray[np.bool_]
    overlapping: int = 0
    doubled: int = 0


def fill_plane(curves: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> FilledPlane:
    """Fill closed curves; inner ones are holes, and islands in holes are filled again.

    Parameters
    ----------
    curves : sequence of ndarray, shape (n, 2)
        Row and column, in pixels; pixel (0, 0) has its centre at (0, 0).
    shape : tuple of int
        Rows and columns of the image; what lies outside is cut off.
    """
    different = _without_doubled(curves)
    doubled = len(curves) - len(different)
    filled = [fill_polygon(curve, shape) for curve in sorted(different, key=_area, reverse=True)]
    filled = [one for one in filled if one.inside.any()]
    if not filled:
        return FilledPlane((0, 0), np.zeros((0, 0), np.bool_), doubled=doubled)
    top = min(one.start[0] for one in filled)
    left = min(one.start[1] for one in filled)
    bottom = max(one.start[0] + one.inside.shape[0] for one in filled)
    right = max(one.start[1] + one.inside.shape[1] for one in filled)
    canvas = np.zeros((bottom - top, right - left), np.bool_)
    overlapping = 0
    for one in filled:
        row, column = one.start[0] - top, one.start[1] - left
        height, width = one.inside.shape
        overlapping += _combine(canvas[row : row + height, column : column + width], one.inside)
    return FilledPlane((top, left), canvas, overlapping, doubled)


def fill_polygon(points: NDArray[np.float64], shape: tuple[int, int]) -> FilledPlane:
    """Find the pixels whose centre lies in a polygon, by the even-odd rule.

    Each edge is met by the rows whose centre it passes; a pixel is inside if an odd number of
    edges lies before it in its row.
    """
    rows, columns = points[:, 0], points[:, 1]
    top = max(int(np.ceil(rows.min() - _TIE)), 0)
    bottom = min(int(np.floor(rows.max() + _TIE)), shape[0] - 1)
    left = max(int(np.ceil(columns.min() - _TIE)), 0)
    right = min(int(np.floor(columns.max() + _TIE)), shape[1] - 1)
    if bottom < top or right < left:
        return FilledPlane((0, 0), np.zeros((0, 0), np.bool_))
    height, width = bottom - top + 1, right - left + 1
    row, crossing = _crossings(points, top, bottom)
    before = np.clip(np.ceil(crossing - _TIE).astype(np.int64) - left, 0, width)
    counts = np.bincount((row - top) * (width + 1) + before, minlength=height * (width + 1))
    parity = np.cumsum(counts.reshape(height, width + 1), axis=1)[:, :-1] & 1
    return FilledPlane((top, left), parity.astype(np.bool_))


def _crossings(
    points: NDArray[np.float64], top: int, bottom: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find where edges cross the rows from `top` to `bottom`: the row, and the place in it."""
    start, end = points, np.roll(points, -1, axis=0)
    low, high = np.minimum(start[:, 0], end[:, 0]), np.maximum(start[:, 0], end[:, 0])
    first = np.clip(np.ceil(low - _TIE).astype(np.int64), top, bottom + 1)
    last = np.clip(np.ceil(high - _TIE).astype(np.int64), top, bottom + 1)
    counts = last - first
    edge = np.repeat(np.arange(len(points)), counts)
    row = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    rise = end[edge, 0] - start[edge, 0]
    share = np.divide(row - start[edge, 0], rise, out=np.zeros(len(edge)), where=rise != 0)
    return row, start[edge, 1] + share * (end[edge, 1] - start[edge, 1])


def _combine(canvas: NDArray[np.bool_], inside: NDArray[np.bool_]) -> bool:
    """Add a curve to what larger ones filled; say whether it overlapped without being inside."""
    shared = int(np.count_nonzero(canvas & inside))
    if shared >= _WITHIN * np.count_nonzero(inside):
        canvas &= ~inside
        return False
    canvas |= inside
    return shared > 0


def _without_doubled(curves: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    kept: dict[bytes, NDArray[np.float64]] = {}
    for curve in curves:
        rounded = np.round(curve, 3) + 0.0
        key = rounded[np.lexsort(rounded.T)].tobytes()
        kept.setdefault(key, curve)
    return list(kept.values())


def _area(curve: NDArray[np.float64]) -> float:
    """Give the area of a polygon (shoelace formula)."""
    rows, columns = curve[:, 0], curve[:, 1]
    return float(abs(rows @ np.roll(columns, -1) - columns @ np.roll(rows, -1)) / 2)
