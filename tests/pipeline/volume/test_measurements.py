from dataclasses import astuple

import numpy as np
import pytest

from pipeline.volume import Grid, Measurement, label_boxes, measure_labels, measure_mask
from pipeline.volume import measurements as module

GRID = Grid((2, 2, 3), np.diag([1.0, 2.0, 5.0, 1.0]))


def naive(labels, ct, grid, value) -> Measurement:
    """Measure one structure the slow way, from its whole mask."""
    mask = labels == value
    if not mask.any():
        return Measurement(0, 0.0, None)
    hu, places = ct[mask].astype(np.float64), np.argwhere(mask)
    x, y, z = grid.affine[:3, :3] @ places.mean(axis=0) + grid.affine[:3, 3]
    sides = ""
    axes, signs = grid.world_axes()
    for letter, axis, sign in (("L", 0, -1), ("R", 0, 1), ("P", 1, -1), ("A", 1, 1), ("I", 2, -1),
                               ("S", 2, 1)):  # fmt: skip
        column = axes.index(axis)
        last = sign * signs[column] > 0
        if (places[:, column] == (grid.shape[column] - 1 if last else 0)).any():
            sides += letter
    return Measurement(
        len(places), len(places) * grid.voxel_ml, hu.mean(), float(np.median(hu)), hu.std(),
        (x, y, z), sides,
    )  # fmt: skip


def assert_same(found: Measurement, expected: Measurement) -> None:
    assert astuple(found)[:2] == pytest.approx(astuple(expected)[:2])
    assert found.median_hu == expected.median_hu
    assert (found.mean_hu, found.sd_hu) == pytest.approx((expected.mean_hu, expected.sd_hu))
    assert found.centroid_mm == pytest.approx(expected.centroid_mm)
    assert found.border_sides == expected.border_sides


def test_one_voxel_and_two_of_another_structure():
    labels = np.zeros(GRID.shape, np.uint8)
    ct = np.full(GRID.shape, -1000, np.int16)
    labels[0, 0, 0], ct[0, 0, 0] = 7, 40
    labels[1, 1, 2], ct[1, 1, 2] = 7, 61
    labels[0, 1, 1], ct[0, 1, 1] = 2, -30
    found = measure_labels(labels, ct, GRID, (2, 7, 9))
    assert found == {
        2: Measurement(1, pytest.approx(0.01), -30.0, -30.0, 0.0, (0.0, 2.0, 5.0), "LA"),
        7: Measurement(2, pytest.approx(0.02), 50.5, 50.5, 10.5, (0.5, 1.0, 5.0), "LRPAIS"),
        9: Measurement(0, 0.0, None),
    }
    assert found[2].touches_border
    assert not found[9].touches_border


def test_every_structure_of_a_body_is_measured_as_one_by_one(small_body, phantom_class_map):
    labels, ct, grid = small_body.labels, small_body.ct, small_body.grid
    found = measure_labels(labels, ct, grid, phantom_class_map.values)
    assert sum(each.voxels for each in found.values()) == np.count_nonzero(labels)
    assert any(each.touches_border for each in found.values())
    for value, each in found.items():
        assert_same(each, naive(labels, ct, grid, value))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "matrix",
    [
        [[-2, 0, 0], [0, -1, 0], [0, 0, 3]],
        [[0, 0, -2.5], [1, 0, 0], [0, -1, 0]],
        [[0.9, -0.3, 0], [0.3, 0.9, 0.1], [0, -0.1, 2]],
    ],
    ids=["flipped", "permuted", "oblique"],
)
def test_places_and_sides_are_those_of_the_patient(matrix, order):
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = matrix, (10, -20, 300)
    grid = Grid((9, 8, 7), affine)
    rng = np.random.default_rng(3)
    labels = np.asarray(rng.integers(0, 4, grid.shape).astype(np.uint16), order=order)
    labels[0] = labels[-1] = labels[:, :, 0] = 0
    ct = np.asarray(rng.integers(-1024, 3072, grid.shape).astype(np.int16), order=order)
    for value, each in measure_labels(labels, ct, grid, (1, 2, 3)).items():
        assert_same(each, naive(labels, ct, grid, value))


def test_a_cropped_mask_measures_as_in_the_label_map(small_body):
    labels, ct, grid = small_body.labels, small_body.ct, small_body.grid
    for value, box in list(label_boxes(labels).items())[::9]:
        crop = np.asfortranarray(labels[box] == value)
        whole = measure_labels(labels, ct, grid, (value,))[value]
        assert measure_mask(crop, box, ct, grid) == whole


def test_many_values_and_a_wide_range_are_counted_group_by_group(monkeypatch):
    monkeypatch.setattr(module, "_MOST_BINS", 200_000)
    monkeypatch.setattr(module, "_PIECE_VOXELS", 50)
    grid = Grid((6, 5, 8), np.eye(4))
    rng = np.random.default_rng(5)
    values = (1, 5, 300, 9_000, 65_535, 17)
    labels = rng.choice(np.array([0, *values], np.uint16), grid.shape)
    ct = rng.integers(-32768, 32768, grid.shape).astype(np.int16)
    for value, each in measure_labels(labels, ct, grid, values).items():
        assert_same(each, naive(labels, ct, grid, value))


def test_values_that_nobody_asked_for_are_left_out():
    labels = np.full(GRID.shape, 200, np.uint8)
    found = measure_labels(labels, np.zeros(GRID.shape, np.int16), GRID, (1,))
    assert found == {1: Measurement(0, 0.0, None)}


def test_an_empty_mask_measures_nothing():
    box = (slice(1, 2), slice(0, 1), slice(0, 1))
    crop = np.zeros((1, 1, 1), np.bool_)
    ct = np.zeros(GRID.shape, np.int16)
    assert measure_mask(crop, box, ct, GRID) == Measurement(0, 0.0, None)


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match="differ"):
        measure_labels(np.zeros((2, 2, 2), np.uint8), np.zeros(GRID.shape, np.int16), GRID, ())
    box = (slice(0, 2), slice(0, 2), slice(0, 2))
    with pytest.raises(ValueError, match="do not fit"):
        measure_mask(np.zeros((1, 1, 1), np.bool_), box, np.zeros(GRID.shape, np.int16), GRID)


def test_a_ct_with_fractions_is_refused():
    with pytest.raises(ValueError, match="whole Hounsfield units"):
        measure_labels(np.zeros(GRID.shape, np.uint8), np.zeros(GRID.shape), GRID, (1,))
