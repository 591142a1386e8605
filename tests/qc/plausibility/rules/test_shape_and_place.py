"""Faults of shape and place: missing, cut, in pieces, hollow, too far, too near, too large."""

import numpy as np
import pytest
from scipy import ndimage


def kinds(findings, structure=None):
    named = [f for f in findings if structure is None or structure in f.structures]
    return {(f.kind, f.severity) for f in named}


@pytest.mark.parametrize(
    ("name", "severity"),
    [("liver", "high"), ("aorta", "high"), ("kidney_left", "medium"), ("hip_left", "high"),
     ("sacrum", "high"), ("urinary_bladder", "medium"), ("lung_middle_lobe_right", "medium")],
)  # fmt: skip
def test_what_should_be_there_is_missed(faults, name, severity):
    (found,) = faults.say("missing", faults.renamed(**{name: None}))
    assert (found.kind, found.severity) == ("missing", severity)
    assert found.structures[0] == name
    truth = np.argwhere(faults.mask(name)).mean(axis=0)
    place = faults.body.grid.affine @ [*truth, 1.0]
    assert np.linalg.norm(np.array(found.place_mm) - place[:3]) < 160


def test_nobody_looked_is_not_missing_and_absence_is_doubted(faults):
    labels, name = faults.renamed(kidney_left=None), frozenset(["kidney_left"])
    assert faults.say("missing", labels, decided=faults.context.decided - name) == []
    (absent,) = faults.say("missing", labels, absent=name)
    assert (absent.kind, absent.severity) == ("absence_doubtful", "low")
    (outside,) = faults.say("missing", labels, absent=name, outside_fov=name)
    assert (outside.kind, outside.severity) == ("not_outside_view", "high")


def test_a_mask_that_ends_flat_inside_the_view_is_found(faults):
    labels = faults.cut("liver", 0.4)
    (found,) = [f for f in faults.say("cut_off", labels) if f.structures == ("liver",)]
    assert (found.kind, found.severity) == ("cut_off", "high")
    assert "the CT goes on" in found.words
    unsure, *_ = faults.say("cut_off", labels, with_ct=False)
    assert unsure.severity == "medium"


def test_a_mask_that_ends_with_the_field_of_view_is_not_cut_off(faults):
    assert faults.body.labels[..., 0].any()
    assert faults.say("cut_off") == []


def test_fragments_islands_and_crumbs_are_told_apart(faults):
    kidney = faults.mask("kidney_left")
    i, j, k = (int(v) for v in np.argwhere(kidney).mean(axis=0))
    split = kidney.copy()
    split[..., k - 1 : k + 2] = False
    found = faults.say("pieces", faults.redrawn("kidney_left", split))
    assert kinds(found) == {("fragments", "high")}
    far = kidney.copy()
    far[i + 12 : i + 15, j : j + 3, k - 15 : k - 12] = True
    (island,) = [
        f
        for f in faults.say("pieces", faults.redrawn("kidney_left", far))
        if f.structures == ("kidney_left",)
    ]
    assert (island.kind, island.severity) == ("island", "high")
    assert island.figures["away_mm"] > 30
    assert np.linalg.norm(
        np.array(island.place_mm)
        - (faults.body.grid.affine @ [i + 13, j + 1, k - 14, 1.0])[:3]
    ) < 10  # fmt: skip


def test_a_closed_hole_is_found_and_a_labelled_inside_is_none(faults):
    inside = ndimage.binary_erosion(faults.mask("spleen"), iterations=3)
    labels = faults.body.labels.copy(order="F")
    labels[inside] = 0
    (found,) = faults.say("holes", labels)
    assert found.structures == ("spleen",)
    assert found.figures["holes_ml"] == pytest.approx(inside.sum() * 0.064, rel=0.01)
    labels[inside] = faults.value("gallbladder")
    assert faults.say("holes", labels) == []


def test_a_heart_in_the_abdomen_stands_too_low(faults):
    labels = faults.moved("heart_ventricle_left", 0, 0, -45)
    assert ("wrong_height", "high") in kinds(faults.say("heights", labels), "heart_ventricle_left")
    outside = faults.say("containment", labels)
    assert kinds(outside) == {("outside", "high")}
    assert "apart" in {f.kind for f in faults.say("touching", labels)}


