import pytest

from pipeline.anatomy import find_class_map, shipped_configs
from training.evaluation.groups import age_decade, case_groups, family_of, ordered


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("rib_left_3", "rib"),
        ("rib_right_12", "rib"),
        ("vertebrae_T12", "vertebrae"),
        ("vertebrae_C1", "vertebrae"),
        ("lung_upper_lobe_left", "lung_upper_lobe"),
        ("heart_atrium_right", "heart_atrium"),
        ("portal_vein_and_splenic_vein", "portal_vein_and_splenic_vein"),
        ("left", "left"),
    ],
)
def test_sides_and_numbers_make_a_family(name, family):
    assert family_of(name) == family


def test_ribs_and_vertebrae_are_the_only_large_families_of_the_104():
    class_map = find_class_map("class_map", shipped_configs())
    families = [family_of(name) for name in class_map.names]
    counts = {family: families.count(family) for family in families}
    assert len(class_map) == 104
    assert counts["rib"] == counts["vertebrae"] == 24
    assert counts["kidney"] == 2
    assert max(n for family, n in counts.items() if family not in ("rib", "vertebrae")) == 2


@pytest.mark.parametrize(
    ("age", "decade"),
    [("63", "60-69"), ("9", "0-9"), ("70.5", "70-79"), ("100", "100-109"), ("old", ""), ("", "")],
)
def test_ages_become_decades(age, decade):
    assert age_decade(age) == decade


def test_a_case_is_in_the_groups_that_are_known_of_it():
    meta = {"age": "41", "manufacturer": "ACME", "scanner_model": "Ray 3", "kvp": "120"}
    assert case_groups("native", meta) == {
        "phase": "native",
        "age": "40-49",
        "scanner": "ACME Ray 3",
    }
    assert case_groups(None, {"site": "C", "sex": "f"}) == {"site": "C", "sex": "f"}


def test_groups_stand_in_the_order_of_the_class_map():
    class_map = find_class_map("class_map", shipped_configs())
    found = ordered(
        [("site", "B"), ("structure", "liver"), ("family", "rib"), ("part", "organs"),
         ("structure", "spleen"), ("all", "all"), ("site", "A"), ("all", "all")],
        class_map,
    )  # fmt: skip
    assert found == [
        ("all", "all"),
        ("structure", "spleen"),
        ("structure", "liver"),
        ("family", "rib"),
        ("part", "organs"),
        ("site", "A"),
        ("site", "B"),
    ]
