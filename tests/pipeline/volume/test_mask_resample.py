import numpy as np
import pytest

from pipeline.volume import Grid, resample_labels
from pipeline.volume.mask_resample import resample_mask


def grid(spacing: tuple[float, float, float], shift: float = 0.0) -> Grid:
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = shift
    sizes = [int(np.ceil(60 / step)) for step in spacing]
    return Grid((sizes[0], sizes[1], sizes[2]), affine)


def shell(on: Grid) -> np.ndarray:
    """A thin ellipsoid shell of the world, drawn on a grid."""
    index = np.indices(on.shape).reshape(3, -1)
    world = on.affine[:3, :3] @ index + on.affine[:3, 3:]
    distance = (((world - 30) / np.array([[22.0], [18.0], [25.0]])) ** 2).sum(axis=0)
    return ((distance < 1) & (distance > 0.5)).reshape(on.shape)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def test_the_same_grid_keeps_every_voxel() -> None:
    on = grid((1.5, 2, 3))
    assert np.array_equal(resample_mask(shell(on), on, on), shell(on))


@pytest.mark.parametrize(
    ("mask_mm", "ct_mm"),
    [
        ((0.8, 0.8, 5), (1, 1, 3)),
        ((3, 3, 3), (1.5, 1.5, 1.5)),
        ((1, 1, 1), (3, 3, 3)),
        ((1.5, 1.5, 1.5), (1.5, 1.5, 1.5)),
        ((0.8, 0.8, 1), (0.8, 0.8, 5)),
    ],
)
def test_it_is_closer_to_the_truth_than_nearest_neighbour(
    mask_mm: tuple[float, float, float], ct_mm: tuple[float, float, float]
) -> None:
    source, target = grid(mask_mm, 0.37), grid(ct_mm)
    mask, truth = shell(source), shell(target)
    linear = resample_mask(mask, source, target)
    nearest = resample_labels(mask, source, target)
    assert dice(linear, truth) > dice(nearest, truth) + 0.005
    assert abs(linear.sum() / truth.sum() - 1) < 0.04


def test_turned_axes_are_followed() -> None:
    source, target = grid((1, 2, 3)), grid((1.5, 1.5, 1.5))
    turned = np.transpose(shell(source), (2, 0, 1))[::-1]
    affine = source.affine[:, [2, 0, 1, 3]].copy()
    affine[:3, 3] += affine[:3, 0] * (turned.shape[0] - 1)
    affine[:3, 0] *= -1
    i, j, k = turned.shape
    expected = resample_mask(shell(source), source, target)
    assert np.array_equal(resample_mask(turned, Grid((i, j, k), affine), target), expected)


def test_every_drawn_slice_lands_on_the_nearest_one() -> None:
    source, target = grid((1, 1, 1)), grid((1, 1, 3))
    mask = np.zeros(source.shape, np.bool_)
    mask[20:40, 20:40, [10, 17, 24, 31, 38]] = True
    found = resample_mask(mask, source, target)
    assert np.flatnonzero(found.any(axis=(0, 1))).tolist() == [3, 6, 8, 10, 13]
    back = resample_mask(found, target, source)
    assert {10, 17, 24, 31, 38} <= set(np.flatnonzero(back.any(axis=(0, 1))).tolist())


def test_outside_its_own_grid_there_is_nothing() -> None:
    source = grid((1, 1, 1))
    everything = np.ones(source.shape, np.bool_)
    affine = np.eye(4)
    affine[:3, 3] = -20.3
    found = resample_mask(everything, source, Grid((40, 40, 40), affine))
    assert not found[:20].any()
    assert found[21:, 21:, 21:].all()
