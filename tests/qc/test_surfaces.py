"""Surfaces: right place, right size, closed, whatever the orientation of the file."""

import numpy as np
import pytest

from pipeline.volume import Grid
from qc.surfaces import Surface, make_body, surface_of


def ball(radius_mm: float, spacing: tuple[float, float, float]) -> tuple[np.ndarray, Grid]:
    """Make a label map with one ball of value 5 around world (10, -20, 30) mm."""
    centre = np.array([10.0, -20.0, 30.0])
    shape = tuple(int(np.ceil(2 * (radius_mm + 8) / step)) for step in spacing)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = centre - (np.array(shape) - 1) / 2 * spacing
    axes = [
        np.arange(n) * step - (n - 1) / 2 * step for n, step in zip(shape, spacing, strict=True)
    ]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    labels = np.zeros(shape, np.uint8, order="F")
    labels[x**2 + y**2 + z**2 <= radius_mm**2] = 5
    return labels, Grid(shape, affine)


def open_edges(surface: Surface, tolerance_mm: float = 1e-3) -> int:
    """Count edges that belong to one triangle only, after joining points at the same place."""
    keys = np.round(surface.points_mm / tolerance_mm).astype(np.int64)
    _, joined = np.unique(keys, axis=0, return_inverse=True)
    corners = joined.reshape(-1)[surface.triangles]
    edges = np.sort(np.concatenate([corners[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))]))
    edges = edges[edges[:, 0] != edges[:, 1]]
    _, counts = np.unique(edges, axis=0, return_counts=True)
    return int((counts % 2 == 1).sum())


@pytest.mark.parametrize("spacing", [(1.5, 1.5, 1.5), (2.0, 2.0, 3.0)])
def test_a_ball_has_the_volume_area_and_place_of_a_ball(
    spacing: tuple[float, float, float],
) -> None:
    labels, grid = ball(24.0, spacing)
    body = make_body(labels, grid)
    surface = body.surface(5)
    assert surface.volume_ml == pytest.approx(4 / 3 * np.pi * 24**3 / 1000, rel=0.035)
    assert surface.area_mm2 == pytest.approx(4 * np.pi * 24**2, rel=0.03)
    middle = surface.world_points_mm(body.grid).mean(axis=0)
    assert middle == pytest.approx([10.0, -20.0, 30.0], abs=0.3)
    outwards = surface.points_mm - surface.points_mm.mean(axis=0)
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    assert (surface.normals * outwards).sum(axis=1).min() > 0.85


@pytest.mark.parametrize(
    ("order", "flips"),
    [((0, 1, 2), (0, 1)), ((2, 0, 1), ()), ((1, 2, 0), (0, 2)), ((0, 1, 2), (2,))],
)
def test_orientation_of_the_file_does_not_matter(
    order: tuple[int, ...], flips: tuple[int, ...]
) -> None:
    labels, grid = ball(12.0, (1.5, 1.5, 1.5))
    labels[:4, :4, :4] = 2
    turned = np.flip(labels.transpose(order), flips) if flips else labels.transpose(order)
    affine = np.array(grid.affine)[:, [*order, 3]]
    for axis in flips:
        affine[:3, 3] += affine[:3, axis] * (turned.shape[axis] - 1)
        affine[:3, axis] *= -1
    plain, other = make_body(labels, grid), make_body(turned, Grid(turned.shape, affine))
    for value in (2, 5):
        expected = plain.surface(value).world_points_mm(plain.grid)
        found = other.surface(value).world_points_mm(other.grid)
        assert found == pytest.approx(expected, abs=1e-3)
        assert other.surface(value).volume_ml > 0


def test_an_oblique_file_keeps_its_place_in_the_world() -> None:
    labels, grid = ball(12.0, (1.5, 1.5, 1.5))
    angle = np.deg2rad(20)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    body = make_body(labels, Grid(grid.shape, turn @ grid.affine))
    middle = body.surface(5).world_points_mm(body.grid).mean(axis=0)
    assert middle == pytest.approx((turn @ [10.0, -20.0, 30.0, 1.0])[:3], abs=0.3)


def test_a_structure_at_the_edge_of_the_volume_is_closed_and_called_cut() -> None:
    labels = np.zeros((20, 20, 20), np.uint8, order="F")
    labels[0:8, 5:15, 5:15] = 1
    labels[10:15, 5:15, 5:15] = 2
    body = make_body(labels, Grid((20, 20, 20), np.diag([2.0, 2.0, 2.0, 1.0])))
    assert body.cut == {1}
    assert open_edges(body.surface(1)) == 0
    assert body.surface(1).points_mm[:, 0].min() < 0


def test_voxels_that_meet_at_an_edge_leave_no_hole() -> None:
    rng = np.random.default_rng(0)
    mask = rng.random((14, 14, 14)) < 0.3
    surface = surface_of(mask, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    assert len(surface.triangles) > 1000
    assert open_edges(surface) == 0


def test_one_voxel_has_a_surface_around_it() -> None:
    labels = np.zeros((9, 9, 9), np.uint8, order="F")
    labels[3, 4, 5] = 9
    body = make_body(labels, Grid((9, 9, 9), np.diag([2.0, 2.0, 2.0, 1.0])))
    surface = body.surface(9)
    assert len(surface.triangles) == 12
    assert surface.points_mm.mean(axis=0) == pytest.approx([6, 8, 10], abs=1e-3)
    assert surface.volume_ml == pytest.approx(0.008, rel=1e-3)


def test_one_fine_voxel_survives_coarse_drawing() -> None:
    labels = np.zeros((40, 40, 40), np.uint8, order="F")
    labels[8:40, 8:40, 8:32] = 1
    labels[6, 7, 33] = 200
    grid = Grid((40, 40, 40), np.diag([0.5, 0.5, 0.5, 1.0]))
    body = make_body(labels, grid, finest_mm=2.0)
    assert body.grid.spacing_mm == pytest.approx((2.0, 2.0, 2.0))
    assert body.values == {1, 200}
    world = body.surface(200).world_points_mm(body.grid).mean(axis=0)
    assert world == pytest.approx([3.0, 3.5, 16.5], abs=0.05)
    low, high = body.span_mm(200) @ np.eye(3) + body.grid.affine[:3, 3]
    assert (low <= world + 0.3).all()
    assert (high >= world - 0.3).all()
    assert body.surface(1).volume_ml == pytest.approx(3.07, rel=0.15)


def test_nothing_gives_nothing() -> None:
    labels = np.zeros((5, 6, 7), np.uint16, order="F")
    body = make_body(labels, Grid((5, 6, 7), np.eye(4)))
    assert body.values == frozenset()
    with pytest.raises(KeyError):
        body.surface(1)
    empty = surface_of(np.zeros((3, 3, 3), bool), (1, 1, 1), (0, 0, 0))
    assert empty.triangles.shape == (0, 3)


def test_smoothing_leaves_thin_structures_most_of_their_thickness() -> None:
    rod = np.zeros((5, 5, 44), bool)
    rod[1:4, 1:4, 2:42] = True
    assert surface_of(rod, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)).volume_ml > 0.6 * 0.36


def test_one_slice_is_drawn() -> None:
    labels = np.zeros((20, 20, 1), np.uint8, order="F")
    labels[5:15, 5:15, 0] = 1
    body = make_body(labels, Grid((20, 20, 1), np.diag([2.0, 2.0, 5.0, 1.0])))
    assert body.surface(1).volume_ml == pytest.approx(2.0, rel=0.45)
