"""Label maps: a volume of whole numbers, each of which is one drawing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from annotation.formats.drawing import Drawing, ReadLimits, VoxelShape
from annotation.formats.refusal import refused, require_drawings
from pipeline.volume import Box, Grid, bounding_box, label_boxes

EMPTY_BOX: Box = (slice(0, 1), slice(0, 1), slice(0, 1))
"""Where the crop of a drawing without any voxel is said to lie."""

_LARGEST_DIRECT_VALUE = 65535
_MASK_VALUES = ({1}, {255})


@dataclass(frozen=True, slots=True, eq=False)
class LabelMap:
    """A volume of labels with the boxes in which each of them lies.

    Attributes
    ----------
    labels : ndarray of whole numbers, shape (I, J, K)
        Numbers of `boxes`; not those of the file where these were beyond 65535.
    boxes : mapping of int to box
    values : mapping of int to int
        From the numbers of `boxes` to those of the file.
    notes : tuple of str
    """

    labels: NDArray[np.integer]
    grid: Grid
    boxes: Mapping[int, Box]
    values: Mapping[int, int]
    notes: tuple[str, ...] = ()

    @property
    def is_mask(self) -> bool:
        """Whether there is nothing but one mask in it (0 and 1, 0 and 255, or only 0)."""
        found = set(self.values.values())
        return not found or found in _MASK_VALUES


def label_map(path: Path, array: NDArray[np.generic], grid: Grid, limits: ReadLimits) -> LabelMap:
    """Find the labels of a volume.

    Parameters
    ----------
    path : Path
        For messages.
    array : ndarray, shape (I, J, K)
        Whole numbers of 0 and above; of any voxel type.

    Raises
    ------
    DrawnFileError
        If it holds fractions, negative numbers, or more labels than the limits allow.
    """
    labels, notes = _whole_numbers(path, array)
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0:
        raise refused(
            path,
            f"values from {lowest} to {highest}",
            "labels of 0 and above",
            "give the segmentation, not the image",
        )
    values: dict[int, int] | None = None
    if highest > _LARGEST_DIRECT_VALUE:
        labels, values = _renumbered(path, labels, limits)
    boxes = label_boxes(labels)
    require_drawings(path, len(boxes), limits)
    _require_boxes(path, boxes, limits)
    numbers = {number: number for number in boxes} if values is None else values
    return LabelMap(labels, grid, boxes, numbers, notes)


def drawings_of(found: LabelMap, names: Mapping[int, str]) -> tuple[Drawing, ...]:
    """Make one drawing of each label, ascending; without a name in `names` its name is empty."""
    return tuple(
        Drawing(
            name=names.get(found.values[number], ""),
            shape=VoxelShape(found.grid, box, crop_of(found.labels, box, number)),
            value=found.values[number],
        )
        for number, box in found.boxes.items()
    )


def mask_drawing(found: LabelMap, name: str) -> Drawing:
    """Make the one drawing of a file that is a mask; an empty mask is a drawing without voxels."""
    number, box = next(iter(found.boxes.items()), (1, EMPTY_BOX))
    value = found.values.get(number, 1)
    shape = VoxelShape(found.grid, box, crop_of(found.labels, box, number))
    return Drawing(name, shape, value=value)


def crop_of(labels: NDArray[np.integer], box: Box, value: int) -> NDArray[np.bool_]:
    """Give where a label is inside a box, as its own Fortran-ordered array."""
    return np.asfortranarray(labels[box] == value)


def voxel_shape(mask: NDArray[np.bool_], grid: Grid) -> VoxelShape:
    """Crop a mask on a grid to the box of its voxels."""
    box = bounding_box(mask) or EMPTY_BOX
    return VoxelShape(grid, box, np.asfortranarray(mask[box]).copy(order="F"))


def _whole_numbers(
    path: Path, array: NDArray[np.generic]
) -> tuple[NDArray[np.integer], tuple[str, ...]]:
    if array.dtype.kind in "iu":
        return array.astype(array.dtype, copy=False), ()
    if array.dtype.kind == "b":
        return array.view(np.uint8), ()
    whole = np.empty(array.shape, np.int32, order="F")
    for k in range(array.shape[2]):
        layer = array[:, :, k]
        rounded = np.rint(layer)
        odd = ~(np.isfinite(layer) & (rounded == layer) & (np.abs(rounded) < 2**31))
        if odd.any():
            raise refused(
                path,
                f"values that are no whole numbers (such as {layer[odd][0]:g})",
                "labels",
                "threshold a probability map, or give the segmentation, not the image",
            )
        whole[:, :, k] = rounded
    return whole, (f"whole numbers stored as {array.dtype.name}",)


def _renumbered(
    path: Path, labels: NDArray[np.integer], limits: ReadLimits
) -> tuple[NDArray[np.integer], dict[int, int]]:
    present = np.unique(labels)
    present = present[present != 0]
    require_drawings(path, present.size, limits)
    numbers = np.searchsorted(present, labels).astype(np.uint16) + np.uint16(1)
    numbers[labels == 0] = 0
    return np.asfortranarray(numbers), {
        number: int(value) for number, value in enumerate(present, start=1)
    }


def _require_boxes(path: Path, boxes: Mapping[int, Box], limits: ReadLimits) -> None:
    """Bound what the crops of all labels take together: labels strewn like noise take too much."""
    total = sum(
        int(np.prod([side.stop - side.start for side in box], dtype=np.int64))
        for box in boxes.values()
    )
    if total > limits.max_voxels:
        raise refused(
            path,
            f"{len(boxes):,} labels whose boxes hold {total:,} voxels",
            f"at most {limits.max_voxels:,}",
            "check that it is a label map and no image",
        )
