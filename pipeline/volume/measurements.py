"""What masks say in numbers: volume, Hounsfield units, place, and whether the CT cuts them off.

All structures of a label map are counted in one pass, in pieces, so that the memory does not grow
with the number of structures or voxels. Everything is made from whole counts: the joint histogram
of structure and Hounsfield unit gives mean, median and standard deviation without rounding, those
of structure and index along each axis give centroid and box.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.volume.boxes import Box
from pipeline.volume.grid import Grid

_PIECE_VOXELS = 1 << 20
_MOST_BINS = 1 << 23
_LOW_SIDES, _HIGH_SIDES = "LPI", "RAS"

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One structure in numbers; None where no voxel is.

    Attributes
    ----------
    voxels : int
    volume_ml : float
    mean_hu, median_hu, sd_hu : float or None
        Of its voxels; the standard deviation is that of the voxels there are (divided by n).
    centroid_mm : tuple of float, or None
        Mean place of its voxels in world millimetres (RAS+).
    border_sides : str
        Sides of the CT at which it reaches the outermost voxel, of ``LRPAIS``: there it may go on.
    """

    voxels: int
    volume_ml: float
    mean_hu: float | None
    median_hu: float | None = None
    sd_hu: float | None = None
    centroid_mm: tuple[float, float, float] | None = None
    border_sides: str = ""

    @property
    def touches_border(self) -> bool:
        """Whether it reaches the outermost voxel of the CT on any side."""
        return bool(self.border_sides)


def measure_labels(
    labels: NDArray[np.unsignedinteger[Any]],
    ct: NDArray[np.signedinteger[Any]],
    grid: Grid,
    values: Iterable[int],
) -> dict[int, Measurement]:
    """Measure structures of a label map.

    Parameters
    ----------
    labels : ndarray of unsigned integer, shape (I, J, K)
        Quickest in Fortran order.
    ct : ndarray of integer, shape (I, J, K)
        Hounsfield units.
    grid : Grid
        Of both.
    values : iterable of int
        Of the structures wanted; those without a voxel measure 0 ml.

    Raises
    ------
    ValueError
        If labels, CT and grid differ in shape, or the CT holds no whole numbers.
    """
    if not labels.shape == ct.shape == grid.shape:
        raise ValueError(f"labels {labels.shape}, CT {ct.shape} and grid {grid.shape} differ")
    wanted = tuple(dict.fromkeys(values))
    measured: dict[int, Measurement] = {}
    for group in _groups(wanted, ct):
        counted = _count(labels, ct, group)
        measured |= {value: counted.measure(row, grid) for row, value in enumerate(group)}
    return measured


def measure_mask(
    crop: NDArray[np.bool_], box: Box, ct: NDArray[np.signedinteger[Any]], grid: Grid
) -> Measurement:
    """Measure one mask that is cropped to a box.

    Parameters
    ----------
    crop : ndarray of bool
        The mask's voxels inside ``box``.
    box : Box
        Where the crop lies on ``grid``.
    ct : ndarray of integer, shape (I, J, K)
        The whole CT, Hounsfield units.
    grid : Grid
        Of the CT.

    Raises
    ------
    ValueError
        If CT and grid differ in shape, the crop does not fill the box, or the CT holds no whole
        numbers.
    """
    part = ct[box]
    if ct.shape != grid.shape or part.shape != crop.shape:
        raise ValueError(f"CT {ct.shape}, grid {grid.shape} and crop {crop.shape} do not fit")
    counted = _count(crop.view(np.uint8), part, (1,), [side.start for side in box])
    return counted.measure(0, grid)


