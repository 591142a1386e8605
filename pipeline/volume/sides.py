"""Do the structures of a pair lie on their own sides? A mirrored prediction shows here.

A file whose voxels were mirrored, but whose header was not, passes every check of grids. Its
kidneys do not: the world's x grows to the patient's right, so `kidney_right` must have the larger
x. One pair that disagrees may be anatomy or a weak model; all pairs that disagree are a mirror.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap
from pipeline.errors import BadInput
from pipeline.volume.boxes import Box, label_boxes
from pipeline.volume.grid import Grid

LEAST_PAIRS = 2

Crop = tuple[NDArray[np.bool_], Box]


class MirroredPrediction(BadInput):
    """Every pair of structures of a prediction lies with its sides exchanged."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Pairs found in a prediction, each by the name of its left structure."""

    agreeing: tuple[str, ...]
    exchanged: tuple[str, ...]


def compare_sides(centre_x_mm: Mapping[str, float], class_map: ClassMap) -> Sides:
    """Compare the x of the two structures of each pair.

    Parameters
    ----------
    centre_x_mm : mapping of str to float
        World x of each structure's centre; structures without voxels are left out.
    class_map : ClassMap
        It says which structures are mirrors of each other.
    """
    agreeing: list[str] = []
    exchanged: list[str] = []
    for structure in class_map:
        other = structure.mirror
        if structure.side != "left" or other is None:
            continue
        if structure.name in centre_x_mm and other in centre_x_mm:
            agrees = centre_x_mm[structure.name] < centre_x_mm[other]
            (agreeing if agrees else exchanged).append(structure.name)
    return Sides(tuple(agreeing), tuple(exchanged))


def refuse_mirrored(sides: Sides, what: str) -> None:
    """Refuse a prediction in which no pair lies on its own sides.

    Raises
    ------
    MirroredPrediction
        If at least two pairs are there and all are exchanged.
    """
    if len(sides.exchanged) >= LEAST_PAIRS and not sides.agreeing:
        raise MirroredPrediction(
            f"{what}: left and right are exchanged in all {len(sides.exchanged)} pairs "
            f"({', '.join(sides.exchanged[:3])}, ...): the voxels or the names are mirrored"
        )


def centres_of_labels(labels: NDArray[Any], class_map: ClassMap, grid: Grid) -> dict[str, float]:
    """Find the world x (mm) of the centre of every paired structure of a label map.

    Parameters
    ----------
    labels : ndarray of whole numbers, shape (I, J, K)
        Values of the class map.
    class_map : ClassMap
    grid : Grid
    """
    boxes = label_boxes(labels)
    crops = {
        structure.name: (labels[box] == structure.value, box)
        for structure in class_map
        if structure.mirror is not None and (box := boxes.get(structure.value)) is not None
    }
    return centres_of_crops(crops, class_map, grid)


def centres_of_crops(
    crops: Mapping[str, Crop], class_map: ClassMap, grid: Grid
) -> dict[str, float]:
    """Find the world x (mm) of the centre of every paired structure that has voxels.

    Parameters
    ----------
    crops : mapping of str to (ndarray of bool, box)
        Each structure's voxels and where in the grid they lie.
    class_map : ClassMap
    grid : Grid
    """
    return {
        name: centre_x_mm(crop, box, grid)
        for name, (crop, box) in crops.items()
        if class_map[name].mirror is not None and crop.any()
    }


def centre_x_mm(crop: NDArray[np.bool_], box: Box, grid: Grid) -> float:
    """Find the world x (mm) of the centre of a crop's voxels; at least one must be set."""
    index = [_mean_index(crop, axis) + side.start for axis, side in enumerate(box)]
    return float(grid.affine[0, :3] @ np.array(index) + grid.affine[0, 3])


def _mean_index(crop: NDArray[np.bool_], axis: int) -> float:
    others = tuple(other for other in range(3) if other != axis)
    counts = np.count_nonzero(crop, axis=others)
    return float(np.average(np.arange(counts.size), weights=counts))
