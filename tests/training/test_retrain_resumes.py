"""Kill -9 in the middle of a round: the same command ends as if nothing had happened."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.engine import SerialEngine
from pipeline.stage import run_stage
from pipeline.workspace import Workspace
from tests.fixtures.tiny_models import (
    STRUCTURES,
    WAITING,
    TinyRound,
    add_bright_case,
    bright_workspace,
    tiny_profile,
    tiny_settings,
)
from training.promotion import read_promotions
from training.retrain import STAGE
from training.retrain_settings import RetrainSettings

DRIVER = """
import sys
from pathlib import Path
from pipeline.engine import SerialEngine
from pipeline.stage import run_stage
from pipeline.workspace import Workspace
from training.retrain import STAGE
from training.retrain_settings import RetrainSettings

settings = RetrainSettings.model_validate_json(Path(sys.argv[2]).read_text())
run_stage(STAGE, Workspace.open(sys.argv[1]), settings, SerialEngine())
"""


def masks_of_the_round(workspace: Workspace) -> dict[tuple[str, str], str]:
    return {
        (case_id, name): workspace.in_force(case_id)[name].id
        for case_id in WAITING
        for name in STRUCTURES
    }


def kill_when(
    tmp_path: Path,
    workspace: Workspace,
    is_time: Callable[[], bool],
    settings: RetrainSettings | None = None,
) -> None:
    """Start the round in a process of its own and kill it when `is_time` says so."""
    written = tmp_path / "settings.json"
    written.write_text((settings or tiny_settings()).model_dump_json(by_alias=True))
    running = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(workspace.path), str(written)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    limit = time.monotonic() + 400
    while not is_time():
        assert running.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < limit
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()


def worker_runs(workspace: Workspace) -> bool:
    job = str(workspace.layout.round_dir(1))
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if job in path.read_text():
                return True
        except OSError:
            continue
    return False


@pytest.mark.slow
def test_killed_in_training_it_resumes_to_the_very_same_masks(
    tiny_round: TinyRound, tmp_path, caplog
):
    workspace = bright_workspace(tmp_path / "workspace")
    round_dir = workspace.layout.round_dir(1)
    kill_when(tmp_path, workspace, lambda: any(round_dir.rglob("checkpoint_latest.pth")))
    for _ in range(100):
        if not worker_runs(workspace):
            break
        time.sleep(0.05)
    assert not worker_runs(workspace)
    frozen = workspace.layout.manifest(1).read_bytes()
    with caplog.at_level("INFO"):
        report = run_stage(STAGE, workspace, tiny_round.settings, SerialEngine())
    assert not report.failures
    assert "round 1: goes on with the manifest of" in caplog.text
    assert "round 1: goes on from epoch 2 of 2" in caplog.text
    assert workspace.layout.manifest(1).read_bytes() == frozen
    log = (round_dir / "all" / "nnunet.log").read_text()
    assert '"event": "training", "epochs": 2, "first": 1' in log
    assert masks_of_the_round(workspace) == masks_of_the_round(tiny_round.workspace())


@pytest.mark.slow
def test_killed_in_prediction_it_predicts_only_what_is_missing(tiny_round: TinyRound, tmp_path):
    workspace = bright_workspace(tmp_path / "workspace")

    def first_case_is_recorded() -> bool:
        return any(mask.origin == "round" for mask in workspace.masks(WAITING[0]))

    kill_when(tmp_path, workspace, first_case_is_recorded)
    report = run_stage(STAGE, workspace, tiny_round.settings, SerialEngine())
    status = {outcome.subject: outcome.status for outcome in report.outcomes}
    assert status["round 1"] == "kept"
    assert status[WAITING[0]] == "kept"
    assert masks_of_the_round(workspace) == masks_of_the_round(tiny_round.workspace())


@pytest.mark.slow
def test_killed_while_the_plans_were_written_it_plans_anew(tiny_round: TinyRound, tmp_path):
    workspace = bright_workspace(tmp_path / "workspace")
    prepared = workspace.layout.round_dir(1) / "all/nnunet/preprocessed/Dataset501_all"
    prepared.mkdir(parents=True)
    for name in ("dataset_fingerprint.json", "nnUNetPlans.json", "splits_final.json"):
        (prepared / name).write_text('{"half": [')
    report = run_stage(STAGE, workspace, tiny_round.settings, SerialEngine())
    assert not report.failures
    assert masks_of_the_round(workspace) == masks_of_the_round(tiny_round.workspace())


@pytest.mark.slow
def test_killed_in_preprocessing_it_ends_with_the_very_same_masks(tiny_round: TinyRound, tmp_path):
    workspace = bright_workspace(tmp_path / "workspace")
    prepared = workspace.layout.round_dir(1) / "all/nnunet/preprocessed/Dataset501_all"
    kill_when(tmp_path, workspace, lambda: any(prepared.glob("nnUNetPlans_*/*.b2nd")))
    assert not any(workspace.layout.round_dir(1).rglob("checkpoint_latest.pth"))
    report = run_stage(STAGE, workspace, tiny_round.settings, SerialEngine())
    assert not report.failures
    assert masks_of_the_round(workspace) == masks_of_the_round(tiny_round.workspace())


@pytest.mark.slow
def test_killed_while_rounds_are_compared_it_compares_to_the_very_same_end(tmp_path):
    calm = Workspace.create(tmp_path / "calm")
    for seed, case_id in enumerate(("b0", "b1", "b2", "b3", "b6", "b7")):
        add_bright_case(calm, case_id, seed, STRUCTURES)
    for seed, case_id in enumerate(WAITING, 10):
        add_bright_case(calm, case_id, seed)
    quick = {"test": tiny_profile(epochs=1, iterations=20)}
    first, second = (tiny_settings(round=n, profiles=quick, validation_cases=2) for n in (1, 2))
    assert not run_stage(STAGE, calm, first, SerialEngine()).failures
    calm.ledger.close()
    shutil.copytree(calm.path, tmp_path / "disturbed")
    calm, disturbed = Workspace.open(calm.path), Workspace.open(tmp_path / "disturbed")
    run_stage(STAGE, calm, second, SerialEngine())
    compared = disturbed.layout.round_dir(2) / "all"
    kill_when(
        tmp_path,
        disturbed,
        lambda: any(compared.rglob("masksmith_validation/*/*.nii.gz")),
        second,
    )
    assert not disturbed.layout.promotion(2).exists()
    report = run_stage(STAGE, disturbed, second, SerialEngine())
    assert {each.subject for each in report.outcomes} > {"round 2", *WAITING}
    ours, theirs = (read_promotions(each.layout, 2)["all"] for each in (disturbed, calm))
    assert ours == theirs
    assert len(ours.cases) == 2
    assert {each.against for each in ours.structures.values()} == {1}
    assert masks_of_the_round(disturbed) == masks_of_the_round(calm)
