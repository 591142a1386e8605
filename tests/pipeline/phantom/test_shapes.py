import numpy as np
import pytest

from pipeline.phantom.combine import Grown, Intersection, Kept, Minus, Union
from pipeline.phantom.coordinates import Coordinates
from pipeline.phantom.shapes import Ellipsoid, HalfSpace, Shape, Trunk, along, tube


def grid(step: float = 2.0, half: float = 40.0) -> Coordinates:
    axis = np.arange(-half, half + step, step, dtype=np.float32)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    return Coordinates.of(x, y, z)


def radius(at: Coordinates) -> np.ndarray:
    return np.sqrt(at.x**2 + at.y**2 + at.z**2)


def test_a_ball_has_its_exact_distance() -> None:
    at = grid()
    ball = Ellipsoid((0.0, 0.0, 0.0), (15.0, 15.0, 15.0))
    far = radius(at) > 1
    assert np.allclose(ball.distance(at)[far], radius(at)[far] - 15, atol=1e-4)


def test_a_tube_has_its_exact_distance_near_itself() -> None:
    at = grid()
    pipe = tube([(0, 0, -20), (0, 0, 20)], 6.0)
    beside = np.abs(at.z) < 20
    true = np.sqrt(at.x**2 + at.y**2) - 6
    near = beside & (true < 8)
    assert np.allclose(pipe.distance(at)[near], true[near], atol=1e-4)


def test_a_turned_ellipsoid_points_along_its_axis() -> None:
    at = grid()
    inside = Ellipsoid((0, 0, 0), (5, 5, 30), along((1, 0, 1))).distance(at) < 0
    x, z = at.x[inside], at.z[inside]
    assert np.corrcoef(x, z)[0, 1] > 0.9


@pytest.mark.parametrize(
    "shape",
    [
        Ellipsoid((3, -4, 5), (9, 14, 20), along((1, 2, 2)), boxy=True),
        tube([(-20, 0, -20), (0, 10, 0), (20, 0, 22)], [4, 9, 3], stretch=(1.5, 1, 1)),
        Trunk(((-30, 12, 10, -10), (0, 20, 18, -12), (30, 8, 6, -6))),
        Union((Ellipsoid((0, 0, 0), (9, 9, 9)), tube([(0, 0, 0), (25, 0, 0)], 4)), blend_mm=6),
        Minus(Ellipsoid((0, 0, 0), (20, 20, 20)), Ellipsoid((0, 0, 0), (9, 9, 9))),
        Grown(Ellipsoid((0, 0, 0), (9, 9, 9)), 5),
        Intersection((Ellipsoid((0, 0, 0), (20, 20, 20)), HalfSpace((0, 0, 0), (0, 0, 1)))),
    ],
)
def test_bounds_hold_the_whole_inside(shape: Shape) -> None:
    at = grid()
    inside = shape.distance(at) < 0
    low, high = shape.bounds
    assert inside.any()
    for axis, (a, b) in zip((at.x, at.y, at.z), zip(low, high, strict=True), strict=True):
        assert a - 1e-3 <= axis[inside].min() <= axis[inside].max() <= b + 1e-3


def test_a_shape_looks_the_same_in_a_cut_as_in_the_whole() -> None:
    at = grid()
    shape = Union(
        (
            tube([(-20, 0, -20), (0, 10, 0), (20, 0, 22)], [6, 9, 5], stretch=(1.5, 1, 1)),
            Ellipsoid((5, 5, 5), (14, 9, 9), boxy=True),
        ),
        blend_mm=12,
    )
    whole = shape.distance(at.with_reach(2.0)) < 0
    box = (slice(11, 30), slice(7, 28), slice(9, 33))
    assert np.array_equal(shape.distance(at.cut(box, 2.0)) < 0, whole[box])


def test_union_intersection_and_minus() -> None:
    at = grid()
    big = Ellipsoid((0, 0, 0), (20.5, 20.5, 20.5))
    small = Ellipsoid((0, 0, 0), (10.5, 10.5, 10.5))
    big_in, small_in = big.distance(at) < 0, small.distance(at) < 0
    assert np.array_equal(Union((big, small)).distance(at) < 0, big_in)
    assert np.array_equal(Intersection((big, small)).distance(at) < 0, small_in)
    assert np.array_equal(Minus(big, small).distance(at) < 0, big_in & ~small_in)


def test_kept_shapes_are_worked_out_once_for_a_block() -> None:
    class Counting:
        bounds = ((-10.0, -10.0, -10.0), (10.0, 10.0, 10.0))
        calls = 0

        def distance(self, at: Coordinates) -> np.ndarray:
            self.calls += 1
            return radius(at) - 10

    counting, at = Counting(), grid()
    kept = Kept(counting, margin_mm=5.0)
    box = at.box(*kept.bounds)
    assert box is not None
    first, second = (kept.distance(at.cut(box, 1.0)) for _ in range(2))
    assert counting.calls == 1
    assert np.array_equal(first, second)
    assert np.allclose(first, radius(at)[box] - 10)


def test_a_box_far_from_all_voxels_is_none() -> None:
    assert grid().box((100.0, 0.0, 0.0), (110.0, 5.0, 5.0)) is None
