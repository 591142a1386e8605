"""95 % intervals by bootstrap over patients: a patient's rows are drawn together or not at all.

Rows of one patient are not independent, so resampling rows would give intervals that are too
narrow. A mean is a sum over a count, and both are sums over patients: with the sums of each patient
at hand, all groups of all resamples are two matrix products.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_AT_ONCE = 1000
_PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval; NaN bounds where there are fewer than two patients."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PatientSums:
    """Values summed by patient and group.

    Attributes
    ----------
    sums, counts : ndarray, shape (patients, groups)
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        values: Sequence[float],
        patients: Sequence[int],
        groups: Sequence[int],
        shape: tuple[int, int],
    ) -> "PatientSums":
        """Sum values that each belong to one patient and one group, both by index."""
        cell = np.asarray(patients, np.intp) * shape[1] + np.asarray(groups, np.intp)
        size = shape[0] * shape[1]
        weights = np.asarray(values, np.float64)
        sums = np.bincount(cell, weights=weights, minlength=size).astype(np.float64, copy=False)
        counts = np.bincount(cell, minlength=size).astype(np.float64)
        return cls(sums.reshape(shape), counts.reshape(shape))


def bootstrap_means(sums: PatientSums, resamples: int, seed: int) -> list[Interval]:
    """Give the mean of every group over its rows (micro-average) with its interval.

    Parameters
    ----------
    sums : PatientSums
    resamples : int
        Times that as many patients as there are are drawn with replacement; percentile interval.
    seed : int
        The same seed draws the same patients, so that two calls are paired.

    Returns
    -------
    list of Interval
        One per group. A resample without any row of a group does not count for it.
    """
    totals = sums.counts.sum(axis=0)
    with np.errstate(invalid="ignore"):
        means = sums.sums.sum(axis=0) / totals
    lows, highs = _bounds(_resampled(sums, resamples, seed))
    few = (sums.counts > 0).sum(axis=0) < 2
    lows[few] = highs[few] = np.nan
    return [
        Interval(float(m), float(a), float(b)) for m, a, b in zip(means, lows, highs, strict=True)
    ]


def _resampled(sums: PatientSums, resamples: int, seed: int) -> NDArray[np.float64]:
    """Give the mean of every group in every resample: shape (resamples, groups)."""
    rng = np.random.default_rng(seed)
    patients = len(sums.sums)
    parts = []
    for start in range(0, resamples, _AT_ONCE):
        size = min(_AT_ONCE, resamples - start)
        drawn = rng.multinomial(patients, np.full(patients, 1 / patients), size=size)
        weights = drawn.astype(np.float64)
        with np.errstate(invalid="ignore"):
            parts.append((weights @ sums.sums) / (weights @ sums.counts))
    return np.concatenate(parts)


def _bounds(means: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    import warnings

    with warnings.catch_warnings():
        # A group that no resample holds has no bounds.
        warnings.simplefilter("ignore", RuntimeWarning)
        lows, highs = np.nanpercentile(means, _PERCENTILES, axis=0)
    return lows, highs
