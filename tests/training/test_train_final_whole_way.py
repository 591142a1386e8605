"""A final model from split to model folder, with nnU-Net for real: killed, resumed, installed."""

import csv
import json
import os
import pickletools
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.engine import SerialEngine
from pipeline.stage import RunReport, run_stage
from pipeline.volume import read_nifti, write_nifti
from pipeline.workspace import Workspace
from tests.fixtures.final_models import CASES, final_settings, final_workspace
from tests.fixtures.tiny_models import STRUCTURES, bright_body
from training.final_cost import needed_gb
from training.train_final import STAGE

pytestmark = pytest.mark.slow
DRIVER = """
import sys
from pathlib import Path
from pipeline.engine import SerialEngine
from pipeline.stage import run_stage
from pipeline.workspace import Workspace
from training.final_settings import FinalSettings
from training.train_final import STAGE

settings = FinalSettings.model_validate_json(Path(sys.argv[2]).read_text())
run_stage(STAGE, Workspace.open(sys.argv[1]), settings, SerialEngine())
"""


class Made:
    """A model folder that a killed and repeated command made, and what it said."""

    def __init__(self, workspace: Workspace, report: RunReport, frozen: bytes) -> None:
        self.workspace, self.report, self.frozen = workspace, report, frozen
        self.folder = workspace.layout.final_model_dir("whole-tiny")
        self.card = json.loads((self.folder / "model_card.json").read_text())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    base = tmp_path_factory.mktemp("final")
    workspace = final_workspace(base / "workspace")
    settings = final_settings(profile="tiny", measure=("val", "test"))
    (base / "settings.json").write_text(settings.model_dump_json(by_alias=True))
    running = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(workspace.path), str(base / "settings.json")],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    folder, limit = workspace.layout.final_model_dir("whole-tiny"), time.monotonic() + 400
    while not any(folder.rglob("checkpoint_latest.pth")):
        assert running.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < limit
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    frozen = (folder / "manifest.json").read_bytes()
    report = run_stage(STAGE, workspace, settings, SerialEngine())
    return Made(workspace, report, frozen)


def test_the_same_command_goes_on_with_the_same_manifest(made: Made):
    assert not made.report.failures
    assert (made.folder / "manifest.json").read_bytes() == made.frozen
    log = (made.folder / "nnunet.log").read_text()
    assert '"event": "training", "epochs": 2, "first": 1' in log


def test_the_model_folder_is_complete_and_says_what_it_is(made: Made):
    card = made.card
    assert {
        "manifest.json",
        "split.csv",
        "model.zip",
        "model_card.md",
        "final-whole-tiny.yaml",
    } <= {path.name for path in made.folder.iterdir()}
    assert card["profile"] == "tiny"
    assert list(card["structures"]) == list(STRUCTURES)
    assert card["data"]["cases"] == {"train": 4, "val": 1, "test": 1}
    assert card["origins"]["all"] == {"model": 12}
    assert card["sources"][0]["source"] == "truth"
    assert card["sources"][0]["share_by_structure"] == dict.fromkeys(sorted(STRUCTURES), 1.0)
    assert (card["licence"], card["citation"]) == ("CC-BY-4.0", "Doe 2026")
    assert card["training"]["seconds"] > 0
    text = (made.folder / "model_card.md").read_text()
    assert "not for use on patients" in text


def test_it_learned_and_test_cases_were_never_learned_from(made: Made):
    sides = {
        row["case_id"]: row["split"] for row in csv.DictReader((made.folder / "split.csv").open())
    }
    assert set(sides) == set(CASES)
    assert sorted(sides.values()) == ["test", "train", "train", "train", "train", "val"]
    exported = {path.name.split("_")[0] for path in made.folder.rglob("imagesTr/*.nii.gz")}
    assert exported == {case for case, side in sides.items() if side != "test"}
    splits = json.loads(next(made.folder.rglob("raw/*/splits_final.json")).read_text())
    assert set(splits[0]["val"]) == {case for case, side in sides.items() if side == "val"}
    for side in ("val", "test"):
        assert made.card["metrics"][side]["all"]["dice"] > 0.7
        assert made.card["metrics"][side]["all"]["nsd"] > 0.2  # 6 mm voxels against 3 mm
    rows = list(csv.DictReader((made.folder / "metrics.csv").open()))
    assert len(rows) == 6


