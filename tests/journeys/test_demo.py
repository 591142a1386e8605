"""The demo from end to end, with real nnU-Net trainings of a few seconds."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from pipeline.anatomy import shipped_configs

pytestmark = [pytest.mark.slow, pytest.mark.rendering]
MICRO = {
    "device": "cpu",
    "threads": 2,
    "spacing_mm": 12.0,
    "tile_step": 1.0,
    "network": {"patch_size": [32, 24, 32], "features": [8, 16]},
    "training": {"epochs": 2, "iterations": 10},
}


@pytest.fixture(scope="module")
def configs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("settings") / "configs"
    shutil.copytree(shipped_configs(), folder)
    text = yaml.safe_dump({"profile": "micro", "profiles": {"micro": MICRO}})
    (folder / "retrain.yaml").write_text(text)
    (folder / "gallery.yaml").write_text(
        (folder / "gallery.yaml").read_text().replace("width_px: 3600", "width_px: 1200")
    )
    return folder


def demo(configs, folder):
    words = ["demo", "--folder", str(folder), "--profile", "micro", "--json"]
    return subprocess.run(
        [sys.executable, "-P", "-m", "pipeline.cli", "--configs", str(configs), *words],
        capture_output=True, text=True, timeout=1800, check=True,
    )  # fmt: skip


def test_the_demo_goes_the_whole_way_and_keeps_it_when_called_again(configs, tmp_path):
    first = json.loads(demo(configs, tmp_path / "demo").stdout)
    gallery = tmp_path / "demo" / "workspace" / "gallery"
    assert first["gallery"] == str(gallery / "index.html")
    assert len(list((gallery / "images").glob("*.png"))) == 10
    answers = [step["answer"] for step in first["steps"]]
    # A prediction for each of five cases, and a review of those about which there is more to say.
    (bootstrap,) = [answer for answer in answers if answer.startswith("bootstrap: ")]
    done = re.match(r"bootstrap: (\d+) done, 0 kept, 0 failed", bootstrap)
    assert done, bootstrap
    assert 5 <= int(done[1]) <= 10
    assert answers[-1] == "files and ledger agree"
    assert all(step["command"].startswith("masksmith ") for step in first["steps"])
    groups = {score["name"]: score for score in first["scores"]}
    assert groups["all structures"]["structures"] == 104
    assert groups["all structures"]["cases"] == 5
    assert 0 <= groups["liver"]["bootstrap"] <= 1
    assert 0 <= groups["liver"]["round"] <= 1
    again = json.loads(demo(configs, tmp_path / "demo").stdout)
    assert again["scores"] == first["scores"]
    assert not any(", 1 failed" in step["answer"] for step in again["steps"])
    for step in again["steps"]:
        stage = step["answer"].split(":")[0]
        # The second bootstrap reviews the round's masks: pictures show what it finds.
        if stage in ("intake", "bootstrap", "retrain"):
            assert ": 0 done, " in step["answer"]
