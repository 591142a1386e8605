"""Two exams, each once with contrast and once without: the heart's way from one to the other."""

import json
import shutil
import signal
import time

import numpy as np
import pytest
import yaml

from pipeline.transfer.heart_manifest import CARRIER, HEART_STRUCTURES, MAKER
from pipeline.volume import write_nifti
from pipeline.workspace import Workspace, digest_of_ct
from tests.fixtures.heart_pairs import heart_pair

PATIENCE_S = 300
QUICK = {"spacing_mm": 6.0, "knots_mm": 80.0, "largest_shift_mm": 10.0, "profile": "micro"}
MICRO = {
    "device": "cpu",
    "threads": 1,
    "spacing_mm": 12.0,
    "network": {"patch_size": [16, 16, 16], "features": [4, 8]},
    "training": {"epochs": 3, "iterations": 4, "learning_rate": 0.01},
}
CARRY = ["transfer-heart", "--no-train"]


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """Four CTs in a folder, the table that says which exam they are of, the hearts of two."""
    folder = tmp_path_factory.mktemp("scans")
    rows = ["path,patient,exam,phase"]
    hearts = {}
    for exam, way in {"a": ((5.0, -4.0, 11.0), 6.0, 7), "b": ((-6.0, 3.0, -8.0), 5.0, 8)}.items():
        pair = heart_pair(*way)
        for phase, scan in (("arterial", pair.contrast), ("native", pair.native)):
            write_nifti(folder / f"{exam}-{phase}.nii.gz", scan.ct, scan.grid)
            rows.append(f"{exam}-{phase}.nii.gz,patient {exam},exam {exam},{phase}")
        hearts[digest_of_ct(pair.contrast.ct, pair.contrast.grid)] = pair
    (folder / "table.csv").write_text("\n".join(rows) + "\n")
    return folder, hearts


@pytest.fixture(scope="module")
def taken_in(new_lab, scans):
    """A lab with the four CTs and a card whose predictions hold the two contrast hearts."""
    lab = new_lab()
    folder, hearts = scans
    configs = lab.root / "configs"
    (configs / "transfer_heart.yaml").write_text(yaml.safe_dump(QUICK))
    settings = {"profile": "micro", "profiles": {"micro": MICRO}}
    (configs / "retrain.yaml").write_text(yaml.safe_dump(settings))
    card = configs / "bootstrap" / "models" / "elsewhere.yaml"
    values = yaml.safe_load(card.read_text())
    values["labels"] = dict(enumerate(HEART_STRUCTURES, start=1))
    card.write_text(yaml.safe_dump(values))
    lab.json("init")
    lab.json("intake", str(folder), "--table", str(folder / "table.csv"))
    predictions = lab.root / "predictions"
    predictions.mkdir()
    for case in Workspace.open(lab.workspace).cases():
        if case.ct_digest in hearts:
            pair = hearts[case.ct_digest]
            write_nifti(predictions / f"{case.id}.nii.gz", pair.labels, case.grid)
    return lab


@pytest.fixture(scope="module")
def prepared(taken_in, new_lab):
    """The same with first masks of the contrast hearts."""
    lab = copy_of(taken_in, new_lab)
    lab.json("bootstrap", "--cases", ",".join(cases_of(lab, "arterial")))
    return lab


@pytest.fixture(scope="module")
def calm(prepared, new_lab):
    """The same after an undisturbed run, with its answer."""
    lab = copy_of(prepared, new_lab)
    return lab, lab.json(*CARRY)


def copy_of(lab, new_lab):
    """Return another lab with the same settings, predictions and workspace."""
    other = new_lab()
    Workspace.open(lab.workspace).ledger.close()
    for name in ("configs", "predictions", "workspace"):
        shutil.copytree(lab.root / name, other.root / name, dirs_exist_ok=True)
    return other


def cases_of(lab, phase):
    """Name the cases of one phase."""
    return [case.id for case in Workspace.open(lab.workspace).cases() if case.phase == phase]


def native_masks(lab):
    """Name all masks of the native cases."""
    workspace = Workspace.open(lab.workspace)
    return {name: sorted(m.id for m in workspace.masks(name)) for name in cases_of(lab, "native")}


def statuses(document):
    """Give the status of each subject."""
    return {outcome["subject"]: outcome["status"] for outcome in document["outcomes"]}


def kill_when(lab, words, pattern):
    """Start a command and kill it as soon as a file of that pattern is there."""
    process = lab.start(*words)
    deadline = time.monotonic() + PATIENCE_S
    while not any(lab.workspace.glob(pattern)):
        assert process.poll() is None, f"ended before {pattern} was there"
        assert time.monotonic() < deadline, f"no {pattern} after {PATIENCE_S} s"
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -signal.SIGKILL


