"""How far a drawing agrees with the mask that counts now: a wrong case or place shows here too."""

import numpy as np

from annotation.importing.reading import PackedMask
from pipeline.workspace import Mask, Workspace

LOW_DICE = 0.3
"""Below this the two hardly are one organ; a correction that large is worth a second look."""


def dice_with(workspace: Workspace, mask: Mask, drawn: PackedMask) -> float:
    """Give the Dice of a stored mask and a drawing on the same case's grid.

    Raises
    ------
    MaskFileError
        If the stored mask cannot be read.
    """
    if not mask.voxels or not drawn.voxels:
        return 0.0
    common = [
        (max(one.start, other.start), min(one.stop, other.stop))
        for one, other in zip(mask.box, drawn.box, strict=True)
    ]
    if any(first >= last for first, last in common):
        return 0.0
    parts = []
    for crop, box in ((workspace.mask_crop(mask), mask.box), (drawn.crop, drawn.box)):
        inside = tuple(
            slice(first - side.start, last - side.start)
            for (first, last), side in zip(common, box, strict=True)
        )
        parts.append(crop[inside])
    shared = np.count_nonzero(parts[0] & parts[1])
    return float(2 * shared / (mask.voxels + drawn.voxels))
