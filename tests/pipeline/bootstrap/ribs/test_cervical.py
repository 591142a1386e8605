"""Bone at C7: a cervical rib, also where it is one bone with the first."""

import numpy as np
import pytest

from pipeline.bootstrap.ribs.cervical import ASIDE_MM, LEAST_ML, bone_at_c7
from pipeline.bootstrap.ribs.strands import Points
from pipeline.bootstrap.ribs.thorax import Thorax

STRAIGHT = Thorax(np.array([-500.0, 500.0]), np.zeros(2), np.zeros(2))
SPINE = {n: np.array([0.0, 0.0, -20.0 * n]) for n in range(-1, 6)}
VOXEL_ML = 0.01


def bar(x_mm: float, z_mm: float, ml: float = 2.0) -> Points:
    """Give points of a bit of bone, all at one place."""
    return np.tile([x_mm, 0.0, z_mm], (round(ml / VOXEL_ML), 1))


def sides(
    points: Points, thorax: Thorax = STRAIGHT, spine: dict[int, Points] = SPINE
) -> tuple[int, ...] | None:
    found = bone_at_c7(points, np.sign(points[:, 0]).astype(int), thorax, spine, VOXEL_ML)
    return None if found is None else tuple(sorted({*found.tolist()} - {0}))


def test_bone_at_c7_is_told_by_side() -> None:
    first = np.concatenate([bar(-30, -17), bar(30, -17)])
    assert sides(first) == ()
    assert sides(np.concatenate([first, bar(30, 2)])) == (1,)
    assert sides(np.concatenate([first, bar(-30, 0), bar(30, 2)])) == (-1, 1)


def test_a_crumb_or_bone_far_aside_is_no_cervical_rib() -> None:
    assert sides(bar(30, 2, LEAST_ML / 2)) == ()
    assert sides(bar(ASIDE_MM + 5, 2)) == ()


def test_the_bone_itself_is_told_and_nothing_below_it() -> None:
    points = np.concatenate([bar(30, -17), bar(30, 2), bar(-30, 2, LEAST_ML / 2)])
    found = bone_at_c7(points, np.sign(points[:, 0]).astype(int), STRAIGHT, SPINE, VOXEL_ML)
    assert found is not None
    assert np.array_equal(found, np.where((points[:, 2] > 0) & (points[:, 0] > 0), 1, 0))


@pytest.mark.parametrize("known", [(0, 1), (1, 2), (0, 2), (-1, 0), (1, 4)])
def test_two_vertebrae_suffice_if_c7_or_t1_is_one(known: tuple[int, ...]) -> None:
    spine = {n: SPINE[n] for n in known}
    assert sides(np.concatenate([bar(-30, -6), bar(30, -2)]), spine=spine) == (1,)


@pytest.mark.parametrize("known", [(), (0,), (1,), (2, 3, 4)])
def test_without_them_nothing_is_told(known: tuple[int, ...]) -> None:
    assert sides(bar(30, 2), spine={n: SPINE[n] for n in known}) is None


def test_a_tilted_spine_is_followed() -> None:
    tilted = Thorax(np.array([-100.0, 100.0]), np.array([-50.0, 50.0]), np.zeros(2))
    left, right = bar(-30, 2), bar(30, -14)
    assert sides(np.concatenate([left, right])) == (-1,)
    assert sides(np.concatenate([left, right]), tilted) == (1,)
