"""Lung that no lobe has is found beside the lobe that should have it."""

import numpy as np
import pytest

from qc.planting import draw_for, plant
from qc.plausibility.rules import unlabelled_lung
from qc.plausibility.scene import make_scene
from qc.plausibility.thresholds import shipped_thresholds


def findings(trunk, labels, ct):
    scene = make_scene(labels, trunk.grid, trunk.class_map, ct)
    return list(unlabelled_lung.check(scene, shipped_thresholds(), None))


def test_half_a_lobe_without_a_label_is_found_where_it_is(trunk) -> None:
    lobe = "lung_lower_lobe_left"
    planted = plant(trunk, draw_for("cut", "gross", 3, among=[lobe]))
    found = findings(trunk, planted.labels, trunk.ct)
    assert found
    largest = max(found, key=lambda finding: finding.figures["volume_ml"])
    assert lobe in largest.structures
    assert largest.severity == "high"
    assert largest.figures["volume_ml"] == pytest.approx(planted.figures["lost_ml"], rel=0.35)
    index = np.linalg.inv(trunk.grid.affine) @ [*largest.place_mm, 1]
    i, j, k = np.rint(index[:3]).astype(int)
    assert trunk.labels[i, j, k] == trunk.value(lobe)
    assert planted.labels[i, j, k] == 0


def test_a_correct_trunk_and_one_without_ct_are_silent(trunk) -> None:
    assert findings(trunk, trunk.labels, trunk.ct) == []
    assert findings(trunk, np.zeros_like(trunk.labels), trunk.ct) == []
    planted = plant(trunk, draw_for("cut", "gross", 3, among=["lung_lower_lobe_left"]))
    assert findings(trunk, planted.labels, None) == []
