"""How one revision of a mask differs from another, from their crops alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.volume import Box
from pipeline.workspace.layout import Layout
from pipeline.workspace.mask_file import read_mask
from pipeline.workspace.words import Mask

Crop = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MaskChange:
    """What lies between two masks of one structure in one case.

    Attributes
    ----------
    before_voxels, after_voxels : int
    common_voxels : int
        In both.
    """

    before_voxels: int
    after_voxels: int
    common_voxels: int

    @property
    def added_voxels(self) -> int:
        """Voxels only in the later mask."""
        return self.after_voxels - self.common_voxels

    @property
    def removed_voxels(self) -> int:
        """Voxels only in the earlier mask."""
        return self.before_voxels - self.common_voxels

    @property
    def dice(self) -> float | None:
        """Dice similarity coefficient, 0 to 1; None where both masks are empty."""
        voxels = self.before_voxels + self.after_voxels
        return 2 * self.common_voxels / voxels if voxels else None


def mask_change(layout: Layout, before: Mask, after: Mask) -> MaskChange:
    """Compare two masks on one grid; only the crops are read, and none where boxes are apart.

    Raises
    ------
    MaskFileError
        When a mask file is gone or damaged.
    """
    if not before.voxels or not after.voxels or shared_box(before.box, after.box) is None:
        return MaskChange(before.voxels, after.voxels, 0)
    crops = (read_crop(layout, before), read_crop(layout, after))
    return change_of_crops((crops[0], before.box), (crops[1], after.box))


def read_crop(layout: Layout, mask: Mask) -> Crop:
    """Read a mask's voxels inside ``mask.box``; raises as :func:`mask_change`."""
    return read_mask(layout.mask(mask.case_id, mask.structure, mask.id))[1]


def change_of_crops(before: tuple[Crop, Box], after: tuple[Crop, Box]) -> MaskChange:
    """Compare two crops, each with the box (I, J, K) in which it lies."""
    counts = [int(np.count_nonzero(crop)) for crop, _ in (before, after)]
    shared = shared_box(before[1], after[1])
    common = 0
    if shared is not None:
        inside = [crop[_within(shared, box)] for crop, box in (before, after)]
        common = int(np.count_nonzero(inside[0] & inside[1]))
    return MaskChange(counts[0], counts[1], common)


def shared_box(first: Box, second: Box) -> Box | None:
    """Give the part of a volume that two boxes share; None where they share nothing."""
    i, j, k = (
        slice(max(a.start, b.start), min(a.stop, b.stop))
        for a, b in zip(first, second, strict=True)
    )
    return (i, j, k) if all(side.start < side.stop for side in (i, j, k)) else None


def _within(part: Box, box: Box) -> Box:
    i, j, k = (slice(p.start - b.start, p.stop - b.start) for p, b in zip(part, box, strict=True))
    return (i, j, k)
