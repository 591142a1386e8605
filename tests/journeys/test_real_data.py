"""Four real CTs go the whole way: in, first masks for one, a round that predicts the others."""

from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from pipeline.workspace import Workspace

pytestmark = pytest.mark.real_data

CTS = {
    "abdomen": "ct_abdomen_pelvis_native_ts/example_ct.nii.gz",
    "chest": "ct_chest_native_lidc0314/ct_1.5mm.nii.gz",
    "heart": "cta_heart_ts/ct_cropped.nii.gz",
    "neck": "ct_neck_moose/CT_enhance_pet_1446_neck_slice.nii.gz",
}
SHAPES = {
    "abdomen": (122, 101, 112),
    "chest": (267, 267, 183),
    "heart": (122, 102, 112),
    "neck": (159, 155, 30),
}
LABELS = "example_seg_fast_force_split.nii.gz"
PRESENT = 57
MICRO = {
    "device": "cpu",
    "threads": 2,
    "spacing_mm": 9.0,
    "network": {"patch_size": [24, 24, 24], "features": [8, 16]},
    "training": {"epochs": 2, "iterations": 10, "learning_rate": 0.01},
}


@pytest.fixture(scope="module")
def way(new_lab, real_data):
    """Take the CTs in one by one, then give the abdomen its masks from the label map."""
    lab = new_lab()
    models = lab.root / "configs" / "bootstrap" / "models"
    (models / "elsewhere.yaml").unlink()
    card = {
        "name": "totalsegmentator_v2",
        "runner": "labelmaps",
        "licence": "Apache-2.0",
        "reference": "TotalSegmentator",
        "priority": 10,
        "class_map": "totalsegmentator_v2",
    }
    (models / "totalsegmentator_v2.yaml").write_text(yaml.safe_dump(card))
    way = SimpleNamespace(lab=lab, cases={}, intakes={})
    lab.json("init")
    for name, path in CTS.items():
        way.intakes[name] = lab.json("intake", str(real_data / path))
        (outcome,) = way.intakes[name]["outcomes"]
        way.cases[name] = outcome["subject"]
    way.bootstrap = lab.json(
        "bootstrap", "--cases", way.cases["abdomen"], "--prediction-pattern", LABELS,
        "--predictions", str(real_data / "ct_abdomen_pelvis_native_ts"),
    )  # fmt: skip
    return way


def test_all_four_come_in_as_they_are(way):
    workspace = Workspace.open(way.lab.workspace)
    for name, case_id in way.cases.items():
        assert way.intakes[name]["counts"] == {"done": 1, "kept": 0, "failed": 0}
        ct = workspace.ct(case_id)
        assert ct.shape == SHAPES[name]
        assert ct.min() < -900
        assert ct.max() > 1000


def test_the_abdomen_has_57_of_the_104(way):
    assert way.bootstrap["counts"] == {"done": 1, "kept": 0, "failed": 0}
    status = way.lab.json("status")
    cases = {case["id"]: case for case in status["cases"]}
    assert cases[way.cases["abdomen"]]["counts"]["present"] == PRESENT
    assert cases[way.cases["abdomen"]]["counts"]["undecided"] == 104 - PRESENT
    assert cases[way.cases["chest"]]["state"] == "new"


def test_what_the_class_map_lacks_is_reported(way):
    (outcome,) = way.bootstrap["outcomes"]
    assert set(outcome["figures"]["unmatched"]) == {
        "costal_cartilages", "prostate", "spinal_cord", "vertebrae_S1",
    }  # fmt: skip


def test_left_and_right_are_where_they_belong(way):
    """World x grows towards the patient's right, where the liver is."""
    workspace = Workspace.open(way.lab.workspace)
    case = workspace.case(way.cases["abdomen"])
    masks = workspace.in_force(case.id)

    def x_mm(structure):
        middle = [(side.start + side.stop) / 2 for side in masks[structure].box]
        return (case.grid.affine @ np.array([*middle, 1.0]))[0]

    assert x_mm("liver") > x_mm("spleen")
    for pair in ("kidney", "hip", "femur", "iliopsoas"):
        assert x_mm(f"{pair}_right") > x_mm(f"{pair}_left")


def test_its_history_leads_to_the_card(way):
    done = way.lab("status", "--case", way.cases["abdomen"], "--structure", "liver", "--history")
    assert "by model:totalsegmentator_v2" in done.out
    assert "model_card" in done.out
    assert way.lab.json("doctor")["errors"] == 0


@pytest.mark.slow
@pytest.mark.rendering
def test_a_round_on_the_abdomen_predicts_the_others_and_all_are_drawn(way):
    settings = yaml.safe_dump({"profile": "micro", "profiles": {"micro": MICRO}})
    (way.lab.root / "configs" / "retrain.yaml").write_text(settings)
    way.lab.json(
        "verdict", "accept", "--case", way.cases["abdomen"], "--rest-absent", "fov", "--by", "anna"
    )
    refused = way.lab("retrain", "--round", "1")
    assert refused.code == 3
    assert "needs 5 decided cases, found 1: 4 missing" in refused.err
    trained = way.lab.json("retrain", "--round", "1", "--allow-fewer")
    # the model, three cases, and the choice of the next cases
    assert trained["counts"] == {"done": 5, "kept": 0, "failed": 0}
    status = way.lab.json("status")
    (only,) = status["rounds"]
    assert (only["predicted_cases"], only["predicted_masks"]) == (3, 3 * PRESENT)
    gallery = way.lab.json("gallery", "--width-px", "1200")
    assert gallery["counts"] == {"done": 4, "kept": 0, "failed": 0}
    images = way.lab.workspace / "gallery" / "images"
    assert {path.stem for path in images.glob("*.png")} == set(way.cases.values())
    assert way.lab.json("doctor")["errors"] == 0
