import math

import numpy as np
import pytest

from training.evaluation.patient_bootstrap import PatientSums, bootstrap_means


def sums_of(values: list[list[float]], groups: int = 1) -> PatientSums:
    """Give the sums of patients' values; value n of a patient is in group n modulo groups."""
    flat = [
        (value, patient, n % groups)
        for patient, its in enumerate(values)
        for n, value in enumerate(its)
    ]
    columns = [list(column) for column in zip(*flat, strict=True)]
    return PatientSums.of(columns[0], columns[1], columns[2], (len(values), groups))


def test_the_mean_is_over_rows_and_the_interval_over_patients():
    values = [[1.0, 0.8], [0.6], [0.9, 0.7, 0.5], [0.2]]
    [interval] = bootstrap_means(sums_of(values), 20_000, seed=3)
    flat = [value for its in values for value in its]
    assert interval.mean == np.mean(flat)
    # The same by hand: draw patients, pool their rows.
    rng = np.random.default_rng(8)
    means = [
        np.mean([v for patient in rng.integers(0, 4, 4) for v in values[patient]])
        for _ in range(5000)
    ]
    low, high = np.percentile(means, (2.5, 97.5))
    assert abs(interval.low - low) < 0.015
    assert abs(interval.high - high) < 0.015


def test_rows_of_one_patient_do_not_narrow_the_interval():
    few = [[0.1], [0.9], [0.5]]
    many = [its * 50 for its in few]
    [narrow], [wide] = (bootstrap_means(sums_of(v), 4000, seed=1) for v in (many, few))
    assert (narrow.low, narrow.high) == pytest.approx((wide.low, wide.high))


def test_the_95_percent_interval_holds_the_true_mean_about_95_times_in_100():
    rng = np.random.default_rng(5)
    held = 0
    for trial in range(150):
        patients = rng.normal(0.8, 0.1, 40)
        [interval] = bootstrap_means(sums_of([[v] for v in patients]), 600, seed=trial)
        held += interval.low <= 0.8 <= interval.high
    assert 0.87 <= held / 150 <= 0.99


def test_one_patient_has_a_mean_and_no_interval():
    both = bootstrap_means(sums_of([[0.2, 0.4], [0.6]], groups=2), 500, seed=0)
    assert both[0].mean == 0.4
    assert 0.2 <= both[0].low <= both[0].high <= 0.6
    assert both[1].mean == 0.4
    assert math.isnan(both[1].low)
    assert math.isnan(both[1].high)


def test_a_seed_gives_the_same_interval_and_another_one_another():
    sums = sums_of([[v] for v in np.linspace(0.1, 0.93, 9)])
    first, again, other = (bootstrap_means(sums, 500, seed)[0] for seed in (1, 1, 2))
    assert first == again
    assert first != other
