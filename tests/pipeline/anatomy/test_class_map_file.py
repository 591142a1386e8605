import subprocess
import sys

import pytest

from pipeline.anatomy import ClassMapError, find_class_map, load_class_map, shipped_configs

FULL = """
name: two kidneys
structures:
  - {name: kidney_left, value: 2, part: belly, category: organ, side: left, mirror: kidney_right,
     colour: "#0a141e", snomed: "64033007", neighbours: [spleen]}
  - {name: kidney_right, value: 4, side: right, mirror: kidney_left, colour: "#ffffff"}
  - name: spleen
    value: 9
"""


def write(folder, text, name="map.yaml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_full_file_is_read_field_by_field(tmp_path):
    class_map = load_class_map(write(tmp_path, FULL))
    left = class_map["kidney_left"]
    assert class_map.name == "two kidneys"
    assert class_map.values == (2, 4, 9)
    assert (left.part, left.category, left.side) == ("belly", "organ", "left")
    assert left.mirror == "kidney_right"
    assert left.colour == (10, 20, 30)
    assert left.snomed == "64033007"
    assert left.neighbours == ("spleen",)
    assert class_map["spleen"].part is None
    assert class_map["spleen"].snomed is None


def test_a_neighbour_named_on_one_side_counts_for_both(tmp_path):
    assert load_class_map(write(tmp_path, FULL))["spleen"].neighbours == ("kidney_left",)


def test_the_short_form_reads_sides_and_mirrors_from_the_names(tmp_path):
    text = "structures: {300: hip_left, 2: hip_right, 3: lung_middle_lobe_right}"
    class_map = load_class_map(write(tmp_path, text, "lab.yaml"))
    assert class_map.name == "lab"
    assert class_map.names_by_value == {
        300: "hip_left",
        2: "hip_right",
        3: "lung_middle_lobe_right",
    }
    assert class_map["hip_left"].side == "left"
    assert class_map["hip_left"].mirror == "hip_right"
    assert class_map["lung_middle_lobe_right"].side == "right"
    assert class_map["lung_middle_lobe_right"].mirror is None
    assert len({s.colour for s in class_map}) == 3


def test_a_mirror_set_to_null_stays_empty(tmp_path):
    text = """
structures:
  - {name: a_left, value: 1, mirror: null}
  - {name: a_right, value: 2, mirror: null}
"""
    assert [s.mirror for s in load_class_map(write(tmp_path, text))] == [None, None]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("structures: [", "is no valid YAML"),
        ("- spleen", "expected a mapping with the key 'structures'"),
        ("name: x", "expected a mapping with the key 'structures'"),
        ("structures:", "has no structures"),
        ("structures: spleen", "expected a list or 'value: name'"),
        ("structures: [spleen]", "structure number 1 is 'spleen', expected a mapping"),
        ("classes: 3\nstructures: {1: a}", "unknown keys ['classes']"),
        ("structures: {1: a, 1: b}", "line 1: 1 given twice"),
        ("structures:\n  - {name: a, value: 1, value: 2}", "line 2: value given twice"),
        ("structures: [{name: a}]", "value missing"),
        ("structures: [{value: 1}]", "name missing"),
        ("structures: [{name: a, value: 1, color: red}]", "structure 'a': unknown keys ['color']"),
        ("structures: [{name: a, value: '1'}]", "structure 'a': value is '1', expected a whole"),
        ("structures: [{name: a, value: 1.5}]", "value is 1.5, expected a whole number"),
        ("structures: [{name: a, value: true}]", "value is True, expected a whole number"),
        ("structures: {1: no}", "found False, expected a text (put it in quotes)"),
        ("structures: [{name: a, value: 0}]", "structure 'a': value is 0"),
        ("structures: [{name: a, value: 1}, {name: a, value: 2}]", "'a' is listed 2 times"),
        ("structures: [{name: a, value: 1}, {name: b, value: 1}]", "value 1 is given to a and b"),
        ("structures: [{name: a, value: 1, side: up}]", "side is 'up', expected left, right"),
        ("structures: [{name: a_left, value: 1, side: right}]", "but the name says left"),
        ("structures: [{name: a, value: 1, mirror: b}]", "mirror 'b' is not in the map"),
        ("structures: [{name: a, value: 1, neighbours: [b]}]", "neighbour 'b' is not in the map"),
        ("structures: [{name: a, value: 1, neighbours: b}]", "expected a list of names"),
        ("structures: [{name: a, value: 1, colour: red}]", "colour is 'red', expected \"#rrggbb\""),
        ("structures:\n  - name: a\n    value: 1\n    colour: #aabbcc", "colour is None"),
        ("structures: [{name: a, value: 1, snomed: 78961009}]", "snomed: found 78961009"),
        ("structures: [{name: a, value: 1, snomed: '78961008'}]", "no SNOMED CT code"),
        ("name: 5\nstructures: {1: a}", "the map's name: found 5"),
        ("structures: !!python/object/apply:os.getcwd []", "is no valid YAML"),
    ],
)
def test_a_bad_file_is_refused_with_its_path_and_the_reason(tmp_path, text, sentence):
    path = write(tmp_path, text)
    with pytest.raises(ClassMapError) as caught:
        load_class_map(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ClassMapError, match=r"gone\.yaml: cannot be read"):
        load_class_map(tmp_path / "gone.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ClassMapError, match=r"bytes\.yaml: cannot be read"):
        load_class_map(tmp_path / "bytes.yaml")


@pytest.fixture
def configs(tmp_path):
    (tmp_path / "class_maps").mkdir()
    write(tmp_path, "structures: {1: spleen}", "class_map.yaml")
    write(tmp_path / "class_maps", "structures: {1: liver}", "lab.yaml")
    return tmp_path


def test_maps_are_found_by_name_and_by_path(configs):
    assert find_class_map("class_map", configs).names == ("spleen",)
    assert find_class_map("masksmith_104", configs).names == ("spleen",)
    assert find_class_map("lab", configs).names == ("liver",)
    elsewhere = write(configs, "structures: {1: heart}", "mine.yaml")
    assert find_class_map(str(elsewhere), configs).names == ("heart",)


def test_an_unknown_map_names_the_known_ones(configs):
    with pytest.raises(ClassMapError) as caught:
        find_class_map("labs", configs)
    assert "no class map 'labs': did you mean lab?" in str(caught.value)
    assert "class_map, masksmith_104, lab;" in str(caught.value)


def test_the_shipped_settings_hold_the_class_map():
    assert (shipped_configs() / "class_map.yaml").is_file()
    assert (shipped_configs() / "class_maps" / "totalsegmentator_v2.yaml").is_file()


def test_importing_the_words_loads_nothing_heavy():
    program = (
        "import sys, pipeline.anatomy;"
        "heavy = {'scipy', 'torch', 'nibabel', 'pydantic', 'sqlalchemy'} & set(sys.modules);"
        "sys.exit(' '.join(sorted(heavy)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
