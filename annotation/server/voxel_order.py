"""Between the browser's voxels and a file's: RAS there, whatever the scanner chose here.

The browser sees every volume in the orientation closest to R, A and S. Turning permutes and flips
axes and touches no value, so that what is drawn lands on exactly the voxels that were shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from annotation.patches import Patch
from pipeline.errors import UsageError
from pipeline.volume import Box, Grid, from_canonical, to_canonical

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True)
class VoxelOrder:
    """How the voxels of one grid lie in the file and in the browser.

    Attributes
    ----------
    grid : Grid
        Of the file.
    """

    grid: Grid

    @cached_property
    def canonical(self) -> Grid:
        """The grid that the browser sees."""
        axes, signs = self.grid.world_axes()
        order = [axes.index(axis) for axis in range(3)]
        affine = np.array(self.grid.affine)[:, [*order, 3]]
        sizes = [self.grid.shape[axis] for axis in order]
        for axis, own in enumerate(order):
            if signs[own] < 0:
                affine[:3, 3] += affine[:3, axis] * (sizes[axis] - 1)
                affine[:3, axis] *= -1
        return Grid((sizes[0], sizes[1], sizes[2]), affine)

    def shown(self, array: NDArray[Scalar]) -> NDArray[Scalar]:
        """Turn a whole volume, or a crop of it, into the browser's order."""
        return to_canonical(array, Grid(_shape(array), self.grid.affine))[0]

    def stored(self, array: NDArray[Scalar]) -> NDArray[Scalar]:
        """Turn what came from the browser into the file's order."""
        return from_canonical(array, self.grid)

    def shown_box(self, box: Box) -> Box:
        """Give the place of a crop in the browser's grid."""
        axes, signs = self.grid.world_axes()
        sides: list[slice] = [slice(0)] * 3
        for own, axis in enumerate(axes):
            sides[axis] = _mirrored(box[own], self.grid.shape[own], flipped=signs[own] < 0)
        return (sides[0], sides[1], sides[2])

    def stored_box(self, box: Box) -> Box:
        """Give the place in the file's grid of a box that the browser named."""
        axes, signs = self.grid.world_axes()
        i, j, k = (
            _mirrored(box[axes[own]], self.grid.shape[own], flipped=signs[own] < 0)
            for own in range(3)
        )
        return i, j, k

    def shown_patch(self, patch: Patch) -> Patch:
        """Turn a patch into the browser's order."""
        return Patch(self.shown(patch.crop), self.shown_box(patch.box))

    def stored_patch(self, patch: Patch) -> Patch:
        """Turn a patch from the browser into the file's order."""
        return Patch(self.stored(patch.crop), self.stored_box(patch.box))


def box_text(box: Box) -> str:
    """Write a box as the browser reads it: "i0,j0,k0,i1,j1,k1", half-open."""
    return ",".join(str(n) for n in (*(s.start for s in box), *(s.stop for s in box)))


def box_numbers(box: Box) -> list[int]:
    """Give a box as six numbers, half-open."""
    return [*(side.start for side in box), *(side.stop for side in box)]


def read_box(text: str, shape: tuple[int, int, int]) -> Box:
    """Read what :func:`box_text` writes.

    Raises
    ------
    UsageError
        When it is not six whole numbers that name a box within the shape.
    """
    parts = text.split(",")
    if len(parts) != 6 or not all(p.isascii() and p.isdigit() and len(p) <= 6 for p in parts):
        raise UsageError("box is not i0,j0,k0,i1,j1,k1 in whole voxels; send it as the editor does")
    numbers = [int(part) for part in parts]
    for low, high, size in zip(numbers[:3], numbers[3:], shape, strict=True):
        if not 0 <= low < high <= size:
            raise UsageError(f"box {text} does not lie within {shape} voxels; load the case anew")
    i, j, k = (slice(low, high) for low, high in zip(numbers[:3], numbers[3:], strict=True))
    return i, j, k


def _mirrored(side: slice, size: int, *, flipped: bool) -> slice:
    return slice(size - side.stop, size - side.start) if flipped else slice(side.start, side.stop)


def _shape(array: NDArray[Scalar]) -> tuple[int, int, int]:
    i, j, k = array.shape
    return i, j, k
