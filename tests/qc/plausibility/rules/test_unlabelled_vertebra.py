"""Bone beside a vertebra that bears no label is found; a correct spine is silent."""

import pytest

from pipeline.phantom import BodySettings
from qc.planting import Subject, draw_for, plant
from qc.plausibility.rules import unlabelled_vertebra
from qc.plausibility.scene import make_scene
from qc.plausibility.thresholds import shipped_thresholds

VERTEBRA = "vertebrae_L2"


@pytest.fixture(scope="module")
def loins(phantom, phantom_class_map) -> Subject:
    settings = BodySettings(
        seed=5,
        spacing_mm=(3.0, 3.0, 3.0),
        field_of_view=(150.0, 260.0),
        in_plane_mm=(150.0, 240.0),
    )
    body = phantom(settings)
    return Subject.of(body.labels, body.grid, phantom_class_map, body.ct)


def findings(subject, labels, ct):
    scene = make_scene(labels, subject.grid, subject.class_map, ct)
    return list(unlabelled_vertebra.check(scene, shipped_thresholds(), None))


def test_a_cut_vertebra_is_found(loins) -> None:
    assert loins.is_whole(VERTEBRA)
    planted = plant(loins, draw_for("cut", "medium", 2, among=[VERTEBRA]))
    [found] = findings(loins, planted.labels, loins.ct)
    assert (found.kind, found.structures) == ("unlabelled_bone", (VERTEBRA,))
    assert 0.2 <= found.figures["share"] <= 0.9
    assert found.figures["volume_ml"] <= planted.figures["lost_ml"] * 1.3


def test_a_correct_spine_and_one_without_ct_are_silent(loins) -> None:
    assert findings(loins, loins.labels, loins.ct) == []
    planted = plant(loins, draw_for("cut", "medium", 2, among=[VERTEBRA]))
    assert findings(loins, planted.labels, None) == []
