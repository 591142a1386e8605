"""Rough drawing: thick strokes, an unsteady line, nothing systematic."""

import numpy as np
import pytest

from pipeline.simulation.annotator import dice
from pipeline.simulation.rough_strokes import (
    RoughStrokes,
    draw_label_map_roughly,
    draw_roughly,
    signed_depth_mm,
)

SPACING = (2.0, 2.0, 2.0)
STEADY = RoughStrokes(pencil_mm=6.0, boundary_error_mm=0.0)


def ball(radius: float = 12.0, side: int = 40) -> np.ndarray:
    i, j, k = np.indices((side,) * 3) - (side - 1) / 2
    return i**2 + j**2 + k**2 < radius**2


def test_depth_is_measured_from_the_border_between_the_pixels():
    outline = np.zeros((7, 7), bool)
    outline[2:5, 2:5] = True
    depth = signed_depth_mm(outline, (2.0, 2.0))
    assert depth[3, 3] == 3.0
    assert depth[2, 3] == 1.0
    assert depth[1, 3] == -1.0
    assert depth[0, 3] == -3.0


def test_the_edge_of_the_picture_is_no_border():
    outline = np.zeros((7, 7), bool)
    outline[:3] = True
    assert signed_depth_mm(outline, (1.0, 1.0))[0, 0] == 2.5
    assert np.isinf(signed_depth_mm(np.ones((4, 4), bool), (1.0, 1.0))).all()


def test_a_stroke_fills_three_slices_alike():
    drawn = draw_roughly(ball(), SPACING, STEADY, np.random.default_rng(0))
    changes = np.flatnonzero((np.diff(drawn.astype(int), axis=2) != 0).any(axis=(0, 1)))
    assert set(np.diff(changes) % 3) == {0}
    assert STEADY.slices(2.0) == 3
    assert STEADY.slices(8.0) == 1


def test_with_a_thin_pencil_and_a_steady_hand_the_drawing_is_the_truth():
    exact = RoughStrokes(pencil_mm=2.0, boundary_error_mm=0.0)
    assert (draw_roughly(ball(), SPACING, exact, np.random.default_rng(0)) == ball()).all()


def test_the_line_strays_as_far_as_was_asked_and_on_both_sides():
    """In the middle slice of a large cylinder: the distance of the drawn line from the border."""
    side = 120
    i, j = np.indices((side, side)) - (side - 1) / 2
    cylinder = np.repeat((np.hypot(i, j) < 40)[:, :, None], 60, axis=2)
    strokes = RoughStrokes(pencil_mm=1.0, boundary_error_mm=4.0, wavelength_mm=20.0)
    drawn = draw_roughly(cylinder, (1.0, 1.0, 1.0), strokes, np.random.default_rng(3))
    centre = side // 2
    strays = [40 - drawn[centre:, centre, k].sum() for k in range(60)]
    assert np.std(strays) == pytest.approx(4.0, rel=0.25)
    assert abs(np.mean(strays)) < 1.5


def test_the_mean_of_many_drawings_is_the_truth():
    """No system: voxels well inside are mostly drawn, those well outside mostly not."""
    strokes = RoughStrokes(pencil_mm=6.0, boundary_error_mm=3.0)
    drawings = [draw_roughly(ball(), SPACING, strokes, np.random.default_rng(n)) for n in range(25)]
    mostly = np.mean(drawings, axis=0) > 0.5
    each = np.mean([dice(drawing, ball()) for drawing in drawings])
    assert 0.75 < each < 0.93
    assert dice(mostly, ball()) > each + 0.04


def test_the_same_state_gives_the_same_drawing_and_another_another():
    one, same, other = (
        draw_roughly(ball(), SPACING, RoughStrokes(), np.random.default_rng(n)) for n in (1, 1, 2)
    )
    assert (one == same).all()
    assert (one != other).any()


def test_nothing_stays_nothing_and_a_thin_structure_never_vanishes():
    shaky = RoughStrokes(pencil_mm=4.5, boundary_error_mm=10.0)
    empty = np.zeros((8, 8, 8), bool)
    assert not draw_roughly(empty, SPACING, shaky, np.random.default_rng(0)).any()
    thin = empty.copy()
    thin[4, 4, 2:6] = True
    for seed in range(10):
        assert draw_roughly(thin, SPACING, shaky, np.random.default_rng(seed)).any()


def test_in_a_label_map_the_smaller_structure_wins():
    labels = np.where(ball(14), 1, 0).astype(np.uint8)
    labels[ball(4)] = 2
    exact = RoughStrokes(pencil_mm=2.0, boundary_error_mm=0.0)
    drawn = draw_label_map_roughly(labels, SPACING, exact, np.random.default_rng(0))
    assert (drawn == labels).all()
    strokes = RoughStrokes(pencil_mm=6.0, boundary_error_mm=3.0)
    rough = draw_label_map_roughly(labels, SPACING, strokes, np.random.default_rng(0))
    assert set(np.unique(rough)) == {0, 1, 2}
    assert 0.3 < dice(rough == 2, labels == 2) < 1


def test_what_is_thin_is_neither_fattened_nor_thinned():
    """The hand is steadier there, so that no error is systematic."""
    i, j = np.indices((21, 21)) - 10
    rod = np.repeat((np.hypot(i, j) < 4)[:, :, None], 60, axis=2)
    strokes = RoughStrokes(pencil_mm=1.0, boundary_error_mm=6.0, wavelength_mm=20.0)
    drawn = draw_roughly(rod, (1.0, 1.0, 1.0), strokes, np.random.default_rng(5))
    assert drawn.sum() / rod.sum() == pytest.approx(1, abs=0.15)
    assert dice(drawn, rod) < 0.95