@dataclass(frozen=True, slots=True, eq=False)
class _Counted:
    """Counts of some structures: by Hounsfield unit, and by index along each axis.

    Attributes
    ----------
    units : ndarray, shape (n, units)
        Column 0 is `lowest_hu`.
    places : three ndarrays, shape (n, size of the axis)
        Column 0 is the index in `starts`.
    """

    units: Counts
    lowest_hu: int
    places: tuple[Counts, Counts, Counts]
    starts: Sequence[int]

    def measure(self, row: int, grid: Grid) -> Measurement:
        """Turn the counts of one structure into its numbers on the grid of the CT."""
        counts = self.units[row]
        voxels = int(counts.sum())
        if not voxels:
            return Measurement(0, 0.0, None)
        hu = np.arange(self.lowest_hu, self.lowest_hu + counts.size)
        total, squares = int(counts @ hu), int(counts @ (hu * hu))
        return Measurement(
            voxels=voxels,
            volume_ml=voxels * grid.voxel_ml,
            mean_hu=total / voxels,
            median_hu=_median(counts, self.lowest_hu),
            sd_hu=float(np.sqrt((voxels * squares - total * total) / voxels**2)),
            centroid_mm=self._centroid_mm(row, voxels, grid),
            border_sides=self._border_sides(row, grid),
        )

    def _centroid_mm(self, row: int, voxels: int, grid: Grid) -> tuple[float, float, float]:
        index = [
            int(along[row] @ np.arange(start, start + along.shape[1])) / voxels
            for along, start in zip(self.places, self.starts, strict=True)
        ]
        x, y, z = grid.affine[:3, :3] @ index + grid.affine[:3, 3]
        return float(x), float(y), float(z)

    def _border_sides(self, row: int, grid: Grid) -> str:
        axes, signs = grid.world_axes()
        sides = set()
        for axis, (along, start) in enumerate(zip(self.places, self.starts, strict=True)):
            filled = np.flatnonzero(along[row]) + start
            low, high = _LOW_SIDES[axes[axis]], _HIGH_SIDES[axes[axis]]
            first, last = (low, high) if signs[axis] > 0 else (high, low)
            if filled[0] == 0:
                sides.add(first)
            if filled[-1] == grid.shape[axis] - 1:
                sides.add(last)
        return "".join(side for side in "LRPAIS" if side in sides)


def _groups(
    wanted: tuple[int, ...], ct: NDArray[np.signedinteger[Any]]
) -> Iterable[tuple[int, ...]]:
    """Part the structures so that the histogram of each group stays small."""
    units = int(ct.max()) - int(ct.min()) + 1
    size = max(1, _MOST_BINS // units)
    return [wanted[start : start + size] for start in range(0, len(wanted), size)]


def _count(
    labels: NDArray[np.unsignedinteger[Any]],
    ct: NDArray[np.signedinteger[Any]],
    values: tuple[int, ...],
    starts: Sequence[int] = (0, 0, 0),
) -> _Counted:
    if ct.dtype.kind not in "iu":
        raise ValueError(f"the CT holds {ct.dtype}, expected whole Hounsfield units")
    lowest, size = int(ct.min()), int(ct.max()) - int(ct.min()) + 1
    rows = np.full(max(int(labels.max()), *values) + 1, -1, np.int64)
    rows[list(values)] = np.arange(len(values))
    units = np.zeros((len(values), size), np.int64)
    i, j, k = (np.zeros((len(values), n), np.int64) for n in labels.shape)
    plane = labels.shape[0] * labels.shape[1]
    step = max(1, _PIECE_VOXELS // plane)
    for first in range(0, labels.shape[2], step):
        slab = (slice(None), slice(None), slice(first, first + step))
        flat = labels[slab].ravel("F")
        at = np.flatnonzero(flat)
        row = rows[flat[at]]
        if (row < 0).any():
            at, row = at[row >= 0], row[row >= 0]
        if not at.size:
            continue
        _add(units, row, ct[slab].ravel("F")[at].astype(np.int64) - lowest)
        for counts, along in zip((i, j, k), _indices(at, labels.shape, first), strict=True):
            _add(counts, row, along)
    return _Counted(units, lowest, (i, j, k), starts)


def _indices(
    at: Counts, shape: tuple[int, ...], first: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Turn places in a slab that begins at plane `first` into indices of each axis."""
    across, i = np.divmod(at.astype(np.int32), np.int32(shape[0]))  # twice as fast as 64 bits
    k, j = np.divmod(across, np.int32(shape[1]))
    return i, j, k + np.int32(first)


def _add(counts: Counts, row: Counts, column: NDArray[np.signedinteger[Any]]) -> None:
    """Count pairs of row and column into a table, touching only the columns that occur."""
    low, high = int(column.min()), int(column.max()) + 1
    pairs = row * (high - low)
    pairs += column
    pairs -= low
    found = np.bincount(pairs, minlength=counts.shape[0] * (high - low))
    counts[:, low:high] += found.reshape(counts.shape[0], high - low)


def _median(counts: Counts, lowest_hu: int) -> float:
    """Give the median; of an even number the mean of the two in the middle."""
    below = np.cumsum(counts)
    voxels = int(below[-1])
    middle = [(voxels - 1) // 2, voxels // 2]
    low, high = np.searchsorted(below, middle, side="right")
    return float(low + high) / 2 + lowest_hu
