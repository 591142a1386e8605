"""Runner totalsegmentator: what the program is told, where it finds weights, what it may not do.

Most tests put a small program in the place of TotalSegmentator: it writes down its words and its
environment and gives a label map. It proves what we ask for, not that TotalSegmentator answers.
That is proved, slowly, by the real package (installed into a folder of its own) with an untrained
network in the place of its 3 mm model.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.untrained_models import write_untrained_model
from pipeline.bootstrap.models import list_models, trust_model
from pipeline.bootstrap.runners.totalsegmentator import licence_number, weights_folder
from pipeline.bootstrap.weights import ModelMissing
from pipeline.errors import MissingDependency
from pipeline.stage import Outcome
from pipeline.workspace import Case, Workspace
from tests.fixtures.tiny_models import bright_body

Run = Callable[..., list[Outcome]]
PARTS = {"Dataset901_one": "total", "Dataset902_two": "total"}
STAND_IN = """
import gzip, json, os, struct, sys
home = os.environ['TOTALSEG_HOME_DIR']
told = dict(words=sys.argv[1:], config=json.load(open(home + '/config.json')), home=home,
            weights=os.environ['TOTALSEG_WEIGHTS_PATH'], proxy=os.environ.get('https_proxy'))
json.dump(told, open({log!r}, 'w'))
raw = gzip.open(sys.argv[2]).read()
offset = int(struct.unpack_from('<f', raw, 108)[0])
header = bytearray(raw[:offset])
struct.pack_into('<hh', header, 70, 2, 8)
gzip.open(sys.argv[4], 'wb').write(bytes(header) + bytes([5]) * ((len(raw) - offset) // 2))
"""
DOWNLOADER = """
import os, pathlib, sys
assert sys.argv[1:] == ['-t', 'total'], sys.argv
for name in ('Dataset901_one', 'Dataset902_two'):
    fold = pathlib.Path(os.environ['TOTALSEG_WEIGHTS_PATH']) / name / 'trainer' / 'fold_0'
    fold.mkdir(parents=True)
    (fold / 'checkpoint_final.pth').write_bytes(b'downloaded')
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the user's home of TotalSegmentator, with nothing in it."""
    path = tmp_path / "totalseg_home"
    path.mkdir()
    monkeypatch.setenv("TOTALSEG_HOME_DIR", str(path))
    monkeypatch.delenv("TOTALSEG_WEIGHTS_PATH", raising=False)
    return path


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """Put the two stand-ins into a folder; give the file into which the first one writes."""
    log = tmp_path / "told.json"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "TotalSegmentator").write_text(STAND_IN.format(log=str(log)))
    (tmp_path / "bin" / "totalseg_download_weights").write_text(DOWNLOADER)
    return log


@pytest.fixture
def total_card(write_card: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    def write(**options: object) -> Path:
        said = {
            "environment": [sys.executable, "-S", "-B"],
            "program": str(tmp_path / "bin" / "TotalSegmentator"),
            "task": "total",
            "folders": PARTS,
            **options,
        }
        return write_card("total", runner="totalsegmentator", options=said, labels={5: "liver"})

    return write


def put_weights(folder: Path, content: bytes = b"1") -> None:
    for name in PARTS:
        fold = folder / name / "nnUNetTrainer__nnUNetPlans__3d_fullres" / "fold_0"
        fold.mkdir(parents=True, exist_ok=True)
        (fold / "checkpoint_final.pth").write_bytes(content)


def test_the_program_is_told_task_device_and_weights_and_reports_to_nobody(
    workspace: Workspace,
    configs: Path,
    add_case: Callable[..., Case],
    total_card: Callable[..., Path],
    told: Path,
    home: Path,
    run_bootstrap: Run,
) -> None:
    add_case("s0001")
    put_weights(home / "nnunet" / "results")
    (home / "config.json").write_text(json.dumps({"totalseg_id": "me", "license_number": "x" * 18}))
    total_card(fast=True)
    approval = trust_model(workspace, configs, "total")
    (outcome,) = run_bootstrap(device="gpu:1")
    assert outcome.status == "done", outcome.note
    said = json.loads(told.read_text())
    words = said["words"]
    assert [words[0], words[2]] == ["-i", "-o"]
    assert words[4:] == ["--ml", "--task", "total", "--fast", "--device", "gpu:1"]
    assert said["weights"] == str(home / "nnunet" / "results")
    assert said["config"]["send_usage_stats"] is False
    assert said["config"]["license_number"] == "x" * 18
    assert said["home"] != str(home)
    assert said["proxy"] == "http://127.0.0.1:9"
    assert not Path(said["home"]).exists()
    masks = workspace.in_force("s0001")
    assert masks["liver"].voxels == np.prod(workspace.case("s0001").grid.shape)
    assert masks["liver"].provenance.sources["weights"] == approval.digest


def test_weights_that_are_missing_are_named_with_the_command_that_gets_them(
    add_case: Callable[..., Case],
    total_card: Callable[..., Path],
    told: Path,
    home: Path,
    run_bootstrap: Run,
) -> None:
    add_case("s0001")
    place = home / "nnunet" / "results"
    put_weights(place)
    next((place / "Dataset902_two").rglob("*.pth")).unlink()
    total_card()
    with pytest.raises(MissingDependency) as caught:
        run_bootstrap()
    message = str(caught.value)
    assert (
        f"no Dataset902_two in {place}; download them with: TOTALSEG_WEIGHTS_PATH={place} "
        in message
    )
    assert "/bin/totalseg_download_weights -t total (or set download: true" in message
    assert "Dataset901" not in message
    assert not told.exists()


def test_a_download_that_the_card_allows_still_needs_approval(
    workspace: Workspace,
    configs: Path,
    add_case: Callable[..., Case],
    total_card: Callable[..., Path],
    told: Path,
    home: Path,
    run_bootstrap: Run,
) -> None:
    add_case("s0001")
    total_card(download=True)
    (status,) = list_models(workspace, configs)
    assert (status.state, weights_folder().exists()) == ("missing", False)
    with pytest.raises(MissingDependency, match="masksmith models trust total"):
        run_bootstrap()
    checkpoints = sorted(weights_folder().rglob("checkpoint_final.pth"))
    assert [path.read_bytes() for path in checkpoints] == [b"downloaded"] * 2
    assert not told.exists()
    trust_model(workspace, configs, "total")
    (outcome,) = run_bootstrap()
    assert outcome.status == "done", outcome.note
    assert list(home.iterdir()) == [home / "nnunet"]


def test_other_weights_need_another_approval_and_give_other_masks(
    workspace: Workspace,
    configs: Path,
    add_case: Callable[..., Case],
    total_card: Callable[..., Path],
    told: Path,
    home: Path,
    run_bootstrap: Run,
) -> None:
    add_case("s0001")
    put_weights(home / "nnunet" / "results")
    put_weights(home / "nnunet" / "results" / "Dataset999_other_task")
    total_card()
    before = trust_model(workspace, configs, "total").digest
    run_bootstrap()
    put_weights(home / "nnunet" / "results" / "Dataset999_other_task", b"2")
    assert [outcome.status for outcome in run_bootstrap()] == ["kept"]
    put_weights(home / "nnunet" / "results", b"2")
    with pytest.raises(MissingDependency, match="was not approved"):
        run_bootstrap()
    assert trust_model(workspace, configs, "total").digest != before
    assert [outcome.status for outcome in run_bootstrap()] == ["done"]


def test_a_task_under_a_licence_says_how_to_get_one(
    workspace: Workspace,
    configs: Path,
    total_card: Callable[..., Path],
    told: Path,
    home: Path,
) -> None:
    put_weights(home / "nnunet" / "results")
    total_card(needs_licence=True)
    with pytest.raises(ModelMissing, match="totalseg_set_license -l NUMBER"):
        trust_model(workspace, configs, "total")
    (home / "config.json").write_text("[1")
    assert licence_number() == ""
    (home / "config.json").write_text(json.dumps({"license_number": "y" * 18}))
    assert licence_number() == "y" * 18
    assert trust_model(workspace, configs, "total").model == "total"


def test_the_tools_own_variable_says_where_weights_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(tmp_path / "w"))
    assert weights_folder() == tmp_path / "w"


@pytest.fixture(scope="module")
def real_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the real package without its dependencies, most of which we have; skip offline."""
    folder = tmp_path_factory.mktemp("totalsegmentator")
    packages = ["TotalSegmentator==2.18.0", "dicom2nifti", "xmltodict", "xvfbwrapper"]
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder)]
    done = subprocess.run([*command, *packages], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"TotalSegmentator cannot be installed here: {done.stderr[-200:]}")
    return folder


@pytest.mark.slow
def test_the_real_package_labels_a_ct_on_its_own_grid(
    workspace: Workspace,
    configs: Path,
    write_card: Callable[..., Path],
    run_bootstrap: Run,
    real_package: Path,
    home: Path,
    tmp_path: Path,
) -> None:
    """An untrained network with TotalSegmentator's 117 labels as its 3 mm model."""
    from pipeline.anatomy import load_class_map, shipped_configs
    from pipeline.workspace import digest_of_ct, write_case

    theirs = shipped_configs() / "class_maps" / "totalsegmentator_v2.yaml"
    names = load_class_map(theirs).names_by_value
    name = "Dataset297_TotalSegmentator_total_3mm_1559subj"
    trainer = "nnUNetTrainer_4000epochs_NoMirroring"
    write_untrained_model(tmp_path / "weights" / name, names, trainer, spacing_mm=3.0)
    ct, _, grid = bright_body(1, "LPS")
    case = write_case(workspace.layout, Case("s0001", grid, digest_of_ct(ct, grid)), ct)
    workspace.record_case(case)
    options = {
        "environment": [sys.executable, "-m"],
        "program": "totalsegmentator.bin.TotalSegmentator",
        "variables": {"PYTHONPATH": str(real_package), "OMP_NUM_THREADS": "1"},
        "task": "total",
        "fast": True,
        "folders": {name: "total_fast"},
    }
    said = {"options": options, "weights": {"path": str(tmp_path / "weights")}}
    write_card("total", runner="totalsegmentator", labels=None, class_map=str(theirs), **said)
    trust_model(workspace, configs, "total")
    # An untrained network numbers its vertebrae at random, which the review of the case reports.
    outcome, *_ = run_bootstrap(check_sides=False)
    assert (outcome.status, outcome.figures["model"]) == ("done", "total"), outcome.note
    found = outcome.figures["voxels"] + sum(outcome.figures["unmatched"].values())
    assert found > grid.shape[0] * grid.shape[1]
    assert list(home.iterdir()) == []
