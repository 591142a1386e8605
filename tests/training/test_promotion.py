import pytest

from pipeline.errors import BadInput, UsageError
from pipeline.workspace import Layout
from training.promotion import (
    Comparison,
    Promotion,
    check_promote_anyway,
    promotion_outcomes,
    read_promotions,
    write_promotion,
)
from training.structure_scores import Score

GOOD = Score(present=4, dice=0.9, missed=0, absent=2)
WORSE = Score(present=4, dice=0.8, missed=0, absent=2)


def promotion(**structures: Comparison) -> Promotion:
    return Promotion("all", "w1", 0.0, ("v1", "v2"), structures)


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (GOOD, GOOD, ""),
        (GOOD, Score(present=4, dice=0.86, absent=2), ""),
        (GOOD, WORSE, "Dice 0.900 -> 0.800"),
        (WORSE, GOOD, ""),
        (
            GOOD,
            Score(present=4, dice=0.88, missed=1, absent=2),
            "missed 0 -> 1 of 4 cases",
        ),
        (
            GOOD,
            Score(present=4, dice=0.95, absent=2, false_positives=2),
            "false positives 0 -> 2 of 2 cases",
        ),
        (GOOD, Score(present=4, dice=None, absent=2), "Dice 0.900 -> 0.000"),
    ],
)
def test_a_fall_in_any_figure_counts_and_is_named(before, now, words):
    each = Comparison(1, now, before)
    assert each.fall(0.05) == words
    decided = promotion(liver=each).decided(0.05, ())
    assert decided.promoted == (() if words else ("liver",))


def test_the_margin_decides_and_a_fall_of_just_the_margin_is_allowed():
    each = Comparison(1, Score(present=1, dice=0.5), Score(present=1, dice=0.75))
    assert promotion(liver=each).decided(0.25, ()).promoted == ("liver",)
    assert promotion(liver=each).decided(0.2, ()).promoted == ()


def test_without_an_earlier_round_everything_is_promoted():
    first = promotion(liver=Comparison(None, Score(present=2, dice=0.01, missed=1)))
    assert first.decided(0.0, ()).promoted == ("liver",)
    assert list(promotion_outcomes(first, "round 1")) == []


def test_a_person_overrules_for_one_structure_or_for_all():
    fell = Comparison(1, WORSE, GOOD)
    both = promotion(liver=fell, aorta=fell, spleen=Comparison(1, GOOD, GOOD))
    assert both.decided(0.05, ()).promoted == ("spleen",)
    one = both.decided(0.05, ("liver",))
    assert one.promoted == ("liver", "spleen")
    assert [name for name, each in one.structures.items() if each.overruled] == ["liver"]
    assert both.decided(0.05, ("all",)).promoted == ("liver", "aorta", "spleen")
    later = one.decided(0.05, ())
    assert later.promoted == ("liver", "spleen")


def test_wishes_for_what_was_not_learned_are_refused():
    check_promote_anyway(("liver", "all"), ("liver",))
    with pytest.raises(UsageError, match="--promote-anyway livr: no model of this round"):
        check_promote_anyway(("livr",), ("liver",))


def test_what_fell_is_an_outcome_with_figures_and_advice():
    fell = promotion(liver=Comparison(1, WORSE, GOOD), aorta=Comparison(1, GOOD, GOOD))
    summary, liver = promotion_outcomes(fell.decided(0.05, ()), "round 2")
    assert (summary.subject, summary.status) == ("round 2, promotion", "done")
    assert summary.note == (
        "1 of 2 structures promoted, compared with earlier rounds on 2 validation cases"
    )
    assert summary.figures["not_promoted"] == ["liver"]
    assert (liver.subject, liver.status) == ("round 2, liver", "failed")
    assert "Dice 0.900 -> 0.800 against round 1, margin 0.05" in liver.note
    assert "--promote-anyway liver" in liver.note
    assert liver.figures["before"]["dice"] == 0.9
    _, told = promotion_outcomes(fell.decided(0.05, ("liver",)), "round 2")
    assert told.status == "done"
    assert told.note.startswith("promoted anyway, as told: Dice 0.900")


def test_promotions_of_several_models_stand_side_by_side(tmp_path):
    layout = Layout(tmp_path)
    ribs = Promotion("ribs", "w2", 0.05, ("v1",), {"rib_left_1": Comparison(1, WORSE, GOOD)})
    organs = Promotion("organs", "w3", 0.05, (), {"liver": Comparison(None, Score())})
    assert read_promotions(layout, 2) == {}
    for each in (ribs, organs):
        write_promotion(layout, 2, each)
    assert read_promotions(layout, 2) == {"ribs": ribs, "organs": organs}


@pytest.mark.parametrize("text", ["{", '{"models": [1]}', "{}", '{"models": {"all": {}}}', "7"])
def test_a_damaged_promotion_is_named(tmp_path, text):
    layout = Layout(tmp_path)
    layout.promotion(2).parent.mkdir(parents=True)
    layout.promotion(2).write_text(text)
    with pytest.raises(BadInput, match=r"rounds/2/promotion\.json: "):
        read_promotions(layout, 2)
