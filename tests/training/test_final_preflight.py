import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.volume import Grid
from pipeline.workspace import Case, Verdict, Workspace, digest_of_ct, write_case
from tests.fixtures.final_models import CASES, final_settings, final_workspace
from tests.fixtures.tiny_models import STRUCTURES, accept, add_bright_case
from training.final_cost import cost_checks, needed_gb, spoken
from training.final_manifest import final_models, freeze, manifest_of, split_of
from training.final_preflight import Check, data_checks, undecided_pairs
from training.final_probe import Probe, shape_at


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = final_workspace(tmp_path_factory.mktemp("final") / "workspace")
    workspace.ledger.close()
    return workspace.path


@pytest.fixture
def lab(original: Path, tmp_path: Path) -> Workspace:
    return Workspace.open(shutil.copytree(original, tmp_path / "workspace"))


def say(lab: Workspace, case: str, decision: str, structure: str) -> None:
    mask = lab.in_force(case).get(structure)
    about = mask.id if mask and decision == "fix" else None
    later = "2027-01-01T00:00:00.000000+00:00"
    verdict = Verdict(case, decision, "a", structure, about, created=later)  # type: ignore[arg-type]
    lab.record_verdicts([verdict])


def checks_of(lab: Workspace, probe: Probe | None = None, **changes: object) -> dict[str, Check]:
    model = final_models(lab, final_settings(**changes))[0]
    split = split_of(model)
    manifest = manifest_of(model, split)
    checks = list(data_checks(model, split, manifest))
    if manifest.choice.structures:
        checks += cost_checks(model, manifest, probe or Probe(2, 25, why="not wanted"))
    return {check.name: check for check in checks}


def side_of(lab: Workspace, side: str) -> str:
    return split_of(final_models(lab, final_settings())[0]).cases(side)[0]  # type: ignore[arg-type]


def states(checks: dict[str, Check]) -> dict[str, str]:
    return {name: check.state for name, check in checks.items()}


def test_a_good_workspace_is_refused_nothing(lab: Workspace):
    checks = checks_of(lab)
    assert "refused" not in states(checks).values()
    assert checks["patients (cases)"].figures["cases"] == {"train": 4, "val": 1, "test": 1}
    assert checks["undecided"].found == "every structure is decided in every case"
    assert checks["rare classes"].figures["training_cases"] == dict.fromkeys(STRUCTURES, 4)


def test_undecided_pairs_refuse_unless_a_rule_is_named(lab: Workspace):
    train = side_of(lab, "train")
    say(lab, train, "fix", "liver")
    check = checks_of(lab)["undecided"]
    assert (check.state, check.figures["structures"]) == ("refused", {"liver": 1})
    assert check.found == "1 pairs of case and structure: liver in 1"
    allowed = checks_of(lab, undecided="leave_out_case")["undecided"]
    assert (allowed.state, allowed.advice) == (
        "look", "--undecided leave_out_case: 1 cases and 0 structures are left out",
    )  # fmt: skip


def test_partial_labels_take_the_form_of_the_trainer_that_can(lab: Workspace):
    train = side_of(lab, "train")
    say(lab, train, "fix", "liver")
    checks = checks_of(lab, undecided="partial", model="full")
    assert checks["undecided"].advice == (
        "--undecided partial: the other structures are learned from those cases"
    )
    assert checks["plan"].found.startswith("nnUNetTrainer_4000epochs_NoMirroring_PartialLabels, ")
    assert checks["rare classes"].figures["training_cases"]["liver"] == 3
    assert checks["patients (cases)"].figures["cases"]["train"] == 4


def test_undecided_structures_of_test_cases_are_said_and_do_not_refuse(lab: Workspace):
    test = side_of(lab, "test")
    say(lab, test, "fix", "aorta")
    check = checks_of(lab)["undecided"]
    assert (check.state, check.figures["test_pairs"]) == ("look", 1)


def test_a_structure_that_no_training_case_shows_is_refused_or_left_out(lab: Workspace):
    for case in CASES:
        if case != side_of(lab, "val"):
            say(lab, case, "absent_anatomy", "sacrum")
    check = checks_of(lab)["empty classes"]
    assert (check.state, check.figures) == ("refused", {"structures": ["sacrum"]})
    checks = checks_of(lab, empty_classes="leave_out")
    assert checks["empty classes"].state == "look"
    assert checks["class map"].figures["structures"] == ["liver", "aorta"]


@pytest.mark.parametrize(
    ("spacing", "shape", "state", "words"),
    [
        ((1.0, 1.0, 30.0), (20, 20, 4), "refused", "1 spacings outside 0.1 to 10 mm: odd"),
        ((5.0, 5.0, 5.0), (40, 32, 4), "look", r"1 fields of view below 50 mm: odd \(20 mm\)"),
    ],
)
def test_odd_grids_are_named(lab: Workspace, spacing, shape, state, words):
    grid = Grid(shape, np.diag([*spacing, 1.0]))
    ct = np.zeros(shape, np.int16)
    write_case(lab.layout, case := Case("odd", grid, digest_of_ct(ct, grid), "p-odd"), ct)
    lab.record_case(case)
    lab.record_verdicts([Verdict("odd", "absent_fov", "a", name) for name in STRUCTURES])
    check = checks_of(lab)["grids"]
    assert check.state == state
    assert re.search(words, check.found)


