"""Several models on the same bodies, by the real command line: a folder of predictions, a program
that crashes on one case, one that is not there, a union, an overlap, and where each mask is from.
"""

import gzip
import json
import sys
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from pipeline.volume import read_nifti, write_nifti
from pipeline.workspace import Workspace

# A program of its own: it finds the lower half of the aorta where the truth of the case lies, and
# takes a slab of the liver for spleen. On one case it crashes.
PROGRAM = """
import gzip, shutil, sys, zlib
key = zlib.crc32(gzip.open(sys.argv[1]).read())
answers = sys.argv[3]
try:
    shutil.copyfile(f"{answers}/{key}.nii.gz", sys.argv[2])
except OSError:
    sys.exit("no memory left on the device")
"""


def card(name, **said):
    return {"name": name, "licence": "CC0-1.0", "reference": "tests", **said}


@pytest.fixture(scope="module")
def way(new_lab, bodies):
    """Go the way once; every answer is kept by name."""
    lab = new_lab()
    way = SimpleNamespace(lab=lab)
    lab.json("init", "--class-map", "six")
    lab.json("intake", str(bodies / "bare"))
    way.cases = lab.predict_with_truth(bodies)
    way.good, way.bad = way.cases
    workspace = Workspace.open(lab.workspace)
    way.values = {s.name: s.value for s in workspace.class_map}
    way.truth = split_the_aorta(lab, workspace, way)
    write_cards(lab, way.values)
    (lab.root / "configs" / "bootstrap.yaml").write_text(
        yaml.safe_dump({"policies": {"aorta": "union"}, "overlap_limit_ml": 1.0})
    )
    way.bootstrap = lab.json("bootstrap", code=8)
    return way


def split_the_aorta(lab, workspace, way):
    """Leave the upper half of the aorta in the predictions, the lower one to the program."""
    (lab.root / "answers").mkdir()
    truth = {}
    for case_id in way.cases:
        path = lab.root / "predictions" / f"{case_id}.nii.gz"
        volume = read_nifti(path)
        labels = truth[case_id] = volume.array
        aorta = labels == way.values["aorta"]
        low = np.zeros_like(labels)
        middle = int(np.argwhere(aorta)[:, 2].mean())
        low[:, :, :middle][aorta[:, :, :middle]] = way.values["aorta"]
        liver = np.argwhere(labels == way.values["liver"])
        slab = labels[:, :, liver[:, 2].min() : liver[:, 2].min() + 3] == way.values["liver"]
        low[:, :, liver[:, 2].min() : liver[:, 2].min() + 3][slab] = way.values["spleen"]
        upper = labels.copy()
        upper[:, :, :middle][aorta[:, :, :middle]] = 0
        write_nifti(path, upper, volume.grid)
        if case_id == way.good:
            key = key_of(workspace.layout.ct(case_id))
            write_nifti(lab.root / "answers" / f"{key}.nii.gz", low, volume.grid)
    return truth


def key_of(ct):
    """Give the number by which the program finds its answer."""
    return zlib.crc32(gzip.decompress(ct.read_bytes()))


def write_cards(lab, values):
    cards = lab.root / "configs" / "bootstrap" / "models"
    (lab.root / "program.py").write_text(PROGRAM)
    argv = [str(lab.root / "program.py"), "{input}", "{output}", str(lab.root / "answers")]
    program = card(
        "program",
        runner="command",
        options={"argv": argv, "environment": [sys.executable, "-S", "-B"]},
        priority=20,
        labels={values["aorta"]: "aorta", values["spleen"]: "spleen"},
    )
    far = card(
        "far",
        runner="nnunet",
        enabled="if_found",
        weights={"path": "nowhere.zip", "url": "https://example.org/far.zip"},
        priority=30,
        labels={1: "liver"},
    )
    for said in (program, far):
        (cards / f"{said['name']}.yaml").write_text(yaml.safe_dump(said))


def of_case(way, case_id):
    return [o for o in way.bootstrap["outcomes"] if o["subject"] == case_id]


