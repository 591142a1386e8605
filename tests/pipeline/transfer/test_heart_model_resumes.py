"""Kill -9 while the heart model trains: the same call goes on in the same folder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.engine import SerialEngine
from pipeline.transfer.heart_model import train_and_predict
from tests.fixtures.heart_workspaces import NEW, PAIRS, Settings, make_workspace, write_profile

DRIVER = """
import sys
from pathlib import Path
from pipeline.engine import SerialEngine
from pipeline.transfer.heart_model import train_and_predict
from pipeline.workspace import Workspace
from tests.fixtures.heart_workspaces import PAIRS, Settings

workspace, settings = Workspace.open(sys.argv[1]), Settings(Path(sys.argv[2]))
list(train_and_predict(workspace, settings, PAIRS, SerialEngine()))
"""
LIMIT_S = 300


@pytest.mark.slow
def test_killed_in_training_it_goes_on_from_its_checkpoint(tmp_path: Path):
    workspace = make_workspace(tmp_path / "workspace")
    settings = Settings(write_profile(tmp_path / "configs"))
    running = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(workspace.path), str(settings.configs)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    models = workspace.layout.models_dir / "heart_transfer"
    limit = time.monotonic() + LIMIT_S
    while not any(models.rglob("checkpoint_latest.pth")):
        assert running.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < limit
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert workspace.masks(NEW) == ()
    (folder,) = models.iterdir()
    frozen = (folder / "manifest.json").read_bytes()

    outcomes = list(train_and_predict(workspace, settings, PAIRS, SerialEngine()))

    assert {outcome.status for outcome in outcomes} == {"done"}
    assert len(outcomes) == 6
    assert list(models.iterdir()) == [folder]
    assert (folder / "manifest.json").read_bytes() == frozen
    assert '"event": "training", "epochs": 2, "first": 1' in (folder / "nnunet.log").read_text()
