from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.stage import Outcome
from pipeline.volume import Grid, write_nifti
from pipeline.workspace import Case, Workspace
from tests.pipeline.bootstrap.conftest import BOXES, prediction

WritePrediction = Callable[..., Path]
Run = Callable[..., list[Outcome]]


@pytest.fixture
def case(add_case: Callable[..., Case], write_card: Callable[..., Path]) -> Case:
    write_card()
    return add_case("s0001")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "predictions"
    path.mkdir()
    return path


def voxels(workspace: Workspace, case: Case) -> dict[str, int]:
    return {name: mask.voxels for name, mask in workspace.in_force(case.id).items()}


def test_a_label_map_becomes_masks_by_name(
    workspace: Workspace,
    case: Case,
    folder: Path,
    write_prediction: WritePrediction,
    run_bootstrap: Run,
) -> None:
    write_prediction("s0001.nii.gz", prediction(case.grid, {1: 1, 2: 2, 3: 3}), case.grid)
    (outcome,) = run_bootstrap(predictions=folder)
    assert (outcome.subject, outcome.status) == ("s0001", "done")
    assert outcome.note == "model_a: 3 of 4 structures found"
    assert voxels(workspace, case) == {
        "liver": 1728,
        "spleen": 288,
        "kidney_right": 140,
        "kidney_left": 0,
    }
    liver = workspace.mask_array(workspace.in_force(case.id)["liver"])
    expected = np.zeros(case.grid.shape, np.bool_)
    expected[BOXES[1]] = True
    np.testing.assert_array_equal(liver, expected)


def test_provenance_leads_to_the_card_and_the_prediction(
    workspace: Workspace,
    case: Case,
    folder: Path,
    write_prediction: WritePrediction,
    run_bootstrap: Run,
) -> None:
    from pipeline.bootstrap.bootstrap import card_snapshot
    from pipeline.workspace import digest_of_file

    path = write_prediction("s0001.nii.gz", prediction(case.grid), case.grid)
    run_bootstrap(predictions=folder)
    made = workspace.in_force(case.id)["liver"].provenance
    assert (made.origin, made.maker, made.priority) == ("model", "model:model_a", 10)
    assert made.sources["predictions"] == digest_of_file(path)
    assert made.software["masksmith"]
    snapshot = card_snapshot(workspace, made.sources["model_card"]).read_text()
    assert snapshot.startswith(f"# digest {made.sources['model_card']}\n")
    assert "reference: made for a test" in snapshot


def test_labels_without_a_place_are_reported_with_their_voxels(
    workspace: Workspace,
    case: Case,
    folder: Path,
    write_card: Callable[..., Path],
    write_prediction: WritePrediction,
    run_bootstrap: Run,
) -> None:
    write_card(labels={1: "liver", 2: "lump"}, without_target=["lump"])
    write_prediction("s0001.nii.gz", prediction(case.grid, {1: 1, 2: 2, 3: 99}), case.grid)
    (outcome,) = run_bootstrap(predictions=folder)
    assert outcome.status == "done"
    assert (
        "no structure in the class map for lump (288 voxels), value 99 (140 voxels)" in outcome.note
    )
    assert outcome.figures["unmatched"] == {"lump": 288, "value 99": 140}
    assert voxels(workspace, case) == {"liver": 1728}


def test_one_file_per_structure(
    workspace: Workspace, case: Case, folder: Path, run_bootstrap: Run
) -> None:
    labels = prediction(case.grid)
    for name, value in {"liver": 1, "spleen": 2}.items():
        write_nifti(
            folder / "s0001" / f"{name}.nii.gz", (labels == value) * np.uint8(255), case.grid
        )
    write_nifti(folder / "s0001" / "kidney_left.nii.gz", np.zeros_like(labels), case.grid)
    write_nifti(folder / "s0001" / "ct.nii.gz", labels, case.grid)
    (outcome,) = run_bootstrap(predictions=folder)
    assert voxels(workspace, case) == {"kidney_left": 0, "liver": 1728, "spleen": 288}
    assert "no file for kidney_right" in outcome.note
    assert "files not named by the card, not read: ct" in outcome.note


