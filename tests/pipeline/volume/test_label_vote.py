"""The vote of the voxels around: smooth borders, and what the nearest neighbour gives elsewhere."""

import numpy as np
import pytest

from pipeline.volume import Grid, resample_labels, vote_labels
from training.predict import model_grid


def ball(grid: Grid, radius_mm: float, value: int = 1) -> np.ndarray:
    index = np.indices(grid.shape).reshape(3, -1)
    places = grid.affine[:3, :3] @ index + grid.affine[:3, 3:]
    centre = grid.affine[:3, :3] @ ((np.array(grid.shape) - 1) / 2) + grid.affine[:3, 3]
    inside = np.linalg.norm(places - centre[:, None], axis=0) <= radius_mm
    return np.asfortranarray(np.where(inside, value, 0).reshape(grid.shape).astype(np.uint8))


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * int((a & b).sum()) / int(a.sum() + b.sum())


@pytest.mark.parametrize("orientation", ["RAS", "LPI", "SLA"])
def test_a_ball_comes_back_rounder_than_by_nearest_neighbour(orientation):
    fine = Grid((60, 56, 64), np.diag([0.8, 0.8, 1.0, 1.0]))
    truth = ball(fine, 14.0)
    coarse = model_grid(fine, orientation, (3.0, 3.0, 3.0))
    labels = resample_labels(truth, fine, coarse)
    voted = vote_labels(labels, coarse, fine)
    steps = resample_labels(labels, coarse, fine)
    assert dice(voted == 1, truth == 1) > dice(steps == 1, truth == 1) + 0.005
    assert voted.sum() == pytest.approx(int(truth.sum()), rel=0.03)
    assert voted.dtype == np.uint8
    assert voted.flags.f_contiguous


def test_each_voxel_takes_the_label_of_most_weight():
    coarse = Grid((2, 2, 2), np.diag([4.0, 4.0, 4.0, 1.0]))
    fine = coarse.with_spacing(1.0)
    random = np.random.default_rng(3)
    for _ in range(30):
        labels = np.asfortranarray(random.integers(0, 4, (2, 2, 2)).astype(np.uint16))
        voted = vote_labels(labels, coarse, fine)
        at = np.clip((np.arange(8) - 1.5) / 4, 0, 1)
        one = np.stack([1 - at, at])
        shares = np.einsum("ax,by,cz,abcv->xyzv", one, one, one, np.eye(4)[labels])
        taken = np.take_along_axis(shares, voted[..., None].astype(int), 3)[..., 0]
        assert np.allclose(taken, shares.max(3), atol=1e-5)


def test_one_grid_many_parts_and_other_grids(monkeypatch):
    fine = Grid((30, 30, 30), np.diag([1.0, 1.0, 1.0, 1.0]))
    labels = ball(fine, 9.0, 104)
    assert np.array_equal(vote_labels(labels, fine, fine), labels)
    coarse = model_grid(fine, "RAS", (3.0, 3.0, 3.0))
    low = resample_labels(labels, fine, coarse)
    at_once = vote_labels(low, coarse, fine)
    monkeypatch.setattr("pipeline.volume.label_vote._VOTERS", 97)
    monkeypatch.setattr("pipeline.volume.label_vote._PLANES", 7)
    assert np.array_equal(vote_labels(low, coarse, fine), at_once)
    turn = np.eye(4)
    turn[:2, :2] = [[0.9, -0.4], [0.4, 0.9]]
    oblique = Grid((20, 20, 20), turn)
    assert np.array_equal(vote_labels(low, coarse, oblique), resample_labels(low, coarse, oblique))


def test_outside_the_source_is_background_and_single_slices_work():
    source = Grid((1, 4, 4), np.diag([3.0, 3.0, 3.0, 1.0]))
    labels = np.full((1, 4, 4), 7, np.uint8, order="F")
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = -4.0
    voted = vote_labels(labels, source, Grid((9, 9, 9), affine))
    assert set(np.unique(voted[3:6])) == {0, 7}
    assert not voted[:2].any()
    assert not voted[7:].any()
    assert voted[4, 4, 4] == 7
