"""Which structures the shipped cards cover: the figures of the TotalSegmentator paper."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.anatomy import ClassMap, load_class_map, shipped_configs
from pipeline.bootstrap.card_file import CardError
from pipeline.bootstrap.coverage import PAPER_SOURCE, Coverage, coverage_of
from pipeline.transfer.heart_manifest import HEART_STRUCTURES


@pytest.fixture(scope="module")
def class_map() -> ClassMap:
    return load_class_map(shipped_configs() / "class_map.yaml")


@pytest.fixture(scope="module")
def shipped(class_map: ClassMap) -> Coverage:
    return coverage_of(class_map, shipped_configs())


def test_the_papers_five_sources_cover_67_of_the_104(shipped: Coverage) -> None:
    paper = shipped.of(PAPER_SOURCE)
    assert {card.name: len(card.covered) for card in paper.cards} == {
        "verse": 24,
        "btcv_task017": 13,
        "segthor_task055": 3,
        "ribseg_ribs": 24,
        "lungmask_ltrclobes": 5,
    }
    assert len(paper.covered) == 67
    assert len(paper.uncovered) == 37
    assert set(HEART_STRUCTURES) <= set(paper.uncovered)
    assert {"sacrum", "brain", "face", "urinary_bladder"} <= set(paper.uncovered)
    cards = paper.by_structure()
    assert [name for name in cards if len(cards[name]) > 1] == ["aorta", "esophagus"]
    assert cards["aorta"] == ("btcv_task017", "segthor_task055")


def test_the_paper_counts_68_since_it_counts_a_sixth_lumbar_vertebra(shipped: Coverage) -> None:
    """13 + 24 + 25 + 5 + 4 = 71; aorta and esophagus twice, the whole heart: 68; L6: 67."""
    count = shipped.of(PAPER_SOURCE).paper_count()
    assert count.by_card == {
        "btcv_task017": 13,
        "ribseg_ribs": 24,
        "verse": 25,
        "lungmask_ltrclobes": 5,
        "segthor_task055": 4,
    }
    assert sum(count.by_card.values()) == 71
    assert set(count.repeated) == {"aorta", "esophagus"}
    assert count.without_target == ("heart",)
    assert count.reviewed == ("vertebrae_L6",)
    assert (count.claimed, count.covered) == (68, 67)
    assert count.covered == len(shipped.of(PAPER_SOURCE).covered)


def test_with_totalsegmentator_only_the_face_is_left(shipped: Coverage) -> None:
    assert shipped.uncovered == ("face",)
    assert "nnunet_template" not in {card.name for card in shipped.cards}


def test_named_cards_are_counted_even_if_they_are_switched_off(class_map: ClassMap) -> None:
    found = coverage_of(class_map, shipped_configs(), ["nnunet_template"])
    assert found.covered == ("spleen", "kidney_right", "kidney_left", "liver")
    with pytest.raises(CardError, match="did you mean verse"):
        coverage_of(class_map, shipped_configs(), ["vers"])


def test_a_lab_with_another_class_map_sees_its_own_figures(class_map: ClassMap) -> None:
    found = coverage_of(class_map.subset(["trachea", "face"]), shipped_configs())
    assert found.covered == ("trachea",)
    assert [card.name for card in found.cards if card.lineage] == [
        "totalsegmentator_v2",
        "segthor_task055",
    ]


def test_values_after_a_gap_are_not_counted(
    write_card: Callable[..., Path], configs: Path, class_map: ClassMap
) -> None:
    write_card(labels={1: "liver", 2: "spleen", 4: "aorta"}, lineage=[PAPER_SOURCE])
    found = coverage_of(class_map, configs)
    assert found.paper_count().by_card == {"model_a": 2}
    assert found.covered == ("spleen", "liver", "aorta")
