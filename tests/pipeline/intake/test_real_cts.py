"""Real CTs of five sources, against what nibabel and SimpleITK read."""

import tarfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its usual name

pytestmark = pytest.mark.real_data

NIFTI = {
    "ct_abdomen_pelvis_native_ts/example_ct.nii.gz": "RAS",
    "ct_abdomen_pelvis_native_ts/example_ct_sm.nii.gz": "RAS",
    "ct_chest_native_lidc0314/ct_1.5mm.nii.gz": "LPS",
    "cta_heart_ts/ct_cropped.nii.gz": "LPS",
    "ct_neck_moose/CT_enhance_pet_1446_neck_slice.nii.gz": "RAS",
}
NO_CT = [
    "ct_abdomen_pelvis_native_ts/example_seg.nii.gz",
    "ct_abdomen_pelvis_native_ts/example_seg_fast_masks/liver.nii.gz",
    "cta_heart_ts/heart.nii.gz",
    "models_ts/ct_brain_atlas_1mm.nii.gz",
]


def unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder


def read_with_simpleitk(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Give voxels (I, J, K) and RAS affine as SimpleITK reads the series in a folder."""
    reader = sitk.ImageSeriesReader()
    file = next(path for path in sorted(folder.rglob("*")) if path.is_file())
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(file.parent)))
    image = reader.Execute()
    directions = np.array(image.GetDirection()).reshape(3, 3)
    affine = np.eye(4)
    affine[:3, :3] = directions * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image).T, np.diag([-1, -1, 1, 1]) @ affine


@pytest.mark.parametrize("name", NIFTI)
def test_a_real_nifti_ct_comes_in_as_nibabel_reads_it(workspace, take_in, real_data, name):
    (outcome,) = take_in(real_data / name)
    assert outcome.status == "done", outcome.note
    (case,) = workspace.cases()
    source = nibabel.load(real_data / name)
    assert case.grid.orientation == NIFTI[name]
    assert np.array_equal(case.grid.affine, source.affine)
    expected = np.rint(np.asarray(source.dataobj)).astype(np.int16)
    assert np.array_equal(workspace.ct(case.id), expected)
    assert np.array_equal(nibabel.load(workspace.layout.ct(case.id)).affine, source.affine)


@pytest.mark.parametrize("name", NO_CT)
def test_real_label_maps_and_an_atlas_are_refused(workspace, take_in, real_data, name):
    (outcome,) = take_in(real_data / name)
    assert outcome.status == "failed"
    assert "expected" in outcome.note
    assert workspace.cases() == ()


@pytest.mark.parametrize(
    ("archive", "slices", "meta"),
    [
        (
            "dicom_abdomen_contrast_crlm1004/dicom_41slices.tar.xz",
            41,
            {"age": "38", "sex": "m", "scanner_model": "LightSpeed16", "contrast_agent": "given"},
        ),
        ("head_neck_face_cerr/dicom_90slices.tar.xz", 90, {"scanner_model": "CERR"}),
    ],
)
def test_a_real_series_comes_in_as_simpleitk_reads_it(
    workspace, take_in, real_data, tmp_path, archive, slices, meta
):
    folder = unpacked(real_data / archive, tmp_path / "dicom")
    outcomes = take_in(folder)
    (done,) = [outcome for outcome in outcomes if outcome.status == "done"]
    (case,) = workspace.cases()
    voxels, affine = read_with_simpleitk(folder)
    assert case.grid.shape[2] == slices
    assert done.figures["shape"] == list(voxels.shape)
    assert np.allclose(case.grid.affine, affine, atol=1e-4)
    assert np.array_equal(workspace.ct(case.id), voxels)
    assert meta.items() <= case.meta.items()
    assert all([case.patient_id, case.exam_id, case.series_id, case.frame_of_reference_id])


def test_a_real_tilted_series_is_refused_with_its_figures(workspace, take_in, real_data, tmp_path):
    archive = real_data / "dicom_head_gantrytilt_ge" / "dicom_28slices.tar.xz"
    (outcome,) = take_in(unpacked(archive, tmp_path / "dicom"))
    assert outcome.status == "failed"
    assert "gaps 1.14-7.38 mm" in outcome.note
    assert "tilt 18.5 deg" in outcome.note
    assert "missing" not in outcome.note
    assert workspace.cases() == ()


def test_a_real_pet_ct_exam_gives_its_ct_and_a_reason_for_the_rest(workspace, take_in, real_data):
    outcomes = take_in(real_data / "rtstruct_sts036", layout="dicom")
    root = str(real_data / "rtstruct_sts036")
    found = {outcome.subject.removeprefix(f"{root}/"): outcome for outcome in outcomes}
    (case,) = workspace.cases()
    assert found[case.id].status == "done"
    assert found["PET/image"].status == "failed"
    assert "modality PT; expected modality CT" in found["PET/image"].note
    for name in ("CT/mask", "PET/mask"):
        assert (found[name].status, found[name].note) == (
            "kept",
            "RTSTRUCT, 1 file: not a CT image, left for import",
        )
    assert "3 files left alone: nifti files" in found[root].note
    voxels, affine = read_with_simpleitk(real_data / "rtstruct_sts036" / "CT" / "image")
    assert np.array_equal(workspace.ct(case.id), voxels)
    assert np.allclose(case.grid.affine, affine, atol=1e-4)
    mask = nibabel.load(real_data / "rtstruct_sts036" / "nifti" / "CT_mask.nii.gz")
    assert mask.shape == case.grid.shape
    # The frame of reference is how the RTSTRUCT of this exam finds its case.
    uid = "1.3.6.1.4.1.14519.5.2.1.5168.1900.205970864407341442468241453704"
    assert case.frame_of_reference_id == workspace.pseudonym("frame_of_reference", uid)


def test_three_real_slices_are_too_few_unless_asked_for(workspace, take_in, real_data):
    folder = real_data / "dicom_seg_dcmqi"
    outcomes = {outcome.status: outcome for outcome in take_in(folder, layout="dicom")}
    assert "512 x 512 x 3 voxels, too few slices" in outcomes["failed"].note
    outcomes = take_in(folder, layout="dicom", min_slices=3)
    assert [outcome.status for outcome in outcomes] == ["kept", "kept", "done"]
    voxels, affine = read_with_simpleitk(folder / "ct-3slice")
    (case,) = workspace.cases()
    assert np.array_equal(workspace.ct(case.id), voxels)
    assert np.allclose(case.grid.affine, affine, atol=1e-4)
    assert case.meta["age"] == "60"