def test_a_long_structure_without_its_upper_half_is_too_short(faults):
    (found,) = faults.say("reach", faults.cut("aorta", 0.45))
    assert (found.kind, found.structures) == ("too_short", ("aorta",))
    assert found.figures["end"] == "top"
    assert found.figures["short_vertebrae"] > 1


def test_neighbours_apart_and_strangers_in_touch_are_found(faults):
    labels = faults.moved("gallbladder", 0, 0, -30)
    found = faults.say("touching", labels)
    assert ("apart", "high") in kinds(found, "gallbladder")
    near = faults.mask("kidney_left") | np.roll(faults.mask("kidney_left"), 30, 0)
    touching = faults.say("touching", faults.redrawn("kidney_left", near))
    assert any(f.kind == "touching" and "kidney_left" in f.structures for f in touching)


def test_one_kidney_much_smaller_than_the_other_is_found(faults):
    (found,) = faults.say("mirror_sizes", faults.grown("kidney_left", -2))
    assert found.structures == ("kidney_left", "kidney_right")
    assert found.figures["ratio"] > 2.2


def test_a_volume_no_adult_has_is_found_and_children_are_left_alone(faults):
    labels = faults.grown("spleen", -4)
    (found,) = faults.say("sizes", labels)
    assert (found.kind, found.structures) == ("size_unlike_adults", ("spleen",))
    assert found.figures["volume_ml"] < found.figures["adults_low_ml"]
    assert faults.say("sizes", labels, age_years=8.0) == []


def test_a_cut_kidney_of_which_much_is_seen_misses_the_other(faults):
    left = np.flatnonzero(faults.mask("kidney_left").any((0, 1)))
    for seen_mm, expected in ((68, {("missing", "medium")}), (36, set())):
        first = int(left[-1]) + 1 - seen_mm // 4
        above = faults.within(first, faults.body.labels.shape[2])
        labels = above.renamed(kidney_right=None)
        found = above.say("missing", labels)
        assert kinds(found, "kidney_right") == expected


def test_a_duodenum_may_break_but_not_over_a_fingers_breadth(faults):
    mask = faults.mask("duodenum")
    points = np.argwhere(mask)
    axis = int(np.argmax(np.ptp(points, axis=0)))
    middle = int(np.median(points[:, axis]))
    for half, expected in ((0, set()), (3, {("fragments", "medium")})):
        broken = mask.copy()
        gap = [slice(None)] * 3
        gap[axis] = slice(middle - half, middle + half + 1)
        broken[tuple(gap)] = False
        found = faults.say("pieces", faults.redrawn("duodenum", broken))
        assert {k for k in kinds(found, "duodenum") if k[0] == "fragments"} == expected


def test_a_hollow_bone_is_found_and_its_canals_are_let_pass(faults):
    deep = ndimage.distance_transform_edt(faults.mask("sacrum"))
    for least, expected in ((2.0, {("hole", "high")}), (deep.max(), set())):
        labels = faults.body.labels.copy(order="F")
        labels[deep >= least] = 0
        assert kinds(faults.say("holes", labels), "sacrum") == expected


