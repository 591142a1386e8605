"""Rigid and warp between phantoms whose displacement is known."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pipeline.transfer.registration import (
    MIRRORS,
    Registration,
    RegistrationSettings,
    register,
)
from pipeline.transfer.working_scan import Scan, world_box
from pipeline.volume import Grid, bounding_box
from tests.fixtures.heart_pairs import HeartPair, heart_pair

COARSE = RegistrationSettings(spacing_mm=5.0, knots_mm=60.0)


def registered(pair: HeartPair, settings: RegistrationSettings = COARSE) -> Registration:
    low, high = world_box(pair.contrast.grid.crop(bounding_box(pair.labels)))
    return register(pair.contrast, pair.native, (low - 40, high + 40), settings)


def error_mm(found: Registration, way: Callable[[np.ndarray], np.ndarray]) -> float:
    """Give the mean distance from the truth in the middle half of the working grid."""
    index = np.moveaxis(np.indices(found.grid.shape), 0, -1)
    points = index @ found.grid.affine[:3, :3].T + found.grid.affine[:3, 3]
    middle = tuple(slice(size // 4, 3 * size // 4) for size in found.grid.shape)
    missed = found.displacement_mm[middle] - way(points[middle])
    return float(np.linalg.norm(missed, axis=-1).mean())


@pytest.fixture(scope="module")
def bent() -> tuple[HeartPair, Registration]:
    pair = heart_pair((4.0, 6.0, -16.0), smooth_mm=14.0, seed=3)
    return pair, registered(pair)


def test_a_shift_and_a_warp_are_both_found(bent: tuple[HeartPair, Registration]) -> None:
    pair, found = bent
    assert found.kept == ("rigid", "bspline")
    assert found.after is found.stages["bspline"]
    assert found.before is found.stages["world"]
    heart = pair.truth > 0
    truth = pair.displacement_mm[heart].mean(axis=0)
    low, high = world_box(pair.native.grid.crop(bounding_box(heart)))
    inside = [
        slice(int((a - o) / 5), int((b - o) / 5))
        for a, b, o in zip(low, high, found.grid.origin_mm, strict=True)
    ]
    mean = found.displacement_mm[tuple(inside)].reshape(-1, 3).mean(axis=0)
    assert np.linalg.norm(mean - truth) < 2.5
    assert np.linalg.norm(truth) > 12


def test_as_it_is_fits_better_than_any_mirror(bent: tuple[HeartPair, Registration]) -> None:
    _, found = bent
    assert set(found.mirrored) == {"as_is", *MIRRORS}
    assert all(found.mirrored[name] < 0.8 * found.mirrored["as_is"] for name in MIRRORS)


@pytest.mark.parametrize(
    ("axis", "name"),
    [
        pytest.param(n, name, marks=[pytest.mark.slow] if n else [])
        for n, name in enumerate(MIRRORS)
    ],
)
def test_a_mirrored_scan_fits_better_mirrored(axis: int, name: str) -> None:
    pair = heart_pair()
    ct = np.asfortranarray(np.flip(pair.native.ct, axis))
    native = Scan(ct, pair.native.grid)
    found = registered(replace(pair, native=native))
    assert max(found.mirrored, key=found.mirrored.__getitem__) == name
    assert found.mirrored[name] > 1.2 * found.mirrored["as_is"]


@pytest.mark.slow
def test_a_shift_as_large_as_allowed_is_found() -> None:
    pair = heart_pair((-14.0, 12.0, 30.0))
    found = registered(pair)
    assert "rigid" in found.kept
    assert error_mm(found, lambda points: np.broadcast_to((-14.0, 12.0, 30.0), points.shape)) < 3


def test_the_same_pair_gives_the_same_transform(bent: tuple[HeartPair, Registration]) -> None:
    pair, found = bent
    again = registered(pair)
    assert np.abs(again.displacement_mm - found.displacement_mm).max() < 0.01
    assert again.kept == found.kept


def test_where_no_step_earns_its_place_nothing_moves() -> None:
    found = registered(heart_pair((3.0, 0.0, 0.0)), replace(COARSE, smallest_gain=9.0))
    assert found.kept == ()
    assert not found.displacement_mm.any()
    assert set(found.stages) == {"world", "rigid", "bspline"}


def test_scans_that_share_nothing_give_no_transform() -> None:
    pair = heart_pair()
    affine = np.array(pair.contrast.grid.affine)
    affine[0, 3] += 900
    away = Scan(pair.contrast.ct, Grid(pair.contrast.grid.shape, affine))
    low, high = world_box(pair.native.grid.crop(bounding_box(pair.truth)))
    found = register(away, pair.native, (low - 20, high + 20), COARSE)
    assert found.kept == ()
    assert found.after.seen_share == 0.0
    assert found.after.body_dice is None
