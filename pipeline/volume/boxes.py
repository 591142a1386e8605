"""Boxes around labels: most label work is done on small crops of a large volume."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, slice, slice]

_SLAB_VOXELS = 1 << 22


def bounding_box(mask: NDArray[np.generic]) -> Box | None:
    """Find the smallest box that holds every non-zero voxel.

    Parameters
    ----------
    mask : ndarray, shape (I, J, K)

    Returns
    -------
    tuple of slice or None
        None when the mask is empty.
    """
    filled = mask if mask.dtype == np.bool_ else mask != 0
    sides: list[slice] = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        hits = np.flatnonzero(filled.any(axis=others))
        if hits.size == 0:
            return None
        sides.append(slice(int(hits[0]), int(hits[-1]) + 1))
    return (sides[0], sides[1], sides[2])


def label_boxes(labels: NDArray[np.integer]) -> dict[int, Box]:
    """Find the box of every label value that occurs, in one pass.

    Parameters
    ----------
    labels : ndarray of integer, shape (I, J, K)
        Values of 0 and above; 0 is background.

    Returns
    -------
    dict
        Label value to box, ascending by value.
    """
    from scipy import ndimage

    # find_objects walks memory in C order; our volumes are Fortran-ordered.
    boxes = ndimage.find_objects(labels.T)
    return {
        value: (box[2], box[1], box[0])
        for value, box in enumerate(boxes, start=1)
        if box is not None
    }


def occurring_values(labels: NDArray[np.integer[Any]]) -> list[int]:
    """List the label values that occur, ascending, without background; little memory."""
    flat = labels.reshape(-1, order="F")
    size = int(np.iinfo(labels.dtype).max) + 1 if labels.dtype.itemsize <= 2 else 1
    seen = np.zeros(size, np.int64)
    for start in range(0, flat.size, _SLAB_VOXELS):
        counts = np.bincount(flat[start : start + _SLAB_VOXELS], minlength=seen.size)
        if counts.size > seen.size:
            seen = np.pad(seen, (0, counts.size - seen.size))
        seen += counts
    return [int(value) for value in np.flatnonzero(seen) if value]


def grow_box(box: Box, margin_voxels: int, shape: Sequence[int]) -> Box:
    """Grow a box by a margin on every side, clipped to the volume's shape (I, J, K)."""
    grown = [
        slice(max(side.start - margin_voxels, 0), min(side.stop + margin_voxels, size))
        for side, size in zip(box, shape, strict=True)
    ]
    return (grown[0], grown[1], grown[2])
