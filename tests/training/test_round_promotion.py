"""Two rounds of the whole stage beside each other, with a stand-in for nnU-Net's subprocess."""

import json
import shutil

import numpy as np
import pytest

from pipeline.engine import SerialEngine
from pipeline.errors import BadInput, MissingDependency, UsageError
from pipeline.stage import run_stage
from pipeline.workspace import (
    Confidence,
    Provenance,
    Verdict,
    Workspace,
    write_mask,
)
from pipeline.workspace.status import workspace_status
from tests.fixtures.stand_in_nnunet import put_in_place
from tests.fixtures.tiny_models import STRUCTURES, accept, add_bright_case, tiny_settings
from training import side_by_side
from training.choice_record import recorded_choice
from training.nnunet_process import NnunetProcess
from training.promotion import read_promotions
from training.retrain import STAGE
from training.round_manifest import read_manifest

PEOPLE = tuple(f"a{number}" for number in range(5))
PARTS = {"organs": ("liver", "aorta"), "muscles": ("sacrum",)}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Make a workspace before round 1 and one after it, for the tests to copy."""
    folder = tmp_path_factory.mktemp("rounds")
    workspace = Workspace.create(folder / "before")
    for seed, case_id in enumerate(PEOPLE):
        add_bright_case(workspace, case_id, seed, STRUCTURES)
    for seed, case_id in enumerate(("w1", "w2"), start=10):
        add_bright_case(workspace, case_id, seed)
    workspace.ledger.close()
    shutil.copytree(folder / "before", folder / "after")
    after = Workspace.open(folder / "after")
    with pytest.MonkeyPatch.context() as patch:
        put_in_place(folder / "stand_in", patch)
        assert statuses(retrain(after, 1)) == {"round 1": "done", "w1": "done", "w2": "done"}
    after.ledger.close()
    return folder


@pytest.fixture
def before(prepared, tmp_path, stand_in_nnunet):
    """Give a workspace with five decided cases and two waiting ones."""
    return Workspace.open(shutil.copytree(prepared / "before", tmp_path / "workspace"))


@pytest.fixture
def rounds(prepared, tmp_path, stand_in_nnunet):
    """Give the same workspace after round 1."""
    return Workspace.open(shutil.copytree(prepared / "after", tmp_path / "workspace"))


def retrain(workspace: Workspace, number: int, **changes: object) -> dict[str, tuple[str, str]]:
    """Run a round and give what it said: subject to status and note."""
    # As the bodies: nothing is resampled.
    values = {"spacing_mm": 5.0, "round_sizes": (5,), "next_cases": {"count": 0}}
    settings = tiny_settings(round=number, **values | changes)
    report = run_stage(STAGE, workspace, settings, SerialEngine())
    return {each.subject: (each.status, each.note) for each in report.outcomes}


def statuses(said: dict[str, tuple[str, str]]) -> dict[str, str]:
    """Give subject to status, but for the choice of the next cases."""
    return {subject: status for subject, (status, _) in said.items() if subject != "next cases"}


def validation_cases(workspace: Workspace) -> list[str]:
    entries = json.loads(workspace.layout.validation_file.read_text())["patients"]
    return [entry["patient"].removeprefix("p-") for entry in entries]


def test_the_first_round_is_measured_on_cases_it_never_saw(rounds):
    (held_out,) = validation_cases(rounds)
    promotion = read_promotions(rounds.layout, 1)["all"]
    assert promotion.cases == (held_out,)
    assert promotion.promoted == STRUCTURES
    for each in promotion.structures.values():
        assert each.before is None
        assert each.now.present == 1
        assert each.now.dice > 0.95
    plans = next(rounds.layout.round_dir(1).rglob("results/**/plans.json"))
    (split,) = json.loads(plans.read_text())["splits"]
    assert split["val"] == [held_out]
    assert sorted(split["train"]) == sorted(set(PEOPLE) - {held_out})


def test_validation_patients_are_in_no_round_s_training(rounds):
    (held_out,) = validation_cases(rounds)
    add_bright_case(rounds, "a9", 9, STRUCTURES)
    retrain(rounds, 2, seed=99)
    assert validation_cases(rounds) == [held_out]
    for number in (1, 2):
        assert read_manifest(rounds.layout, number).validation == (f"p-{held_out}",)


def test_how_sure_the_model_was_stays_with_each_mask(rounds):
    for case_id in ("w1", "w2"):
        for name in STRUCTURES:
            mask = rounds.in_force(case_id)[name]
            assert mask.origin == "round"
            assert Confidence.of(mask) == Confidence(0.9, 0.25, 1.0)


def test_a_structure_that_fell_keeps_its_masks_of_the_round_before(rounds, stand_in_nnunet):
    before = {c: rounds.in_force(c)["liver"].id for c in ("w1", "w2")}
    stand_in_nnunet.spoil({2: ["liver"]})
    said = retrain(rounds, 2)
    assert statuses(said) == {
        "round 2": "done",
        "round 2, promotion": "done",
        "round 2, liver": "failed",
        "w1": "done",
        "w2": "done",
    }
    assert "against round 1, margin 0.05" in said["round 2, liver"][1]
    for case_id in ("w1", "w2"):
        found = rounds.in_force(case_id)
        assert found["liver"].id == before[case_id]
        assert found["aorta"].provenance.round == found["sacrum"].provenance.round == 2
        assert not [m for m in rounds.masks(case_id, "liver") if m.provenance.round == 2]
    written = json.loads(rounds.layout.promotion(2).read_text())["models"]["all"]
    assert [r.not_promoted for r in workspace_status(rounds).rounds] == [(), ("liver",)]
    liver = written["structures"]["liver"]
    assert liver["promoted"] is False
    assert liver["against_round"] == 1
    assert liver["now"]["dice"] < 0.9 < liver["before"]["dice"]


def test_the_same_command_again_says_the_same_and_predicts_nothing(rounds, stand_in_nnunet):
    stand_in_nnunet.spoil({2: ["liver"]})
    first = retrain(rounds, 2)
    frozen = rounds.layout.promotion(2).read_bytes()
    assert first["round 2"][1].startswith(
        "learned 3 structures from 4 cases, 1 more for validation"
    )
    again = retrain(rounds, 2)
    assert again["round 2, liver"] == first["round 2, liver"]
    assert statuses(again) | {"round 2": "kept", "w1": "kept", "w2": "kept"} == statuses(again)
    assert rounds.layout.promotion(2).read_bytes() == frozen


def test_told_to_promote_anyway_the_same_round_stores_what_it_held_back(rounds, stand_in_nnunet):
    stand_in_nnunet.spoil({2: ["liver"]})
    retrain(rounds, 2)
    aorta = rounds.in_force("w1")["aorta"].id
    said = retrain(rounds, 2, promote_anyway=("liver",))
    assert said["round 2, liver"][0] == "done"
    assert said["round 2, liver"][1].startswith("promoted anyway, as told")
    assert said["w1"] == ("done", "1 of 1 structures found")
    assert rounds.in_force("w1")["liver"].provenance.round == 2
    assert rounds.in_force("w1")["aorta"].id == aorta
    assert statuses(retrain(rounds, 2))["round 2, liver"] == "done"


def test_the_next_round_is_compared_with_the_round_that_is_in_force(rounds, stand_in_nnunet):
    stand_in_nnunet.spoil({2: ["liver"]})
    retrain(rounds, 2)
    said = retrain(rounds, 3)
    assert "round 3, liver" not in said
    compared = read_promotions(rounds.layout, 3)["all"].structures
    assert compared["liver"].against == 1
    assert compared["aorta"].against == 2
    assert rounds.in_force("w1")["liver"].provenance.round == 3


def test_a_wide_margin_lets_it_pass(rounds, stand_in_nnunet):
    stand_in_nnunet.spoil({2: ["liver"]})
    assert "failed" not in statuses(retrain(rounds, 2, promotion_margin=1.0)).values()
    with pytest.raises(UsageError, match="--promote-anyway spleen: no model of this round"):
        retrain(rounds, 2, promote_anyway=("spleen",))


def test_a_round_never_overrides_what_a_person_accepted_or_drew(before):
    case = before.case("w1")
    drawn = np.zeros(case.grid.shape, bool)
    drawn[5:9, 5:9, 5:9] = True
    draft = write_mask(before.layout, case, "liver", drawn, Provenance("human", "person:anna"))
    before.record_masks([draft])
    accept(before, "w1", ["aorta"])
    accepted = before.accepted("w1")["aorta"]
    before.record_verdicts([Verdict("w2", "absent_anatomy", "anna", "sacrum")])
    said = retrain(before, 1)
    assert statuses(said)["w1"] == "done"
    found = before.in_force("w1")
    assert found["liver"].id == draft.id
    assert found["aorta"].id == accepted.id
    assert found["sacrum"].provenance.round == 1
    assert "sacrum" not in before.in_force("w2")
    proposed = [m for m in before.masks("w1", "liver") if m.provenance.round == 1]
    assert len(proposed) == 1


def test_a_case_is_predicted_although_only_a_draft_is_undecided(before):
    accept(before, "w2", STRUCTURES)
    case = before.case("w1")
    accept(before, "w1", ("aorta", "sacrum"))
    drawn = np.zeros(case.grid.shape, bool)
    drawn[5:9, 5:9, 5:9] = True
    draft = write_mask(before.layout, case, "liver", drawn, Provenance("human", "person:anna"))
    before.record_masks([draft])
    said = retrain(before, 1)
    assert statuses(said) == {"round 1": "done", "w1": "done"}


def test_parts_spread_over_two_gpus_make_the_same_masks_as_one_device(
    before, tmp_path, monkeypatch
):
    """No GPU is here: the machine is said to have two, and the stand-in does not need one."""
    monkeypatch.setattr(side_by_side, "visible_gpus", lambda: 2)
    devices: dict[str, str] = {}
    start = NnunetProcess.__enter__

    def seen(process: NnunetProcess) -> NnunetProcess:
        devices.setdefault(process._settings.log.parent.name, process._settings.device)
        return start(process)

    monkeypatch.setattr(NnunetProcess, "__enter__", seen)
    said = retrain(before, 1, one_model_per_part=True, gpus=(0, 1))
    assert statuses(said)["round 1, organs"] == statuses(said)["round 1, muscles"] == "done"
    assert devices == {"organs": devices["organs"], "muscles": devices["muscles"]}
    assert set(devices.values()) == {"gpu:0", "gpu:1"}
    promotions = read_promotions(before.layout, 1)
    assert {name: each.promoted for name, each in promotions.items()} == PARTS
    for case_id in ("w1", "w2"):
        assert {m.origin for m in before.in_force(case_id).values()} == {"round"}
    again = retrain(before, 1, one_model_per_part=True)
    assert set(statuses(again).values()) == {"kept"}


def test_a_part_is_compared_with_the_model_of_everything_before(rounds):
    said = retrain(rounds, 2, one_model_per_part=True)
    assert said["round 2, organs, promotion"][0] == "done"
    assert said["round 2, muscles, promotion"][0] == "done"
    compared = read_promotions(rounds.layout, 2)["muscles"].structures["sacrum"]
    assert compared.against == 1
    assert compared.before == compared.now


def test_a_warm_start_is_frozen_and_stands_in_every_mask(rounds):
    said = retrain(rounds, 2, warm_start="previous")
    start = read_manifest(rounds.layout, 2).starts["all"]
    assert start["round"] == 1
    mask = rounds.in_force("w1")["liver"]
    first = next(m for m in rounds.masks("w1", "liver") if m.provenance.round == 1)
    assert mask.provenance.sources["warm_start"] == start["weights"]
    assert start["weights"] == first.provenance.sources["weights"]
    assert f"start: round 1, weights {start['weights'][:12]}" in said["round 2"][1]
    assert "warm_start" not in first.provenance.sources


def test_a_first_round_told_to_start_from_an_earlier_one_says_that_it_does_not(before, caplog):
    said = retrain(before, 1, warm_start="previous")
    assert "start: fresh: no earlier round has a finished model 'all'" in said["round 1"][1]
    assert "round 1: starts fresh: no earlier round" in caplog.text


def test_another_class_map_between_rounds_is_refused_unless_told(rounds):
    path = rounds.layout.class_map_file
    path.write_text(
        path.read_text().replace("name: spleen", "name: milt").replace("spleen,", "milt,")
    )
    changed = Workspace.open(rounds.path)
    with pytest.raises(BadInput, match=r"class_map\.yaml: is not the class map of round 1 .*allow"):
        retrain(changed, 2)
    assert not changed.layout.manifest(2).exists()
    said = retrain(changed, 2, allow_other_class_map=True)
    assert said["round 2"][0] == "done"


def test_an_earlier_model_that_is_gone_cannot_be_compared_with(rounds):
    next(rounds.layout.round_dir(1).rglob("checkpoint_final.pth")).unlink()
    said = retrain(rounds, 2)
    assert statuses(said) == {"round 2": "done", "round 2, promotion": "failed"}
    assert "the model of round 1 is gone or damaged" in said["round 2, promotion"][1]
    assert rounds.in_force("w1")["liver"].provenance.round == 1


def test_the_next_cases_are_chosen_when_every_model_has_said_all_it_can(rounds):
    said = retrain(rounds, 1, next_cases={"count": 2})
    assert said["next cases"][0] == "done"
    assert recorded_choice(rounds.layout, 1).count == 2
    next(rounds.layout.round_dir(1).rglob("checkpoint_final.pth")).unlink()
    assert "next cases" not in retrain(rounds, 2, next_cases={"count": 2})
    assert recorded_choice(rounds.layout, 2) is None


def test_a_machine_without_a_gpu_says_so_before_anything_is_frozen(before, monkeypatch):
    monkeypatch.setattr(side_by_side, "visible_gpus", lambda: 0)
    with pytest.raises(MissingDependency, match=r"device gpu: torch sees no GPU.*--device cpu"):
        retrain(before, 1, device="gpu")
    with pytest.raises(UsageError, match="--gpus does not go with --device cpu"):
        retrain(before, 1, device="cpu", gpus=(0, 1))
    assert not before.layout.manifest(1).exists()


def test_a_part_whose_file_changed_after_the_freeze_is_refused(before, tmp_path):
    configs = tmp_path / "configs"
    (configs / "parts").mkdir(parents=True)
    file = configs / "parts" / "trunk.yaml"
    file.write_text("structures: [liver, aorta]")
    wish = {"structures": (), "parts": ("trunk",), "configs": configs}
    assert retrain(before, 1, **wish)["round 1"][0] == "done"
    file.write_text("structures: [liver]")
    with pytest.raises(UsageError, match="frozen with 2 structures in 'all', now there are 1"):
        retrain(before, 1, **wish)
