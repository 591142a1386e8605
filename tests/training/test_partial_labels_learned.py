"""Real nnU-Net trainings on cases in which different structures were decided."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from pipeline.engine import SerialEngine
from pipeline.stage import run_stage
from pipeline.workspace import Workspace
from tests.fixtures.tiny_models import add_bright_case, tiny_profile, tiny_settings
from training.nnunet_model import export_zip, open_model
from training.nnunet_process import NnunetFolders, ProcessSettings, child_environment
from training.retrain import STAGE

FIRST, SECOND = ("liver",), ("aorta", "sacrum")
HALVES = {"h1": FIRST, "h2": FIRST, "h3": SECOND, "h4": SECOND}

STOCK_TRAINER = """
import os, sys, torch
from nnunetv2.run.run_training import get_trainer_from_args

def main():
    os.environ["nnUNet_n_proc_DA"] = "0"
    kind, device = "nnUNetTrainerNoMirroring_PartialLabels", torch.device("cpu")
    trainer = get_trainer_from_args(sys.argv[1], "3d_masksmith", 0, kind, device=device)
    trainer.num_epochs, trainer.num_iterations_per_epoch = 1, 3
    trainer.num_val_iterations_per_epoch = 2
    trainer.plot_network_architecture = lambda: None
    trainer.run_training()
    trainer.perform_actual_validation(False)
    print(type(trainer.loss.loss.whole).__name__)

if __name__ == "__main__":  # nnU-Net's validation starts processes of its own
    main()
"""


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """Run round 1 on two cases with only a liver decided, two with all but the liver."""
    workspace = Workspace.create(tmp_path_factory.mktemp("halves") / "workspace")
    for seed, (case_id, accepted) in enumerate(HALVES.items()):
        add_bright_case(workspace, case_id, seed, accepted)
    for seed in (5, 6):
        add_bright_case(workspace, f"new{seed}", seed)
    settings = tiny_settings(
        profiles={"test": tiny_profile(epochs=5)}, round_sizes=(4,), validation_cases=0
    )
    report = run_stage(STAGE, workspace, settings, SerialEngine())
    yield workspace, report.outcomes
    workspace.ledger.close()


@pytest.mark.slow
def test_a_model_of_disjoint_halves_learns_both(halves):
    workspace, outcomes = halves
    assert outcomes[0].status == "done", outcomes[0].note
    assert outcomes[0].note == (
        "learned 3 structures from 4 cases (6 of 12 pairs undecided); left out: 2 cases"
    )
    for case_id in ("new5", "new6"):
        truth = {m.structure: m for m in workspace.masks(case_id) if m.origin == "model"}
        found = workspace.in_force(case_id)
        for name in (*FIRST, *SECOND):
            assert found[name].origin == "round"
            a, b = workspace.mask_array(found[name]), workspace.mask_array(truth[name])
            assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.7, (case_id, name)


@pytest.mark.slow
def test_the_cases_it_learned_from_are_predicted_where_they_are_undecided(halves):
    workspace, outcomes = halves
    assert {each.subject for each in outcomes[1:]} == {*HALVES, "new5", "new6", "next cases"}
    assert workspace.in_force("h1")["liver"].origin == "model"  # a person accepted it
    assert workspace.in_force("h1")["aorta"].origin == "round"


@pytest.mark.slow
def test_an_exported_model_names_no_case_and_the_ordinary_trainer(halves, tmp_path):
    import torch

    workspace, _ = halves
    folder = workspace.layout.round_dir(1)
    model = open_model(folder)
    assert model.folder.name.startswith("MasksmithTrainer_PartialLabels__")
    assert model.names_by_value == {1: "liver", 2: "aorta", 3: "sacrum"}
    copied = next(folder.glob("*/nnunet/preprocessed/*/undecided.json"))
    assert json.loads(copied.read_text())["h1"] == [2, 3]
    export_zip(model, tmp_path / "model.zip")
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        archive.extractall(tmp_path / "out")
        for name in archive.namelist():
            assert not any(case.encode() in archive.read(name) for case in ('"h1"', "undecided"))
    path = next((tmp_path / "out").rglob("checkpoint_final.pth"))
    checkpoint = torch.load(path, map_location="cpu", weights_only=False)
    assert checkpoint["trainer_name"] == "MasksmithTrainer"
    assert checkpoint["inference_allowed_mirroring_axes"] is None
    assert "h1" not in str(checkpoint["init_args"])


@pytest.mark.slow
def test_a_stock_trainer_with_nnunets_own_loss_trains_and_validates_on_halves(halves, tmp_path):
    workspace, _ = halves
    root = next(workspace.layout.round_dir(1).glob("*/nnunet"))
    name = next((root / "preprocessed").iterdir()).name
    settings = ProcessSettings(tmp_path / "log")
    environment = child_environment(NnunetFolders(root), settings)
    environment |= {"nnUNet_results": str(tmp_path / "results"), "nnUNet_def_n_proc": "1"}
    script = tmp_path / "run.py"
    script.write_text(STOCK_TRAINER)
    done = subprocess.run(
        [sys.executable, "-P", str(script), name],
        env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == "DC_and_CE_loss"
    fold = next((tmp_path / "results").rglob("fold_0"))
    import torch

    checkpoint = torch.load(fold / "checkpoint_final.pth", map_location="cpu", weights_only=False)
    assert checkpoint["trainer_name"] == "nnUNetTrainerNoMirroring"
    summary = json.loads((fold / "validation" / "summary.json").read_text())
    assert len(summary["metric_per_case"]) == len(HALVES)
    for case in summary["metric_per_case"]:
        name = case["reference_file"].rpartition("/")[2].removesuffix(".nii.gz")
        unknown = {value for value, metrics in case["metrics"].items() if np.isnan(metrics["FP"])}
        assert unknown == ({"2", "3"} if HALVES[name] == FIRST else {"1"})
