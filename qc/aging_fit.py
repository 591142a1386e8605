"""A quadratic curve over age with a band that knows that one patient may have several scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST_PATIENTS = 8
"""Of fewer, a curve with three coefficients says nothing."""

_LARGEST_CONDITION = 1e9

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class QuadraticFit:
    """``value = a + b·age + c·age²``, by least squares over scans.

    Attributes
    ----------
    scans, patients : int
    coefficients : tuple of float
        a, b, c.
    r2 : float or None
        Share of the spread that the curve explains; None where there is no spread.
    ages, curve, low, high : ndarray
        The curve at whole years within the ages seen, with its pointwise 95 % interval: jackknife
        over patients (Tukey 1958), Student's t with one degree of freedom less than patients.
    """

    scans: int
    patients: int
    coefficients: tuple[float, float, float]
    r2: float | None
    ages: Floats
    curve: Floats
    low: Floats
    high: Floats

    @property
    def turning_age(self) -> float | None:
        """Age at which the curve is highest or lowest; None where that lies beyond the data."""
        _, b, c = self.coefficients
        age = -b / (2 * c) if c else float("nan")
        return age if self.ages[0] < age < self.ages[-1] else None


def fit_quadratic(
    ages: Sequence[float], values: Sequence[float], patients: Sequence[str]
) -> QuadraticFit | None:
    """Fit a quadratic curve over age.

    Parameters
    ----------
    ages : sequence of float
        In years, one per scan.
    values : sequence of float
    patients : sequence of str
        Whose scan it is.

    Returns
    -------
    QuadraticFit or None
        None where there are too few patients or ages for three coefficients, with any one patient
        left out.
    """
    x, y = np.asarray(ages, np.float64), np.asarray(values, np.float64)
    _, group = np.unique(np.asarray(patients, str), return_inverse=True)
    count = int(group.max(initial=-1)) + 1
    if count < FEWEST_PATIENTS:
        return None
    middle, scale = x.mean(), x.std() or 1.0
    design = _powers((x - middle) / scale)
    squares, products = np.zeros((count, 3, 3)), np.zeros((count, 3))
    np.add.at(squares, group, design[:, :, None] * design[:, None, :])
    np.add.at(products, group, design * y[:, None])
    without = squares.sum(axis=0) - squares
    if np.linalg.cond(without).max() > _LARGEST_CONDITION:
        return None
    whole = np.linalg.solve(squares.sum(axis=0), products.sum(axis=0))
    left_out = np.linalg.solve(without, (products.sum(axis=0) - products)[..., None])[..., 0]
    shown = _whole_years(x)
    powers = _powers((shown - middle) / scale)
    curve, reach = powers @ whole, _reach(left_out @ powers.T)
    return QuadraticFit(
        scans=x.size,
        patients=count,
        coefficients=_of_age(whole, float(middle), float(scale)),
        r2=_explained(y, design @ whole),
        ages=shown,
        curve=curve,
        low=curve - reach,
        high=curve + reach,
    )


def _powers(x: Floats) -> Floats:
    return np.stack([np.ones_like(x), x, x * x], axis=-1)


def _whole_years(ages: Floats) -> Floats:
    years = np.arange(np.ceil(ages.min()), np.floor(ages.max()) + 1)
    return np.unique([ages.min(), *years, ages.max()])


def _reach(curves: Floats) -> Floats:
    """Give half the width of the 95 % interval from the curves with each patient left out."""
    from scipy import stats

    count = len(curves)
    spread = ((curves - curves.mean(axis=0)) ** 2).sum(axis=0) * (count - 1) / count
    return np.asarray(stats.t.ppf(0.975, count - 1) * np.sqrt(spread))


def _explained(y: Floats, fitted: Floats) -> float | None:
    spread = float(((y - y.mean()) ** 2).sum())
    return 1 - float(((y - fitted) ** 2).sum()) / spread if spread else None


def _of_age(scaled: Floats, middle: float, scale: float) -> tuple[float, float, float]:
    """Turn coefficients of (age - middle) / scale into those of age."""
    a, b, c = (float(each) for each in scaled)
    square = c / scale**2
    slope = b / scale - 2 * middle * square
    return a - b * middle / scale + square * middle**2, slope, square
