"""Real drawings onto the real CTs they were drawn on, and onto wrong ones."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from annotation.import_rough import STAGE
from annotation.importing.settings import ImportRoughSettings
from pipeline.engine import SerialEngine
from pipeline.intake.intake import STAGE as INTAKE
from pipeline.intake.settings import IntakeSettings
from pipeline.stage import RunReport, run_stage
from pipeline.workspace import Workspace

pytestmark = pytest.mark.real_data

TS = "ct_abdomen_pelvis_native_ts"


@pytest.fixture(scope="module")
def taken_in(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two CTs of one abdomen, a heart, three slices of a liver, and a thigh."""
    workspace = Workspace.create(tmp_path_factory.mktemp("real") / "workspace")
    paths = (
        real_data / TS / "example_ct.nii.gz",
        real_data / TS / "example_ct_sm.nii.gz",
        real_data / "cta_heart_ts" / "ct_cropped.nii.gz",
        real_data / "dicom_seg_dcmqi" / "ct-3slice",
        real_data / "rtstruct_sts036" / "CT" / "image",
    )
    settings = IntakeSettings(paths=paths, min_slices=3, isolate=False)  # type: ignore[call-arg]
    report = run_stage(INTAKE, workspace, settings, SerialEngine())
    assert not report.failures
    workspace.ledger.close()
    return workspace.path


@pytest.fixture
def workspace(taken_in: Path, tmp_path: Path) -> Workspace:
    """Give each test a copy of its own."""
    return Workspace.open(shutil.copytree(taken_in, tmp_path / "workspace"))


def run(workspace: Workspace, *paths: Path, **settings: object) -> RunReport:
    values = {"paths": paths, "isolate": False} | settings
    return run_stage(STAGE, workspace, ImportRoughSettings.model_validate(values), SerialEngine())


def case_of(workspace: Workspace, path: Path) -> str:
    """Find the case a NIfTI CT became."""
    hashed = workspace.pseudonym("path", str(path.resolve()))
    return next(case.id for case in workspace.cases() if case.source.get("file") == hashed)


def voxels(path: Path) -> int:
    return int(np.count_nonzero(np.asarray(nib.load(path).dataobj)))


def note(report: RunReport) -> str:
    (outcome,) = report.outcomes
    return outcome.note


def test_a_totalsegmentator_folder_comes_onto_its_ct_voxel_for_voxel(
    workspace: Workspace, real_data: Path
) -> None:
    folder = real_data / TS / "example_seg_fast_masks"
    report = run(workspace, folder)
    assert not report.failures
    case_id = case_of(workspace, real_data / TS / "example_ct_sm.nii.gz")
    masks = workspace.in_force(case_id)
    expected = {path.name.removesuffix(".nii.gz"): voxels(path) for path in folder.glob("*.nii.gz")}
    drawn = {n: c for n, c in expected.items() if c and n in workspace.class_map}
    assert {name: mask.voxels for name, mask in masks.items()} == drawn
    assert len(drawn) == 38
    for name in ("liver", "kidney_left", "rib_right_12"):
        truth = np.asarray(nib.load(folder / f"{name}.nii.gz").dataobj) > 0
        assert np.array_equal(workspace.mask_array(masks[name]), truth)
    again = run(workspace, folder)
    assert again.count("kept") == len(again.outcomes)
    assert len(workspace.masks(case_id)) == 38


def test_a_label_map_of_some_slices_lies_exactly_in_a_longer_ct(
    workspace: Workspace, real_data: Path, tmp_path: Path
) -> None:
    image = nib.load(real_data / TS / "example_seg_fast_force_split.nii.gz")
    labels, affine = np.asarray(image.dataobj), np.array(image.affine)
    affine[:3, 3] += 20 * affine[:3, 2]
    path = tmp_path / "part.nii.gz"
    nib.save(nib.Nifti1Image(labels[:, :, 20:70], affine), path)
    whole = case_of(workspace, real_data / TS / "example_ct.nii.gz")
    report = run(workspace, path, case=whole, numbering="totalsegmentator_v2")
    assert not report.failures
    mask = workspace.in_force(whole)["vertebrae_L4"]
    expected = np.zeros(labels.shape, bool)
    expected[:, :, 20:70] = labels[:, :, 20:70] == 28
    assert np.array_equal(workspace.mask_array(mask), expected)
    assert mask.voxels == 2442
    assert mask.provenance.about["placed"] == "part of the grid"


