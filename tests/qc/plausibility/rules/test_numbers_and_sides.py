"""Faults of names: sides exchanged, vertebrae and ribs numbered wrong, each found and placed."""

from itertools import pairwise

import numpy as np
import pytest


def only(findings):
    (finding,) = findings
    return finding


@pytest.mark.parametrize("name", ["kidney", "femur", "heart_atrium", "iliac_artery"])
def test_an_exchanged_pair_is_found(faults, name):
    left, right = f"{name}_left", f"{name}_right"
    found = only(faults.say("sides", faults.swapped(left, right)))
    assert (found.kind, found.severity) == ("sides_swapped", "high")
    assert found.structures == (left, right)
    assert found.figures["apart_mm"] > 10
    x, _, _ = found.place_mm
    assert x > 0  # what is called left lies right


def test_a_volume_mirrored_with_its_labels_is_one_finding(faults):
    found = only(faults.say("sides", np.asfortranarray(faults.body.labels[::-1])))
    assert (found.kind, found.severity) == ("body_mirrored", "high")
    assert "the volume is mirrored" in found.words


def test_names_exchanged_everywhere_are_one_finding(faults):
    names = {s.name: s.mirror for s in faults.class_map if s.mirror}
    found = only(faults.say("sides", faults.renamed(**names)))
    assert found.kind == "body_mirrored"
    assert "the names are exchanged" in found.words


def test_a_structure_beyond_the_middle_is_found_without_its_mirror(faults):
    labels = faults.renamed(kidney_left=None, kidney_right="kidney_left")
    found = only(faults.say("sides", labels))
    assert (found.kind, found.structures) == ("wrong_side", ("kidney_left",))
    assert found.figures["beyond_middle_mm"] > 30


def test_a_mask_that_takes_half_of_the_other_side_is_found(faults):
    other = faults.mask("lung_lower_lobe_right")
    other[..., : np.flatnonzero(other.any((0, 1))).mean().astype(int)] = False
    labels = faults.redrawn("lung_lower_lobe_left", faults.mask("lung_lower_lobe_left") | other)
    found = only(faults.say("sides", labels))
    assert (found.kind, found.structures) == ("crosses_middle", ("lung_lower_lobe_left",))
    assert found.figures["share_beyond"] > 0.2


def test_exchanged_vertebrae_and_a_missing_number_are_found(faults):
    swapped = faults.say("vertebra_numbering", faults.swapped("vertebrae_T7", "vertebrae_T8"))
    assert ("vertebra_order", "high") in {(f.kind, f.severity) for f in swapped}
    gone = only(faults.say("vertebra_numbering", faults.renamed(vertebrae_L2=None)))
    assert gone.kind == "vertebra_gap"
    assert gone.structures == ("vertebrae_L2", "vertebrae_L1", "vertebrae_L3")
    said = frozenset(["vertebrae_L2"])
    assert faults.say("vertebra_numbering", faults.renamed(vertebrae_L2=None), absent=said) == []


def test_a_spine_that_is_shifted_by_one_is_found_on_the_sacrum(faults):
    names = [f"vertebrae_L{n}" for n in range(5, 0, -1)]
    names += [f"vertebrae_T{n}" for n in range(12, 0, -1)]
    labels = faults.renamed(**dict(pairwise(names)))
    found = only(faults.say("vertebra_anchor", labels))
    assert (found.kind, found.severity) == ("vertebra_shift", "high")
    assert found.structures == ("vertebrae_L4", "sacrum")


@pytest.mark.parametrize("step", [1, -1])
def test_ribs_of_a_side_shifted_by_one_do_not_fit_the_vertebrae(faults, step):
    names = {f"rib_left_{n}": f"rib_left_{n + step}" for n in range(1, 13) if 1 <= n + step <= 12}
    gone = "rib_left_12" if step > 0 else "rib_left_1"
    found = only(faults.say("rib_vertebra", faults.renamed(**{gone: None}, **names)))
    assert (found.kind, found.severity) == ("rib_shift", "high")
    assert found.figures["off_vertebrae"] == pytest.approx(-step, abs=0.4)
    assert {name[:8] for name in found.structures} == {"rib_left"}


def test_exchanged_missing_and_doubled_ribs_are_found(faults):
    swapped = faults.say("rib_numbering", faults.swapped("rib_left_5", "rib_left_6"))
    assert any(
        f.kind == "rib_order" and f.structures == ("rib_left_5", "rib_left_6") for f in swapped
    )
    gone = only(faults.say("rib_numbering", faults.renamed(rib_right_7=None)))
    assert gone.structures == ("rib_right_7", "rib_right_6", "rib_right_8")
    doubled = faults.renamed(rib_left_5="rib_left_6")
    assert "rib_gap" in {f.kind for f in faults.say("rib_numbering", doubled)}
    assert "fragments" in {f.kind for f in faults.say("pieces", doubled)}


def test_ribs_whose_ends_the_view_does_not_show_are_compared_from_afar(faults):
    top = np.flatnonzero(faults.mask("vertebrae_T12").any((0, 1)))[-1]
    below = faults.within(0, int(top) + 1)
    assert below.say("rib_numbering") == []
    found = below.say("rib_numbering", below.swapped("rib_left_8", "rib_left_11"))
    assert {f.kind for f in found} == {"rib_order"}
    named = {name for f in found for name in f.structures}
    assert named & {"rib_left_8", "rib_left_11"}
    assert not any("right" in name for name in named)


def test_a_vertebra_that_took_its_neighbour_is_too_large(faults):
    both = faults.mask("vertebrae_T9") | faults.mask("vertebrae_T10")
    labels = faults.redrawn("vertebrae_T9", both)
    (found,) = [f for f in faults.say("series_sizes", labels) if f.structures == ("vertebrae_T9",)]
    assert found.figures["ratio"] > 1.8
