"""Slices a rough annotator skipped: between drawn ones, with nothing on them.

They were not looked at. A mask brought in from elsewhere says which slices were drawn (see
``pipeline/volume/drawn_slices.py``); a revision that a person edited since does not.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.volume import Box
from pipeline.volume.drawn_slices import DrawnSlices, runs_along, runs_of
from pipeline.workspace import Mask

SkippedSlices = Literal["background", "ignore"]


def skipped_boxes(mask: Mask, crop: NDArray[np.bool_]) -> tuple[Box, ...]:
    """Give the boxes between the drawn slices of a mask, each within the mask's own box.

    Slices that an import filled between contours are not skipped.

    Parameters
    ----------
    mask : Mask
        With ``drawn_axis`` and ``drawn_slices`` in its provenance; others skipped nothing.
    crop : ndarray of bool, shape of ``mask.box``
        Its voxels.

    Returns
    -------
    tuple of Box
        In voxels of the case's grid.
    """
    about = mask.provenance.about
    if "drawn_axis" not in about or "drawn_slices" not in about or not mask.voxels:
        return ()
    drawn = DrawnSlices.parse(about["drawn_axis"], about["drawn_slices"])
    return boxes_between(drawn, crop, mask.box)


def boxes_between(drawn: DrawnSlices, crop: NDArray[np.bool_], around: Box) -> tuple[Box, ...]:
    """Give the boxes between drawn slices, each within the box around a mask.

    Parameters
    ----------
    drawn : DrawnSlices
        In voxels of the case's grid.
    crop : ndarray of bool, shape of ``around``
        The mask's voxels; slices that hold one are not skipped either.
    around : tuple of slice
        The mask's box.
    """
    along, start = around[drawn.axis], around[drawn.axis].start
    runs = (*drawn.runs, *((a + start, b + start) for a, b in runs_along(crop, drawn.axis)))
    seen = {index for first, last in runs for index in range(first, last + 1)}
    gaps = runs_of(index for index in range(along.start, along.stop) if index not in seen)
    boxes = []
    for first, last in gaps:
        box = list(around)
        box[drawn.axis] = slice(first, last + 1)
        boxes.append((box[0], box[1], box[2]))
    return tuple(boxes)
