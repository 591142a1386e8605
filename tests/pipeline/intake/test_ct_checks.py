import numpy as np
import pytest

from pipeline.intake.ct_checks import CtRules, require_ct_grid, require_hounsfield, value_counts
from pipeline.intake.refusal import Refused
from pipeline.volume import Grid

RULES = CtRules()


def grid(spacing=(1.0, 1.0, 3.0), shape=(100, 100, 40)):
    return Grid(shape, np.diag([*spacing, 1.0]))


def test_an_oblique_but_straight_grid_is_a_ct_grid():
    angle = np.radians(20)
    affine = np.eye(4)
    affine[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    require_ct_grid(Grid((100, 100, 40), affine), RULES)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (grid((0.05, 1, 1)), r"spacing 0\.05 x 1 x 1 mm; expected 0\.1 to 25 mm"),
        (grid((1, 1, 26)), "spacing 1 x 1 x 26 mm"),
        (grid((1000, 1000, 3000)), "the unit must be millimetres"),
        (grid(shape=(512, 512, 3)), "512 x 512 x 3 voxels, too few slices"),
        (grid(shape=(7, 512, 512)), "expected at least 8 along every axis"),
        (grid((20, 20, 20), (200, 200, 200)), "4000 mm long; expected at most 3000 mm"),
    ],
)
def test_grids_that_no_ct_has_are_refused(given, message):
    with pytest.raises(Refused, match=message):
        require_ct_grid(given, RULES)


def test_a_sheared_grid_is_refused_with_its_angle():
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    affine[1, 2] = 3 * np.tan(np.radians(18.5))
    with pytest.raises(Refused, match=r"sheared by 18\.50 degrees"):
        require_ct_grid(Grid((100, 100, 40), affine), RULES)


def test_the_limits_are_settings():
    require_ct_grid(grid(shape=(512, 512, 3), spacing=(1, 1, 5)), CtRules(min_slices=3))
    with pytest.raises(Refused, match="at least 50"):
        require_ct_grid(grid(), CtRules(min_slices=50))


def spread(low, high, seed=0):
    values = np.random.default_rng(seed).integers(low, high + 1, (10, 10, 10)).astype(np.int16)
    values[0, 0, 0], values[0, 0, 1] = low, high
    return np.asfortranarray(values)


@pytest.mark.parametrize(("low", "high"), [(-1000, 1826), (-3024, 1377), (-200, 100)])
def test_hounsfield_ranges_are_a_ct(low, high):
    require_hounsfield(spread(low, high), RULES)


@pytest.mark.parametrize(
    ("low", "high", "advice"),
    [
        (0, 255, "looks like a mask, a picture, PET or MR"),
        (-30, 385, "looks like a mask, a picture, PET or MR"),
        (0, 4095, "the intercept \\(about -1024\\) seems missing"),
        (-1000, 60, "no Hounsfield range"),
    ],
)
def test_other_ranges_are_refused_with_what_they_are(low, high, advice):
    with pytest.raises(Refused, match=rf"values {low}\.\.{high}.*{advice}"):
        require_hounsfield(spread(low, high), RULES)


def test_a_constant_image_and_a_label_map_are_refused_by_their_few_values():
    with pytest.raises(Refused, match=r"values -1000\.\.-1000, 1 different ones"):
        require_hounsfield(np.full((9, 9, 9), -1000, np.int16, order="F"), RULES)
    with pytest.raises(Refused, match=r"2 different ones.*label map"):
        require_hounsfield(np.where(spread(-9, 9) > 0, 900, -900).astype(np.int16), RULES)


def test_value_counts_counts_every_value_of_int16():
    values = np.array([[[-32768, -1]], [[0, 32767]], [[0, 0]]], np.int16, order="F")
    counts = value_counts(values)
    assert counts.sum() == 6
    assert [counts[v + 32768] for v in (-32768, -1, 0, 32767)] == [1, 1, 3, 1]