@pytest.mark.parametrize("name", ["liver", "gluteus_medius_left", "kidney_left", "vertebrae_L3"])
def test_slices_that_slipped_aside_are_found_where_they_begin(faults, name):
    mask = faults.mask(name)
    rows = np.flatnonzero(mask.any((0, 1)))
    first = int(rows[len(rows) // 3])
    width = int(np.count_nonzero(mask[:, :, first].any(1)))
    slipped = mask.copy()
    slipped[:, :, first:] = np.roll(mask[:, :, first:], width // 2, axis=0)
    (found,) = faults.say("slipped_slices", faults.redrawn(name, slipped))
    assert (found.kind, found.structures) == ("slipped", (name,))
    assert found.figures["aside_share"] > found.figures["usual_share"] + 0.3
    z = faults.body.grid.affine[2, 3] + faults.body.grid.affine[2, 2] * first
    assert found.place_mm[2] == pytest.approx(z, abs=0.1)


def test_slices_that_grow_or_slant_evenly_did_not_slip(faults):
    assert faults.say("slipped_slices") == []
    mask = np.zeros_like(faults.mask("liver"))
    for n in range(20):
        mask[10 + n : 24 + n, 20:34, 30 + n] = True  # a tube that leans by 45 degrees
        mask[60:74, 20 : 24 + n, 30 + n] = True  # and a wedge
    found = faults.say("slipped_slices", faults.redrawn("liver", mask))
    assert kinds(found, "liver") == set()


def test_an_adrenal_gland_away_from_where_its_mirror_says_is_found(faults):
    assert faults.say("opposites") == []
    labels = faults.moved("adrenal_gland_left", 0, -3, 12)
    (found,) = faults.say("opposites", labels)
    assert (found.kind, found.severity) == ("not_opposite", "high")
    assert found.structures == ("adrenal_gland_left", "adrenal_gland_right")
    assert found.figures["away_mm"] == pytest.approx(48, abs=20)
    assert faults.say("opposites", faults.renamed(adrenal_gland_left=None)) == []


def test_a_muscle_on_its_head_is_not_like_its_mirror(faults):
    mask = faults.mask("gluteus_minimus_left")
    at = np.flatnonzero(mask.any((0, 1)))
    turned = mask.copy()
    turned[..., at[0] : at[-1] + 1] = mask[..., at[0] : at[-1] + 1][..., ::-1]
    (found,) = faults.say("opposites", faults.redrawn("gluteus_minimus_left", turned))
    assert (found.kind, found.severity) == ("unlike_mirror", "medium")
    assert found.figures["dice"] < found.figures["at_least"]


def test_an_island_at_the_other_end_of_the_view_hangs_together_with_nothing(faults):
    hip = faults.mask("hip_left")
    assert hip[..., 0].any()
    assert not hip[..., -1].any()
    for k, expected in ((slice(-3, None), {("island", "high")}), (slice(0, 3), set())):
        with_island = hip.copy()
        with_island[60:64, 60:64, k] = True
        found = faults.say("pieces", faults.redrawn("hip_left", with_island))
        assert kinds(found, "hip_left") == expected


def test_ribs_one_number_too_low_are_found_where_the_view_ends_at_their_ends(faults):
    """The twelfth is gone, and the eleventh, whose end lies outside, bears its name."""
    low = faults.within(0, 89)
    assert "apart" not in {f.kind for f in low.say("touching")}
    names = {f"rib_left_{n}": f"rib_left_{n + 1}" if n < 12 else None for n in range(8, 13)}
    found = low.say("touching", low.renamed(**names))
    assert ("apart", "high") in kinds(found, "rib_left_12")


def test_where_half_of_the_vertebra_lies_outside_the_rib_may_meet_it_there(faults):
    low = faults.within(0, 84)
    names = {"rib_left_11": "rib_left_12", "rib_left_12": None}
    assert kinds(low.say("touching", low.renamed(**names)), "rib_left_12") == set()


def test_small_bowel_and_colon_with_exchanged_names_are_found(faults):
    assert faults.say("containment") == []
    found = faults.say("containment", faults.swapped("small_bowel", "colon"))
    assert kinds(found, "small_bowel") <= {("outside", "medium"), ("outside", "high")}
    assert kinds(found, "small_bowel")


def test_one_iliac_vein_much_smaller_than_the_other_is_found(faults):
    (found,) = faults.say("mirror_sizes", faults.cut("iliac_vena_left", 0.75))
    assert found.structures == ("iliac_vena_left", "iliac_vena_right")
    assert found.figures["ratio"] > found.figures["at_most"]


@pytest.mark.parametrize(
    "name",
    ["duodenum", "portal_vein_and_splenic_vein", "stomach", "spleen", "pulmonary_artery"],
)
def test_vertebrae_tell_what_the_view_must_show(faults, name):
    assert ("missing", name) in {
        (f.kind, f.structures[0]) for f in faults.say("missing", faults.renamed(**{name: None}))
    }


@pytest.mark.parametrize("name", ["adrenal_gland", "kidney", "iliac_artery", "autochthon"])
def test_both_of_a_pair_are_missed(faults, name):
    gone = {f"{name}_{side}": None for side in ("left", "right")}
    found = faults.say("missing", faults.renamed(**gone))
    assert set(gone) <= {f.structures[0] for f in found}
