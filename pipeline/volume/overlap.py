"""How far two segmentations of one grid overlap: voxel counts and Dice, for every label at once.

Every label is counted in one pass, by one joint histogram of both label maps, cut into pieces so
that no copy of the whole volume in 64-bit integers is made.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadInput
from pipeline.volume.boxes import Box, bounding_box

_PIECE_VOXELS = 2**20
_MOST_DIRECT_VALUES = 1024


@dataclass(frozen=True, slots=True)
class Overlap:
    """Voxels of one structure in two segmentations, and in both of them."""

    truth_voxels: int
    prediction_voxels: int
    both_voxels: int

    @property
    def dice(self) -> float:
        """Dice coefficient, 2·both / (truth + prediction); NaN when both are empty."""
        total = self.truth_voxels + self.prediction_voxels
        return 2 * self.both_voxels / total if total else float("nan")


def label_overlaps(
    truth: NDArray[np.integer], prediction: NDArray[np.integer]
) -> dict[int, Overlap]:
    """Count the overlap of every label of two label maps in one pass.

    Parameters
    ----------
    truth, prediction : ndarray of integer, shape (I, J, K)
        Values of 0 and above; 0 is background.

    Returns
    -------
    dict
        Label value to :class:`Overlap`, for each value in either map, ascending.

    Raises
    ------
    BadInput
        When the shapes differ, or a map holds no whole numbers or values below 0.
    """
    _check_pair(truth, prediction)
    box = bounding_box((truth != 0) | (prediction != 0))
    if box is None:
        return {}
    truth, prediction = truth[box], prediction[box]
    values = _values_up_to(truth, prediction)
    joint = _joint_counts(truth, prediction, values)
    of_truth, of_prediction = joint.sum(axis=1), joint.sum(axis=0)
    return {
        int(value): Overlap(int(of_truth[i]), int(of_prediction[i]), int(joint[i, i]))
        for i, value in enumerate(values)
        if value and (of_truth[i] or of_prediction[i])
    }


def mask_overlap(
    truth: NDArray[np.bool_], truth_box: Box, prediction: NDArray[np.bool_], prediction_box: Box
) -> Overlap:
    """Count the overlap of two masks that are each cropped to a box of one grid.

    Parameters
    ----------
    truth, prediction : ndarray of bool
        ``array[box]`` of the whole masks.
    truth_box, prediction_box : Box
        Where the crops lie in the common grid.
    """
    _check_crop(truth, truth_box)
    _check_crop(prediction, prediction_box)
    shared = [
        slice(max(a.start, b.start), min(a.stop, b.stop))
        for a, b in zip(truth_box, prediction_box, strict=True)
    ]
    both = 0
    if all(side.start < side.stop for side in shared):
        meeting = (shared[0], shared[1], shared[2])
        both = int(
            np.count_nonzero(
                truth[_within(meeting, truth_box)] & prediction[_within(meeting, prediction_box)]
            )
        )
    return Overlap(int(np.count_nonzero(truth)), int(np.count_nonzero(prediction)), both)


def on_union_box(
    first: NDArray[np.bool_], first_box: Box, second: NDArray[np.bool_], second_box: Box
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Put two cropped masks of one grid onto the smallest box that holds both crops.

    Returns
    -------
    tuple of ndarray of bool
        Both of one shape, Fortran-ordered.
    """
    _check_crop(first, first_box)
    _check_crop(second, second_box)
    sides = [
        slice(min(a.start, b.start), max(a.stop, b.stop))
        for a, b in zip(first_box, second_box, strict=True)
    ]
    union = (sides[0], sides[1], sides[2])
    return _placed(first, first_box, union), _placed(second, second_box, union)


def _placed(crop: NDArray[np.bool_], box: Box, union: Box) -> NDArray[np.bool_]:
    whole = np.zeros([side.stop - side.start for side in union], np.bool_, order="F")
    whole[_within(box, union)] = crop
    return whole


def _within(box: Box, frame: Box) -> Box:
    """Give a box of the grid in the indices of a frame's crop."""
    sides = [
        slice(side.start - outer.start, side.stop - outer.start)
        for side, outer in zip(box, frame, strict=True)
    ]
    return (sides[0], sides[1], sides[2])


def _check_crop(crop: NDArray[np.bool_], box: Box) -> None:
    expected = tuple(side.stop - side.start for side in box)
    if crop.shape != expected:
        raise BadInput(f"a crop of shape {crop.shape} does not fill its box of shape {expected}")


def _check_pair(truth: NDArray[np.integer], prediction: NDArray[np.integer]) -> None:
    if truth.shape != prediction.shape:
        raise BadInput(f"shapes differ: truth {truth.shape}, prediction {prediction.shape}")
    for name, labels in (("truth", truth), ("prediction", prediction)):
        if labels.dtype.kind not in "iub":
            raise BadInput(f"{name} holds {labels.dtype}, expected whole numbers")
        if labels.dtype.kind == "i" and labels.size and labels.min() < 0:
            raise BadInput(f"{name} holds the label {labels.min()}, expected 0 and above")


def _values_up_to(
    truth: NDArray[np.integer], prediction: NDArray[np.integer]
) -> NDArray[np.integer]:
    """Give ascending values that hold all of both maps; only those present where some are large."""
    largest = max(int(truth.max()), int(prediction.max()))
    if largest < _MOST_DIRECT_VALUES:
        return np.arange(largest + 1)
    return np.union1d(np.union1d(truth, prediction), [0])


def _joint_counts(
    truth: NDArray[np.integer], prediction: NDArray[np.integer], values: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Count each pair (truth, prediction): shape (len(values), len(values))."""
    count = len(values)
    direct = int(values[-1]) == count - 1
    joint = np.zeros(count * count, np.int64)
    for of_truth, of_prediction in _pieces(truth, prediction):
        if not direct:
            of_truth = np.searchsorted(values, of_truth)
            of_prediction = np.searchsorted(values, of_prediction)
        pairs = of_truth.astype(np.int64)
        pairs *= count
        pairs += of_prediction
        joint += np.bincount(pairs, minlength=count * count)
    return joint.reshape(count, count)


def _pieces(
    truth: NDArray[np.integer], prediction: NDArray[np.integer]
) -> Iterator[tuple[NDArray[np.integer], NDArray[np.integer]]]:
    """Cut both maps into slabs of about a million voxels, along the slowest axis of the truth."""
    axis = 2 if abs(truth.strides[2]) >= abs(truth.strides[0]) else 0
    slab = max(1, _PIECE_VOXELS * truth.shape[axis] // truth.size)
    order = "F" if axis == 2 else "C"
    for start in range(0, truth.shape[axis], slab):
        part = slice(start, start + slab)
        box = (slice(None), slice(None), part) if axis == 2 else (part, slice(None), slice(None))
        yield truth[box].ravel(order), prediction[box].ravel(order)  # type: ignore[arg-type]
