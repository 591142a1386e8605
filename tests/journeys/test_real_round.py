"""A real round: learnt on one native abdomen, predicted on a contrast abdomen of someone else."""

import tarfile

import numpy as np
import pytest
import yaml
from scipy import ndimage

from pipeline.workspace import Workspace

LABELS = "example_seg_fast_force_split.nii.gz"
STRUCTURES = ("liver", "autochthon_left", "autochthon_right")
SHORT = {
    "device": "cpu",
    "threads": 2,
    "spacing_mm": 6.0,
    "network": {"patch_size": [48, 48, 64], "features": [16, 32, 64, 96]},
    "training": {"epochs": 5, "iterations": 100, "learning_rate": 0.006},
}


@pytest.mark.slow
@pytest.mark.real_data
def test_liver_and_back_muscles_of_another_person_are_found(new_lab, real_data, tmp_path):
    archive = real_data / "dicom_abdomen_contrast_crlm1004" / "dicom_41slices.tar.xz"
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "dicom", filter="data")
    native = real_data / "ct_abdomen_pelvis_native_ts"
    lab = new_lab()
    card = {
        "name": "totalsegmentator_v2", "runner": "labelmaps", "licence": "Apache-2.0",
        "reference": "TotalSegmentator", "priority": 10, "class_map": "totalsegmentator_v2",
    }  # fmt: skip
    models = lab.root / "configs" / "bootstrap" / "models"
    (models / "elsewhere.yaml").unlink()
    (models / "totalsegmentator_v2.yaml").write_text(yaml.safe_dump(card))
    settings = {"profile": "short", "profiles": {"short": SHORT}, "structures": list(STRUCTURES)}
    (lab.root / "configs" / "retrain.yaml").write_text(yaml.safe_dump(settings))
    lab.json("init")
    taught, new = (
        lab.json("intake", str(path))["outcomes"][0]["subject"]
        for path in (native / "example_ct.nii.gz", tmp_path / "dicom")
    )
    lab.json(
        "bootstrap", "--cases", taught, "--predictions", str(native),
        "--prediction-pattern", LABELS,
    )  # fmt: skip
    lab.json("verdict", "accept", "--case", taught, "--rest-absent", "fov", "--by", "anna")
    lab.json("retrain", "--round", "1", "--allow-fewer")

    workspace = Workspace.open(lab.workspace)
    case, ct = workspace.case(new), workspace.ct(new)
    found = {name: workspace.mask_array(mask) for name, mask in workspace.in_force(new).items()}
    assert set(found) == set(STRUCTURES)
    ml = {name: np.count_nonzero(mask) * case.grid.voxel_ml for name, mask in found.items()}
    hu = {name: float(np.median(ct[mask])) for name, mask in found.items()}
    x_mm = {
        name: (case.grid.affine @ [*np.argwhere(mask).mean(axis=0), 1.0])[0]
        for name, mask in found.items()
    }
    assert 250 < ml["liver"] < 2500
    assert 80 < hu["liver"] < 160, "the contrast is in the liver"
    for side in ("left", "right"):
        assert 150 < ml[f"autochthon_{side}"] < 800
        assert 40 < hu[f"autochthon_{side}"] < 90
    assert x_mm["autochthon_left"] < x_mm["autochthon_right"] < x_mm["liver"]
    for mask in found.values():
        pieces, _ = ndimage.label(mask)
        assert np.bincount(pieces.ravel())[1:].max() > 0.8 * np.count_nonzero(mask)
