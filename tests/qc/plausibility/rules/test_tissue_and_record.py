"""Faults that the CT or the record shows: tissue, leaks, borders, overlaps, sudden changes."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from pipeline.volume.claims import Overlapping
from qc.plausibility.scene_measures import Changed


def test_a_mask_on_other_tissue_has_the_wrong_density(faults):
    labels = faults.swapped("liver", "lung_lower_lobe_right")
    found = {f.structures[0]: f for f in faults.say("density", labels)}
    assert set(found) == {"liver", "lung_lower_lobe_right"}
    assert found["liver"].severity == "high"
    assert found["liver"].figures["median_hu"] < -700


def test_an_aorta_with_contrast_in_a_native_case_is_doubted(faults):
    found = [f for f in faults.say("density", phase="native") if f.kind == "phase_doubtful"]
    assert [f.structures for f in found] == [("aorta",)]
    assert found[0].figures["median_hu"] > 90
    late = [f for f in faults.say("density", phase="arterial") if f.kind == "phase_doubtful"]
    assert late == []


@pytest.mark.parametrize("phase", ["Native", "non-contrast", "NCCT"])
def test_native_has_many_names(faults, phase):
    said = [faults.say("density", phase=each) for each in ("native", phase)]
    assert [f.figures for f in said[1]] == [f.figures for f in said[0]] != []


def test_a_phase_that_says_nothing_of_contrast_is_no_reason_for_doubt(faults):
    ct = np.where(faults.mask("aorta"), np.int16(40), faults.body.ct)
    dark = replace(faults, body=replace(faults.body, ct=ct))
    for phase, expected in (("arterial", True), ("thorax", False), (None, False)):
        found = [f.kind for f in dark.say("density", phase=phase)]
        assert ("phase_doubtful" in found) is expected


def test_rules_of_density_are_silent_without_a_ct(faults):
    for rule in ("density", "leak", "borders"):
        assert faults.say(rule, faults.grown("liver", 3), with_ct=False) == []


@pytest.mark.parametrize(
    ("name", "into", "what"),
    [("liver", "lung_lower_lobe_right", "lung"), ("autochthon_left", "scapula_left", "bone"),
     ("rib_left_7", "lung_lower_lobe_left", "lung")],
)  # fmt: skip
def test_a_leak_is_found_where_it_is(faults, name, into, what):
    i, j, k = (int(v) for v in np.argwhere(faults.mask(into)).mean(axis=0))
    ball = np.zeros(faults.body.labels.shape, bool)
    ball[i - 3 : i + 4, j - 3 : j + 4, k - 3 : k + 4] = True
    labels = faults.redrawn(name, faults.mask(name) | ball)
    (found,) = [f for f in faults.say("leak", labels) if f.structures == (name,)]
    assert (found.kind, found.severity) == ("leak", "high")
    assert what in found.words
    place = faults.body.grid.affine @ [i, j, k, 1.0]
    assert np.linalg.norm(np.array(found.place_mm) - place[:3]) < 25


def test_fat_that_lies_together_in_an_organ_is_a_leak(faults):
    ct, labels = faults.body.ct, faults.body.labels
    fat = (labels == 0) & (ct > -150) & (ct < -50)
    deep = ndimage.distance_transform_edt(fat)
    place = np.unravel_index(int(deep.argmax()), deep.shape)
    for radius, expected in ((5, [("leak", "high")]), (2, [])):
        away = np.linalg.norm(np.indices(fat.shape).T - place, axis=-1).T
        ball = away <= radius
        labels = faults.redrawn("spleen", faults.mask("spleen") | (ball & fat))
        found = [f for f in faults.say("leak", labels) if f.structures == ("spleen",)]
        assert [(f.kind, f.severity) for f in found] == expected
        assert all("fat" in f.words and f.figures["leak_ml"] > 15 for f in found)


@pytest.mark.parametrize(
    "name",
    ["liver", "spleen", "vertebrae_L3", "lung_upper_lobe_left", "stomach", "gluteus_maximus_left"],
)
def test_masks_grown_and_shrunk_by_two_voxels_miss_their_border(faults, name):
    for steps, kind in ((2, "too_large"), (-2, "too_small")):
        found = faults.say("borders", faults.grown(name, steps))
        assert kind in [f.kind for f in found if f.structures == (name,)]


def test_overlaps_are_judged_by_share_and_volume(faults):
    place = (1.0, 2.0, 3.0)
    pairs = (
        Overlapping("liver", "kidney_right", 20.0, 0.4, place),
        Overlapping("liver", "stomach", 5.0, 0.06, place),
        Overlapping("liver", "colon", 5.0, 0.01, place),
        Overlapping("liver", "gallbladder", 0.1, 0.5, place),
    )
    found = faults.say("overlap", overlaps=pairs)
    assert [(f.structures[1], f.severity) for f in found] == [
        ("kidney_right", "high"), ("stomach", "medium"),
    ]  # fmt: skip
    assert found[0].place_mm == place


def test_a_sudden_change_between_rounds_is_found(faults):
    changes = (
        Changed("liver", "round 1", 1500.0, 1450.0, 0.95),
        Changed("spleen", "round 1", 200.0, 150.0, 0.6),
        Changed("pancreas", "model btcv", 80.0, 0.0, 0.0),
        Changed("gallbladder", "round 1", 0.2, 0.1, 0.1),
    )
    found = {f.structures[0]: f for f in faults.say("round_change", changes=changes)}
    assert {name: f.severity for name, f in found.items()} == {
        "spleen": "medium", "pancreas": "high",
    }  # fmt: skip
    assert "became empty; in model btcv it had 80.0 ml" in found["pancreas"].words


def test_the_rind_of_a_bone_in_a_muscle_is_a_leak(faults):
    """Spongy bone is hardly denser than muscle: little of what is dense lies together."""
    ct, hip = faults.body.ct, faults.mask("hip_left")
    spongy = ndimage.binary_erosion(hip)
    thin = replace(faults, body=replace(faults.body, ct=np.where(spongy, np.int16(110), ct)))
    lower = hip.copy()
    lower[..., 24:] = False
    labels = thin.redrawn("gluteus_medius_left", thin.mask("gluteus_medius_left") | lower)
    (found,) = [f for f in thin.say("leak", labels) if f.structures == ("gluteus_medius_left",)]
    assert found.kind == "leak"
    assert "bone" in found.words
    assert thin.say("leak") == []


def test_a_gallbladder_as_dense_as_liver_is_doubted_without_contrast_only(faults):
    ct = np.where(faults.mask("gallbladder"), np.int16(50), faults.body.ct)
    dense = replace(faults, body=replace(faults.body, ct=ct))
    for phase, expected in (("native", ["density"]), ("portal_venous", [])):
        found = [f for f in dense.say("density", phase=phase) if f.structures == ("gallbladder",)]
        assert [f.kind for f in found] == expected


def test_a_mask_that_is_fat_here_and_there_is_a_leak(faults):
    """No fat lies together, but too much of the mask is fat."""
    mask = faults.mask("duodenum")
    i, j, k = np.indices(mask.shape)
    for every, expected in ((2, ["leak"]), (6, [])):
        ct = np.where(mask & ((i + j + k) % every == 0), np.int16(-90), faults.body.ct)
        speckled = replace(faults, body=replace(faults.body, ct=ct))
        found = [f for f in speckled.say("leak") if f.structures == ("duodenum",)]
        assert [f.kind for f in found] == expected
        assert all("fat" in f.words and f.figures["share"] > 0.4 for f in found)
