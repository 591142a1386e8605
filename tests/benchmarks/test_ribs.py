from pathlib import Path

import numpy as np
import pytest

from benchmarks.ribs import Chest, bridged, broken, lay_bar, make_chest, real_chests, score


@pytest.fixture(scope="module")
def chest() -> Chest:
    return make_chest(1)


def test_the_troubles_are_real_ones(chest: Chest) -> None:
    rng = np.random.default_rng(0)
    assert chest.mask.sum() - broken(chest, rng).mask.sum() > 50
    assert bridged(chest, rng).mask.sum() - chest.mask.sum() > 50
    assert score(chest.without("rib_left_1"), {})[1] == score(chest, {})[1] - 1
    half = chest.between(-1, 0.5)
    assert half.labels.shape[2] < chest.labels.shape[2]
    assert not (half.labels == chest.ribs["rib_left_1"]).any()


def test_a_wrong_name_does_not_count(chest: Chest) -> None:
    right, total = score(chest, chest.vertebrae())
    assert right == total == 24
    spine = chest.vertebrae()
    shifted = {f"vertebrae_T{n}": spine[f"vertebrae_T{n + 1}"] for n in range(1, 12)}
    assert score(chest, shifted)[0] < 12


def test_a_bar_is_as_thick_as_asked() -> None:
    mask = np.zeros((20, 20, 20), bool)
    lay_bar(mask, np.ones(3), np.array([10.0, 10, 4]), np.array([10.0, 10, 15]), radius_mm=2)
    assert mask[10, 10, 2:18].all()
    assert mask[8:13, 10, 9].all()
    assert not mask[[7, 13], 10, 9].any()


@pytest.mark.real_data
def test_real_ribs_merged_and_split_again(real_data: Path) -> None:
    for chest in real_chests(real_data):
        assert score(chest, chest.vertebrae()) == (12, 12)
        assert score(chest, {}) == (12, 12)
