"""The curve over age: its coefficients, its band, and when there is none."""

import numpy as np
import pytest

from qc.aging_fit import FEWEST_PATIENTS, fit_quadratic

AGES = np.linspace(20, 90, 40)
PATIENTS = [f"p{number}" for number in range(40)]


def parabola(age):
    return 1000 + 20 * age - 0.2 * age**2


def test_a_parabola_is_found_again_with_its_highest_point():
    fit = fit_quadratic(AGES, parabola(AGES), PATIENTS)
    assert fit.coefficients == pytest.approx((1000, 20, -0.2))
    assert fit.r2 == pytest.approx(1)
    assert fit.turning_age == pytest.approx(50)
    assert (fit.scans, fit.patients) == (40, 40)
    assert (fit.ages[0], fit.ages[-1], fit.ages.size) == (20, 90, 71)
    assert fit.curve == pytest.approx(parabola(fit.ages))
    assert np.abs(fit.high - fit.low).max() < 1e-6


def test_least_squares_and_r2_are_numpys():
    rng = np.random.default_rng(0)
    values = parabola(AGES) + rng.normal(0, 90, AGES.size)
    fit = fit_quadratic(AGES, values, PATIENTS)
    expected = np.polynomial.Polynomial.fit(AGES, values, 2).convert().coef
    assert fit.coefficients == pytest.approx(tuple(expected))
    residual = values - np.polynomial.Polynomial(expected)(AGES)
    assert fit.r2 == pytest.approx(1 - residual.var() / values.var())


@pytest.mark.parametrize("scans_each", [1, 4])
def test_the_band_covers_the_truth_as_often_as_it_says(scans_each):
    """With several scans of a patient too, whose values are alike beyond the curve."""
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(300):
        ages = rng.uniform(20, 90, 25)
        own = rng.normal(0, 80, 25)
        x, patients = np.repeat(ages, scans_each), np.repeat(np.arange(25), scans_each)
        y = parabola(x) + np.repeat(own, scans_each) + rng.normal(0, 20, x.size)
        fit = fit_quadratic(x, y, [str(number) for number in patients])
        truth = parabola(fit.ages)
        covered.append(((fit.low <= truth) & (truth <= fit.high)).mean())
    assert 0.93 <= np.mean(covered) <= 0.99


def test_no_curve_without_enough_patients_or_ages():
    few = FEWEST_PATIENTS - 1
    assert fit_quadratic(AGES[:few], AGES[:few], PATIENTS[:few]) is None
    assert fit_quadratic(AGES, AGES, ["one"] * 40) is None
    two_ages = [30.0, 60.0] * 10
    assert fit_quadratic(two_ages, two_ages, PATIENTS[:20]) is None
    # Three ages, but the third is one patient's alone.
    assert fit_quadratic([30.0, 60.0] * 9 + [90.0], range(19), PATIENTS[:19]) is None
    assert fit_quadratic([], [], []) is None


def test_no_turning_age_beyond_the_data_and_no_r2_without_spread():
    rising = fit_quadratic(AGES, AGES**2, PATIENTS)
    assert rising.turning_age is None
    flat = fit_quadratic(AGES, np.full(40, 7.0), PATIENTS)
    assert flat.r2 is None
    assert flat.curve == pytest.approx(7)
