import json
import os
import re

import numpy as np
import pytest

from pipeline.engine import SerialEngine
from pipeline.errors import BadInput, UsageError
from pipeline.stage import run_stage
from pipeline.workspace import Workspace, verify_mask
from tests.fixtures.tiny_models import (
    EXCLUDED,
    STRUCTURES,
    TRAINED,
    WAITING,
    TinyRound,
    bright_workspace,
    tiny_settings,
)
from training import nnunet_process
from training.retrain import STAGE
from training.round_manifest import RoundFrozen, read_manifest


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / max(1, first.sum() + second.sum()))


def test_outcomes_tell_of_the_model_and_of_each_predicted_case(tiny_round: TinyRound):
    first, *others, last = tiny_round.outcomes
    assert (first.subject, first.status) == ("round 1", "done")
    assert first.note == "learned 3 structures from 3 cases; left out: 2 cases"
    assert {(each.subject, each.status) for each in others} == {(c, "done") for c in WAITING}
    assert (last.subject, last.status) == ("next cases", "done")
    assert sorted(last.figures["cases"]) == sorted(WAITING)
    assert last.note == "2 cases to correct next; masksmith next-cases --round 1 lists them"


def test_predictions_are_right_and_become_masks_of_the_round(tiny_round: TinyRound):
    workspace = tiny_round.workspace()
    for case_id in WAITING:
        truth = {m.structure: m for m in workspace.masks(case_id) if m.origin == "model"}
        found = workspace.in_force(case_id)
        assert {found[name].origin for name in STRUCTURES} == {"round"}
        scores = {
            name: dice(workspace.mask_array(found[name]), workspace.mask_array(truth[name]))
            for name in STRUCTURES
        }
        assert min(scores.values()) > 0.7, scores


def test_training_cases_and_excluded_ones_are_not_predicted(tiny_round: TinyRound):
    workspace = tiny_round.workspace()
    for case_id in (*TRAINED, *EXCLUDED):
        assert {mask.origin for mask in workspace.masks(case_id)} == {"model"}


def test_a_prediction_leads_back_to_manifest_masks_and_weights(tiny_round: TinyRound):
    workspace = tiny_round.workspace()
    mask = workspace.in_force("b4")["liver"]
    made = mask.provenance
    manifest = read_manifest(workspace.layout, made.round)
    assert made.maker == "round:1"
    assert (
        made.sources["manifest"] == manifest.digest == workspace.ledger.rounds()[0].manifest_digest
    )
    folder = workspace.path / made.sources["model_folder"]
    record = json.loads((folder / "masksmith_model.json").read_text())
    assert record["weights_digest"] == made.sources["weights"]
    assert record["manifest"] == manifest.digest
    trained = manifest.models["all"].cases["b1"]["liver"].mask_id
    case = workspace.case("b1")
    assert verify_mask(workspace.layout.mask("b1", "liver", trained), case).id == trained
    assert set(made.software) == {"masksmith", "nnunetv2", "torch"}


def test_the_checkpoint_forbids_mirroring(tiny_round: TinyRound):
    import torch

    path = tiny_round.model.folder / "fold_0" / "checkpoint_final.pth"
    checkpoint = torch.load(path, map_location="cpu", weights_only=False)
    assert checkpoint["inference_allowed_mirroring_axes"] is None
    assert checkpoint["trainer_name"] == "MasksmithTrainer"


def test_no_file_of_the_round_names_the_host(tiny_round: TinyRound):
    host = re.compile(rf"\b{re.escape(os.uname().nodename)}\b")  # it may be short
    round_dir = tiny_round.workspace().layout.round_dir(1)
    assert not list(round_dir.rglob("debug.json"))
    texts = [p for p in round_dir.rglob("*") if p.suffix in {".json", ".txt", ".log"}]
    assert texts
    assert [p for p in texts if host.search(p.read_text(errors="replace"))] == []


def test_the_same_command_again_keeps_everything(tiny_round: TinyRound):
    workspace = tiny_round.workspace()
    before = {c: workspace.digest_in_force(c) for c in WAITING}
    report = run_stage(STAGE, workspace, tiny_round.settings, SerialEngine())
    assert {(o.subject, o.status) for o in report.outcomes} == {
        (subject, "kept") for subject in ("round 1", *WAITING, "next cases")
    }
    assert {c: workspace.digest_in_force(c) for c in WAITING} == before


def test_other_settings_for_a_frozen_round_are_refused(tiny_round: TinyRound):
    settings = tiny_round.settings.model_copy(update={"structures": ("liver",)})
    with pytest.raises(
        RoundFrozen, match=r"structures was liver,aorta,sacrum, now liver.*--round 2"
    ):
        run_stage(STAGE, tiny_round.workspace(), settings, SerialEngine())


def test_an_unknown_profile_is_refused_before_anything_is_frozen(workspace: Workspace):
    settings = STAGE.Settings(profile="huge", profiles={})
    with pytest.raises(UsageError, match="profile 'huge' is unknown"):
        run_stage(STAGE, workspace, settings, SerialEngine())
    assert not workspace.layout.manifest(1).exists()


def test_masks_gone_since_the_freeze_are_named(tiny_round: TinyRound, tmp_path):
    import shutil

    copy = tmp_path / "workspace"
    shutil.copytree(tiny_round.path, copy)
    workspace = Workspace.open(copy)
    mask_id = read_manifest(workspace.layout, 1).models["all"].cases["b2"]["aorta"].mask_id
    workspace.layout.mask("b2", "aorta", mask_id).unlink()
    with pytest.raises(
        BadInput, match=rf"1 masks it names are gone, such as b2/aorta/{mask_id[:12]}"
    ):
        run_stage(STAGE, workspace, tiny_round.settings, SerialEngine())


def test_a_part_that_cannot_be_trained_does_not_stop_the_others(tmp_path, monkeypatch):
    worker = tmp_path / "worker.py"
    worker.write_text("raise RuntimeError('CUDA out of memory')")
    monkeypatch.setattr(nnunet_process, "WORKER", worker)
    workspace = bright_workspace(tmp_path / "workspace")
    settings = tiny_settings(one_model_per_part=True)
    report = run_stage(STAGE, workspace, settings, SerialEngine())
    assert [(o.subject, o.status) for o in report.outcomes] == [
        ("round 1, organs", "failed"),
        ("round 1, muscles", "failed"),
    ]
    for name, outcome in zip(("organs", "muscles"), report.outcomes, strict=True):
        log = workspace.layout.round_dir(1) / name / "nnunet.log"
        assert f"CUDA out of memory (log: {log})" in outcome.note
        assert "CUDA out of memory" in log.read_text()
    assert read_manifest(workspace.layout, 1).models["muscles"].structures == ("sacrum",)
