"""Bootstrap of a real CT from TotalSegmentator's own label map; counts as in MANIFEST.md."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.anatomy import ClassMap, find_class_map, shipped_configs
from pipeline.bootstrap.bootstrap import STAGE
from pipeline.engine import SerialEngine
from pipeline.stage import Outcome, load_settings, run_stage
from pipeline.volume import read_nifti
from pipeline.workspace import Case, Workspace, digest_of_ct, write_case

pytestmark = pytest.mark.real_data
FOLDER = "ct_abdomen_pelvis_native_ts"
WITHOUT_TARGET = {"prostate", "vertebrae_S1", "spinal_cord", "costal_cartilages"}


@pytest.fixture(scope="module")
def numbering() -> ClassMap:
    return find_class_map("totalsegmentator_v2", shipped_configs())


@pytest.fixture
def take_in(real_data: Path, workspace: Workspace) -> Callable[..., Case]:
    """Give a function that stores one of the real CTs as a case."""

    def take(case_id: str, name: str, folder: str = FOLDER) -> Case:
        volume = read_nifti(real_data / folder / name)
        ct = np.asfortranarray(np.rint(volume.array).astype(np.int16))
        case = Case(case_id, volume.grid, digest_of_ct(ct, volume.grid))
        write_case(workspace.layout, case, ct)
        workspace.record_case(case)
        return case

    return take


def run(workspace: Workspace, **flags: object) -> list[Outcome]:
    """Run with the shipped cards; of their models only the predictions on disk are here."""
    settings = load_settings(STAGE, shipped_configs(), flags)
    left_out, *outcomes = run_stage(STAGE, workspace, settings, SerialEngine()).outcomes
    assert left_out.note.startswith("left out, not on this machine: totalsegmentator_v2, ")
    return outcomes


def counts_in_manifest(real_data: Path, name: str, numbering: ClassMap) -> dict[str, int]:
    """Read the voxels per structure that the manifest gives for a label map."""
    lines = (real_data / "MANIFEST.md").read_text(encoding="utf-8").splitlines()
    line = next(line for line in lines if line.startswith(f"| {name} |"))
    found = {name: int(n) for _, name, n in re.findall(r"(\d+)=(\w+):(\d+)", line)}
    assert set(found) <= set(numbering.names)
    return found


@pytest.mark.parametrize(
    ("ct", "labels", "present"),
    [
        ("example_ct.nii.gz", "example_seg_fast_force_split.nii.gz", 57),
        ("example_ct_sm.nii.gz", "example_seg.nii.gz", 39),
    ],
)
def test_every_voxel_of_a_real_label_map_finds_its_place(
    real_data: Path,
    workspace: Workspace,
    take_in: Callable[..., Case],
    numbering: ClassMap,
    ct: str,
    labels: str,
    present: int,
) -> None:
    case = take_in("abdomen", ct)
    (outcome,) = run(workspace, predictions=real_data / FOLDER, prediction_pattern=labels)
    assert outcome.status == "done", outcome.note
    expected = counts_in_manifest(real_data, labels, numbering)
    in_force = workspace.in_force(case.id)
    found = {name: mask.voxels for name, mask in in_force.items() if mask.voxels}
    assert found == {n: v for n, v in expected.items() if n in workspace.class_map}
    left = {n: v for n, v in expected.items() if n not in workspace.class_map}
    assert outcome.figures["unmatched"] == left
    assert set(left) <= WITHOUT_TARGET
    assert len(found) == present
    assert len(in_force) == 97
    source = read_nifti(real_data / FOLDER / labels).array
    liver = workspace.mask_array(in_force["liver"])
    np.testing.assert_array_equal(liver, source == numbering["liver"].value)


def test_real_masks_one_file_per_structure(
    real_data: Path, workspace: Workspace, take_in: Callable[..., Case]
) -> None:
    take_in("small", "example_ct_sm.nii.gz")
    pattern = "example_seg_fast_masks/{structure}.nii.gz"
    (outcome,) = run(workspace, predictions=real_data / FOLDER, prediction_pattern=pattern)
    assert outcome.status == "done", outcome.note
    assert outcome.figures["structures"] == 97
    in_force = workspace.in_force("small")
    label_map = read_nifti(real_data / FOLDER / "example_seg_fast.nii.gz").array
    spleen = workspace.mask_array(in_force["spleen"])
    np.testing.assert_array_equal(spleen, label_map == 1)


def test_the_wrong_real_label_map_is_refused(
    real_data: Path, workspace: Workspace, take_in: Callable[..., Case]
) -> None:
    take_in("large", "example_ct.nii.gz")
    flags = {"predictions": real_data / FOLDER, "prediction_pattern": "example_seg.nii.gz"}
    (outcome,) = run(workspace, **flags)
    assert outcome.status == "failed"
    assert "covers 2" in outcome.note
    assert "expected 122 x 101 x 112 voxels" in outcome.note
    assert workspace.masks("large") == ()


def test_a_real_label_map_turned_to_lps_gives_the_same_masks(
    real_data: Path, workspace: Workspace, take_in: Callable[..., Case], tmp_path: Path
) -> None:
    import nibabel

    take_in("small", "example_ct_sm.nii.gz")
    source = real_data / FOLDER / "example_seg.nii.gz"
    image = nibabel.load(source)
    turned = image.as_reoriented(np.array([[0, -1], [1, -1], [2, 1]]))
    nibabel.save(turned, tmp_path / "small.nii.gz")
    (outcome,) = run(workspace, predictions=tmp_path)
    assert "axes turned from LPS to RAS" in outcome.note
    kidney = workspace.mask_array(workspace.in_force("small")["kidney_right"])
    np.testing.assert_array_equal(kidney, read_nifti(source).array == 2)


def test_a_real_mask_on_a_larger_grid_is_resampled_as_nibabel_does(
    real_data: Path,
    workspace: Workspace,
    take_in: Callable[..., Case],
    configs: Path,
    write_card: Callable[..., Path],
) -> None:
    import nibabel
    from nibabel.processing import resample_from_to

    folder = real_data / "cta_heart_ts"
    take_in("cta", "ct_cropped.nii.gz", "cta_heart_ts")
    write_card(labels={1: "heart_myocardium"})
    flags = {"predictions": folder, "prediction_pattern": "heart.nii.gz"}
    settings = load_settings(STAGE, configs, flags)
    (outcome,) = run_stage(STAGE, workspace, settings, SerialEngine()).outcomes
    assert outcome.status == "done", outcome.note
    assert "resampled from 233 x 167 x 191 voxels of 1.5 x 1.5 x 1.5 mm" in outcome.note
    ct = nibabel.load(folder / "ct_cropped.nii.gz")
    expected = resample_from_to(nibabel.load(folder / "heart.nii.gz"), ct, order=0)
    found = workspace.mask_array(workspace.in_force("cta")["heart_myocardium"])
    np.testing.assert_array_equal(found, np.asarray(expected.dataobj) == 1)
    assert found.sum() > 100_000
