"""Masks drawn on every third slice, for `benchmarks.rough`: what the gaps between do to a model."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.rough_bodies import STRUCTURES, class_map
from pipeline.volume import bounding_box
from pipeline.volume.drawn_slices import DrawnSlices, runs_along
from training.nnunet_dataset import ignore_value
from training.skipped_slices import boxes_between

EVERY = 3
AXIS = 2

Labels = NDArray[np.unsignedinteger]


def drawn_on_some_slices(labels: Labels) -> Labels:
    """Keep every third slice of each structure, from its lowest to its highest, and the last."""
    sparse = np.zeros_like(labels)
    for value in STRUCTURES:
        mask = labels == value
        slices = np.flatnonzero(mask.any(axis=(0, 1)))
        drawn = np.zeros(labels.shape[AXIS], bool)
        drawn[slices[::EVERY]] = True
        drawn[slices[-1:]] = True
        sparse[mask & drawn] = value
    return sparse


def with_gaps_ignored(sparse: Labels) -> Labels:
    """Mark what lies between the drawn slices of a structure, as the training does."""
    marked = sparse.copy()
    for value in STRUCTURES:
        box = bounding_box(sparse == value)
        if box is None:
            continue
        crop = sparse[box] == value
        start = box[AXIS].start
        runs = tuple((first + start, last + start) for first, last in runs_along(crop, AXIS))
        for gap in boxes_between(DrawnSlices(AXIS, runs), crop, box):
            marked[gap][marked[gap] == 0] = ignore_value(class_map())
    return marked
