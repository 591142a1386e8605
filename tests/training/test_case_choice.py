"""Which cases come next: quotas, one patient after the other, the record, the same every time."""

import json

import pytest
from pydantic import ValidationError

from pipeline.anatomy import ClassMapError
from pipeline.errors import BadInput, UsageError
from pipeline.workspace import Confidence, Finding, Workspace, write_findings
from tests.fixtures.round_workspaces import cube, make_round_lab
from training.case_choice import CaseChoiceSettings, next_cases, quotas_of, recorded_choice

SURE, UNSURE = Confidence(0.99, 0.05, 0.1), Confidence(0.6, 0.8, 9.0)


def weigh(**weights: float) -> CaseChoiceSettings:
    return CaseChoiceSettings(weights=weights)


def ids(choice) -> list[str]:
    return [case.case_id for case in choice.chosen]


@pytest.fixture
def lab(round_lab):
    """Ten cases with a liver each; s3 is the one its model doubts, s5 has a finding."""
    for number in range(10):
        round_lab.case(f"s{number}")
        round_lab.mask(f"s{number}", "liver", cube(4), sure=UNSURE if number == 3 else SURE)
    found = Finding("overlap", "both claim", ("liver", "spleen"))
    write_findings(round_lab.workspace.layout, "s5", "bootstrap", [found])
    return round_lab


@pytest.mark.parametrize(
    ("weights", "count", "expected"),
    [
        ({"random": 0.6, "uncertainty": 0.4}, 10, {"random": 6, "uncertainty": 4}),
        ({"random": 0.6, "uncertainty": 0.4}, 3, {"random": 2, "uncertainty": 1}),
        ({"random": 3, "rarity": 1}, 4, {"random": 3, "rarity": 1}),
        ({"findings": 1}, 7, {"findings": 7}),
        ({"random": 1, "rarity": 0}, 5, {"random": 5}),
    ],
)
def test_cases_are_shared_out_by_largest_remainder(weights, count, expected):
    assert quotas_of(weigh(**weights), count, 1) == expected


def test_equal_remainders_go_by_the_seed_and_always_add_up():
    winners = set()
    for seed in range(12):
        settings = CaseChoiceSettings(weights={"random": 1, "rarity": 1}, seed=seed)
        quotas = quotas_of(settings, 3, 1)
        assert sum(quotas.values()) == 3
        winners.add(max(quotas, key=quotas.__getitem__))
    assert winners == {"random", "rarity"}


def test_by_default_most_cases_are_drawn():
    assert quotas_of(CaseChoiceSettings(), 10, 1) == {
        "random": 6, "uncertainty": 1, "disagreement": 1, "findings": 1, "rarity": 1,
    }  # fmt: skip


def test_each_strategy_takes_its_best_case_and_says_why(lab):
    settings = weigh(random=0.5, uncertainty=0.25, findings=0.25)
    choice = next_cases(lab.workspace, settings, count=4, round_number=1)
    uncertain, found, *drawn = choice.chosen
    assert (uncertain.case_id, uncertain.strategy) == ("s3", "uncertainty")
    assert uncertain.reason == "least sure of liver (entropy 0.80 bit)"
    assert (found.case_id, found.strategy, found.score) == ("s5", "findings", 1.0)
    assert found.reason == "findings: 1 overlap"
    assert [case.strategy for case in drawn] == ["random", "random"]
    assert len(set(ids(choice))) == 4
    assert choice.notes == ()
    assert choice.candidates == 10


def test_the_choice_is_recorded_with_settings_scores_and_reasons(lab):
    settings = CaseChoiceSettings(weights={"random": 1, "uncertainty": 1}, seed=7)
    choice = next_cases(lab.workspace, settings, count=2, round_number=3)
    path = lab.workspace.layout.next_cases(3)
    assert path == lab.workspace.path / "rounds" / "3" / "next_cases.json"
    stored = json.loads(path.read_text())
    assert stored["settings"]["seed"] == 7
    assert stored["settings"]["weights"] == {"random": 1, "uncertainty": 1}
    assert [each["case"] for each in stored["chosen"]] == ids(choice)
    assert set(stored["chosen"][0]["scores"]) == {"random", "uncertainty"}
    assert stored["chosen"][0]["scores"]["uncertainty"] == stored["chosen"][0]["score"]
    assert recorded_choice(lab.workspace.layout, 3) == choice
    assert recorded_choice(lab.workspace.layout, 2) is None


def test_the_same_seed_gives_the_same_cases_in_whatever_order_they_came(tmp_path):
    choices = []
    for name, order in (("a", 1), ("b", -1)):
        lab = make_round_lab(tmp_path / name)
        for number in list(range(12))[::order]:
            lab.case(f"s{number}", meta={"age": str(30 + 5 * number)})
            lab.mask(f"s{number}", "colon", cube(2 + number % 3), sure=SURE)
        lab.say("s4", "accept", lab.workspace.in_force("s4")["colon"])
        choices.append(next_cases(lab.workspace, CaseChoiceSettings(), count=8, round_number=1))
    assert choices[0].chosen == choices[1].chosen
    assert choices[0].notes == choices[1].notes


def test_another_seed_or_round_draws_other_cases(lab):
    def drawn(seed: int, number: int) -> list[str]:
        settings = CaseChoiceSettings(weights={"random": 1}, seed=seed)
        return ids(next_cases(lab.workspace, settings, count=5, round_number=number))

    assert drawn(1, 1) == drawn(1, 1)
    assert len({tuple(drawn(seed, number)) for seed in (1, 2) for number in (1, 2)}) == 4


