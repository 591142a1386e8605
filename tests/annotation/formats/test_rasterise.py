import time

import nibabel as nib
import numpy as np
import pytest

from annotation.formats.drawing import Contour, ContourShape
from annotation.formats.polygons import fill_plane, fill_polygon
from annotation.formats.rasterise import ContourPlacementError, rasterise
from pipeline.volume import Grid

BOX = np.array([(-0.5, -0.5), (-0.5, 3.5), (2.5, 3.5), (2.5, -0.5)])


def moved(points, row, column):
    return points + np.array([row, column])


def filled(plane, shape):
    whole = np.zeros(shape, bool)
    rows, columns = plane.inside.shape
    whole[plane.start[0] : plane.start[0] + rows, plane.start[1] : plane.start[1] + columns] = (
        plane.inside
    )
    return whole


def test_a_polygon_on_pixel_edges_fills_exactly_its_pixels():
    whole = filled(fill_polygon(moved(BOX, 2, 1), (10, 10)), (10, 10))
    expected = np.zeros((10, 10), bool)
    expected[2:5, 1:5] = True
    assert np.array_equal(whole, expected)
    assert np.array_equal(whole, filled(fill_polygon(moved(BOX, 2, 1)[::-1], (10, 10)), (10, 10)))


def test_neighbours_that_share_an_edge_through_centres_share_no_pixel():
    left = np.array([(0, 0), (0, 4), (5, 4), (5, 0)], float)
    right = moved(left, 0, 4)
    first, second = (filled(fill_polygon(points, (9, 12)), (9, 12)) for points in (left, right))
    assert not (first & second).any()
    assert (first | second).sum() == 5 * 8


def test_what_reaches_beyond_the_image_is_cut_off():
    assert filled(fill_polygon(moved(BOX, -1, 8), (10, 10)), (10, 10)).sum() == 2 * 2
    assert not fill_polygon(moved(BOX, 40, 40), (10, 10)).inside.any()


def square(size, middle=(10, 10)):
    half = size / 2
    return np.array([(-half, -half), (-half, half), (half, half), (half, -half)]) + middle


def test_holes_islands_and_several_parts():
    curves = [square(4), square(16), square(10), square(3, (10, 30))]
    plane = fill_plane(curves, (24, 40))
    whole = filled(plane, (24, 40))
    assert whole[10, 10]
    assert not whole[10, 6]
    assert whole[10, 3]
    assert whole[10, 30]
    assert whole.sum() == 16 * 16 - 10 * 10 + 4 * 4 + 3 * 3
    assert (plane.overlapping, plane.doubled) == (0, 0)


def test_a_keyhole_leaves_no_trace():
    outer, inner = square(16), square(6)[::-1]
    keyhole = np.vstack([outer, outer[:1], inner, inner[:1]])
    whole = filled(fill_plane([keyhole], (24, 24)), (24, 24))
    separate = filled(fill_plane([outer, inner], (24, 24)), (24, 24))
    assert np.array_equal(whole, separate)
    assert whole.sum() == 16 * 16 - 6 * 6


def test_doubled_contours_count_once_and_overlapping_ones_are_joined():
    twice = fill_plane([square(6), np.roll(square(6), 1, axis=0)], (24, 24))
    assert (twice.inside.sum(), twice.doubled) == (36, 1)
    plane = fill_plane([square(6), square(6, (13, 13))], (24, 24))
    assert (plane.inside.sum(), plane.overlapping) == (36 + 36 - 9, 1)


def grid_of(shape, spacing, origin=(0.0, 0.0, 0.0)):
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return Grid(shape, affine)


def disc(radius, z, centre=(30.0, 30.0), count=200):
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    points = np.stack(
        [centre[0] + radius * np.cos(turn), centre[1] + radius * np.sin(turn), np.full(count, z)], 1
    )
    return Contour(points)


def ball(radius, step, centre_z=30.0):
    heights = np.arange(centre_z - radius + step / 2, centre_z + radius, step)
    return ContourShape(
        tuple(disc(float(np.sqrt(radius**2 - (z - centre_z) ** 2)), float(z)) for z in heights)
    )


def true_ball(grid, radius):
    index = np.indices(grid.shape).reshape(3, -1).T
    world = index @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    return (np.linalg.norm(world - 30.0, axis=1) <= radius).reshape(grid.shape)


def dice(first, second):
    return 2 * np.count_nonzero(first & second) / (first.sum() + second.sum())


