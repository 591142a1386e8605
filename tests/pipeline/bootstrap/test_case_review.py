"""The end of a bootstrap run: merged masks, the report on overlaps, findings, shuffled orders."""

import json
import shutil
from collections.abc import Callable, Mapping
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.bootstrap.bootstrap import STAGE
from pipeline.bootstrap.card_file import CardError
from pipeline.bootstrap.case_review import OVERLAPS, VERTEBRAE
from pipeline.engine import ProcessEngine, SerialEngine
from pipeline.errors import MissingDependency, UsageError
from pipeline.stage import Outcome, load_settings, run_stage
from pipeline.workspace import Case, Workspace, read_findings
from pipeline.workspace.doctor import examine

Run = Callable[..., list[Outcome]]
WriteCard = Callable[..., Path]
UPPER, LOWER, MIDDLE = slice(16, 28), slice(2, 18), slice(8, 22)


def tube(case: Case, along: slice, value: int = 1, aside: int = 0) -> np.ndarray:
    """Make a label map with a tube along z."""
    labels = np.zeros(case.grid.shape, np.uint8, order="F")
    labels[14 + aside : 18 + aside, 10:14, along] = value
    return labels


@pytest.fixture
def case(add_case: Callable[..., Case]) -> Case:
    return add_case("s0001")


@pytest.fixture
def three_models(
    case: Case, write_card: WriteCard, write_prediction: Callable[..., Path], tmp_path: Path
) -> dict[str, str]:
    """Three models that see the aorta in different fields of view; one also the esophagus."""
    labels = {1: "aorta", 2: "esophagus"}
    for name, priority, along in (("a", 30, UPPER), ("b", 20, LOWER), ("c", 10, MIDDLE)):
        write_card(name, priority=priority, labels=labels)
        beside = tube(case, along, 2, aside=3 if name == "b" else 8)
        both = np.where(beside > 0, beside, tube(case, along))
        write_prediction(f"{name}/s0001.nii.gz", both, case.grid)
    return {name: str(tmp_path / "predictions" / name) for name in "abc"}


def policies(configs: Path, **said: object) -> None:
    (configs / "bootstrap.yaml").write_text(yaml.safe_dump(said))


def report(workspace: Workspace) -> Mapping[str, object]:
    return json.loads(workspace.layout.overlaps("s0001").read_text())


def length(workspace: Workspace, name: str) -> int:
    """Count the slices of a mask in force."""
    mask = workspace.in_force("s0001")[name]
    return int(workspace.mask_array(mask).any(axis=(0, 1)).sum())


def test_union_takes_what_any_model_saw(
    workspace: Workspace, configs: Path, three_models: dict[str, str], run_bootstrap: Run
) -> None:
    policies(configs, policies={"aorta": "union"})
    outcomes = run_bootstrap(weights=three_models)
    assert length(workspace, "aorta") == 26
    assert length(workspace, "esophagus") == 12  # that of the highest priority
    assert outcomes[-1].figures["merged"] == ["aorta"]
    assert outcomes[-1].note.startswith("merged 1 by union")
    assert [o.status for o in run_bootstrap(weights=three_models)] == ["kept"] * 3
    assert [f for f in examine(workspace) if f.severity == "error"] == []


def test_vote_takes_what_most_saw_and_needs_three(
    workspace: Workspace, configs: Path, three_models: dict[str, str], run_bootstrap: Run
) -> None:
    policies(configs, policy="vote")
    run_bootstrap(weights=three_models, models=["a", "b"])
    assert length(workspace, "aorta") == 12
    assert workspace.in_force("s0001")["aorta"].origin == "model"
    run_bootstrap(weights=three_models)
    assert length(workspace, "aorta") == 14  # 8..21: two of three, at 16 and 17 all
    assert workspace.in_force("s0001")["aorta"].origin == "merged"


def test_a_policy_that_changes_takes_effect_without_running_a_model(
    workspace: Workspace, configs: Path, three_models: dict[str, str], run_bootstrap: Run
) -> None:
    lengths = []
    for said in ({"aorta": "union"}, {}, {"aorta": "vote"}, {"aorta": "union"}):
        policies(configs, policies=said)
        outcomes = run_bootstrap(weights=three_models)
        lengths.append(length(workspace, "aorta"))
    assert lengths == [26, 12, 14, 26]
    assert [o.status for o in outcomes] == ["kept", "kept", "kept", "done"]


