"""Correct masks give no finding, whoever is scanned, and however."""

import pytest

from pipeline.phantom import BodySettings
from qc.plausibility.checking import check_case
from qc.plausibility.scene import make_scene
from qc.plausibility.scene_measures import Context
from qc.plausibility.thresholds import shipped_thresholds


@pytest.mark.parametrize(
    "settings",
    [
        BodySettings(seed=31, sex="male", phase="native", spacing_mm=(4.0, 4.0, 4.0)),
        BodySettings(seed=32, phase="arterial", field_of_view="thorax", spacing_mm=(4.0, 4.0, 4.0)),
        BodySettings(seed=33, field_of_view="abdomen", orientation="LPS", scoliosis_deg=25.0),
        BodySettings(seed=34, sex="male", field_of_view="pelvis", phase="late", size=0.9),
    ],
    ids=lambda settings: f"{settings.field_of_view}-{settings.sex}-{settings.phase}",
)
def test_nothing_is_found(phantom, phantom_class_map, settings):
    body = phantom(settings)
    context = Context(settings.sex[0], settings.phase, decided=frozenset(phantom_class_map.names))
    scene = make_scene(body.labels, body.grid, phantom_class_map, body.ct, context)
    assert check_case(scene, shipped_thresholds()) == ()


def test_nothing_is_found_in_the_body_that_faults_are_planted_into(faults):
    assert faults.say_all(None) == []