@pytest.mark.parametrize("codes", ["RAS", "LPS", "SAR", "ASL", "PIR"])
def test_a_grid_of_any_orientation_gives_the_same_places(codes):
    grid = grid_of((50, 60, 30), (1.25, 1.0, 2.0))
    image = nib.Nifti1Image(true_ball(grid, 20).astype(np.uint8), grid.affine)
    to_codes = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(tuple(codes))
    )
    turned = image.as_reoriented(to_codes)
    found = rasterise(ball(20, 2.0), Grid(turned.shape, turned.affine))
    assert found.slice_axis == codes.index("S" if "S" in codes else "I")
    # planes lie half-way between slices here, so the ball is half a slice off at most
    assert dice(found.mask, np.asarray(turned.dataobj) > 0) > 0.95
    straight = rasterise(ball(20, 2.0), grid).mask
    back = nib.Nifti1Image(found.mask.astype(np.uint8), turned.affine)
    if codes in ("RAS", "SAR"):  # where no axis is turned round, ties fall alike
        assert np.array_equal(np.asarray(nib.as_closest_canonical(back).dataobj) > 0, straight)


def test_slices_on_the_planes_are_filled_and_nothing_else():
    grid = grid_of((60, 60, 20), (1, 1, 3))
    shape = ContourShape(tuple(disc(10.02, z) for z in (12.0, 15.0, 30.0)))
    found = rasterise(shape, grid)
    assert found.drawn_slices == (4, 5, 10)
    assert found.interpolated_slices == ()
    assert [int(found.mask[:, :, k].sum()) for k in (3, 4, 5, 6, 10)] == [0, 317, 317, 0, 317]


def test_a_finer_grid_is_interpolated_by_shape():
    grid = grid_of((60, 60, 60), (1, 1, 1))
    found = rasterise(ball(20, 4.0), grid)
    assert dice(found.mask, true_ball(grid, 20)) > 0.97
    assert set(found.drawn_slices) == set(range(12, 49, 4))
    assert set(found.drawn_slices) & set(found.interpolated_slices) == set()
    only = rasterise(ball(20, 4.0), grid, interpolate=False)
    assert np.flatnonzero(only.mask.any(axis=(0, 1))).tolist() == list(only.drawn_slices)
    assert only.interpolated_slices == ()


def test_a_gap_between_planes_is_left_open():
    grid = grid_of((60, 60, 60), (1, 1, 1))
    shape = ContourShape(tuple(disc(10, z) for z in (10.0, 13.0, 16.0, 40.0, 43.0)))
    filled_slices = np.flatnonzero(rasterise(shape, grid).mask.any(axis=(0, 1)))
    assert filled_slices.tolist() == [*range(9, 18), *range(39, 45)]


def test_a_thicker_grid_takes_the_nearest_plane():
    grid = grid_of((60, 60, 12), (1, 1, 5))
    found = rasterise(ball(20, 1.0), grid)
    assert dice(found.mask, true_ball(grid, 20)) > 0.97
    assert found.interpolated_slices == ()


def test_contours_outside_and_beyond_the_edge_are_counted():
    grid = grid_of((60, 60, 10), (1, 1, 3))
    shape = ContourShape((disc(10, 9.0), disc(10, 60.0), disc(10, -9.0), disc(10, 9.0, (0, 30))))
    found = rasterise(shape, grid)
    assert (found.outside, found.cut) == (2, 1)
    assert "2 contours lie in no slice of the image" in found.notes
    assert "1 contours reach beyond the image and were cut" in found.notes


def test_nothing_drawn_is_nothing_filled():
    found = rasterise(ContourShape(()), grid_of((5, 5, 5), (1, 1, 1)))
    assert not found.mask.any()
    assert found.slice_axis == 2


def test_contours_oblique_to_the_slices_are_refused():
    grid = grid_of((60, 60, 60), (1, 1, 1))
    turn = np.radians(20)
    turned = np.array(
        [[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]]
    )
    oblique = Contour((disc(10, 30.0).points_mm - 30) @ turned.T + 30)
    with pytest.raises(ContourPlacementError, match="parallel to no slices of the image"):
        rasterise(ContourShape((oblique,)), grid)


def test_a_whole_body_of_points_takes_seconds():
    grid = grid_of((512, 512, 300), (0.8, 0.8, 1.0))
    shape = ContourShape(tuple(disc(150, float(z), (200, 200), 40) for z in range(300)))
    start = time.monotonic()
    found = rasterise(shape, grid)
    assert time.monotonic() - start < 10
    assert found.shape.crop.shape[2] == 300
