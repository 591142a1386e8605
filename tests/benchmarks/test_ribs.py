from pathlib import Path

import numpy as np
import pytest

from benchmarks.rib_bodies import Chest, make_chest, real_chests
from benchmarks.rib_troubles import (
    Change,
    bridged,
    broken,
    cervical_ribs,
    lay_bar,
    lumbar_ribs,
    rough,
    without_necks,
    yield_end,
)
from benchmarks.ribs import Score, score


@pytest.fixture(scope="module")
def chest() -> Chest:
    return make_chest(1001)


def test_the_troubles_are_real_ones(chest: Chest) -> None:
    rng = np.random.default_rng(0)
    assert chest.mask.sum() - broken(chest, rng).mask.sum() > 50
    assert bridged(chest, rng).mask.sum() - chest.mask.sum() > 50
    assert 0.8 < (rough(chest, rng).mask & chest.mask).sum() / chest.mask.sum() < 0.99
    assert score(chest.without("rib_left_1"), {}).ribs == score(chest, {}).ribs - 1
    half = chest.between(-1, 0.5)
    assert half.labels.shape[2] < chest.labels.shape[2]
    assert not (half.labels == chest.ribs["rib_left_1"]).any()


def test_necks_go_and_the_rest_stays(chest: Chest) -> None:
    short = without_necks(chest, np.random.default_rng(0))
    centre = chest.rows("vertebrae_T6").mean(axis=0)
    away = np.linalg.norm((short.rows("rib_left_6") - centre) * chest.spacing_mm, axis=1)
    assert 30 <= away.min() < 50
    assert len(short.rows("rib_left_6")) > 0.7 * len(chest.rows("rib_left_6"))


def test_an_end_yields_most_at_the_break(chest: Chest) -> None:
    labels, value = chest.labels.copy(), chest.ribs["rib_left_6"]
    rows = chest.rows("rib_left_6")
    middle = rows[rows[:, 0].argmin()]
    up = np.array([0.0, 0.0, 8.0])
    yield_end(chest, labels, value, middle * chest.spacing_mm, np.array([0.0, 1.0, 0.0]), up)
    there = np.argwhere(labels == value)
    before, after = (
        part[(part[:, 0] < middle[0] + 20) & (np.abs(part[:, 1] - middle[1] - 2) < 2), 2].mean()
        for part in (rows, there)
    )
    assert (after - before) * chest.spacing_mm[2] == pytest.approx(8, abs=2.5)
    far = rows[:, 1] < middle[1] - 2
    assert (labels[tuple(rows[far].T)] == value).all()


@pytest.mark.parametrize(("change", "number"), [(lumbar_ribs, 12), (cervical_ribs, 1)])
def test_extra_ribs_get_the_name_and_a_finding(chest: Chest, change: Change, number: int) -> None:
    more = change(chest, np.random.default_rng(3))
    names = (f"rib_left_{number}", f"rib_right_{number}")
    assert tuple(more.extras) == names
    assert not any((mask & chest.mask).any() for mask in more.extras.values())
    found = score(more, more.vertebrae())
    assert found == Score(24, 24, 2, 2, 2, 0, 1)
    assert score(more, {}).doubts == 1


def test_a_wrong_name_does_not_count(chest: Chest) -> None:
    found = score(chest, chest.vertebrae())
    assert found.right == found.ribs == 24
    spine = chest.vertebrae()
    shifted = {f"vertebrae_T{n}": spine[f"vertebrae_T{n + 1}"] for n in range(1, 12)}
    assert score(chest, shifted).right < 12


def test_a_finding_of_an_extra_rib_where_there_is_none_counts_as_false(chest: Chest) -> None:
    spine = chest.vertebrae()
    assert score(chest, spine).extras_false == 0
    lowered = spine | {"vertebrae_C7": spine["vertebrae_T1"], "vertebrae_T1": spine["vertebrae_T2"]}
    assert score(chest, lowered).extras_false == 2


def test_a_bar_is_as_thick_as_asked() -> None:
    mask = np.zeros((20, 20, 20), bool)
    lay_bar(mask, np.ones(3), np.array([10.0, 10, 4]), np.array([10.0, 10, 15]), radius_mm=2)
    assert mask[10, 10, 2:18].all()
    assert mask[8:13, 10, 9].all()
    assert not mask[[7, 13], 10, 9].any()


@pytest.mark.real_data
def test_real_ribs_merged_and_split_again(real_data: Path) -> None:
    for chest in real_chests(real_data):
        for vertebrae in (chest.vertebrae(), {}):
            found = score(chest, vertebrae)
            assert (found.right, found.ribs) == (12, 12)
