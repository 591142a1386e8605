"""The shipped profile `tiny` on synthetic bodies: what it learns must be visibly right."""

import numpy as np
import pytest

from pipeline.anatomy import shipped_configs
from pipeline.engine import SerialEngine
from pipeline.phantom import make_body
from pipeline.phantom.dataset import DatasetSettings, body_settings
from pipeline.stage import load_settings, run_stage
from pipeline.workspace import (
    Case,
    Provenance,
    Verdict,
    Workspace,
    digest_of_ct,
    write_case,
    write_label_map_masks,
)
from training.retrain import STAGE

LARGE = (
    "liver", "spleen", "brain", "sacrum", "hip_left", "hip_right", "femur_left", "femur_right",
    "lung_upper_lobe_left", "lung_upper_lobe_right", "lung_lower_lobe_left",
    "lung_lower_lobe_right",
)  # fmt: skip


def add_body(workspace: Workspace, case_id: str, number: int, accepted: bool) -> np.ndarray:
    """Store a body; with its truth as accepted masks or without any. Gives the truth."""
    wish = DatasetSettings(seed=7, spacing_mm=6.0, field_of_view="whole")
    body = make_body(body_settings(number, wish), workspace.class_map)
    case = Case(case_id, body.grid, digest_of_ct(body.ct, body.grid))
    write_case(workspace.layout, case, body.ct)
    workspace.record_case(case)
    if accepted:
        masks = write_label_map_masks(
            workspace.layout,
            case,
            body.labels,
            workspace.class_map,
            Provenance("human", "person:a"),
        )
        workspace.record_masks(masks)
        workspace.record_verdicts(
            [Verdict(case_id, "accept", "a", mask.structure, mask.id) for mask in masks]
        )
    return body.labels


@pytest.mark.slow
def test_large_structures_of_a_new_body_are_found_on_their_side(tmp_path):
    workspace = Workspace.create(tmp_path / "workspace")
    for number in range(5):
        add_body(workspace, f"b{number}", number, accepted=True)
    truth = add_body(workspace, "new", 5, accepted=False)
    flags = {"profile": "tiny", "structures": LARGE, "device": "cpu"}
    settings = load_settings(STAGE, shipped_configs(), flags)
    report = run_stage(STAGE, workspace, settings, SerialEngine())
    assert [(o.subject, o.status) for o in report.outcomes] == [
        ("round 1", "done"),
        ("new", "done"),
        ("next cases", "done"),
    ]
    found = workspace.in_force("new")
    dice = {}
    for name in LARGE:
        mask, true = workspace.mask_array(found[name]), truth == workspace.class_map[name].value
        dice[name] = 2 * (mask & true).sum() / (mask.sum() + true.sum())
    assert np.mean(list(dice.values())) > 0.75, dice
    assert min(dice.values()) > 0.4, dice
