"""Dice of the demo's masks against the truth that the workspace has never seen."""

import numpy as np
import pytest

from pipeline.cli.demo_score import score
from pipeline.volume import write_nifti
from pipeline.workspace import Provenance, write_label_map_masks


@pytest.fixture
def lab(workspace, add_case, tmp_path):
    """One case whose truth is a liver of 8 x 8 x 8 and a spleen of 4 x 4 x 4 voxels."""
    case = add_case("case-1")
    truth = np.zeros(case.grid.shape, np.uint8, order="F")
    truth[10:18, 8:16, 8:16] = workspace.class_map["liver"].value
    truth[22:26, 8:12, 8:12] = workspace.class_map["spleen"].value
    folder = tmp_path / "truth"
    write_nifti(folder / "s0000.nii.gz", workspace.ct("case-1"), case.grid)
    write_nifti(folder / "s0000_labels.nii.gz", truth, case.grid, intent="label")
    return workspace, case, truth, folder


def add(workspace, case, labels, origin, number=None):
    made = Provenance(origin, f"{origin}:1", round=number)
    covered = ("liver", "kidney_right") if origin == "model" else ("liver", "spleen")
    masks = write_label_map_masks(
        workspace.layout, case, labels, workspace.class_map, made, include_empty=covered
    )
    workspace.record_masks(masks)


def by_name(lab):
    workspace, _, _, folder = lab
    return {item.name: item for item in score(workspace.path, folder)}


def test_what_nobody_made_has_no_score_for_the_model_and_zero_for_the_round(lab):
    scores = by_name(lab)
    assert (scores["liver"].bootstrap, scores["liver"].round) == (None, 0.0)
    assert (scores["liver"].structures, scores["liver"].cases) == (1, 1)
    assert scores["colon"].cases == 0


def test_a_shifted_mask_has_the_dice_one_counts_by_hand(lab):
    workspace, case, truth, _ = lab
    add(workspace, case, np.roll(truth, 2, axis=0), "model")
    add(workspace, case, truth, "round", 1)
    scores = by_name(lab)
    assert scores["liver"].bootstrap == pytest.approx(6 / 8)
    assert scores["spleen"].bootstrap == pytest.approx(2 / 4)
    assert scores["liver"].round == scores["all structures"].round == 1.0
    assert scores["all structures"].structures == 2


def test_a_structure_the_truth_lacks_counts_nowhere(lab):
    workspace, case, truth, _ = lab
    labels = truth.copy()
    labels[2:4, 4:8, 4:8] = workspace.class_map["kidney_right"].value
    add(workspace, case, labels, "model")
    assert by_name(lab)["kidney_right"].bootstrap is None


def test_a_truth_of_another_ct_is_left_aside(lab):
    workspace, case, _, folder = lab
    write_nifti(folder / "s0001.nii.gz", workspace.ct("case-1") + np.int16(1), case.grid)
    assert by_name(lab)["liver"].cases == 1
