"""Sets of voxels with the box they lie in, compared and combined without the whole volume."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.volume import Box, bounding_box

_NOWHERE: Box = (slice(0, 1), slice(0, 1), slice(0, 1))


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """Voxels of one structure on a case's grid.

    Attributes
    ----------
    crop : ndarray of bool, shape of the box
    box : tuple of slice
        Where it lies in the grid; outside it nothing is set.
    """

    crop: NDArray[np.bool_]
    box: Box

    @property
    def voxels(self) -> int:
        """How many are set."""
        return int(np.count_nonzero(self.crop))

    def within(self, box: Box) -> NDArray[np.bool_]:
        """Give the voxels inside another box that holds this one."""
        whole = np.zeros([side.stop - side.start for side in box], np.bool_, order="F")
        i, j, k = (
            slice(own.start - side.start, own.stop - side.start)
            for own, side in zip(self.box, box, strict=True)
        )
        whole[i, j, k] = self.crop
        return whole

    def added_to(self, other: "Patch") -> int:
        """Count the voxels that are set here and not in another patch."""
        box = around(self.box, other.box)
        return int(np.count_nonzero(self.within(box) & ~other.within(box)))

    def same_as(self, other: "Patch") -> bool:
        """Tell whether the same voxels are set."""
        return self.added_to(other) == 0 and other.added_to(self) == 0


NOTHING = Patch(np.zeros((1, 1, 1), np.bool_), _NOWHERE)
"""No voxel at all."""


def around(*boxes: Box) -> Box:
    """Give the smallest box that holds others."""
    low = [min(box[axis].start for box in boxes) for axis in range(3)]
    high = [max(box[axis].stop for box in boxes) for axis in range(3)]
    return slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2])


def trimmed(voxels: NDArray[np.bool_], box: Box) -> Patch:
    """Give voxels that lie in a box as a patch that holds no more than those that are set."""
    inner = bounding_box(voxels)
    if inner is None:
        return NOTHING
    i, j, k = (
        slice(outer.start + side.start, outer.start + side.stop)
        for outer, side in zip(box, inner, strict=True)
    )
    return Patch(np.asfortranarray(voxels[inner]), (i, j, k))


def changed(given: Patch, written: Patch, returned: Patch) -> Patch:
    """Carry what was changed in a file over to the mask that it showed.

    Parameters
    ----------
    given : Patch
        The mask.
    written : Patch
        What the file showed of it: less, where another structure lay over it in a label map.
    returned : Patch
        What the file shows now.

    Returns
    -------
    Patch
        The mask with the voxels that came, without those that went; what lay hidden stays.
    """
    box = around(given.box, written.box, returned.box)
    before, after = written.within(box), returned.within(box)
    return trimmed((given.within(box) | (after & ~before)) & ~(before & ~after), box)
