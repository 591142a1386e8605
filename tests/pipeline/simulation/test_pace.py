"""The time model, against the paper's figures."""

import numpy as np
import pytest

from pipeline.anatomy import find_class_map, shipped_configs
from pipeline.phantom import BodySettings, make_body
from pipeline.simulation.annotator import seconds_without_proposals
from pipeline.simulation.pace import (
    BLADDER_HEIGHT_MM,
    BLADDER_ML,
    BY_HAND,
    ROUGHLY,
    SLICE_MM,
)


def test_the_bladder_takes_what_the_paper_says():
    assert BY_HAND.seconds(BLADDER_HEIGHT_MM, BLADDER_ML) == pytest.approx(10 * 60 + 45)
    assert ROUGHLY.seconds(BLADDER_HEIGHT_MM, BLADDER_ML) == pytest.approx(60 + 42)
    assert ROUGHLY.stroke_mm == 3 * SLICE_MM


def test_less_to_draw_takes_less_but_never_less_than_one_stroke():
    half = ROUGHLY.seconds(BLADDER_HEIGHT_MM / 2, BLADDER_ML / 2)
    assert half == pytest.approx(17 + 85 / 2)
    assert ROUGHLY.seconds(0.5, 0.0) == pytest.approx(17 + ROUGHLY.per_stroke_s)


def test_the_reference_is_the_bladder_of_the_mean_body():
    class_map = find_class_map("class_map", shipped_configs())
    wish = BodySettings(variation=0, field_of_view="pelvis", spacing_mm=(3.0, 3.0, 3.0))
    body = make_body(wish, class_map)
    bladder = body.labels == class_map["urinary_bladder"].value
    assert bladder.sum() * 27 / 1000 == pytest.approx(BLADDER_ML, rel=0.05)
    assert bladder.any(axis=(0, 1)).sum() * 3 == pytest.approx(BLADDER_HEIGHT_MM, rel=0.05)


def test_a_typical_structure_takes_the_papers_ten_minutes_by_hand():
    """The paper: "complete manual segmentation for one class takes roughly 10 min"."""
    class_map = find_class_map("class_map", shipped_configs())
    body = make_body(BodySettings(variation=0, spacing_mm=(6.0, 6.0, 6.0)), class_map)
    minutes = [
        seconds_without_proposals([body.labels == each.value], (6.0, 6.0, 6.0)) / 60
        for each in class_map
    ]
    assert np.median(minutes) == pytest.approx(10, abs=2)


def test_a_structure_takes_as_long_in_coarse_voxels_as_in_fine_ones():
    fine = np.zeros((40, 40, 40), bool)
    fine[8:32, 8:32, 8:32] = True
    coarse = fine[::4, ::4, ::4]
    assert seconds_without_proposals([fine], (2.0, 2.0, 2.0)) == pytest.approx(
        seconds_without_proposals([coarse], (8.0, 8.0, 8.0))
    )
