import numpy as np
import pytest

from training.structure_scores import Tally, TrueMask, add_case

SHAPE = (6, 5, 4)
BOX = (slice(1, 5), slice(1, 4), slice(0, 3))


def truth_of(labels: np.ndarray, value: int) -> TrueMask:
    return TrueMask(BOX, labels[BOX] == value)


def test_dice_missed_and_false_positives_are_counted_by_structure():
    truth = np.zeros(SHAPE, np.uint8)
    truth[1:3, 1:3, 0:2] = 1  # 8 voxels of liver
    truth[3:5, 3:4, 2:3] = 2  # 2 voxels of aorta
    found = np.zeros(SHAPE, np.uint8)
    found[1:3, 1:3, 0:1] = 1  # 4 of them
    found[5, 4, 3] = 1  # and one elsewhere, outside the box
    found[0, 0, 0:3] = 3  # spleen where there is none
    tallies = {name: Tally() for name in ("liver", "aorta", "spleen")}
    values = {"liver": 1, "aorta": 2, "spleen": 3}
    masks = {"liver": truth_of(truth, 1), "aorta": truth_of(truth, 2), "spleen": TrueMask()}
    add_case(tallies, found, values, masks, voxel_ml=0.05)
    liver, aorta, spleen = (tallies[name].score for name in values)
    assert liver.dice == pytest.approx(2 * 4 / (8 + 5), abs=1e-5)
    assert (liver.present, liver.missed, liver.absent) == (1, 0, 0)
    assert (aorta.dice, aorta.missed) == (0.0, 1)
    assert (spleen.dice, spleen.absent, spleen.false_positives) == (None, 1, 1)
    assert spleen.false_positive_ml == pytest.approx(0.15)


def test_some_voxels_of_noise_are_no_false_positive_but_their_volume_is_kept():
    found = np.zeros(SHAPE, np.uint8)
    found[0, 0, 0] = 1
    tallies = {"liver": Tally()}
    add_case(tallies, found, {"liver": 1}, {"liver": TrueMask()}, voxel_ml=0.027)
    score = tallies["liver"].score
    assert (score.false_positives, score.false_positive_ml) == (0, 0.027)


def test_undecided_structures_and_unasked_ones_do_not_count():
    tallies = {"liver": Tally(), "aorta": Tally()}
    found = np.ones(SHAPE, np.uint8)
    add_case(tallies, found, {"liver": 1, "aorta": 2}, {"spleen": TrueMask()}, voxel_ml=1.0)
    assert tallies["liver"].score == tallies["aorta"].score == Tally().score


def test_the_mean_is_over_cases_and_missed_ones_count_zero():
    tally = Tally()
    tally.add_present(10, 10, 10)
    tally.add_present(10, 0, 0)
    assert tally.score.dice == 0.5
    assert (tally.score.present, tally.score.missed) == (2, 1)