def test_masks_may_overlap_and_lose_nothing(
    workspace: Workspace, case: Case, folder: Path, run_bootstrap: Run
) -> None:
    mask = prediction(case.grid, {1: 1})
    for name in ("liver", "spleen"):
        write_nifti(folder / "s0001" / f"{name}.nii.gz", mask, case.grid)
    run_bootstrap(predictions=folder)
    assert voxels(workspace, case) == {"liver": 1728, "spleen": 1728}


def test_a_grey_mask_is_refused_and_leaves_nothing(
    workspace: Workspace, case: Case, folder: Path, run_bootstrap: Run
) -> None:
    labels = prediction(case.grid)
    write_nifti(folder / "s0001" / "liver.nii.gz", (labels == 1) * np.uint8(1), case.grid)
    write_nifti(folder / "s0001" / "spleen.nii.gz", labels, case.grid)
    (outcome,) = run_bootstrap(predictions=folder)
    assert outcome.status == "failed"
    assert (
        "spleen.nii.gz: expected a mask of 0 and one other value, found 0, 1, 2, 3" in outcome.note
    )
    assert not workspace.layout.masks_dir(case.id).exists()


def test_fractions_are_refused(
    workspace: Workspace,
    case: Case,
    folder: Path,
    write_prediction: WritePrediction,
    run_bootstrap: Run,
) -> None:
    blurred = prediction(case.grid, {1: 1}).astype(np.float32) * 0.5
    path = write_prediction("s0001.nii.gz", blurred, case.grid)
    (outcome,) = run_bootstrap(predictions=folder)
    assert outcome.status == "failed"
    assert f"{path}: a label map must hold whole numbers, found 0.5" in outcome.note
    assert workspace.masks(case.id) == ()


def test_a_finer_prediction_is_resampled_and_said_so(
    workspace: Workspace,
    case: Case,
    folder: Path,
    write_prediction: WritePrediction,
    run_bootstrap: Run,
) -> None:
    from pipeline.volume import resample_labels

    fine = case.grid.with_spacing((1.5, 1.5, 2.5))
    labels = resample_labels(prediction(case.grid), case.grid, fine)
    write_prediction("s0001.nii.gz", labels, fine)
    (outcome,) = run_bootstrap(predictions=folder)
    assert outcome.status == "done"
    assert "resampled from 72 x 48 x 60 voxels of 1.5 x 1.5 x 2.5 mm" in outcome.note
    assert voxels(workspace, case)["liver"] == 1728


def test_a_prediction_of_another_place_or_a_mirrored_header_fails(
    workspace: Workspace,
    add_case: Callable[..., Case],
    case: Case,
    folder: Path,
    write_prediction: WritePrediction,
    run_bootstrap: Run,
) -> None:
    affine = np.array(case.grid.affine)
    affine[:3, 3] += 400
    write_prediction("s0001.nii.gz", prediction(case.grid), Grid(case.grid.shape, affine))
    mirrored = Grid(case.grid.shape, np.diag([-1, -1, 1, 1]) @ case.grid.affine)
    add_case("s0002")
    write_prediction("s0002.nii.gz", prediction(case.grid), mirrored)
    add_case("s0003")
    write_prediction("s0003.nii.gz", prediction(case.grid), case.grid)
    outcomes = {outcome.subject: outcome for outcome in run_bootstrap(predictions=folder)}
    assert [outcomes[f"s000{n}"].status for n in (1, 2, 3)] == ["failed", "failed", "done"]
    assert "covers 0% of the CT" in outcomes["s0001"].note
    assert "mirrored: it would fit if the world axes x, y were turned" in outcomes["s0002"].note
    assert workspace.masks("s0001") == workspace.masks("s0002") == ()


def test_mirrored_voxels_under_a_good_header_fail(
    workspace: Workspace,
    case: Case,
    folder: Path,
    write_card: Callable[..., Path],
    write_prediction: WritePrediction,
    run_bootstrap: Run,
) -> None:
    write_card(labels={1: "hip_right", 2: "hip_left", 3: "kidney_right", 4: "kidney_left"})
    write_prediction("s0001.nii.gz", prediction(case.grid)[::-1], case.grid)
    (outcome,) = run_bootstrap(predictions=folder)
    assert outcome.status == "failed"
    assert "left and right are exchanged in all 2 pairs" in outcome.note
    (outcome,) = run_bootstrap(predictions=folder, check_sides=False)
    assert outcome.status == "done"
    assert "lies on its mirror's side: kidney_left, hip_left" in outcome.note