@pytest.mark.slow
def test_shuffled_models_files_and_runs_give_the_same_bits(
    workspace: Workspace, configs: Path, three_models: dict[str, str], add_case: object
) -> None:
    policies(configs, policy="vote", policies={"aorta": "union"})
    found = set()
    for number, order in enumerate(permutations("abc")):
        other = Workspace.create(workspace.path.parent / f"shuffled{number}")
        shutil.copytree(workspace.layout.case_dir("s0001"), other.layout.case_dir("s0001"))
        other.record_case(workspace.case("s0001"))
        runs = [[name] for name in order] if number % 2 else [list(order)]
        for models in runs:
            given = {"weights": three_models, "models": models}
            engine = ProcessEngine(2) if number == 0 else SerialEngine()
            run_stage(STAGE, other, load_settings(STAGE, configs, given), engine)
        masks = other.in_force("s0001")
        found.add(tuple((name, mask.id) for name, mask in masks.items()))
        found.add(other.label_map("s0001").tobytes())
    assert len(found) == 2


def test_overlaps_are_reported_and_large_ones_flagged(
    workspace: Workspace, configs: Path, three_models: dict[str, str], run_bootstrap: Run
) -> None:
    policies(configs, policies={"esophagus": "union"}, overlap_limit_ml=0.0)
    run_bootstrap(weights=three_models)
    said = report(workspace)
    (pair,) = said["structures"]
    # In the slices 16 and 17 one row of voxels of b's esophagus lies in a's aorta.
    assert (pair["first"], pair["second"], pair["voxels"]) == ("aorta", "esophagus", 8)
    assert pair["ml"] == pytest.approx(8 * 0.045)
    assert (said["pairs"], said["flagged"], pair["flagged"]) == (1, 0, False)
    assert {(m["structure"], m["first_maker"], m["second_maker"]) for m in said["models"]} == {
        (name, f"model:{one}", f"model:{other}")
        for name in ("aorta", "esophagus")
        for one, other in (("a", "b"), ("a", "c"), ("b", "c"))
    }
    policies(configs, policies={"esophagus": "union"}, overlap_limit_ml=0, overlap_limit_share=0)
    outcome = run_bootstrap(weights=three_models)[-1]
    assert outcome.figures["flagged_pairs"] == 1
    (finding,) = read_findings(workspace.layout, "s0001")[OVERLAPS]
    assert finding.structures == ("aorta", "esophagus")
    policies(configs, policies={"esophagus": "union"})
    run_bootstrap(weights=three_models)
    assert read_findings(workspace.layout, "s0001")[OVERLAPS] == ()


def test_equal_priorities_are_fine_where_masks_are_joined(
    workspace: Workspace,
    configs: Path,
    three_models: dict[str, str],
    write_card: WriteCard,
    run_bootstrap: Run,
) -> None:
    write_card("b", priority=30, labels={1: "aorta", 2: "esophagus"})
    policies(configs, policies={"aorta": "union"})
    with pytest.raises(CardError, match="both have priority 30 and both cover esophagus"):
        run_bootstrap(weights=three_models)
    policies(configs, policies={"aorta": "union", "esophagus": "union"})
    run_bootstrap(weights=three_models)
    assert length(workspace, "aorta") == 26


def test_a_policy_for_an_unknown_structure_stops_before_any_work(
    workspace: Workspace, configs: Path, three_models: dict[str, str], run_bootstrap: Run
) -> None:
    policies(configs, policies={"aorto": "union"})
    with pytest.raises(UsageError, match=r"found 'aorto'.*did you mean aorta"):
        run_bootstrap(weights=three_models)
    assert workspace.masks("s0001") == ()


def test_a_damaged_mask_fails_its_case_alone(
    workspace: Workspace,
    configs: Path,
    three_models: dict[str, str],
    add_case: Callable[..., Case],
    write_prediction: Callable[..., Path],
    run_bootstrap: Run,
) -> None:
    other = add_case("s0002")
    for name in "ab":
        write_prediction(f"{name}/s0002.nii.gz", tube(other, UPPER), other.grid)
    run_bootstrap(weights=three_models)
    mask = workspace.in_force("s0001")["aorta"]
    path = workspace.layout.mask("s0001", "aorta", mask.id)
    path.write_bytes(path.read_bytes()[:40])
    policies(configs, policies={"aorta": "union"})
    outcomes = {o.subject: o for o in run_bootstrap(weights=three_models) if "merg" in o.note}
    assert outcomes["s0001"].status == "failed"
    assert str(path) in outcomes["s0001"].note
    assert outcomes["s0002"].note.startswith("merged 1 by union")
    assert workspace.in_force("s0001")["aorta"].id == mask.id