def test_what_a_strategy_cannot_fill_is_drawn_and_said(lab):
    settings = weigh(findings=0.5, disagreement=0.5)
    choice = next_cases(lab.workspace, settings, count=4, round_number=1)
    assert [case.strategy for case in choice.chosen] == ["findings", "random", "random", "random"]
    assert choice.notes == (
        "disagreement: no undecided structure was proposed by two rounds, or by bootstrap and a "
        "round; 2 cases were drawn at random instead",
        "findings: no further case has anything to go by; 1 case was drawn at random instead",
    )


def test_a_patient_comes_again_only_when_every_other_one_came(round_lab):
    for number in range(6):
        round_lab.case(f"s{number}", patient_id=f"p{number // 3}")
    round_lab.case("s6")
    for seed in range(5):
        settings = CaseChoiceSettings(weights={"random": 1}, seed=seed)
        choice = next_cases(round_lab.workspace, settings, count=7, round_number=1)
        patients = {f"s{n}": f"p{n // 3}" for n in range(6)} | {"s6": "s6"}
        assert {patients[case_id] for case_id in ids(choice)[:3]} == {"p0", "p1", "s6"}
        assert {patients[case_id] for case_id in ids(choice)[3:5]} == {"p0", "p1"}
        assert len(set(ids(choice))) == 7


def test_decided_and_excluded_cases_are_no_candidates(lab):
    for number in range(7):
        lab.say(f"s{number}", "accept", lab.workspace.in_force(f"s{number}")["liver"])
    lab.say("s7", "exclude_case", reason="metal")
    settings = CaseChoiceSettings(structures=("liver",))
    choice = next_cases(lab.workspace, settings, count=5, round_number=1)
    assert sorted(ids(choice)) == ["s8", "s9"]
    assert choice.notes[-1] == "5 cases were asked for, 2 have something undecided"
    every = next_cases(lab.workspace, CaseChoiceSettings(), count=20, round_number=1)
    assert len(every.chosen) == 9


def test_a_structure_called_absent_is_decided(round_lab):
    round_lab.case("s0")
    for name in ("liver", "spleen", "colon"):
        round_lab.say("s0", "absent_fov", structure=name)
    choice = next_cases(round_lab.workspace, CaseChoiceSettings(), count=1, round_number=0)
    assert (choice.chosen, choice.candidates) == ((), 0)


def test_before_the_first_round_an_empty_workspace_gives_nothing(round_lab):
    choice = next_cases(round_lab.workspace, CaseChoiceSettings(), count=3, round_number=0)
    assert choice.chosen == ()
    assert choice.notes[-1] == "3 cases were asked for, 0 have something undecided"


def test_a_damaged_file_of_findings_is_named_and_stops_nothing(lab):
    path = lab.workspace.layout.findings_dir("s2") / "other.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    choice = next_cases(lab.workspace, weigh(findings=1), count=1, round_number=1)
    assert ids(choice) == ["s5"]
    assert len(choice.notes) == 1
    assert choice.notes[0].startswith(f"findings: not read: {path}: expected findings")


def test_masks_that_cannot_be_compared_are_named_in_one_note(round_lab):
    for number in range(5):
        round_lab.case(f"s{number}")
        for size in (1, 2):
            mask = round_lab.mask(f"s{number}", "liver", cube(4 - size), round=size)
            round_lab.workspace.layout.mask(f"s{number}", "liver", mask.id).unlink()
    choice = next_cases(round_lab.workspace, weigh(disagreement=1), count=1, round_number=1)
    assert [case.strategy for case in choice.chosen] == ["random"]
    assert choice.notes[0] == (
        "disagreement: no masks could be compared; 1 case was drawn at random instead"
    )
    assert choice.notes[1].startswith("disagreement: 5 cases were not compared, such as s0: ")
    assert choice.notes[1].count("the mask file is gone") == 3


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"random": 1, "luck": 2}, "no strategy luck; there are random, uncertainty"),
        ({"random": -1}, "random weighs -1.0, expected 0 or more"),
        ({"random": float("nan")}, "random weighs nan"),
        ({"random": 0}, "every strategy weighs 0"),
        ({}, "every strategy weighs 0"),
    ],
)
def test_weights_that_make_no_sense_are_refused(weights, words):
    with pytest.raises(ValidationError, match=words):
        CaseChoiceSettings(weights=weights)


@pytest.mark.parametrize(("count", "number"), [(0, 1), (1, -1)])
def test_a_count_or_round_that_makes_no_sense_is_refused(round_lab, count, number):
    with pytest.raises(UsageError, match="expected 1 case or more and a round of 0"):
        next_cases(round_lab.workspace, CaseChoiceSettings(), count=count, round_number=number)


def test_an_unknown_structure_is_refused(round_lab):
    settings = CaseChoiceSettings(structures=("livre",))
    with pytest.raises(ClassMapError, match="livre"):
        next_cases(round_lab.workspace, settings, count=1, round_number=1)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 2}'])
def test_a_damaged_record_is_refused_by_name(round_lab, text):
    path = round_lab.workspace.layout.next_cases(1)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(BadInput, match=r"next_cases\.json"):
        recorded_choice(round_lab.workspace.layout, 1)


def test_choosing_changes_nothing_else(lab):
    before = {p: p.read_bytes() for p in lab.workspace.path.rglob("*") if p.is_file()}
    next_cases(Workspace.open(lab.workspace.path), CaseChoiceSettings(), count=3, round_number=1)
    after = {p: p.read_bytes() for p in lab.workspace.path.rglob("*") if p.is_file()}
    assert set(after) - set(before) == {lab.workspace.layout.next_cases(1)}
    assert {path: after[path] for path in before} == before
