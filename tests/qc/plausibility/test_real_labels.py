"""What the rules say of the labels that a published model made for a real abdomen."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from qc.plausibility.checking import check_case
from qc.plausibility.from_files import scene_from_files
from qc.plausibility.settings import PlausibilitySettings

pytestmark = pytest.mark.real_data


@pytest.fixture
def scene(real_data: Path):
    folder = real_data / "ct_abdomen_pelvis_native_ts"
    settings = PlausibilitySettings(
        input=folder / "example_ct.nii.gz",
        segmentation=folder / "example_seg_fast_force_split.nii.gz",
        class_map="totalsegmentator_v2",
        phase="native",
    )
    return scene_from_files(settings).scene


def test_only_its_real_errors_are_found(scene):
    found = check_case(scene, PlausibilitySettings().thresholds)
    assert [(f.severity, f.kind, f.structures) for f in found] == [
        ("high", "fragments", ("pancreas",)),
        ("medium", "island", ("sacrum",)),
        ("medium", "size_unlike_adults", ("pancreas",)),
    ]
    head, tail = (piece.centroid_mm for piece in scene.get("pancreas").pieces[:2])
    assert head[0] - tail[0] == pytest.approx(68, abs=3)  # the neck is missing


def test_exchanged_kidneys_are_found_there_too(scene):
    left, right = (scene.class_map[f"kidney_{side}"].value for side in ("left", "right"))
    known = scene.labels == left
    np.copyto(scene.labels, left, where=scene.labels == right)
    np.copyto(scene.labels, right, where=known)
    found = check_case(scene, PlausibilitySettings().thresholds)
    kinds = Counter((f.kind, f.structures) for f in found if f.severity == "high")
    assert kinds["sides_swapped", ("kidney_left", "kidney_right")] == 1
