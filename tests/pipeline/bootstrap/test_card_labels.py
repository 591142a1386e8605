from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.anatomy import ClassMap, load_class_map, shipped_configs
from pipeline.bootstrap.card_file import CardError, card_names, read_card, read_named_card
from pipeline.bootstrap.card_labels import NothingInCommon, resolve_labels
from pipeline.bootstrap.ribs import NAMES as RIB_NAMES
from pipeline.bootstrap.runners import RUNNERS

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


def test_a_label_for_review_needs_no_target(
    write_card: WriteCard, configs: Path, class_map: ClassMap
) -> None:
    said = {"labels": {24: "vertebrae_L5", 25: "vertebrae_L6"}, "review": ["vertebrae_L6"]}
    labels = resolve_labels(read_card(write_card(**said)), class_map, configs)
    assert labels.without_target == ("vertebrae_L6",)
    assert labels.covered == ("vertebrae_L5",)


def test_what_is_for_review_must_be_one_of_the_labels(
    write_card: WriteCard, configs: Path, class_map: ClassMap
) -> None:
    said = {"labels": {25: "vertebrae_L5", 1: "liver"}, "review": ["vertebrae_L6"]}
    with pytest.raises(
        CardError, match=r"model_a\.yaml: review: found 'vertebrae_L6', .* mean vertebrae_L5\?"
    ):
        resolve_labels(read_card(write_card(**said)), class_map, configs)


def test_a_mask_of_all_ribs_covers_the_ribs_of_the_class_map(
    write_card: WriteCard, configs: Path, class_map: ClassMap
) -> None:
    card = read_card(write_card(labels={1: "ribs"}, postprocess="split_ribs"))
    labels = resolve_labels(card, class_map, configs)
    assert set(labels.covered) == set(RIB_NAMES.values())
    assert (labels.names_by_value, labels.without_target) == ({1: "ribs"}, ())
    few = class_map.subset(["liver", "rib_left_1", "rib_right_1"])
    assert resolve_labels(card, few, configs).covered == ("rib_left_1", "rib_right_1")
    with pytest.raises(NothingInCommon):
        resolve_labels(card, class_map.subset(["liver"]), configs)


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
    with pytest.raises(
        NothingInCommon, match="none of its 1 labels is a structure of the class map"
    ):
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
    assert {card.card.runner for card in cards} == set(RUNNERS)
    assert {card.name: card.card.enabled for card in cards if "template" not in card.name} == {
        "totalsegmentator_v2_labelmaps": True,
        "totalsegmentator_v2": "if_found",
        "totalsegmentator_heartchambers": "if_found",
        "btcv_task017": "if_found",
        "segthor_task055": "if_found",
        "ribseg_ribs": "if_found",
        "verse": "if_found",
        "lungmask_ltrclobes": "if_found",
    }
    assert all(
        card.card.lineage and card.card.known_bias
        for card in cards
        if card.card.enabled is not False and card.card.runner != "labelmaps"
    )
    priorities = [card.card.priority for card in cards]
    assert len(set(priorities)) == len(priorities)


VERTEBRAE = [
    f"{part}{n}" for part, last in (("C", 7), ("T", 12), ("L", 6)) for n in range(1, last + 1)
]
PUBLISHED = {
    "btcv_task017": (
        "spleen kidney_right kidney_left gallbladder esophagus liver stomach aorta "
        "inferior_vena_cava portal_vein_and_splenic_vein pancreas adrenal_gland_right "
        "adrenal_gland_left"
    ),
    "segthor_task055": "esophagus heart trachea aorta",
    "lungmask_ltrclobes": (
        "lung_upper_lobe_left lung_lower_lobe_left lung_upper_lobe_right lung_middle_lobe_right "
        "lung_lower_lobe_right"
    ),
    "totalsegmentator_heartchambers": (
        "heart_myocardium heart_atrium_left heart_ventricle_left heart_atrium_right "
        "heart_ventricle_right aorta pulmonary_artery"
    ),
    "verse": " ".join(f"vertebrae_{name}" for name in VERTEBRAE),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_shipped_card_has_the_published_label_values(name: str, class_map: ClassMap) -> None:
    """The values, in order from 1, as the models' own sources say them."""
    labels = resolve_labels(read_named_card(shipped_configs(), name), class_map, shipped_configs())
    expected = dict(enumerate(PUBLISHED[name].split(), start=1))
    if name == "verse":
        expected[28] = "vertebrae_T13"
    assert labels.names_by_value == expected


def test_variants_of_the_spine_go_to_review(class_map: ClassMap) -> None:
    file = read_named_card(shipped_configs(), "verse")
    labels = resolve_labels(file, class_map, shipped_configs())
    assert labels.without_target == file.card.review == ("vertebrae_L6", "vertebrae_T13")
