from collections import Counter
from itertools import pairwise

import pytest
import yaml

from pipeline.anatomy import find_class_map, load_class_map, shipped_configs

SHIPPED = sorted(path.stem for path in (shipped_configs() / "class_maps").glob("*.yaml"))


@pytest.fixture(scope="module")
def body():
    return load_class_map(shipped_configs() / "class_map.yaml")


def test_the_104_structures_are_counted_as_in_the_paper(body):
    assert len(body) == 104
    assert body.values == tuple(range(1, 105))
    assert Counter(s.category for s in body) == {"organ": 27, "bone": 59, "muscle": 10, "vessel": 8}
    assert {part: len(body.in_part(part)) for part in body.parts} == {
        "organs": 17,
        "vertebrae": 24,
        "cardiac": 18,
        "ribs": 24,
        "muscles": 21,
    }


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (1, "spleen"),
        (18, "vertebrae_L5"),
        (41, "vertebrae_C1"),
        (44, "heart_myocardium"),
        (58, "rib_left_1"),
        (81, "rib_right_12"),
        (93, "face"),
        (104, "urinary_bladder"),
    ],
)
def test_values_are_those_of_the_published_dataset(body, value, name):
    assert body.by_value(value).name == name


def test_names_and_values_are_a_bijection(body):
    assert len(set(body.names)) == len(set(body.values)) == 104
    assert all(body.by_value(body[name].value).name == name for name in body.names)


def test_every_sided_structure_but_the_middle_lobe_has_a_mirror(body):
    alone = [s.name for s in body if s.side is not None and s.mirror is None]
    assert alone == ["lung_middle_lobe_right"]
    assert sum(s.side == "left" for s in body) == 30
    assert sum(s.side == "right" for s in body) == 31
    for structure in body:
        if structure.mirror is not None:
            assert body[structure.mirror].part == structure.part
            assert body[structure.mirror].category == structure.category


def test_neighbours_are_symmetric_in_the_file_itself():
    text = (shipped_configs() / "class_map.yaml").read_text(encoding="utf-8")
    listed = {s["name"]: set(s["neighbours"]) for s in yaml.safe_load(text)["structures"]}
    assert all(name in listed[other] for name, others in listed.items() for other in others)


def test_bones_and_muscles_have_the_same_neighbours_on_both_sides(body):
    firm = {s.name for s in body if s.category in ("bone", "muscle")}
    paired = {name: body[name].mirror or name for name in firm}
    for name in firm:
        ours = {paired[n] for n in body[name].neighbours if n in firm}
        theirs = {n for n in body[paired[name]].neighbours if n in firm}
        assert ours == theirs, name


def test_ribs_touch_nothing_of_the_other_side(body):
    for structure in body.in_part("ribs"):
        assert {body[n].side for n in structure.neighbours} <= {structure.side, None}


def test_everything_touches_something_and_the_spine_is_a_chain(body):
    assert [s.name for s in body if not s.neighbours] == []
    spine = [s.name for s in body.in_part("vertebrae")]
    for lower, upper in pairwise(spine):
        assert upper in body[lower].neighbours
    assert "sacrum" in body[spine[0]].neighbours
    assert "vertebrae_C5" not in body["vertebrae_C3"].neighbours


def test_ribs_start_at_their_vertebra(body):
    for side in ("left", "right"):
        for number in range(1, 13):
            touching = body[f"rib_{side}_{number}"].neighbours
            assert f"vertebrae_T{number}" in touching
            if number > 1:
                assert f"vertebrae_T{number - 1}" in touching
                assert f"rib_{side}_{number - 1}" in touching


def test_snomed_codes_name_one_anatomy_each(body):
    assert [s.name for s in body if s.snomed is None] == ["hip_left", "hip_right"]
    structures_of = {}
    for structure in body:
        if structure.snomed is not None:
            structures_of.setdefault(structure.snomed, set()).add(structure.name)
    for names in structures_of.values():
        assert len(names) == 1 or all(body[n].mirror in names for n in names)
    assert body["liver"].snomed == "10200004"
    assert body["rib_left_1"].snomed == body["rib_right_1"].snomed == "48535007"


def test_the_117_of_totalsegmentator_2_share_what_is_the_same(body):
    other = find_class_map("totalsegmentator_v2", shipped_configs())
    assert len(other) == 117
    assert other.values == tuple(range(1, 118))
    assert other.by_value(5).name == "liver"
    assert other.by_value(117).name == "costal_cartilages"
    assert {part: len(other.in_part(part)) for part in other.parts} == {
        "organs": 24,
        "vertebrae": 26,
        "cardiac": 18,
        "muscles": 23,
        "ribs": 26,
    }
    assert set(body.names) - set(other.names) == {
        "heart_myocardium",
        "heart_atrium_left",
        "heart_ventricle_left",
        "heart_atrium_right",
        "heart_ventricle_right",
        "pulmonary_artery",
        "face",
    }
    for name in set(body.names) & set(other.names):
        assert other[name].colour == body[name].colour
        assert other[name].snomed == body[name].snomed
        assert other[name].category == body[name].category


@pytest.mark.parametrize(
    ("name", "length", "outside"),
    [
        ("btcv", 13, set()),
        ("verse", 28, {"vertebrae_L6", "vertebrae_T13", "coccyx"}),
        ("lungmask_lobes", 5, set()),
        ("segthor", 4, {"heart"}),
        ("heartchambers_highres", 7, set()),
    ],
)
def test_other_maps_use_our_words(body, name, length, outside):
    other = find_class_map(name, shipped_configs())
    assert len(other) == length
    assert other.name == name
    assert set(other.names) - set(body.names) == outside


def test_values_of_other_maps_are_those_of_their_sources():
    configs = shipped_configs()
    assert find_class_map("btcv", configs).by_value(2).name == "kidney_right"
    assert find_class_map("verse", configs).by_value(20).name == "vertebrae_L1"
    assert find_class_map("lungmask_lobes", configs).by_value(4).name == "lung_middle_lobe_right"
    assert find_class_map("segthor", configs).by_value(4).name == "aorta"
    chambers = find_class_map("heartchambers_highres", configs)
    assert chambers.by_value(2).name == "heart_atrium_left"


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_map_loads_under_its_file_name(name):
    assert find_class_map(name, shipped_configs()).name == name
