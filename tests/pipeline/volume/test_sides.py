import numpy as np
import pytest

from pipeline.anatomy import ClassMap, load_class_map, shipped_configs
from pipeline.volume import Grid
from pipeline.volume.sides import (
    MirroredPrediction,
    centres_of_labels,
    compare_sides,
    refuse_mirrored,
)


@pytest.fixture(scope="module")
def class_map() -> ClassMap:
    return load_class_map(shipped_configs() / "class_map.yaml")


def test_right_lies_at_the_larger_x(class_map: ClassMap) -> None:
    centres = {"kidney_left": -50.0, "kidney_right": 50.0, "hip_left": 80.0, "hip_right": -80.0}
    sides = compare_sides(centres | {"liver": 0.0, "femur_left": 1.0}, class_map)
    assert sides.agreeing == ("kidney_left",)
    assert sides.exchanged == ("hip_left",)
    refuse_mirrored(sides, "x")


def test_one_exchanged_pair_alone_is_no_mirror(class_map: ClassMap) -> None:
    refuse_mirrored(compare_sides({"kidney_left": 9.0, "kidney_right": -9.0}, class_map), "x")


def test_all_pairs_exchanged_is_a_mirror(class_map: ClassMap) -> None:
    centres = {"kidney_left": 50.0, "kidney_right": -50.0, "hip_left": 80.0, "hip_right": -80.0}
    with pytest.raises(MirroredPrediction, match="x: left and right are exchanged in all 2 pairs"):
        refuse_mirrored(compare_sides(centres, class_map), "x")


def test_centres_are_in_millimetres_of_the_world(class_map: ClassMap) -> None:
    labels = np.zeros((10, 4, 4), np.uint8)
    labels[2:4, 1, 1] = class_map["kidney_left"].value
    labels[7, 1, 1] = class_map["kidney_right"].value
    labels[5, 1, 1] = class_map["liver"].value
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[0, 3] = -9
    centres = centres_of_labels(labels, class_map, Grid((10, 4, 4), affine))
    assert centres == {"kidney_left": -4.0, "kidney_right": 5.0}
