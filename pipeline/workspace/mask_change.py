"""How one revision of a mask differs from another, from their crops alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.volume.overlap import mask_overlap, on_union_box
from pipeline.volume.surface_distance import normalised_surface_dice
from pipeline.workspace.layout import Layout
from pipeline.workspace.mask_file import read_mask
from pipeline.workspace.words import Mask

TOLERANCE_MM = 3.0
"""Of the normalised surface Dice (Wasserthal et al. 2023, section 2.4)."""


@dataclass(frozen=True, slots=True)
class MaskChange:
    """What lies between two masks of one structure in one case.

    Attributes
    ----------
    before_voxels, after_voxels : int
    common_voxels : int
        In both.
    nsd : float or None
        Normalised surface Dice, 0 to 1; None where it was not asked for or both are empty.
    """

    before_voxels: int
    after_voxels: int
    common_voxels: int
    nsd: float | None = None

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


def mask_change(
    layout: Layout,
    before: Mask,
    after: Mask,
    spacing_mm: tuple[float, float, float] | None = None,
) -> MaskChange:
    """Compare two masks on one grid; only their crops are read, and none where one is empty.

    Parameters
    ----------
    layout : Layout
    before, after : Mask
    spacing_mm : three floats, optional
        Of the grid along (I, J, K). With it the surfaces are compared too, which takes longer.

    Raises
    ------
    MaskFileError
        When a mask file is gone or damaged.
    """
    if not before.voxels or not after.voxels:
        apart = spacing_mm is not None and bool(before.voxels or after.voxels)
        return MaskChange(before.voxels, after.voxels, 0, 0.0 if apart else None)
    first, second = _read_crop(layout, before), _read_crop(layout, after)
    overlap = mask_overlap(first, before.box, second, after.box)
    nsd = None
    if spacing_mm is not None:
        pair = on_union_box(first, before.box, second, after.box)
        nsd = normalised_surface_dice(*pair, spacing_mm, TOLERANCE_MM)
    return MaskChange(overlap.truth_voxels, overlap.prediction_voxels, overlap.both_voxels, nsd)


def _read_crop(layout: Layout, mask: Mask) -> NDArray[np.bool_]:
    return read_mask(layout.mask(mask.case_id, mask.structure, mask.id))[1]
