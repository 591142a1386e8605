"""NSD against DeepMind's `surface-distance`, on random shapes, hard spacings, and ties."""

import math

import numpy as np
import pytest
from scipy import ndimage
from surface_distance import lookup_tables

from pipeline.errors import BadInput
from pipeline.volume import normalised_surface_dice, surface_agreement
from pipeline.volume.surface_distance import surfel_areas_mm2
from tests.fixtures.nsd_oracle import oracle_nsd as oracle

# Whole numbers of steps that meet the tolerance exactly are where rounding would decide wrongly.
SPACINGS = [
    (1.5, 1.5, 1.5),
    (3.0, 3.0, 3.0),
    (0.6, 0.6, 0.6),
    (0.6, 0.6, 1.0),
    (0.3, 0.4, 0.5),
    (0.1, 1.0, 3.0),
    (0.7, 0.7, 5.0),
    (1.2, 0.9, 0.6),
]


def random_pair(seed: int):
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 32, 3)
    field = ndimage.gaussian_filter(rng.normal(size=shape), rng.uniform(0.1, 3))
    other = ndimage.gaussian_filter(field + rng.normal(size=shape) * field.std(), 1)
    truth = field > np.quantile(field, rng.uniform(0.3, 1))
    prediction = other > np.quantile(other, rng.uniform(0.3, 1))
    return np.array(truth, order="FC"[seed % 2]), np.roll(prediction, seed % 6, axis=0)


@pytest.mark.parametrize("spacing_mm", SPACINGS)
@pytest.mark.parametrize("tolerance_mm", [3.0, 1.0, 0.6, 0.0])
def test_nsd_is_that_of_surface_distance(spacing_mm, tolerance_mm):
    for seed in range(4):
        truth, prediction = random_pair(seed)
        expected = oracle(truth, prediction, spacing_mm, tolerance_mm)
        found = normalised_surface_dice(truth, prediction, spacing_mm, tolerance_mm)
        assert found == pytest.approx(expected, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("spacing_mm", SPACINGS)
def test_surfel_areas_are_those_of_surface_distance(spacing_mm):
    expected = lookup_tables.create_table_neighbour_code_to_surface_area(spacing_mm)
    np.testing.assert_allclose(surfel_areas_mm2(spacing_mm), expected, rtol=1e-12)


def test_surfel_areas_are_those_of_known_shapes():
    areas = surfel_areas_mm2((2.0, 3.0, 5.0))
    assert areas[0] == areas[255] == 0
    # The lower half of the block full along each axis: one plane across it.
    assert areas[0b00001111] == pytest.approx(3 * 5)
    assert areas[0b00110011] == pytest.approx(2 * 5)
    assert areas[0b01010101] == pytest.approx(2 * 3)
    # One corner: the triangle through the middles of three edges.
    assert areas[1] == pytest.approx(np.sqrt(15**2 + 10**2 + 6**2) / 8)


def test_a_plane_moved_by_the_tolerance_agrees_and_one_moved_further_does_not():
    truth = np.zeros((30, 20, 20), bool)
    truth[:10] = True
    for steps, rim in ((5, 1.0), (6, None)):
        prediction = np.zeros_like(truth)
        prediction[: 10 + steps] = True
        nsd = normalised_surface_dice(truth, prediction, (0.6, 0.6, 0.6), 3.0)
        expected = oracle(truth, prediction, (0.6, 0.6, 0.6), 3.0)
        assert nsd == pytest.approx(expected, abs=1e-12)
        assert nsd == 1.0 if rim else nsd < 1.0


def test_nothing_on_both_sides_is_nan_and_on_one_side_0():
    empty, full = np.zeros((4, 4, 4), bool), np.ones((4, 4, 4), bool)
    assert math.isnan(normalised_surface_dice(empty, empty, (1, 1, 1)))
    assert math.isnan(oracle(empty, empty, (1, 1, 1), 3.0))
    for truth, prediction in ((empty, full), (full, empty)):
        assert normalised_surface_dice(truth, prediction, (1, 1, 1)) == 0.0
        assert oracle(truth, prediction, (1, 1, 1), 3.0) == 0.0


@pytest.mark.parametrize(
    ("spacing_mm", "tolerance_mm", "gap"),
    # Many steps and surfaces far apart; more steps than are ever tried; all within.
    [((0.5, 0.5, 0.5), 4.0, 9), ((0.1, 0.1, 0.2), 4.0, 50), ((1.0, 1.0, 1.0), 100.0, 20)],
)
def test_far_apart_surfaces_and_large_tolerances_are_as_in_surface_distance(
    spacing_mm, tolerance_mm, gap
):
    truth, prediction = np.zeros((2, 70, 24, 24), bool, order="F")
    truth[:6] = prediction[6 + gap :, 1:-1] = True
    truth[40:43, :3, 5] = True
    found = normalised_surface_dice(truth, prediction, spacing_mm, tolerance_mm)
    assert found == pytest.approx(oracle(truth, prediction, spacing_mm, tolerance_mm), abs=1e-12)


def test_both_surfaces_are_told_apart():
    truth, prediction = np.zeros((2, 12, 12, 12), bool)
    truth[1:3, 1:3, 1:3] = True
    prediction[1:3, 1:3, 1:3] = prediction[9:11, 9:11, 9:11] = True
    found = surface_agreement(truth, prediction, (1.0, 1.0, 1.0), 3.0)
    assert found.truth_within_mm2 == found.truth_mm2
    assert found.prediction_mm2 == pytest.approx(2 * found.truth_mm2)
    assert found.prediction_within_mm2 == pytest.approx(found.truth_mm2)
    assert found.nsd == pytest.approx(2 / 3)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(BadInput, match="shapes differ"):
        normalised_surface_dice(np.ones((2, 2, 2), bool), np.ones((2, 2, 3), bool), (1, 1, 1))
    with pytest.raises(BadInput, match="tolerance nan mm"):
        normalised_surface_dice(*np.ones((2, 2, 2, 2), bool), (1, 1, 1), math.nan)