def test_a_file_whose_header_puts_it_at_the_wrong_height_is_refused(
    workspace: Workspace, real_data: Path
) -> None:
    """`example_ct_sm` is slices 82 to 111 of `example_ct`, but its header says 0 to 29."""
    whole = case_of(workspace, real_data / TS / "example_ct.nii.gz")
    report = run(workspace, real_data / TS / "example_seg.nii.gz", case=whole)
    kinds = report.outcomes[0].figures["kinds"]
    assert (kinds["in_air"], kinds["drawn_elsewhere"]) == (4, 35)
    assert "4 of the 39 drawings beside it lie mostly in the air" in note(report)
    assert workspace.masks(whole) == ()


def test_a_dicom_seg_comes_onto_its_series(workspace: Workspace, real_data: Path) -> None:
    report = run(workspace, real_data / "dicom_seg_dcmqi" / "liver.dcm")
    assert not report.failures
    (mask,) = workspace.ledger.masks(structure="liver")
    assert mask.voxels == 107098
    assert workspace.case(mask.case_id).source["format"] == "dicom"
    label = real_data / "dicom_seg_dcmqi" / "liver_seg.nrrd"
    same = run(workspace, label, case=mask.case_id)
    assert same.outcomes[0].status == "kept"
    assert "unchanged since" in note(same)


def test_an_rtstruct_comes_onto_its_ct_and_that_of_the_pet_does_not(
    workspace: Workspace, real_data: Path, tmp_path: Path
) -> None:
    folder = real_data / "rtstruct_sts036"
    names = tmp_path / "names.yaml"
    names.write_text("GTV_Mass_CT: gluteus_maximus_left\nGTV_Mass_PET: gluteus_maximus_left\n")
    on_ct = run(workspace, folder / "CT" / "mask" / "RS.dcm", mapping=names, accept_sides=True)
    assert not on_ct.failures
    (mask,) = workspace.ledger.masks(structure="gluteus_maximus_left")
    reference = np.asarray(nib.load(folder / "nifti" / "CT_mask.nii.gz").dataobj) > 0
    assert 2 * min(mask.voxels, reference.sum()) / (mask.voxels + reference.sum()) > 0.985
    assert mask.provenance.about["placed"] == "contours"
    pet = run(workspace, folder / "PET" / "mask" / "RS.dcm", mapping=names, accept_sides=True)
    assert pet.outcomes[0].figures["refused"] == "other_series"
    assert f"of the same exam are {mask.case_id}" in note(pet)
    allowed = run(
        workspace,
        folder / "PET" / "mask" / "RS.dcm",
        mapping=names,
        accept_sides=True,
        allow_other_series=True,
    )
    assert "drawn on another series, #" in note(allowed)
    # The lesion was outlined once and its contours written for both images.
    assert allowed.outcomes[0].status == "kept"
    assert f"unchanged since {mask.id[:12]}" in note(allowed)
    assert mask.voxels == reference.sum() == 110129


def test_an_rtstruct_without_its_series_is_refused_with_the_reason(
    workspace: Workspace, real_data: Path
) -> None:
    path = real_data / "rtstruct_breast_dicompyler" / "rtss.dcm"
    report = run(workspace, path)
    assert "no case is known of its series or frame of reference or exam" in note(report)
    thigh = next(c.id for c in workspace.cases() if c.source.get("slices") == "68")
    elsewhere = run(workspace, path, case=thigh)
    assert elsewhere.outcomes[0].figures["refused"] == "other_series"
    # The lung is two lobes, the heart five structures: none of its ten contours is taken.
    assert {row["structure"] for row in report.outcomes[0].figures["rows"]} == {None}