def test_the_same_command_again_keeps_everything(made: Made):
    archive = (made.folder / "model.zip").read_bytes()
    settings = final_settings(profile="tiny", measure=("val", "test"))
    report = run_stage(STAGE, made.workspace, settings, SerialEngine())
    assert {outcome.status for outcome in report.outcomes} == {"kept"}
    assert (made.folder / "model.zip").read_bytes() == archive
    assert json.loads((made.folder / "model_card.json").read_text()) == made.card


def test_it_took_no_more_disk_than_the_preflight_said(made: Made):
    profile = final_settings(profile="tiny").training_profile()
    grids = [made.workspace.case(case).grid for case in CASES]
    said = needed_gb(grids, profile, len(STRUCTURES))
    taken = sum(path.stat().st_size for path in (made.folder / "nnunet").rglob("*"))
    assert 0 < taken / 1e9 < said


def texts_of(path: Path) -> Iterator[str]:
    """All text of a file; of a checkpoint its strings, as weights can spell any short name."""
    if not zipfile.is_zipfile(path):
        yield path.read_text(errors="replace")
        return
    with zipfile.ZipFile(path) as checkpoint:
        (pickled,) = (name for name in checkpoint.namelist() if name.endswith("data.pkl"))
        for _, said, _ in pickletools.genops(checkpoint.read(pickled)):
            if isinstance(said, str):
                yield said


def test_the_zip_names_neither_host_nor_case(made: Made, tmp_path):
    with zipfile.ZipFile(made.folder / "model.zip") as archive:
        archive.extractall(tmp_path)
    host = re.compile(rf"\b{re.escape(os.uname().nodename)}\b")
    said = 0
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        for words in texts_of(path):
            said += 1
            assert not host.search(words), path
            assert not [case for case in CASES if case == words or f'"{case}"' in words], path
            assert str(made.workspace.path) not in words, path
    assert said > 100
    assert not list(tmp_path.rglob("debug.json"))


def test_nnunet_alone_installs_and_predicts_it(made: Made, tmp_path):
    folders = {f"nnUNet_{kind}": tmp_path / kind for kind in ("raw", "preprocessed", "results")}
    for folder in folders.values():
        folder.mkdir()
    bare = {name: value for name, value in os.environ.items() if not name.startswith("nnUNet")}
    bare |= {name: str(folder) for name, folder in folders.items()}
    bare |= {"nnUNet_compile": "f", "OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": ""}
    programs = Path(sys.executable).parent

    def call(name: str, *arguments: str) -> None:
        done = subprocess.run(
            [programs / name, *arguments], env=bare, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    call("nnUNetv2_install_pretrained_model_from_zip", str(made.folder / "model.zip"))
    ct, truth, grid = bright_body(77)
    write_nifti(tmp_path / "in" / "new_0000.nii.gz", ct, grid)
    network = made.card["network"]
    call(
        "nnUNetv2_predict", "-i", str(tmp_path / "in"), "-o", str(tmp_path / "out"),
        "-d", str(network["dataset_number"]), "-tr", network["trainer"], "-p", network["plans"],
        "-c", network["configuration"], "-f", "0", "-device", "cpu", "--disable_tta",
        "-npp", "1", "-nps", "1",
    )  # fmt: skip
    labels = read_nifti(tmp_path / "out" / "new.nii.gz").array
    for value in (1, 2, 3):
        found, true = labels == value, truth == value
        assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.6


def test_the_card_makes_it_a_model_of_bootstrap(made: Made, tmp_path, monkeypatch):
    from pipeline.cli.main import main

    monkeypatch.setenv("MASKSMITH_TRUST_FILE", str(tmp_path / "trusted.json"))
    configs = tmp_path / "configs"
    (configs / "bootstrap" / "models").mkdir(parents=True)
    card = made.folder / "final-whole-tiny.yaml"
    (configs / "bootstrap" / "models" / card.name).write_bytes(card.read_bytes())
    ct, truth, grid = bright_body(78)
    write_nifti(tmp_path / "ct.nii.gz", ct, grid)
    shared = ["--configs", str(configs), "--workspace", str(made.workspace.path)]
    said = yaml.safe_load(card.read_text())
    assert said["labels"] == {1: "liver", 2: "aorta", 3: "sacrum"}
    assert main(["models", "trust", said["name"], *shared]) == 0
    out = tmp_path / "labels.nii.gz"
    given = ["-i", str(tmp_path / "ct.nii.gz"), "-o", str(out)]
    assert main(["models", "run", said["name"], *given, *shared]) == 0
    labels = read_nifti(out).array
    dice = [
        2 * ((labels == v) & (truth == v)).sum() / ((labels == v).sum() + (truth == v).sum())
        for v in (1, 2, 3)
    ]
    assert np.min(dice) > 0.6