def test_a_vanished_ct_is_refused(lab: Workspace):
    lab.layout.ct("f1").unlink()
    assert checks_of(lab)["CT files"].found == "1 are gone: f1"


def test_unreviewed_masks_are_counted_when_admitted(lab: Workspace):
    add_bright_case(lab, "new", 9)
    assert checks_of(lab)["unreviewed masks"].state == "ok"
    checks = checks_of(lab, admit_unreviewed=("model",), split_proportions=(1, 0, 0))
    assert checks["unreviewed masks"].figures == {"origins": {"model": 3}}


def test_cases_that_come_after_the_freeze_are_left_aside(lab: Workspace):
    model = final_models(lab, final_settings())[0]
    split = split_of(model)
    freeze(model, split, manifest_of(model, split))
    add_bright_case(lab, "late", 9, STRUCTURES)
    assert split_of(model) == split
    assert checks_of(lab)["left aside"].found == "1 decided cases stand on no side"


def test_a_case_nobody_looked_at_stands_on_no_side(lab: Workspace):
    add_bright_case(lab, "fresh", 9)
    model = final_models(lab, final_settings())[0]
    assert "fresh" not in split_of(model).sides
    assert undecided_pairs(model, split_of(model), ("train", "val", "test")) == {}
    accept(lab, "fresh", ["liver"])
    assert "fresh" in split_of(model).sides


def test_a_licence_that_is_not_stated_is_said(lab: Workspace):
    assert checks_of(lab, licence="not stated")["licence"].state == "look"


def test_disk_is_an_upper_bound_by_voxels_at_the_models_spacing(lab: Workspace, monkeypatch):
    grid = lab.case("f1").grid
    assert shape_at(grid, 6.0) == ((30, 27, 33), (6.0, 6.0, 6.0))
    profile = final_settings().training_profile()
    voxels = 30 * 27 * 33
    data = voxels * 9 + min(voxels, 20_000 + voxels / 100) * 32
    assert needed_gb([grid] * 5, profile, 2) == pytest.approx(5 * data / 1e9 + 0.2)
    full = SimpleNamespace(free=1000)
    monkeypatch.setattr("training.final_cost.shutil.disk_usage", lambda _: full)
    check = checks_of(lab)["disk"]
    assert (check.state, check.figures["free_gb"]) == ("refused", 0.0)


def test_time_comes_from_the_probe_from_settings_or_is_unknown(lab: Workspace):
    measured = checks_of(lab, Probe(4000, 250, seconds_per_step=0.2))["time"]
    assert measured.found.startswith("about 2.3 days: 4000 epochs of 50 s, measured here")
    unknown = checks_of(lab)["time"]
    assert (unknown.state, unknown.figures["days"]) == ("unknown", None)
    known = final_settings().model_dump(by_alias=True)["models"]
    known["whole"]["seconds_per_epoch"] = {"A100": 60.0}
    probe = Probe(4000, 250, gpu="NVIDIA A100-SXM4-80GB", gpu_memory_gb=80.0, seconds_per_step=9.0)
    said = checks_of(lab, probe, models=known)["time"]
    assert said.found == "about 2.8 days: 4000 epochs of 60 s, from the settings"


@pytest.mark.parametrize(
    ("probe", "state", "words"),
    [
        (Probe(4000, 250, why="no GPU is visible to torch"), "refused", "no GPU"),
        (Probe(4000, 250, gpu="T4", gpu_memory_gb=6.0), "refused", "plans for about 8.0 GB"),
        (Probe(4000, 250, gpu="T4", gpu_memory_gb=16.0), "look", "plans for about 8.0 GB on T4"),
        (Probe(4000, 250, gpu="T4", gpu_memory_gb=16.0, memory_gb=11.5), "ok", "11.5 GB held"),
        (
            Probe(4000, 250, gpu="T4", gpu_memory_gb=16.0, why="CUDA out of memory"),
            "refused",
            "does not fit on T4 with 16.0 GB",
        ),
    ],
)
def test_gpu_memory_is_measured_planned_or_missing(lab: Workspace, probe, state, words):
    check = checks_of(lab, probe, model="full")["GPU memory"]
    assert check.state == state
    assert words in check.found


@pytest.mark.parametrize(
    ("days", "words"), [(2.5, "2.5 days"), (0.5, "12.0 hours"), (0.01, "15 minutes")]
)
def test_times_are_said_in_fitting_units(days, words):
    assert spoken(days) == words