def test_wrong_vertebra_numbers_are_findings(
    workspace: Workspace,
    case: Case,
    write_card: WriteCard,
    write_prediction: Callable[..., Path],
    run_bootstrap: Run,
    tmp_path: Path,
) -> None:
    names = {1: "vertebrae_T10", 2: "vertebrae_T11", 3: "vertebrae_T12", 4: "vertebrae_L1"}
    write_card("verse", labels=names)
    labels = np.zeros(case.grid.shape, np.uint8, order="F")
    for value, low in ((1, 22), (2, 10), (3, 16), (4, 4)):  # T11 and T12 swapped
        labels[15:20, 8:14, low : low + 5] = value
    write_prediction("v/s0001.nii.gz", labels, case.grid)
    outcomes = run_bootstrap(weights={"verse": str(tmp_path / "predictions" / "v")})
    found = read_findings(workspace.layout, "s0001")[VERTEBRAE]
    assert [f.kind for f in found] == ["vertebra_order"]
    assert found[0].structures == ("vertebrae_T11", "vertebrae_T12")
    assert "out of order" in outcomes[-1].note


def test_a_label_for_review_is_kept_with_its_voxels(
    workspace: Workspace,
    case: Case,
    write_card: WriteCard,
    write_prediction: Callable[..., Path],
    run_bootstrap: Run,
    tmp_path: Path,
) -> None:
    import nibabel

    write_card(
        "verse",
        labels={1: "vertebrae_L5", 25: "vertebrae_L6"},
        without_target=["vertebrae_L6"],
        review=["vertebrae_L6"],
    )
    labels = tube(case, LOWER, 25)
    labels[:, :, 12:] = np.where(labels[:, :, 12:] > 0, 1, 0)
    write_prediction("v/s0001.nii.gz", labels, case.grid)
    outcome = run_bootstrap(weights={"verse": str(tmp_path / "predictions" / "v")})[0]
    assert outcome.figures["findings"] == ["label_without_structure"]
    (finding,) = read_findings(workspace.layout, "s0001")["model:verse"]
    assert finding.figures["voxels"] == int((labels == 25).sum()) == 160
    file = workspace.layout.findings_dir("s0001") / str(finding.figures["file"])
    image = nibabel.load(file)
    kept = np.argwhere(np.asarray(image.dataobj)) @ image.affine[:3, :3].T + image.affine[:3, 3]
    there = np.argwhere(labels == 25) @ case.grid.affine[:3, :3].T + case.grid.affine[:3, 3]
    assert np.allclose(np.sort(kept, axis=0), np.sort(there, axis=0))
    assert [f for f in examine(workspace) if f.severity == "error"] == []
    labels[:] = 0
    labels[3, 3, 3] = 1
    write_prediction("v/s0001.nii.gz", labels, case.grid)
    run_bootstrap(weights={"verse": str(tmp_path / "predictions" / "v")})
    assert read_findings(workspace.layout, "s0001")["model:verse"] == ()


def test_a_model_that_is_not_there_is_left_out_if_its_card_says_so(
    workspace: Workspace,
    three_models: dict[str, str],
    write_card: WriteCard,
    run_bootstrap: Run,
    tmp_path: Path,
) -> None:
    weights = {"path": str(tmp_path / "nowhere"), "url": "https://example.org/m.zip"}
    write_card("far", priority=5, runner="nnunet", enabled="if_found", weights=weights)
    outcomes = run_bootstrap(weights=three_models)
    assert (outcomes[0].subject, outcomes[0].status) == ("models", "kept")
    assert outcomes[0].figures["left_out"] == ["far"]
    assert "masksmith models check" in outcomes[0].note
    named = run_bootstrap(weights=three_models, models=["a", "far"])
    assert (named[0].subject, named[0].status) == ("model:far", "failed")
    assert "download https://example.org/m.zip and put it at" in named[0].note
    with pytest.raises(MissingDependency, match="not on this machine: far"):
        run_bootstrap()