def test_a_prediction_out_of_all_proportion_is_not_read(
    case: Case, folder: Path, run_bootstrap: Run
) -> None:
    huge = case.grid.with_spacing((0.25, 0.25, 0.5))
    write_nifti(folder / "s0001.nii.gz", np.zeros(huge.shape, np.uint8), huge)
    (outcome,) = run_bootstrap(predictions=folder)
    assert outcome.status == "failed"
    assert "more than the limit of 13,271,040" in outcome.note


def test_an_unplaced_header_fails(case: Case, folder: Path, run_bootstrap: Run) -> None:
    import nibabel

    image = nibabel.Nifti1Image(prediction(case.grid), None)
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    nibabel.save(image, folder / "s0001.nii.gz")
    (outcome,) = run_bootstrap(predictions=folder)
    assert outcome.status == "failed"
    assert "says not where it lies" in outcome.note


def test_a_truncated_file_fails_alone(
    add_case: Callable[..., Case],
    case: Case,
    folder: Path,
    write_prediction: WritePrediction,
    run_bootstrap: Run,
) -> None:
    add_case("s0002")
    write_prediction("s0002.nii.gz", prediction(case.grid), case.grid)
    path = write_prediction("s0001.nii.gz", prediction(case.grid), case.grid)
    path.write_bytes(path.read_bytes()[:-40])
    outcomes = {outcome.subject: outcome for outcome in run_bootstrap(predictions=folder)}
    assert outcomes["s0001"].status == "failed"
    assert "s0001.nii.gz" in outcomes["s0001"].note
    assert outcomes["s0002"].status == "done"


def test_cases_without_a_prediction_are_counted_once(
    add_case: Callable[..., Case],
    case: Case,
    folder: Path,
    write_prediction: WritePrediction,
    run_bootstrap: Run,
) -> None:
    add_case("s0002")
    add_case("s0003")
    write_prediction("s0001.nii.gz", prediction(case.grid), case.grid)
    outcomes = run_bootstrap(predictions=folder)
    assert [(o.subject, o.status) for o in outcomes] == [
        ("s0001", "done"),
        ("model:model_a", "done"),
    ]
    assert "for 1 of 3 cases; none for s0002, s0003" in outcomes[1].note
    (named,) = run_bootstrap(predictions=folder, cases=["s0002"])
    assert (named.subject, named.status) == ("s0002", "failed")
    assert "no prediction for this case below" in named.note


def test_no_prediction_at_all_is_a_failure(case: Case, folder: Path, run_bootstrap: Run) -> None:
    (outcome,) = run_bootstrap(predictions=folder)
    assert (outcome.subject, outcome.status) == ("model:model_a", "failed")
    assert "for 0 of 1 cases" in outcome.note


def test_a_table_names_the_prediction(
    workspace: Workspace,
    add_case: Callable[..., Case],
    case: Case,
    folder: Path,
    write_prediction: WritePrediction,
    run_bootstrap: Run,
) -> None:
    add_case("s0002")
    write_prediction("x/one.nii.gz", prediction(case.grid, {1: 1}), case.grid)
    write_prediction("two.nii.gz", prediction(case.grid, {2: 2}), case.grid)
    table = folder / "table.csv"
    table.write_text("case,file\ns0001,x/one.nii.gz\ns0002,two.nii.gz\nstranger,y\n")
    outcomes = run_bootstrap(predictions=folder, prediction_table=table)
    assert [o.status for o in outcomes] == ["kept", "done", "done"]
    assert outcomes[0].note == "names no case of this workspace: stranger"
    assert voxels(workspace, case)["liver"] == 1728
    assert workspace.in_force("s0002")["spleen"].voxels == 288
    assert workspace.in_force("s0002")["liver"].voxels == 0


def test_a_pattern_from_the_settings_goes_before_the_cards(
    workspace: Workspace,
    case: Case,
    folder: Path,
    write_prediction: WritePrediction,
    run_bootstrap: Run,
) -> None:
    write_prediction("s0001.nii.gz", prediction(case.grid, {1: 1}), case.grid)
    write_prediction("one_for_all.nii.gz", prediction(case.grid, {2: 2}), case.grid)
    run_bootstrap(predictions=folder, prediction_pattern="one_for_all.nii.gz", cases=["s0001"])
    assert voxels(workspace, case)["spleen"] == 288
    assert voxels(workspace, case)["liver"] == 0
