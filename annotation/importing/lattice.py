"""How the voxels of a drawing's grid lie on those of the case's: exactly, or how far off."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.volume import Box, Grid

EXACT_VOXELS = 0.05
"""Closer than this to a voxel's centre is rounding of headers, not another place."""

_HALF_VOXELS = (0.4, 0.6)
_WHOLE_VOXELS = 0.1
_LAST_DIGIT = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """How voxels of one grid count on in another of the same spacing.

    Attributes
    ----------
    sources : tuple of int
        For each axis of the target, the axis of the source that runs along it.
    signs : tuple of int
        +1 or -1: in the same direction or against it.
    offset : ndarray of float, shape (3,)
        Target index of the source's voxel (0, 0, 0).
    """

    sources: tuple[int, int, int]
    signs: tuple[int, int, int]
    offset: NDArray[np.float64]

    @property
    def shift(self) -> NDArray[np.float64]:
        """How far, in voxels along (I, J, K), the source's centres lie off the target's."""
        # A half counts upwards, whatever the last digit says.
        shift: NDArray[np.float64] = self.offset - np.ceil(self.offset - 0.5 - _LAST_DIGIT)
        return shift

    @property
    def is_exact(self) -> bool:
        """Whether every voxel lies on one of the target's."""
        return bool(np.abs(self.shift).max() <= EXACT_VOXELS)

    @property
    def half_axes(self) -> tuple[int, ...]:
        """Axes along which it is half a voxel off and fits otherwise; empty if it is not that."""
        off = np.abs(self.shift)
        half = (off >= _HALF_VOXELS[0]) & (off <= _HALF_VOXELS[1])
        if not half.any() or not (half | (off <= _WHOLE_VOXELS)).all():
            return ()
        return tuple(int(axis) for axis in np.flatnonzero(half))

    def turned(self, crop: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Turn an array of the source so that its axes run as the target's."""
        flips = tuple(axis for axis in range(3) if self.signs[axis] < 0)
        turned = crop.transpose(self.sources)
        return np.flip(turned, flips) if flips else turned

    def start(self, box: Box) -> tuple[int, int, int]:
        """Give the target index of the lowest corner of a box of the source."""
        lowest = [
            self.signs[axis] * (box[source].start if self.signs[axis] > 0 else box[source].stop - 1)
            + int(np.rint(self.offset[axis]))
            for axis, source in enumerate(self.sources)
        ]
        return (lowest[0], lowest[1], lowest[2])


def lattice_between(grid: Grid, box: Box, target: Grid) -> Lattice | None:
    """Compare two grids within a box of the first; None if spacing or direction differ.

    They may drift apart by at most a twentieth of a voxel over the box.
    """
    step = np.linalg.inv(target.affine) @ grid.affine
    turn = np.rint(step[:3, :3])
    if not np.array_equal(np.abs(turn).sum(axis=0), np.ones(3)):
        return None
    if not np.array_equal(np.abs(turn).sum(axis=1), np.ones(3)):
        return None
    centre = np.array([(side.start + side.stop - 1) / 2 for side in box])
    reach = np.array([(side.stop - side.start - 1) / 2 for side in box])
    drift = np.abs(step[:3, :3] - turn) @ reach
    if drift.max() > EXACT_VOXELS:
        return None
    sources = np.abs(turn).argmax(axis=1).tolist()
    signs = [int(turn[axis, source]) for axis, source in enumerate(sources)]
    offset = step[:3, :3] @ centre + step[:3, 3] - turn @ centre
    return Lattice((sources[0], sources[1], sources[2]), (signs[0], signs[1], signs[2]), offset)
