"""Known warps of real scans, recovered on a grid coarse enough for a test."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.transfer import lesion_line, real_table
from benchmarks.transfer_real import (
    Warp,
    dice,
    heart_cta,
    lesion_dice,
    lung_pair,
    native_of,
    warped,
    world_points,
)
from pipeline.transfer.carry import CarrySettings
from pipeline.transfer.registration import RegistrationSettings
from pipeline.volume import Grid

COARSE = CarrySettings(RegistrationSettings(spacing_mm=6.0, knots_mm=60.0))
GRID = Grid((24, 20, 16), np.diag([2.0, 2.0, 3.0, 1.0]))


def test_dice_of_half_and_of_nothing() -> None:
    first, second = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    assert dice(first, second) == 0.5
    assert dice(first & ~first, second & ~second) == 1.0
    assert dice(first, second & ~second) == 0.0


def test_a_warp_is_a_shift_and_a_wave() -> None:
    points = world_points(GRID)
    assert np.allclose(Warp((1.0, 2.0, 3.0))(points), (1.0, 2.0, 3.0))
    waves = Warp((1.0, 2.0, 3.0), 5.0)(points) - (1.0, 2.0, 3.0)
    assert 3 < np.abs(waves).max() <= 5
    assert np.abs(np.gradient(waves[..., 0], 3.0, axis=2)).max() < 0.25  # nothing folds


def test_what_lies_at_p_came_from_p_plus_the_warp() -> None:
    array = np.zeros(GRID.shape, np.int16, order="F")
    array[10, 8, 6] = 500
    moved = warped(array, GRID, GRID, Warp((4.0, -2.0, 3.0)), linear=False)
    assert np.argwhere(moved).tolist() == [[8, 9, 5]]
    outside = warped(array, GRID, GRID, Warp((400.0, 0.0, 0.0)), linear=True)
    assert (outside == -1024).all()


def test_contrast_is_taken_out_near_the_heart_only() -> None:
    ct = np.full((30, 30, 30), 20, np.int16)
    ct[10:14, 10:14, 10:14] = 350  # blood
    ct[27:, 27:, 27:] = 350  # bone far away
    labels = np.zeros(ct.shape, np.uint8)
    labels[11:13, 11:13, 11:13] = 1
    native = native_of(ct, labels)
    assert native[10:14, 10:14, 10:14].mean() == pytest.approx(40, abs=8)
    assert native[27:, 27:, 27:].mean() == pytest.approx(350, abs=12)


def test_without_the_real_scans_it_says_so(tmp_path: Path) -> None:
    assert "not measured" in lesion_line(tmp_path)
    assert real_table(tmp_path).count("not measured") == 2


@pytest.mark.slow
@pytest.mark.real_data
def test_a_warp_between_two_real_scans_of_one_lung_is_found(real_data: Path) -> None:
    found = lung_pair(real_data, Warp((6.0, -5.0, 14.0), 4.0), COARSE)
    assert found.before_mm > 15
    assert found.after_mm < 3
    assert found.dice_before < 0.87
    assert found.dice_after > 0.96
    figures = found.carried.registration
    assert figures.after.lung_dice > figures.before.lung_dice + 0.1
    assert figures.after.body_dice > figures.before.body_dice
    assert figures.kept == ("rigid", "bspline")
    assert found.carried.refusal == ""
    # The mask reaches the border of the scan that lends it: it is not written.
    assert found.carried.cuts[1].by == "contrast"


@pytest.mark.real_data
def test_a_real_heart_comes_through_on_another_grid_without_its_contrast(real_data: Path) -> None:
    found = heart_cta(real_data, Warp((5.0, -4.0, 9.0)), COARSE)
    assert found.before_mm == pytest.approx(11.05, abs=0.01)
    assert found.after_mm < 1
    assert found.dice_before < 0.85
    assert found.dice_after > 0.97
    assert found.carried.refusal == ""
    assert found.carried.displacement_mm == pytest.approx(11.05, abs=1)


@pytest.mark.real_data
def test_a_real_lesion_carried_from_ct_to_pet_fits(real_data: Path) -> None:
    value, ct, pet = lesion_dice(real_data)
    assert value > 0.98
    assert (ct.shape, pet.shape) == ((192, 192, 68), (40, 41, 68))
    assert f"Dice {value:.3f}" in lesion_line(real_data)
