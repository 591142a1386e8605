import numpy as np
import pytest

from benchmarks.trained_scores import dice_of
from benchmarks.transfer import Sizes, motion_line, profile_of, table
from benchmarks.transfer_phantoms import (
    CarriedHeart,
    MovedPair,
    Scan,
    length_for,
    mean_length,
    moved_pair,
)
from pipeline.anatomy import ClassMap
from pipeline.transfer.heart_manifest import HEART_STRUCTURES
from pipeline.volume import Grid


@pytest.fixture(scope="module")
def pair(phantom_class_map: ClassMap) -> MovedPair:
    return moved_pair(3, 15.0, phantom_class_map)


def test_a_pair_is_the_same_heart_once_without_contrast(
    pair: MovedPair, phantom_class_map: ClassMap
) -> None:
    heart = phantom_class_map.subset(HEART_STRUCTURES)
    contrast, native = pair.contrast, pair.native
    assert set(np.unique(contrast.labels)) == set(np.unique(native.labels)) == set(range(7))
    blood = heart["heart_ventricle_left"].value
    assert contrast.ct[contrast.labels == blood].mean() > 200
    assert 20 < native.ct[native.labels == blood].mean() < 70
    assert native.ct[native.labels == blood].std() > 25  # its noise
    assert contrast.grid.same_as(native.grid)


def test_the_heart_moved_by_what_was_asked_for(pair: MovedPair) -> None:
    assert mean_length(pair.in_heart_mm) == pytest.approx(15, abs=0.1)
    bent = pair.in_heart_mm - pair.in_heart_mm.mean(axis=0)
    assert mean_length(bent) > 0.5


def test_the_length_of_the_shift_is_solved_for() -> None:
    rest = np.array([[3.0, 0.0, 0.0], [3.0, 4.0, 0.0]])
    found = length_for(rest, np.array([1.0, 0.0, 0.0]), 10.0)
    assert mean_length(rest + np.array([found, 0, 0])) == pytest.approx(10)


def test_a_motion_is_described_with_what_is_no_shift_and_the_error() -> None:
    labels = np.ones((1, 1, 2), np.uint8)
    scan = Scan(labels, labels, Grid((1, 1, 2), np.eye(4)))
    way = np.array([[[[3.0, 0.0, 4.0], [3.0, 0.0, 8.0]]]])
    hearts = CarriedHeart(labels, labels, 1.26)
    line = motion_line(5, [(MovedPair(scan, scan, way), hearts)])
    assert line == (
        "- 5 mm: mean displacement in the heart 6.8 mm, of which 2.0 mm are no shift; "
        "mean error after refinement 1.3 mm\n"
    )


def test_a_table_ends_with_the_mean(phantom_class_map: ClassMap) -> None:
    heart = phantom_class_map.subset(HEART_STRUCTURES)
    lines = table(heart, ["a"], [np.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])]).splitlines()
    assert len(lines) == 9
    assert lines[-1] == "| mean of the six | 0.500 |"


def test_dice_of_each_structure_in_the_order_of_the_class_map(phantom_class_map: ClassMap) -> None:
    heart = phantom_class_map.subset(HEART_STRUCTURES)
    truth = np.array([structure.value for structure in heart] * 2)
    found = truth.copy()
    found[truth == truth[0]] = 0
    assert dice_of(found, truth, heart) == [0.0, 1.0, 1.0, 1.0, 1.0, 1.0]


def test_every_model_takes_as_many_steps() -> None:
    training = profile_of(Sizes(1, 1, 1, epochs=3, iterations=7)).training
    assert (training.epochs, training.iterations) == (3, 7)
