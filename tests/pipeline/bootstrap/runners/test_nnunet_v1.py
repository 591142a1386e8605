"""A shipped card for nnU-Net v1 with the real nnU-Net 1.7.1 and an untrained network."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.anatomy import shipped_configs
from pipeline.bootstrap.models import check_models, trust_model
from pipeline.stage import Outcome
from pipeline.volume import Grid
from pipeline.workspace import Case, Workspace, digest_of_ct, write_case
from tests.fixtures.untrained_v1_models import write_untrained_v1_model

NAME, TASK, CLASSES = "btcv_task017", "Task017_AbdominalOrganSegmentation", 13
PREDICT = """#!{python}
import sys
sys.path.insert(0, {packages!r})
from nnunet.inference.predict_simple import main
main()
"""


@pytest.fixture(scope="module")
def nnunet_v1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install nnU-Net 1.7.1 without its dependencies, most of which we have; skip offline."""
    folder = tmp_path_factory.mktemp("nnunet_v1")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder)]
    done = subprocess.run(
        [*command, "nnunet==1.7.1", "medpy"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"nnU-Net 1.7.1 cannot be installed here: {done.stderr[-200:]}")
    return folder


@pytest.fixture
def home(tmp_path: Path, nnunet_v1: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a home folder with the program and the weights where the shipped card looks."""
    monkeypatch.setenv("HOME", str(tmp_path))
    program = tmp_path / ".masksmith" / "envs" / "nnunet_v1" / "bin" / "nnUNet_predict"
    program.parent.mkdir(parents=True)
    program.write_text(PREDICT.format(python=sys.executable, packages=str(nnunet_v1)))
    program.chmod(0o755)
    write_untrained_v1_model(tmp_path / ".masksmith" / "models" / NAME, TASK, CLASSES, nnunet_v1)
    return tmp_path


@pytest.mark.slow
def test_the_shipped_card_runs_a_real_v1_checkpoint(
    workspace: Workspace, configs: Path, run_bootstrap: Callable[..., list[Outcome]], home: Path
) -> None:
    shipped = shipped_configs()
    shutil.copytree(shipped / "class_maps", configs / "class_maps")
    card = shipped / "bootstrap" / "models" / f"{NAME}.yaml"
    shutil.copyfile(card, configs / "bootstrap" / "models" / card.name)
    rng = np.random.default_rng(0)
    grid = Grid((40, 36, 12), np.diag([-4.0, -4.0, 5.0, 1.0]))
    ct = np.asfortranarray(rng.integers(-200, 300, grid.shape).astype(np.int16))
    case = write_case(workspace.layout, Case("s0001", grid, digest_of_ct(ct, grid)), ct)
    workspace.record_case(case)
    ((status,), _) = check_models(workspace, configs, [NAME])
    assert status.state == "not approved"
    approval = trust_model(workspace, configs, NAME)
    (outcome,) = run_bootstrap(check_sides=False)
    assert outcome.status == "done", outcome.note
    assert (outcome.figures["structures"], outcome.figures["unmatched"]) == (CLASSES, {})
    assert int(str(outcome.figures["voxels"])) > 0
    made = workspace.in_force("s0001")["liver"].provenance
    assert made.sources["weights"] == approval.digest