def test_help_names_the_settings_file_and_the_variables_as_they_are_read(taken_in):
    help_text = " ".join(taken_in("transfer-heart", "--help").out.split())
    assert "configs/transfer_heart.yaml" in help_text
    assert "MASKSMITH_TRANSFER_HEART_<FIELD>" in help_text


def test_before_first_masks_there_is_nothing_to_do(taken_in):
    done = taken_in(*CARRY)
    assert done.code == 3
    assert "make first masks with 'masksmith bootstrap'" in done.err


def test_both_native_scans_get_a_heart(calm):
    lab, document = calm
    assert document["counts"] == {"done": 2, "kept": 0, "failed": 0}
    assert set(statuses(document)) == set(cases_of(lab, "native"))
    for outcome in document["outcomes"]:
        figures = outcome["figures"]
        assert figures["after_mutual_information"] > figures["before_mutual_information"]
        assert figures["after_lung_dice"] > 0.9
    workspace = Workspace.open(lab.workspace)
    for name in cases_of(lab, "native"):
        in_force = workspace.in_force(name)
        assert set(in_force) == set(HEART_STRUCTURES)
        assert {mask.provenance.maker for mask in in_force.values()} == {CARRIER}


def test_a_second_run_keeps_both(calm):
    lab, _ = calm
    before = native_masks(lab)
    assert lab.json(*CARRY)["counts"] == {"done": 0, "kept": 2, "failed": 0}
    assert native_masks(lab) == before


def test_the_history_of_a_carried_mask_leads_to_the_model_of_the_contrast_scan(calm):
    lab, _ = calm
    case_id = cases_of(lab, "native")[0]
    words = ["status", "--case", case_id, "--structure", "pulmonary_artery", "--history"]
    steps = lab.json(*words)["steps"]
    assert steps[0]["what"].endswith(tuple("0123456789"))  # with SimpleITK and its version
    assert "by transfer:heart" in steps[0]["what"]
    parents = [step["what"] for step in steps if step["kind"] == "mask" and step["depth"] == 1]
    assert sum("by model:elsewhere" in what for what in parents) == 6
    assert lab.json("doctor")["errors"] == 0


def test_a_bad_pair_gives_exit_code_8_after_the_others(calm, new_lab, tmp_path):
    lab = copy_of(calm[0], new_lab)
    contrast, native = cases_of(lab, "arterial"), cases_of(lab, "native")
    exams = {case.id: case.exam_id for case in Workspace.open(lab.workspace).cases()}
    crossed = next(c for c in contrast if exams[c] != exams[native[0]])
    right = next(c for c in contrast if exams[c] == exams[native[1]])
    table = tmp_path / "pairs.csv"
    table.write_text(f"contrast,native\n{crossed},{native[0]}\n{right},{native[1]}\n")
    document = lab.json(*CARRY, "--pairs", str(table), code=8)
    assert statuses(document) == {native[0]: "failed", native[1]: "kept"}
    (note,) = (o["note"] for o in document["outcomes"] if o["status"] == "failed")
    assert "of two patients" in note
    assert lab(*CARRY, "--pairs", str(tmp_path / "none.csv")).code == 4


@pytest.mark.slow
def test_killed_after_one_pair_the_rest_is_done_and_the_first_kept(prepared, calm, new_lab):
    lab = copy_of(prepared, new_lab)
    kill_when(lab, CARRY, "models/heart_transfer/pairs/*.json")
    document = lab.json(*CARRY)
    assert sorted(statuses(document).values()) == ["done", "kept"]
    assert {n: len(masks) for n, masks in native_masks(lab).items()} == {
        n: len(masks) for n, masks in native_masks(calm[0]).items()
    }
    assert lab.json("doctor")["errors"] == 0


@pytest.mark.slow
def test_killed_in_registration_and_in_training_it_goes_on_to_a_heart_in_every_case(
    prepared, new_lab
):
    lab = copy_of(prepared, new_lab)
    words = ["transfer-heart"]
    for pattern in (
        "models/heart_transfer/pairs/*.json",
        "models/heart_transfer/*/nnunet/results/*/*/fold_0/checkpoint_latest.pth",
    ):
        kill_when(lab, words, pattern)
        assert lab.json("doctor")["errors"] == 0
    document = lab.json(*words)
    assert document["counts"]["failed"] == 0
    (model,) = (o for o in document["outcomes"] if o["subject"] == "heart model")
    assert model["note"] == "learned 6 structures from 2 contrast and 2 native cases"
    workspace = Workspace.open(lab.workspace)
    for case in workspace.cases():
        made = {mask.provenance.maker for mask in workspace.masks(case.id, "pulmonary_artery")}
        assert MAKER in made
    again = lab.json(*words)
    assert set(statuses(again).values()) == {"kept"}
    report = json.loads(next(lab.workspace.glob("models/heart_transfer/pairs/*.json")).read_text())
    assert np.isfinite(report["figures"]["displacement_mm"])
    assert lab.json("doctor")["errors"] == 0