def test_a_mask_on_another_grid_is_resampled_with_a_note(
    workspace: Workspace, real_data: Path, tmp_path: Path
) -> None:
    """Half of `heart.nii.gz` lies beyond the cropped CT; it shares the CT's lattice."""
    names = tmp_path / "names.yaml"
    names.write_text("heart: heart_myocardium\n")
    heart = case_of(workspace, real_data / "cta_heart_ts" / "ct_cropped.nii.gz")
    path = real_data / "cta_heart_ts" / "heart.nii.gz"
    report = run(workspace, path, mapping=names, case=heart)
    assert not report.failures
    shown = report.outcomes[0].figures["rows"][0]
    assert "233 x 167 x 191" in str(shown["placed"]) or "resampled" in str(shown["placed"])
    assert 0 < shown["voxels"] <= 198176


def altered(source: Path, target: Path, change: str) -> Path:
    """Write a mask wrongly: mirrored voxels or header, half a voxel off, other place."""
    image = nib.load(source)
    array, affine = np.asarray(image.dataobj).astype(np.uint8), np.array(image.affine)
    if change == "voxels mirrored":
        array = array[::-1]
    if change == "header mirrored":
        affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    if change == "half a voxel off":
        affine[:3, 3] += 1.5
    if change == "far away":
        affine[:3, 3] += 600
    target.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), target)
    return target


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ("header mirrored", "mirrored", "world axes x, y were turned round"),
        ("half a voxel off", "half_voxel", "+0.50 voxel (+1.5 mm) along i"),
        ("far away", "outside", "wholly outside the image"),
        ("voxels mirrored", "wrong_side", "of the body's middle"),
    ],
)
def test_a_wrong_file_is_refused_with_figures(
    workspace: Workspace, real_data: Path, tmp_path: Path, change: str, kind: str, words: str
) -> None:
    source = real_data / TS / "example_seg_fast_masks" / "kidney_left.nii.gz"
    path = altered(source, tmp_path / "kidney_left.nii.gz", change)
    case_id = case_of(workspace, real_data / TS / "example_ct_sm.nii.gz")
    report = run(workspace, path, case=case_id)
    assert report.outcomes[0].figures["kinds"] == {kind: 1}
    assert words in note(report)
    assert workspace.masks(case_id) == ()


def test_mirrored_voxels_of_a_whole_folder_are_refused(
    workspace: Workspace, real_data: Path, tmp_path: Path
) -> None:
    folder = real_data / TS / "example_seg_fast_masks"
    for name in ("kidney_left", "kidney_right", "autochthon_left", "autochthon_right", "liver"):
        altered(folder / f"{name}.nii.gz", tmp_path / "in" / f"{name}.nii.gz", "voxels mirrored")
    case_id = case_of(workspace, real_data / TS / "example_ct_sm.nii.gz")
    report = run(workspace, tmp_path / "in", case=case_id)
    kinds = [outcome.figures["kinds"] for outcome in report.outcomes]
    assert kinds == [{"sides_exchanged": 1}] * 5
    assert workspace.masks(case_id) == ()


def test_exchanged_names_are_refused(workspace: Workspace, real_data: Path, tmp_path: Path) -> None:
    folder = real_data / TS / "example_seg_fast_masks"
    (tmp_path / "in").mkdir()
    for one, other in (("left", "right"), ("right", "left")):
        shutil.copy(folder / f"kidney_{one}.nii.gz", tmp_path / "in" / f"kidney_{other}.nii.gz")
    case_id = case_of(workspace, real_data / TS / "example_ct_sm.nii.gz")
    report = run(workspace, tmp_path / "in", case=case_id)
    assert [o.figures["kinds"] for o in report.outcomes] == [{"wrong_side": 1}] * 2


def test_a_mask_of_another_case_is_refused(workspace: Workspace, real_data: Path) -> None:
    path = real_data / TS / "example_seg_fast_masks" / "liver.nii.gz"
    for case in workspace.cases():
        if case.source.get("file") is None or case.grid.shape == (122, 102, 112):
            report = run(workspace, path, case=case.id, dry_run=True)
            assert report.outcomes[0].status == "failed", case.id
