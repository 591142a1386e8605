from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.anatomy import ClassMap, load_class_map, shipped_configs
from pipeline.bootstrap.card_file import CardError, card_names, read_card, read_named_card
from pipeline.bootstrap.card_labels import resolve_labels

WriteCard = Callable[..., Path]


@pytest.fixture(scope="module")
def class_map() -> ClassMap:
    return load_class_map(shipped_configs() / "class_map.yaml")


def test_covered_structures_come_in_the_order_of_the_class_map(
    write_card: WriteCard, configs: Path, class_map: ClassMap
) -> None:
    card = read_card(write_card(labels={7: "liver", 3: "spleen"}))
    labels = resolve_labels(card, class_map, configs)
    assert labels.covered == ("spleen", "liver")
    assert labels.names_by_value == {3: "spleen", 7: "liver"}
    assert labels.without_target == ()


def test_a_misspelt_structure_is_an_error_with_near_names(
    write_card: WriteCard, configs: Path, class_map: ClassMap
) -> None:
    card = read_card(write_card(labels={1: "liver", 5: "kidny_left"}))
    with pytest.raises(CardError, match=r"labels\.5: found 'kidny_left'.*did you mean kidney_left"):
        resolve_labels(card, class_map, configs)


def test_a_label_may_be_without_target_on_purpose(
    write_card: WriteCard, configs: Path, class_map: ClassMap
) -> None:
    card = read_card(
        write_card(labels={1: "liver", 2: "heart_whole"}, without_target=["heart_whole"])
    )
    labels = resolve_labels(card, class_map, configs)
    assert labels.without_target == ("heart_whole",)
    assert labels.covered == ("liver",)


def test_an_exception_must_be_one_of_the_labels(
    write_card: WriteCard, configs: Path, class_map: ClassMap
) -> None:
    card = read_card(write_card(without_target=["vertebrae_L6"]))
    with pytest.raises(CardError, match="without_target: found 'vertebrae_L6'"):
        resolve_labels(card, class_map, configs)


def test_a_structure_of_another_known_map_is_no_error_in_a_smaller_workspace(
    write_card: WriteCard, configs: Path, class_map: ClassMap
) -> None:
    small = class_map.subset(["liver", "spleen"])
    labels = resolve_labels(read_card(write_card()), small, configs)
    assert labels.covered == ("spleen", "liver")
    assert labels.without_target == ("kidney_right", "kidney_left")


def test_a_card_without_any_structure_of_the_map_is_an_error(
    write_card: WriteCard, configs: Path, class_map: ClassMap
) -> None:
    card = read_card(write_card(labels={1: "liver"}))
    with pytest.raises(CardError, match="none of its 1 labels is a structure of the class map"):
        resolve_labels(card, class_map.subset(["spleen"]), configs)


def test_an_unknown_class_map_is_an_error_of_the_card(
    write_card: WriteCard, configs: Path, class_map: ClassMap
) -> None:
    card = read_card(write_card(labels=None, class_map="totalsegmentatr"))
    with pytest.raises(
        CardError, match=r"model_a\.yaml: class_map: no class map 'totalsegmentatr'"
    ):
        resolve_labels(card, class_map, configs)


def test_every_shipped_card_is_good(class_map: ClassMap) -> None:
    configs = shipped_configs()
    cards = [read_named_card(configs, name) for name in card_names(configs)]
    covered = {card.name: len(resolve_labels(card, class_map, configs).covered) for card in cards}
    assert covered["totalsegmentator_v2_labelmaps"] == 97
    assert {card.card.runner for card in cards} == {"labelmaps", "nnunet", "command"}
    assert [card.name for card in cards if card.card.enabled] == ["totalsegmentator_v2_labelmaps"]
    priorities = [card.card.priority for card in cards]
    assert len(set(priorities)) == len(priorities)
