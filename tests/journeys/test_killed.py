"""Killed with SIGKILL while a command works, then called again: the same end as undisturbed."""

import shutil
import signal
import time

import pytest
import yaml

from pipeline.volume import is_partial
from pipeline.workspace import Workspace

PATIENCE_S = 300
MICRO = {
    "device": "cpu",
    "threads": 1,
    "spacing_mm": 12.0,
    "network": {"patch_size": [16, 16, 16], "features": [4, 8]},
    "training": {"epochs": 3, "iterations": 4, "learning_rate": 0.01},
}


@pytest.fixture(scope="module")
def prepared(new_lab, bodies):
    """A lab before anything was taken in."""
    lab = new_lab()
    lab.json("init", "--class-map", "six")
    return lab


@pytest.fixture(scope="module")
def taken_in(prepared, new_lab, bodies):
    """A lab with two drawn and two bare CTs and predictions for the bare ones."""
    lab = copy_of(prepared, new_lab)
    lab.json("intake", str(bodies / "drawn"), str(bodies / "bare"), "--given-origin", "human")
    lab.predict_with_truth(bodies)
    return lab


def copy_of(lab, new_lab):
    """Return another lab with the same workspace; the key stays the same."""
    other = new_lab()
    Workspace.open(lab.workspace).ledger.close()
    shutil.copytree(lab.workspace, other.workspace)
    if (lab.root / "predictions").is_dir():
        shutil.copytree(lab.root / "predictions", other.root / "predictions")
    return other


def kill_when(lab, words, pattern, count=1):
    """Start a command and kill it as soon as so many files of that pattern are there."""
    process = lab.start(*words)
    deadline = time.monotonic() + PATIENCE_S
    while sum(1 for _ in lab.workspace.glob(pattern)) < count:
        assert process.poll() is None, f"ended before {count} {pattern} were there"
        assert time.monotonic() < deadline, f"no {count} {pattern} after {PATIENCE_S} s"
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -signal.SIGKILL


def state_of(lab):
    """Return everything that must not depend on having been disturbed."""
    workspace = Workspace.open(lab.workspace)
    cases = {case.id: case.ct_digest for case in workspace.cases()}
    masks = {case_id: sorted(m.id for m in workspace.masks(case_id)) for case_id in cases}
    in_force = {case_id: workspace.digest_in_force(case_id) for case_id in cases}
    files = sorted(
        str(path.relative_to(lab.workspace))
        for folder in ("cases", "gallery")
        for path in (lab.workspace / folder).rglob("*")
        if path.is_file() and not is_partial(path)
    )
    rounds = [(r.number, r.manifest_digest) for r in workspace.ledger.rounds()]
    workspace.ledger.close()
    return cases, masks, in_force, rounds, files


def assert_sound(lab):
    """Check that the doctor, who also asks SQLite for its integrity, finds no error."""
    document = lab.json("doctor")
    assert document["errors"] == 0
    assert {finding["kind"] for finding in document["findings"]} <= {"partial"}


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("scratch/**/*", 1),
        ("cases/*/ct.nii.gz", 1),
        ("cases/*/case.json", 2),
        ("cases/*/masks/*/*.nii.gz", 3),
    ],
)
def test_intake(prepared, taken_in, new_lab, bodies, pattern, count):
    lab = copy_of(prepared, new_lab)
    words = ["intake", str(bodies / "drawn"), str(bodies / "bare"), "--given-origin", "human"]
    kill_when(lab, words, pattern, count)
    lab.json(*words)
    assert state_of(lab) == state_of(taken_in)
    assert_sound(lab)


@pytest.mark.parametrize("count", [1, 8])
def test_bootstrap(taken_in, new_lab, count):
    calm, disturbed = copy_of(taken_in, new_lab), copy_of(taken_in, new_lab)
    words = ["bootstrap", "--cases", bare_cases(taken_in)]
    calm.json(*words)
    kill_when(disturbed, words, "cases/case-*/masks/*/*.nii.gz", count)
    disturbed.json(*words)
    # The name of the folder of the predictions is no part of a mask.
    assert state_of(disturbed) == state_of(calm)
    assert_sound(disturbed)


@pytest.mark.slow
@pytest.mark.rendering
def test_gallery(taken_in, new_lab):
    calm, disturbed = copy_of(taken_in, new_lab), copy_of(taken_in, new_lab)
    words = ["gallery", "--width-px", "800", "--view-height-px", "220"]
    calm.json(*words)
    kill_when(disturbed, words, "gallery/images/*.png")
    again = disturbed.json(*words)
    assert again["counts"]["failed"] == 0
    assert state_of(disturbed) == state_of(calm)
    assert_sound(disturbed)


@pytest.mark.slow
def test_retrain(taken_in, new_lab):
    """One round is killed in each of its phases, always the same one."""
    start = copy_of(taken_in, new_lab)
    settings = yaml.safe_dump({"profile": "micro", "profiles": {"micro": MICRO}})
    words = ["retrain", "--round", "1", "--allow-fewer"]
    start.json("verdict", "accept", "--case", "s0000,s0001", "--rest-absent", "fov", "--by", "a")
    calm, disturbed = copy_of(start, new_lab), copy_of(start, new_lab)
    for lab in (calm, disturbed):
        (lab.root / "configs" / "retrain.yaml").write_text(settings)
    calm.json(*words)
    for pattern in (
        "rounds/1/manifest.json",
        "rounds/1/all/nnunet/raw/*/imagesTr/*",
        "rounds/1/all/nnunet/preprocessed/*/nnUNetPlans.json",
        "rounds/1/all/nnunet/results/*/*/fold_0/checkpoint_latest.pth",
        "cases/case-*/masks/*/*.nii.gz",
    ):
        kill_when(disturbed, words, pattern)
    last = disturbed.json(*words)
    assert last["counts"]["failed"] == 0
    assert state_of(disturbed) == state_of(calm)
    assert_sound(disturbed)
    case_id = bare_cases(disturbed).split(",")[0]
    history = disturbed.json("status", "--case", case_id, "--structure", "liver", "--history")
    steps = {step["kind"]: step for step in history["steps"]}
    assert steps["manifest"]["found"] is True
    assert "liver in 2 cases (s0000, s0001)" in steps["manifest"]["what"]
    assert steps["model_folder"]["found"] is True


def bare_cases(lab):
    """Return the cases without given masks, as typed after --cases."""
    cases = Workspace.open(lab.workspace).cases()
    return ",".join(case.id for case in cases if case.id.startswith("case-"))
