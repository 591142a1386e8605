"""The postprocess `split_ribs` of a model card: one mask of all ribs becomes a rib each."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import relabel
from pipeline.bootstrap.ribs import RibSplit, split_ribs
from pipeline.bootstrap.tasks import CaseTask
from pipeline.workspace import read_mask


@dataclass(frozen=True, slots=True, eq=False)
class SplitLabels:
    """Ribs told apart, and what in the prediction was none of the card's labels.

    Attributes
    ----------
    split : RibSplit
    unmatched : dict of int to int
        Value to voxels.
    """

    split: RibSplit
    unmatched: dict[int, int]


def split_rib_labels(task: CaseTask, labels: NDArray[Any]) -> SplitLabels:
    """Take all labels of the card as one mask of ribs, tell them apart and number them.

    Parameters
    ----------
    task : CaseTask
        With the vertebrae in force of the case, by which the ribs are numbered.
    labels : ndarray of whole numbers, shape (I, J, K)
        On the case's grid, in the model's own numbering.

    Raises
    ------
    BadInput
        If the labels are no whole numbers.
    MaskFileError
        If a vertebra's mask is missing or damaged.
    """
    layout = task.model.layout
    named = list(task.model.labels.names_by_value)
    counts = relabel(labels, {}, task.model.class_map).unmatched
    vertebrae = {
        mask.structure: (read_mask(layout.mask(mask.case_id, mask.structure, mask.id))[1], mask.box)
        for mask in task.vertebrae
    }
    split = split_ribs(np.isin(labels, named), task.case.grid, vertebrae)
    return SplitLabels(split, {v: n for v, n in counts.items() if v not in named})
