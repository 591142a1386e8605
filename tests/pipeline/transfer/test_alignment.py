"""The figures by which a registration is judged, on arrays whose answer is known."""

import numpy as np
import pytest

from pipeline.transfer.alignment import (
    Alignment,
    air_of,
    body_of,
    dice,
    improves,
    lungs_of,
    measure,
    mutual_information,
)
from pipeline.transfer.working_scan import WorkingScan
from pipeline.volume import Grid

SHAPE = (40, 30, 30)
GRID = Grid(SHAPE, np.diag([3.0, 3.0, 3.0, 1.0]))
START = Alignment(1.0, 0.95, 0.9, 1.0)


def thorax(shift: int = 0, air_hu: float = -1000.0, lung_hu: float = -850.0) -> WorkingScan:
    hu = np.full(SHAPE, air_hu, np.float32)
    hu[4 + shift : 36 + shift, 3:27] = 40
    hu[7 + shift : 18 + shift, 6:24] = lung_hu
    hu[22 + shift : 33 + shift, 6:24] = lung_hu
    hu += np.random.default_rng(0).normal(0, 4, SHAPE).astype(np.float32)
    return WorkingScan(hu, np.ones(SHAPE, np.bool_), GRID)


def test_a_scan_lies_perfectly_on_itself() -> None:
    scan = thorax()
    figures = measure(scan, scan)
    assert figures.body_dice == figures.lung_dice == figures.seen_share == 1.0
    # The entropy of three tissues, spread a little by the noise.
    assert 0.9 < figures.mutual_information < 2.0


def test_a_shift_costs_every_figure() -> None:
    there, moved = measure(thorax(), thorax()), measure(thorax(), thorax(shift=3))
    assert moved.mutual_information < 0.75 * there.mutual_information
    assert moved.lung_dice == pytest.approx(1 - 3 / 11, abs=0.01)
    assert moved.body_dice == pytest.approx(1 - 3 / 32, abs=0.02)


def test_only_what_both_scans_saw_is_compared() -> None:
    whole, half = thorax(), thorax()
    inside = half.inside.copy()
    inside[:, :, 12:] = False
    figures = measure(whole, WorkingScan(np.where(inside, half.hu, -1024), inside, GRID))
    assert figures.seen_share == pytest.approx(0.4)
    assert figures.lung_dice > 0.998


def test_scans_that_share_nothing_have_no_figures() -> None:
    none = WorkingScan(thorax().hu, np.zeros(SHAPE, np.bool_), GRID)
    assert measure(thorax(), none) == Alignment(0.0, None, None, 0.0)
    assert measure(none, thorax()).seen_share == 0.0


def test_mutual_information_of_equal_halves_is_the_logarithm_of_two() -> None:
    first = np.repeat(np.float32([0, 300]), 500)
    assert mutual_information(first, first) == pytest.approx(np.log(2), abs=1e-6)
    assert mutual_information(first, 300 - first) == pytest.approx(np.log(2), abs=1e-6)
    assert mutual_information(first, np.tile(np.float32([0, 300]), 500)) == pytest.approx(0)
    assert mutual_information(first[:0], first[:0]) == 0.0


@pytest.mark.parametrize("air_hu", [-1040.0, -1000.0])
def test_emphysema_is_told_from_the_air_around_the_patient(air_hu: float) -> None:
    scan = thorax(air_hu=air_hu, lung_hu=air_hu + 90)
    assert air_of(scan) == pytest.approx(air_hu, abs=5)
    # The opening rounds the edges.
    assert lungs_of(scan).sum() == pytest.approx(2 * 11 * 18 * 30, rel=0.05)
    assert body_of(scan).sum() == pytest.approx(32 * 24 * 30, rel=0.02)


def test_without_air_around_it_the_air_is_taken_for_minus_1000() -> None:
    inside = np.ones(SHAPE, np.bool_)
    inside[:30] = False
    # Beyond the field of view stands -1024, which is no measured air.
    hu = np.where(inside, np.float32(-870), np.float32(-1024))
    assert air_of(WorkingScan(hu, inside, GRID)) == -1000.0


def test_dice_of_what_is_too_small_is_unknown() -> None:
    small, large = np.zeros(SHAPE, np.bool_), np.zeros(SHAPE, np.bool_)
    small[:5], large[:10] = True, True
    assert dice(small[:2], small[:2]) is None
    assert dice(small, large) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("after", "better"),
    [
        (Alignment(1.02, 0.95, 0.9, 1.0), True),
        (Alignment(1.005, 0.99, 0.99, 1.0), False),  # information hardly grew
        (Alignment(1.5, 0.9, 0.95, 1.0), False),  # the body no longer fits
        (Alignment(1.5, 0.96, 0.88, 1.0), False),  # the lungs no longer fit
        (Alignment(1.5, 0.946, 0.896, 1.0), True),  # within the tolerance
        (Alignment(1.5, 0.96, None, 1.0), False),  # the lungs went out of view
        (Alignment(1.5, 0.96, 0.95, 0.7), True),  # a tight field of view, moved
        (Alignment(1.5, 0.96, 0.95, 0.4), False),  # compared over much less
    ],
)
def test_a_step_counts_only_if_it_helps(after: Alignment, better: bool) -> None:
    assert improves(START, after, 0.01, 0.005) is better


def test_a_contour_that_nobody_shows_does_not_count() -> None:
    before = Alignment(1.0, 0.9, None, 1.0)
    assert improves(before, Alignment(1.1, 0.9, None, 1.0), 0.01, 0.005)


def test_figures_leave_out_what_is_unknown() -> None:
    figures = Alignment(0.12345, 0.9, None, 1.0)
    assert figures.figures("after") == {
        "after_mutual_information": 0.1235,
        "after_body_dice": 0.9,
        "after_seen_share": 1.0,
    }
    assert str(figures) == "mutual information 0.123, body Dice 0.900, lung Dice unknown"
