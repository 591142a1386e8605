"""How a training goes on and what it says, with a stand-in for nnU-Net's subprocess."""

import json
from pathlib import Path

import pytest

from pipeline.errors import BadInput
from tests.fixtures.tiny_models import STRUCTURES, bright_body, tiny_profile
from training import nnunet_process
from training.case_prediction import ProgressLog
from training.model_training import Progress, TrainingPlan, train_model
from training.nnunet_dataset import DatasetSettings, TrainingCase
from training.nnunet_process import NnunetError
from training.training_record import epochs_begun, note_epoch, read_record

HEAD = """
import hashlib, json, os, sys
from pathlib import Path
job = json.load(open(sys.argv[1]))
def report(**fields):
    print("@masksmith " + json.dumps(fields), flush=True)
def finish(**fields):
    name = f"{job['trainer']}__{job['plans']}__{job['configuration']}"
    folder = Path(job["results"]) / job["dataset_name"] / name
    (folder / "fold_0").mkdir(parents=True, exist_ok=True)
    for each in ("plans.json", "dataset.json"):
        (folder / each).write_text("{}")
    (folder / "fold_0" / "checkpoint_final.pth").write_bytes(b"weights")
    sha256 = hashlib.sha256(b"weights").hexdigest()
    report(event="weights", digest="d" * 64, checkpoint_sha256=sha256)
    for step in job["steps"]:
        report(event="step", step=step)
"""


@pytest.fixture
def plan(tmp_path, workspace):
    """Give the plan of a training of three structures."""
    return TrainingPlan(
        folder=tmp_path / "model",
        name="test",
        class_map=workspace.class_map.subset(STRUCTURES),
        profile=tiny_profile(epochs=25),
        dataset=DatasetSettings(6.0),
        record={"round": 1},
    )


@pytest.fixture
def train(plan, tmp_path, monkeypatch):
    """Give a function that trains with a worker of the given code and returns what it said."""

    def run(code: str) -> list[Progress]:
        worker = tmp_path / "worker.py"
        worker.write_text(HEAD + code)
        monkeypatch.setattr(nnunet_process, "WORKER", worker)
        cases = [TrainingCase("a", "p", lambda: bright_body(1))]
        said: list[Progress] = []
        train_model(plan, cases, said.append)
        return [each for each in said if each.step != "export"]

    return run


def words(caplog, progress: Progress) -> str:
    """Give the line that a person reads, with its level."""
    caplog.clear()
    with caplog.at_level("INFO"):
        ProgressLog("round 2, ribs")(progress)
    (record,) = caplog.records
    return f"{record.levelname} {record.getMessage()}"


def test_a_training_that_goes_on_says_from_which_epoch(train, plan, caplog):
    note_epoch(plan, 12, 25)
    said = train("report(event='training', epochs=25, first=11)\nprint('x: Epoch 11')\nfinish()")
    assert said == [Progress("prepare"), Progress("resume", 11, 25), Progress("train", 11, 25)]
    assert words(caplog, said[1]) == "INFO round 2, ribs: goes on from epoch 12 of 25"
    assert epochs_begun(plan) == 12


def test_beginning_again_without_a_checkpoint_is_a_warning(train, plan, caplog):
    note_epoch(plan, 1, 1000)
    said = train("report(event='training', epochs=1000, first=0)\nfinish()")
    assert said == [Progress("prepare"), Progress("restart", 1, 1000)]
    line = words(caplog, said[1])
    assert line.startswith("WARNING round 2, ribs: was stopped in epoch 1 of 1000, before any")
    assert line.endswith("training begins again")


def test_a_first_training_says_neither(train):
    said = train("report(event='training', epochs=2, first=0)\nprint('x: Epoch 0')\nfinish()")
    assert said == [Progress("prepare"), Progress("train", 0, 2)]


def test_the_worker_is_told_how_far_the_training_had_come(train, plan):
    note_epoch(plan, 7, 25)
    train("assert job['epochs_begun'] == 7\nassert job['warm_start'] is None\nfinish()")


def test_an_unreadable_checkpoint_that_was_set_aside_is_a_warning(train, caplog):
    said = train(
        "report(event='unreadable', error='checkpoint x is unreadable', instead='y')\nfinish()"
    )
    assert words(caplog, said[1]) == (
        "WARNING round 2, ribs: checkpoint x is unreadable and was set aside; y is used instead"
    )


def test_what_a_training_really_started_from_stays_with_the_model(train, plan, caplog):
    said = train(
        "report(event='warm_start', loaded=True, carried=['liver'], fresh=['aorta'])\nfinish()"
    )
    assert "starts from the earlier model; 1 structures carried over, 1 start fresh" in words(
        caplog, said[1]
    )
    assert read_record(plan)["warm_start"]["carried"] == ["liver"]
    assert read_record(plan)["mirroring"].startswith("none")


def test_an_earlier_model_that_does_not_fit_is_a_warning_and_is_recorded(train, plan, caplog):
    said = train(
        "report(event='warm_start', loaded=False, why='another architecture: x')\nfinish()"
    )
    assert words(caplog, said[1]).startswith("WARNING round 2, ribs: starts fresh: another arch")
    assert read_record(plan)["warm_start"]["loaded"] is False


def test_a_round_fails_when_the_worker_finds_mirroring_in_the_checkpoint(train, plan):
    error = "RuntimeError: checkpoint_final.pth was trained with mirroring"
    with pytest.raises(NnunetError, match=r"was trained with mirroring.*log: .*nnunet\.log"):
        train(f"report(event='error', error='{error}')\nsys.exit(1)")
    assert not (plan.folder / "train.done.json").exists()


def test_a_finished_model_is_opened_without_nnunet(train):
    train("finish()")
    assert train("raise SystemExit('nothing may run')") == []


def test_a_missing_fold_is_a_clear_error(train, plan):
    train("finish()")
    (plan.model_folder / "fold_0" / "checkpoint_final.pth").unlink()
    with pytest.raises(BadInput, match=r"fold_0/checkpoint_final\.pth is gone.*train\.done\.json"):
        train("finish()")


def test_a_checkpoint_damaged_after_its_training_is_a_clear_error(train, plan):
    train("finish()")
    (plan.model_folder / "fold_0" / "checkpoint_final.pth").write_bytes(b"weightz")
    with pytest.raises(BadInput, match="changed or damaged since it was trained: restore it"):
        train("finish()")


def test_a_damaged_note_of_the_progress_is_a_clear_error(train, plan):
    plan.folder.mkdir(parents=True, exist_ok=True)
    (plan.folder / "train.progress.json").write_text("{")
    with pytest.raises(BadInput, match=r"train\.progress\.json: not readable"):
        train("finish()")
    assert not Path(plan.folder / "train.done.json").exists()


def test_models_made_before_checkpoints_had_digests_still_open(train, plan):
    train("finish()")
    path = plan.model_folder / "masksmith_model.json"
    record = json.loads(path.read_text())
    del record["checkpoint_sha256"]
    path.write_text(json.dumps(record))
    assert train("raise SystemExit('nothing may run')") == []
