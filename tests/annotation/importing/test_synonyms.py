from pathlib import Path

import pytest

from annotation.importing.lined_yaml import WordFileError
from annotation.importing.mapping_file import mapping_text, read_mapping, write_mapping
from annotation.importing.name_words import NameKey
from annotation.importing.names import Match
from annotation.importing.synonyms import load_synonyms
from pipeline.anatomy import ClassMap, Structure, load_class_map, shipped_configs


def small_map() -> ClassMap:
    def structure(
        name: str, value: int, side: object = None, mirror: str | None = None
    ) -> Structure:
        return Structure(name, value, None, None, side, mirror, (1, 2, 3), None)  # type: ignore[arg-type]

    return ClassMap(
        "small",
        (
            structure("liver", 1),
            structure("kidney_left", 2, "left", "kidney_right"),
            structure("kidney_right", 3, "right", "kidney_left"),
            structure("rib_left_1", 4, "left"),
            structure("rib_left_2", 5, "left"),
        ),
    )


def load(folder: Path, text: str) -> dict[NameKey, str]:
    (folder / "synonyms.yaml").write_text(text)
    return dict(load_synonyms(folder, small_map()).structures)


def test_the_shipped_synonyms_are_without_contradiction() -> None:
    configs = shipped_configs()
    class_map = load_class_map(configs / "class_map.yaml")
    synonyms = load_synonyms(configs, class_map)
    assert set(class_map.names) <= set(synonyms.structures.values())
    assert len(synonyms.structures) > 500


def test_sides_and_numbers_are_filled_in(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        "names:\n  kidney_{side}: [niere]\n  rib_{side}_{n}: ['costa {n}']\n  liver: leber\n",
    )
    assert found[NameKey("niere", "left")] == "kidney_left"
    assert found[NameKey("niere", "right")] == "kidney_right"
    assert found[NameKey("costa2", "left")] == "rib_left_2"
    assert NameKey("costa3", "left") not in found
    assert found[NameKey("leber")] == "liver"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names:\n  liver: [leber]\n  livr: [x]\n", r"line 3: structure 'livr' is unknown.*liver"),
        (
            "names:\n  liver: [a]\n  kidney_left: [A]\n",
            r"line 3: 'A' for kidney_left.*line 2, for l",
        ),
        ("names:\n  liver: [a, a]\n", r"line 2: 'a' for liver is there already in line 2"),
        ("names:\n  kidney_left: [liver]\n", r"line 2: 'liver' .* own name, for liver"),
        ("names:\n  liver: [a]\n  liver: [b]\n", r"line 3: 'liver' is there already in line 2"),
        ("other:\n  liver: [a]\n", r"line 1: 'other' is no section; expected names or several"),
        ("names: liver\n", r"line 1: 'names' is no section"),
        ("names:\n  liver: ['_']\n", r"line 2: '_' holds no letter"),
        ("several:\n  lung: [lung_left]\n", r"line 2: structure 'lung_left' is unknown"),
        ("- liver\n", "expected 'name: structure' lines"),
        ("names: {liver: [a\n", "no valid YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(WordFileError, match=message) as raised:
        load(tmp_path, text)
    assert str(tmp_path / "synonyms.yaml") in str(raised.value)


def test_a_folder_without_synonyms_knows_the_names(tmp_path: Path) -> None:
    synonyms = load_synonyms(tmp_path, small_map())
    assert synonyms.structures[NameKey("kidney", "left")] == "kidney_left"
    assert synonyms.several == {}


def test_a_mapping_is_written_filled_in_and_read_again(tmp_path: Path) -> None:
    unmatched = {
        "Lt Lung": Match(None, "unmatched", "not exactly one structure", ("liver",)),
        "no: # \"x\" 'y'": Match(None, "unmatched", "no structure of this name"),
        "20": Match(None, "unmatched", "nothing but the number 20"),
    }
    path = write_mapping(tmp_path / "names.yaml", unmatched)
    assert read_mapping(path, small_map()) == dict.fromkeys(unmatched, "")
    assert "# not exactly one structure; perhaps liver" in path.read_text()
    filled = path.read_text().replace('"20":  ', '"20": liver').replace('Lung":  ', 'Lung": ignore')
    path.write_text(filled)
    read = read_mapping(path, small_map())
    assert (read["20"], read["Lt Lung"]) == ("liver", "ignore")


def test_a_mapping_that_a_person_filled_in_is_not_overwritten(tmp_path: Path) -> None:
    unmatched = {"x": Match(None, "unmatched", "?")}
    first = write_mapping(tmp_path / "names.yaml", unmatched)
    assert write_mapping(tmp_path / "names.yaml", unmatched) == first
    first.write_text("x: liver\n")
    second = write_mapping(tmp_path / "names.yaml", unmatched)
    assert second == tmp_path / "names-2.yaml"
    assert first.read_text() == "x: liver\n"
    assert second.read_text() == mapping_text(unmatched)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: liver\nb: livver\n", "line 2: structure 'livver' .* did you mean liver"),
        ("a: liver\na: spleen\n", "line 2: 'a' is there already in line 1"),
        ("a: [liver, spleen]\n", "line 1: expected one structure per name"),
        ("[a]: liver\n", "line 1: expected a text before the colon"),
    ],
)
def test_a_wrong_mapping_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "names.yaml"
    path.write_text(text)
    with pytest.raises(WordFileError, match=message):
        read_mapping(path, small_map())


def test_a_missing_mapping_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WordFileError, match="cannot be read"):
        read_mapping(tmp_path / "none.yaml", small_map())
