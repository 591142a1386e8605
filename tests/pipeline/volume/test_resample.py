import numpy as np
import pytest
from scipy import ndimage

from pipeline.volume import Grid, resample_image, resample_labels, to_canonical
from pipeline.volume.resample import AIR_HU


def smooth_image(shape=(24, 30, 36)):
    noise = np.random.default_rng(1).standard_normal(shape)
    return (ndimage.gaussian_filter(noise, 2) * 3000).astype(np.float32)


def grid_of(shape, spacing=(1.0, 1.0, 1.2)):
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = (-12, 7, 100)
    return Grid(shape, affine)


def test_equals_scipys_cubic_spline():
    image, grid = smooth_image(), grid_of((24, 30, 36))
    target = grid.with_spacing((1.5, 0.8, 2.0))
    step = np.linalg.inv(grid.affine) @ target.affine
    expected = ndimage.affine_transform(
        image, step[:3, :3], offset=step[:3, 3], output_shape=target.shape, order=3, mode="mirror"
    )
    found = resample_image(image, grid, target)
    assert found.dtype == np.float32
    assert found.flags.f_contiguous
    inner = (slice(1, -1),) * 3  # beyond the last centre scipy mirrors, we repeat
    assert np.abs(found - expected)[inner].max() < 0.01


def test_a_linear_ramp_stays_a_ramp():
    grid = grid_of((20, 20, 20), (2.0, 2.0, 2.0))
    x = (grid.affine @ np.array([[i, 0, 0, 1] for i in range(20)]).T)[0]
    image = np.broadcast_to(x[:, None, None], grid.shape)
    target = grid.with_spacing(3.0)
    expected = (target.affine @ np.array([[i, 0, 0, 1] for i in range(target.shape[0])]).T)[0]
    found = resample_image(image, grid, target)
    assert np.abs(found[3:-3, 5, 5] - expected[3:-3]).max() < 0.02


def test_another_orientation_of_the_same_grid_is_a_turn():
    affine = np.diag([-1.5, 2.0, -3.0, 1.0])
    affine[:3, 3] = (40, -10, 60)
    image = smooth_image((10, 12, 14))
    labels = (image > 0).astype(np.uint8)
    grid = Grid(image.shape, affine)
    turned, canonical = to_canonical(image, grid)
    assert np.abs(resample_image(image, grid, canonical) - turned).max() < 0.01
    assert np.array_equal(resample_labels(labels, grid, canonical), to_canonical(labels, grid)[0])


def test_outside_the_field_of_view_is_air_and_background():
    grid = grid_of((10, 10, 10), (1.0, 1.0, 1.0))
    affine = np.array(grid.affine)
    affine[0, 3] += 6
    moved = Grid(grid.shape, affine)
    image = resample_image(np.zeros(grid.shape, np.float32), grid, moved)
    labels = resample_labels(np.ones(grid.shape, np.uint8), grid, moved)
    assert (image[:4] == 0).all()
    assert (image[4:] == AIR_HU).all()
    assert labels[:4].all()
    assert not labels[4:].any()


def test_labels_take_the_nearest_voxel_and_keep_their_type():
    grid = grid_of((6, 6, 6), (2.0, 2.0, 2.0))
    labels = np.zeros(grid.shape, np.uint16)
    labels[2:4, 2:4, 2:4] = 300
    fine = resample_labels(labels, grid, grid.with_spacing(1.0))
    assert fine.dtype == np.uint16
    assert (fine == 300).sum() == 4**3
    back = resample_labels(fine, grid.with_spacing(1.0), grid)
    assert np.array_equal(back, labels)


def test_oblique_grids_place_a_ball_where_it_is():
    grid = grid_of((40, 40, 40), (1.0, 1.0, 1.0))
    index = np.indices(grid.shape).reshape(3, -1)
    world = (grid.affine @ np.vstack([index, np.ones(index.shape[1])]))[:3]
    centre = np.array([8.0, 26.0, 120.0])
    ball = (np.linalg.norm(world - centre[:, None], axis=0) < 8).reshape(grid.shape)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    affine = turn @ np.diag([1.2, 1.2, 1.2, 1.0])
    affine[:3, 3] = centre - affine[:3, :3] @ [20, 20, 20]
    target = Grid((41, 41, 41), affine)
    labels = resample_labels(ball.astype(np.uint8), grid, target)
    found = np.argwhere(labels).mean(axis=0)
    assert found == pytest.approx([20, 20, 20], abs=0.2)
    assert labels.sum() * target.voxel_ml == pytest.approx(ball.sum() * grid.voxel_ml, rel=0.03)
    image = resample_image(ball * 1000.0, grid, target)
    assert image[20, 20, 20] == pytest.approx(1000, abs=20)
    assert image[0, 0, 0] in (AIR_HU, pytest.approx(0, abs=1))


def test_a_single_slice_can_be_resampled():
    grid = grid_of((8, 8, 1), (1.0, 1.0, 5.0))
    found = resample_image(np.full(grid.shape, 7.0), grid, grid.with_spacing((2.0, 2.0, 5.0)))
    assert found.shape == (4, 4, 1)
    assert found == pytest.approx(7.0, abs=1e-3)
