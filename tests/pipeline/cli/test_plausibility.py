"""`masksmith plausibility` on files: a DICOM series as CT, what its header says, and refusals."""

import json

import numpy as np
import pytest

from pipeline.anatomy import class_map_path, shipped_configs
from pipeline.cli.main import main
from pipeline.phantom import BodySettings
from pipeline.volume import Grid, write_nifti
from pipeline.workspace import Workspace
from tests.fixtures.dicom_series import write_ct_series

COARSE = BodySettings(
    seed=41,
    spacing_mm=(6.0, 6.0, 6.0),
    field_of_view="abdomen",
    in_plane_mm=(360.0, 300.0),
    orientation="LPS",
)


@pytest.fixture
def body(phantom):
    return phantom(COARSE)


@pytest.fixture
def files(tmp_path, body, phantom_class_map, monkeypatch):
    """Write a body whose kidneys have each other's name: its series and its label map."""
    monkeypatch.setenv("MASKSMITH_WORKSPACE", str(tmp_path / "no-workspace"))
    left, right = (phantom_class_map[f"kidney_{side}"].value for side in ("left", "right"))
    labels = body.labels.copy(order="F")
    labels[body.labels == left], labels[body.labels == right] = right, left
    write_ct_series(tmp_path / "series", body.ct, body.grid)
    write_nifti(tmp_path / "seg.nii.gz", labels, body.grid)
    return tmp_path


@pytest.fixture
def plausibility(capsys):
    def call(ct, segmentation, *words):
        given = [] if ct is None else ["-i", str(ct)]
        code = main(["plausibility", *given, "-s", str(segmentation), "--no-progress", *words])
        return code, *capsys.readouterr()

    return call


def figures(said):
    (outcome,) = json.loads(said)["outcomes"]
    return outcome["figures"]


def with_facts(series, **facts):
    from pydicom import dcmread

    for path in series.iterdir():
        header = dcmread(path)
        for name, value in facts.items():
            setattr(header, name, value)
        header.save_as(path)


def test_a_dicom_series_gives_the_findings_of_the_same_ct_as_nifti(files, body, plausibility):
    write_nifti(files / "ct.nii.gz", body.ct, body.grid)
    code, said, _ = plausibility(files / "series", files / "seg.nii.gz", "--json")
    assert code == 0
    of_series = figures(said)
    assert of_series["kinds"]["sides_swapped"] == 1
    assert of_series["silent_without_ct"] == []
    _, said, _ = plausibility(files / "ct.nii.gz", files / "seg.nii.gz", "--json")
    assert figures(said)["details"] == of_series["details"]


def test_a_folder_of_masks_beside_a_series_is_checked_too(files, body, phantom_class_map,
                                                          plausibility):  # fmt: skip
    for name in ("kidney_left", "kidney_right"):
        other = phantom_class_map[name].mirror
        mask = (body.labels == phantom_class_map[other].value).astype(np.uint8)
        write_nifti(files / "masks" / f"{name}.nii.gz", mask, body.grid)
    code, said, _ = plausibility(files / "series", files / "masks", "--json")
    assert code == 0
    assert figures(said)["structures"] == 2
    assert "sides_swapped" in figures(said)["kinds"]


def test_sex_and_age_come_from_the_header_and_a_flag_counts_more(files, plausibility):
    with_facts(files / "series", PatientSex="F", PatientAge="012Y")
    both = (files / "series", files / "seg.nii.gz", "--json")
    known = figures(plausibility(*both)[1])["known"]
    assert known == {"sex": "f", "age_years": 12.0, "phase": None}
    known = figures(plausibility(*both, "--sex", "m", "--phase", "native")[1])["known"]
    assert known == {"sex": "m", "age_years": 12.0, "phase": "native"}


def test_a_child_is_not_held_against_adults(files, body, phantom_class_map, plausibility):
    labels = np.where(body.labels == phantom_class_map["liver"].value, body.labels, 0)
    labels[np.cumsum(labels > 0).reshape(labels.shape) % 8 > 0] = 0
    write_nifti(files / "seg.nii.gz", labels, body.grid)
    both = (files / "series", files / "seg.nii.gz", "--json", "--rules", "sizes")
    assert "size_unlike_adults" in figures(plausibility(*both)[1])["kinds"]
    with_facts(files / "series", PatientAge="006Y")
    assert figures(plausibility(*both)[1])["kinds"] == {}


def test_without_a_ct_the_rules_that_need_one_are_named(files, plausibility):
    code, said, _ = plausibility(None, files / "seg.nii.gz", "--json")
    assert code == 0
    assert figures(said)["silent_without_ct"] == [
        "density", "leak", "unlabelled_lung", "unlabelled_vertebra", "borders",
    ]  # fmt: skip
    (outcome,) = json.loads(said)["outcomes"]
    assert "without a CT these rules say nothing: density, leak" in outcome["note"]
    _, said, _ = plausibility(None, files / "seg.nii.gz", "--json", "--rules", "sides")
    assert figures(said)["silent_without_ct"] == []


def test_an_empty_folder_is_no_ct(files, plausibility):
    (files / "empty").mkdir()
    code, _, err = plausibility(files / "empty", files / "seg.nii.gz")
    assert code == 3
    assert "no NIfTI file and no DICOM" in err
    assert str(files / "empty") in err


def test_two_series_in_a_folder_are_refused(files, body, plausibility):
    write_ct_series(files / "series" / "second", body.ct, body.grid, entropy="b")
    code, _, err = plausibility(files / "series", files / "seg.nii.gz")
    assert code == 2
    assert "series: holds 2 CTs; name one of them" in err


def test_a_series_that_lacks_a_slice_is_refused(files, plausibility):
    slices = sorted((files / "series").iterdir())
    slices[len(slices) // 2].unlink()
    code, _, err = plausibility(files / "series", files / "seg.nii.gz")
    assert code == 4
    assert "no CT: " in err


def test_a_segmentation_of_another_grid_is_refused(files, body, plausibility):
    shape = tuple(n - 1 for n in body.labels.shape)
    cut = np.asfortranarray(body.labels[1:, 1:, 1:])
    write_nifti(files / "other.nii.gz", cut, Grid(shape, body.grid.affine))
    code, _, err = plausibility(files / "series", files / "other.nii.gz")
    assert code == 4
    assert "not on the grid of the CT" in err
    assert "other.nii.gz" in err


def test_a_ct_without_a_segmentation_is_refused(files, capsys):
    assert main(["plausibility", "-i", str(files / "series")]) == 2
    assert "also give --segmentation PATH" in capsys.readouterr().err


def test_in_a_workspace_files_mean_what_its_class_map_says(files, body, plausibility, monkeypatch):
    file = class_map_path("totalsegmentator_v2", shipped_configs())
    lab = Workspace.create(files / "lab", file)
    monkeypatch.setenv("MASKSMITH_WORKSPACE", str(lab.path))
    labels = np.zeros(body.labels.shape, np.uint8)
    for first in (10, 24):  # in two pieces
        labels[first : first + 6, 20:26, 20:26] = lab.class_map["urinary_bladder"].value
    write_nifti(files / "seg.nii.gz", labels, body.grid)

    def named(*words):
        both = (files / "series", files / "seg.nii.gz", "--json", "--rules", "pieces")
        (found,) = figures(plausibility(*both, *words)[1])["details"]
        return found["structures"]

    assert named() == ["urinary_bladder"]
    assert named("--class-map", "masksmith_104") == ["vertebrae_L2"]