def test_one_crash_is_one_failure_and_the_rest_is_done(way):
    assert way.bootstrap["counts"]["failed"] == 1
    (failure,) = [o for o in way.bootstrap["outcomes"] if o["status"] == "failed"]
    assert failure["subject"] == way.bad
    assert "no memory left on the device" in failure["note"]
    (left_out,) = [o for o in way.bootstrap["outcomes"] if o["subject"] == "models"]
    assert left_out["note"].startswith("left out, not on this machine: far;")


def test_the_union_is_the_whole_aorta(way):
    workspace = Workspace.open(way.lab.workspace)
    mask = workspace.in_force(way.good)["aorta"]
    assert mask.origin == "merged"
    expected = way.truth[way.good] == way.values["aorta"]
    np.testing.assert_array_equal(workspace.mask_array(mask), expected)
    upper_only = workspace.in_force(way.bad)["aorta"]
    assert upper_only.origin == "model"
    assert 0 < upper_only.voxels < (way.truth[way.bad] == way.values["aorta"]).sum()


def test_what_two_structures_claim_is_reported_and_flagged(way):
    workspace = Workspace.open(way.lab.workspace)
    report = json.loads(workspace.layout.overlaps(way.good).read_text())
    (pair,) = report["structures"]
    assert (pair["first"], pair["second"]) == ("liver", "spleen")
    assert (pair["first_maker"], pair["second_maker"]) == ("model:elsewhere", "model:program")
    assert (pair["kept_by"], pair["flagged"]) == ("spleen", True)
    assert of_case(way, way.good)[-1]["figures"]["flagged_pairs"] == 1
    assert json.loads(workspace.layout.overlaps(way.bad).read_text())["pairs"] == 0


def test_history_of_the_union_leads_to_both_models(way):
    history = way.lab.json("status", "--case", way.good, "--structure", "aorta", "--history")
    makers = [step["what"] for step in history["steps"] if step["kind"] == "mask"]
    assert "by merge:bootstrap" in makers[0]
    assert {word for what in makers[1:] for word in ("elsewhere", "program") if word in what} == {
        "elsewhere",
        "program",
    }


def test_the_same_command_finishes_when_the_program_is_mended(way):
    workspace = Workspace.open(way.lab.workspace)
    key = key_of(workspace.layout.ct(way.bad))
    grid = workspace.case(way.bad).grid
    labels = np.where(way.truth[way.bad] == way.values["aorta"], way.values["aorta"], 0)
    answer = way.lab.root / "answers" / f"{key}.nii.gz"
    write_nifti(answer, labels.astype(np.uint8), grid)
    again = way.lab.json("bootstrap")
    assert again["counts"]["failed"] == 0
    mask = workspace.in_force(way.bad)["aorta"]
    assert mask.origin == "merged"
    assert mask.voxels == int((labels > 0).sum())
    third = way.lab.json("bootstrap")
    assert third["counts"]["done"] == 0
    assert way.lab.json("doctor")["errors"] == 0


def test_lineage_lists_exactly_what_still_carries_a_model(way):
    said = way.lab.json("status", "--lineage", "program")
    found = {(m["case_id"], m["structure"]): m["kind"] for m in said["masks"]}
    assert found == {
        (way.good, "aorta"): "merged",
        (way.bad, "aorta"): "merged",
        (way.good, "spleen"): "direct",
        (way.bad, "spleen"): "direct",
    }
    way.lab.json("verdict", "accept", "--case", way.good, "--structure", "spleen", "--by", "anna")
    again = way.lab.json("status", "--lineage", "program")
    assert [m["structure"] for m in again["masks"] if m["accepted"]] == ["spleen"]
    assert way.lab("status", "--lineage", "ribfrac").code == 3


def test_findings_are_shown(way):
    said = way.lab("status", "--findings")
    assert "liver (model:elsewhere) and spleen (model:program) both claim" in said.out
    one = way.lab("status", "--case", way.good)
    assert "both claim" in one.out
