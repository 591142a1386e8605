"""Two real rounds: the second starts from the first and learns a structure more."""

import json

import pytest

from pipeline.engine import SerialEngine
from pipeline.stage import run_stage
from pipeline.workspace import Workspace
from tests.fixtures.tiny_models import STRUCTURES, add_bright_case, tiny_profile, tiny_settings
from training.nnunet_model import NnunetModel, open_model
from training.promotion import read_promotions
from training.retrain import STAGE

CASES = ("b1", "b2", "b3", "b4")


def plans_of(model: NnunetModel) -> dict:
    return json.loads((model.folder / "plans.json").read_text())


def mirroring(model: NnunetModel) -> object:
    """Give the axes that prediction may mirror, read from the checkpoint."""
    import torch

    path = model.folder / "fold_0" / "checkpoint_final.pth"
    return torch.load(path, map_location="cpu", weights_only=False)[
        "inference_allowed_mirroring_axes"
    ]


@pytest.mark.slow
def test_a_second_round_starts_from_the_first_by_structure(tmp_path):
    workspace = Workspace.create(tmp_path / "workspace")
    for seed, case_id in enumerate(CASES):
        add_bright_case(workspace, case_id, seed, STRUCTURES)
    add_bright_case(workspace, "w1", 10)
    one = tiny_settings(structures=("liver", "aorta"))
    assert not run_stage(STAGE, workspace, one, SerialEngine()).failures
    profiles = {"test": tiny_profile(epochs=1, iterations=15)}
    two = tiny_settings(round=2, warm_start="previous", profiles=profiles)
    report = run_stage(STAGE, workspace, two, SerialEngine())
    assert "start: round 1, weights" in report.outcomes[0].note
    first, second = (open_model(workspace.layout.round_dir(number)) for number in (1, 2))
    record = json.loads((second.folder / "masksmith_model.json").read_text())
    assert record["warm_start"]["carried"] == ["liver", "aorta"]
    assert record["warm_start"]["fresh"] == ["sacrum"]
    intensities = "foreground_intensity_properties_per_channel"
    assert plans_of(second)[intensities] == plans_of(first)[intensities]
    compared = read_promotions(workspace.layout, 2)["all"].structures
    assert compared["sacrum"].against is None
    for name in ("liver", "aorta"):
        assert compared[name].against == 1
        # After fifteen steps: what was carried over is there, what was not is only beginning.
        assert compared[name].now.dice > max(0.4, compared["sacrum"].now.dice + 0.2), compared
    assert mirroring(first) is mirroring(second) is None
