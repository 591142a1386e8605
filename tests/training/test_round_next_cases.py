"""The last step of a round: chosen once, kept when the round is run again."""

import pytest

from pipeline.engine import SerialEngine
from tests.fixtures.round_workspaces import cube
from training.choice_record import recorded_choice
from training.choice_settings import NextCasesSettings
from training.round_choice import Choice
from training.round_manifest import Manifest
from training.round_next_cases import choose_after_round


@pytest.fixture
def lab(round_lab):
    for number in range(4):
        round_lab.case(f"s{number}")
        round_lab.mask(f"s{number}", "liver", cube(3))
    return round_lab


def manifest(*structures: str, left_out: tuple[str, ...] = ()) -> Manifest:
    choice = Choice(structures, {}, dict.fromkeys(left_out, "undecided"))
    return Manifest(2, 5, {}, "digest", {"all": choice}, "2026-03-01")


def outcomes(lab, settings, made=None):
    made = made or manifest("liver", "spleen", "colon")
    return list(choose_after_round(lab.workspace, settings, made, SerialEngine()))


def test_a_round_chooses_once_and_keeps_its_choice(lab):
    (first,) = outcomes(lab, NextCasesSettings(count=2))
    assert (first.subject, first.status) == ("next cases", "done")
    assert first.note == "2 cases to correct next; masksmith next-cases --round 2 lists them"
    chosen = recorded_choice(lab.workspace.layout, 2)
    assert first.figures == {"cases": [case.case_id for case in chosen.chosen]}
    lab.say("s0", "exclude_case", reason="metal")
    (again,) = outcomes(lab, NextCasesSettings(count=2))
    assert again.status == "kept"
    assert recorded_choice(lab.workspace.layout, 2) == chosen
    (more,) = outcomes(lab, NextCasesSettings(count=3))
    assert (more.status, len(more.figures["cases"])) == ("done", 3)


def test_it_asks_for_what_the_round_was_asked_to_learn(lab):
    outcomes(lab, NextCasesSettings(), manifest("liver", left_out=("spleen",)))
    assert recorded_choice(lab.workspace.layout, 2).settings["structures"] == ["liver", "spleen"]
    outcomes(lab, NextCasesSettings(), manifest("colon", "liver", "spleen"))
    assert recorded_choice(lab.workspace.layout, 2).settings["structures"] == []
    outcomes(lab, NextCasesSettings(structures=("colon",)))
    assert recorded_choice(lab.workspace.layout, 2).settings["structures"] == ["colon"]


def test_no_cases_are_chosen_where_none_are_asked_for(lab):
    assert outcomes(lab, NextCasesSettings(count=0)) == []
    assert recorded_choice(lab.workspace.layout, 2) is None


def test_a_damaged_record_is_a_failure_and_not_the_end(lab):
    path = lab.workspace.layout.next_cases(2)
    path.parent.mkdir(parents=True)
    path.write_text("{")
    (outcome,) = outcomes(lab, NextCasesSettings())
    assert outcome.status == "failed"
    assert str(path) in outcome.note


def test_where_nothing_is_undecided_it_says_so(lab):
    for number in range(4):
        lab.say(f"s{number}", "exclude_case", reason="metal")
    (outcome,) = outcomes(lab, NextCasesSettings())
    assert (outcome.status, outcome.note) == ("done", "nothing is undecided in any case")
