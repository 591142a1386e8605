import pytest

from pipeline.anatomy import load_class_map, shipped_configs
from pipeline.errors import BadInput, UsageError
from tests.fixtures.tiny_models import tiny_settings
from training.parts import models_wanted, parts_named

HEART = (
    "heart_myocardium",
    "heart_atrium_left",
    "heart_ventricle_left",
    "heart_atrium_right",
    "heart_ventricle_right",
    "pulmonary_artery",
)


@pytest.fixture(scope="module")
def class_map():
    return load_class_map(shipped_configs() / "class_map.yaml")


@pytest.fixture
def configs(tmp_path):
    """Give a settings folder with one part of one's own."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "trunk.yaml").write_text("structures: [spleen, aorta, liver]\n")
    return tmp_path


def test_without_names_every_part_of_the_class_map_is_meant(class_map):
    wanted = models_wanted(class_map, tiny_settings(structures=(), one_model_per_part=True))
    assert list(wanted) == list(class_map.parts)
    assert sum(map(len, wanted.values())) == 104


def test_parts_without_one_model_each_are_learned_by_one(class_map):
    some = models_wanted(class_map, tiny_settings(structures=(), parts=("ribs", "vertebrae")))
    assert list(some) == ["all"]
    assert len(some["all"]) == 48
    assert list(some["all"]) == [name for name in class_map.names if name in some["all"]]


def test_the_shipped_example_is_a_part(class_map):
    settings = tiny_settings(structures=(), parts=("heart", "ribs"), one_model_per_part=True)
    wanted = models_wanted(class_map, settings)
    assert {name: len(structures) for name, structures in wanted.items()} == {
        "heart": 6,
        "ribs": 24,
    }
    assert wanted["heart"] == HEART


def test_a_part_from_a_file_comes_in_the_order_of_the_class_map(class_map, configs):
    settings = tiny_settings(structures=(), parts=("trunk",), configs=configs)
    assert models_wanted(class_map, settings) == {"all": ("spleen", "liver", "aorta")}
    fewer = settings.model_copy(update={"structures": ("liver",)})
    assert models_wanted(class_map, fewer) == {"all": ("liver",)}


def test_an_unknown_part_names_a_near_one_and_all_there_are(class_map, configs):
    with pytest.raises(UsageError, match=r"part 'trnk' .*did you mean 'trunk'\? There are: organs"):
        parts_named(class_map, ("trnk",), configs)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("structures: [spleen, livr]", "structure 'livr' is not in class map .*did you mean liver"),
        ("structures: spleen", "expected the one key 'structures' with a list of names"),
        ("structures: []", "expected the one key 'structures'"),
        ("names: [spleen]", "expected the one key 'structures'"),
        ("structures: [7]", "structure 7, expected a name"),
        ("structures: [spleen", "no readable YAML"),
        ("", "expected the one key 'structures'"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(class_map, configs, text, words):
    (configs / "parts" / "trunk.yaml").write_text(text)
    with pytest.raises(BadInput, match=rf"parts/trunk\.yaml: {words}"):
        parts_named(class_map, ("trunk",), configs)


def test_a_bad_file_harms_no_other_part(class_map, configs):
    (configs / "parts" / "broken.yaml").write_text("[")
    assert parts_named(class_map, ("trunk",), configs) == {"trunk": ("spleen", "liver", "aorta")}


def test_a_file_with_the_name_of_a_part_is_ambiguous(class_map, configs):
    (configs / "parts" / "ribs.yaml").write_text("structures: [rib_left_1]")
    with pytest.raises(BadInput, match=r"ribs\.yaml: 'ribs' is also a part of class map"):
        parts_named(class_map, ("ribs",), configs)


def test_two_models_never_learn_one_structure(class_map, configs):
    settings = tiny_settings(
        structures=(), parts=("trunk", "organs"), configs=configs, one_model_per_part=True
    )
    with pytest.raises(UsageError, match="structure 'spleen' is in the parts trunk and organs"):
        models_wanted(class_map, settings)
    both = models_wanted(class_map, settings.model_copy(update={"one_model_per_part": False}))
    assert len(both["all"]) == 17


def test_two_parts_never_share_a_folder(class_map, configs):
    (configs / "parts" / "a-b.yaml").write_text("structures: [spleen]")
    (configs / "parts" / "a_b.yaml").write_text("structures: [liver]")
    settings = tiny_settings(
        structures=(), parts=("a-b", "a_b"), configs=configs, one_model_per_part=True
    )
    with pytest.raises(UsageError, match="parts a-b and a_b would share a folder"):
        models_wanted(class_map, settings)


def test_nothing_in_common_is_said(class_map):
    with pytest.raises(UsageError, match="no structure is both"):
        models_wanted(class_map, tiny_settings(structures=("liver",), parts=("ribs",)))
