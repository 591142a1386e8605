"""The loop of rounds: what it refuses, what it keeps, and one smallest real run."""

import json

import pytest

from pipeline.anatomy import load_class_map, shipped_configs
from pipeline.engine import SerialEngine
from pipeline.errors import BadInput, UsageError
from pipeline.simulation.bodies import Bodies, case_id, make_workspace, number_of
from pipeline.simulation.choosing import cases_to_label
from pipeline.simulation.loop import fork, freeze_settings, prepare
from pipeline.simulation.settings import SimulationSettings
from pipeline.workspace import Verdict
from training.case_choice import CaseChoiceSettings

SMALL = {
    "round_sizes": (1, 2),
    "factor": 1.0,
    "cases": 3,
    "new_cases": 1,
    "spacing_mm": 12.0,
    "structures": ("liver", "spleen"),
    "strategies": ("random", "rarity"),
    "iterations": 12,
}


def settings(**changes: object) -> SimulationSettings:
    return SimulationSettings.model_validate(SMALL | changes)


def bodies(**changes: object) -> Bodies:
    class_map = load_class_map(shipped_configs() / "class_map.yaml")
    return Bodies(settings(**changes), class_map.subset(SMALL["structures"]))


def test_the_papers_rounds_are_scaled_down():
    assert SimulationSettings().targets == (1, 4, 20)
    assert SimulationSettings().pool == 30
    assert SimulationSettings(factor=1).targets == (5, 20, 100)
    assert settings(factor=1.0, cases=None).pool == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"factor": 50.0, "round_sizes": (5, 20)}, "divided by 50 give 1, 1: expected growing"),
        ({"round_sizes": ()}, "give none: expected growing numbers"),
        ({"cases": 1}, "1 cases are fewer than the 2 that the last round labels"),
        ({"strategies": ("best",)}, "strategy 'best' is unknown; known: random, uncertainty"),
        ({"strategies": ("random", "random")}, "one is named twice"),
        ({"profile": "none"}, "no profile 'none'"),
        ({"profile": "workstation"}, "leave --iterations out"),
        ({"structures": ("livr",)}, "did you mean liver"),
    ],
)
def test_what_makes_no_simulation_is_refused(tmp_path, changes, message):
    with pytest.raises((UsageError, BadInput), match=message):
        prepare(tmp_path, settings(**changes), shipped_configs(), SerialEngine(), print)


def test_a_round_is_trained_as_long_as_asked_at_the_spacing_of_the_bodies(tmp_path):
    loop = prepare(tmp_path, settings(), shipped_configs(), SerialEngine(), print)
    assert loop.recipe.spacing_mm == 12.0
    assert loop.recipe.training.epochs * loop.recipe.training.iterations == 12
    assert loop.steps == 3


def test_each_round_goes_on_from_the_model_before_unless_told_otherwise(tmp_path):
    loop = prepare(tmp_path, settings(), shipped_configs(), SerialEngine(), print)
    assert [loop.round_settings(n).warm_start for n in (1, 2, 3)] == ["fresh"] + 2 * ["previous"]
    afresh = settings(warm_start="fresh")
    loop = prepare(tmp_path, afresh, shipped_configs(), SerialEngine(), print)
    assert loop.round_settings(2).warm_start == "fresh"


def test_other_settings_are_refused_and_the_same_go_on(tmp_path):
    folder = tmp_path / "out"
    freeze_settings(folder, {"seed": 1, "targets": (1, 2)})
    freeze_settings(folder, {"seed": 1, "targets": (1, 2)})
    with pytest.raises(BadInput, match=r"seed was 1, now 2.*name another folder"):
        freeze_settings(folder, {"seed": 2, "targets": (1, 2)})
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(BadInput, match="holds other files"):
        freeze_settings(tmp_path, {"seed": 1})


def test_the_workspace_holds_every_body_and_a_fork_goes_its_own_way(tmp_path):
    people = bodies()
    workspace = make_workspace(tmp_path / "first", people)
    assert [case.id for case in workspace.cases()] == [case_id(n) for n in range(3)]
    assert workspace.class_map.names == ("spleen", "liver")
    truth = people.truth(1)
    assert workspace.ct(case_id(1)).shape == truth["liver"].shape
    assert truth["liver"].sum() > 50
    assert number_of(case_id(2)) == 2
    assert len(make_workspace(tmp_path / "first", people).cases()) == 3
    other = fork(tmp_path / "first", tmp_path / "second")
    other.record_verdicts([Verdict(case_id(0), "absent_fov", "a", "liver")])
    assert workspace.verdicts() == ()
    assert len(fork(tmp_path / "first", tmp_path / "second").verdicts()) == 1


def test_the_choice_is_made_once_and_never_of_a_labelled_case(tmp_path):
    workspace = make_workspace(tmp_path / "first", bodies())
    kept = tmp_path / "cases.json"
    choice = CaseChoiceSettings.model_validate({"seed": 3})
    first = cases_to_label(workspace, kept, "random", choice, 1)
    assert len(first) == 1
    assert json.loads(kept.read_text())["strategy"] == "random"
    # Something of it stays undecided, so that it could be chosen again.
    workspace.record_verdicts([Verdict(first[0], "absent_fov", "simulated", "liver")])
    assert cases_to_label(workspace, kept, "random", choice, 1) == first
    rest = cases_to_label(workspace, tmp_path / "more.json", "random", choice, 3)
    assert set(rest) == {case_id(n) for n in range(3)} - set(first)


@pytest.mark.slow
def test_the_loop_labels_learns_and_resumes(tmp_path):
    told = []
    loop = prepare(tmp_path / "out", settings(), shipped_configs(), SerialEngine(), told.append)
    found = loop.run()
    assert [(each.subject, each.status) for each in told] == [
        ("round 1", "done"),
        ("random, round 2", "done"),
        ("rarity, round 2", "done"),
    ]
    assert [(each.strategy, each.round, each.cases) for each in found.rounds] == [
        ("random", 1, 1),
        ("random", 2, 2),
        ("rarity", 1, 1),
        ("rarity", 2, 2),
    ]
    first, second = found.of("random")
    assert first.drawn == 2
    # Without proposals everything is drawn roughly: the time model's own figure, and the looking.
    assert first.minutes_per_case == pytest.approx(first.rough_minutes_per_case, rel=0.15)
    assert first.minutes_per_case < first.hand_minutes_per_case / 5
    assert second.labelled == 1
    assert second.accepted + second.corrected + second.drawn == 2
    assert all(0 <= each.dice <= 1 for each in found.rounds)
    assert 0.7 < found.by_hand.rough_dice < 1
    told.clear()
    again = prepare(tmp_path / "out", settings(), shipped_configs(), SerialEngine(), told.append)
    assert again.run().to_dict() == found.to_dict()
    assert {each.status for each in told} == {"kept"}
