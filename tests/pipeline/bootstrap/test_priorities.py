from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.bootstrap.card import CardLabels
from pipeline.bootstrap.card_file import CardError, read_card
from pipeline.bootstrap.policies import Policies
from pipeline.bootstrap.priorities import refuse_equal_priorities


def labels(*names: str) -> CardLabels:
    return CardLabels(dict(enumerate(names, start=1)), names, ())


@pytest.mark.parametrize("turned", [False, True])
def test_equal_priorities_for_a_shared_structure_name_both_cards(
    write_card: Callable[..., Path], turned: bool
) -> None:
    cards = [read_card(write_card("model_b")), read_card(write_card("model_a"))]
    known = {"model_a": labels("liver", "spleen"), "model_b": labels("aorta", "liver")}
    with pytest.raises(CardError) as caught:
        refuse_equal_priorities(cards[::-1] if turned else cards, known, Policies())
    assert str(caught.value).startswith(
        "the model cards 'model_a' and 'model_b' both have priority 10 and both cover liver: "
    )


def test_equal_priorities_without_a_shared_structure_are_fine(
    write_card: Callable[..., Path],
) -> None:
    cards = [read_card(write_card("model_a")), read_card(write_card("model_b"))]
    refuse_equal_priorities(
        cards, {"model_a": labels("liver"), "model_b": labels("aorta")}, Policies()
    )


def test_a_shared_structure_with_different_priorities_is_fine(
    write_card: Callable[..., Path],
) -> None:
    cards = [read_card(write_card("model_a")), read_card(write_card("model_b", priority=11))]
    refuse_equal_priorities(
        cards, {"model_a": labels("liver"), "model_b": labels("liver")}, Policies()
    )


def test_masks_that_are_joined_need_no_decision(write_card: Callable[..., Path]) -> None:
    cards = [read_card(write_card("model_a")), read_card(write_card("model_b"))]
    both = {"model_a": labels("aorta"), "model_b": labels("aorta")}
    refuse_equal_priorities(cards, both, Policies("priority", {"aorta": "union"}))
    with pytest.raises(CardError, match="both cover aorta"):
        refuse_equal_priorities(cards, both, Policies("priority", {"aorta": "vote"}))
