"""Masks out to other programs and back: export, open, correct, collect, through the command."""

from types import SimpleNamespace

import nibabel
import nrrd
import numpy as np
import pydicom
import pytest

from pipeline.volume import read_nifti, to_canonical
from pipeline.volume.grid import Grid
from pipeline.workspace import Workspace
from tests.fixtures.dicom_series import write_ct_series


@pytest.fixture(scope="module")
def way(new_lab, bodies):
    """Take two drawn bodies in; the CT of the first is also there as a DICOM series."""
    lab = new_lab()
    lab.json("init", "--class-map", "six")
    lab.json("intake", str(bodies / "drawn"), "--given-origin", "human")
    workspace = Workspace.open(lab.workspace)
    ct, grid = to_canonical(workspace.ct("s0000"), workspace.case("s0000").grid)
    affine = grid.affine @ np.diag([-1.0, -1.0, 1.0, 1.0])
    affine[:3, 3] = (grid.affine @ [grid.shape[0] - 1, grid.shape[1] - 1, 0, 1])[:3]
    write_ct_series(lab.root / "pacs", ct[::-1, ::-1], Grid(grid.shape, affine))
    return SimpleNamespace(lab=lab, out=lab.root / "out")


def test_every_format_goes_out(way):
    for name in ("nifti", "seg.nrrd"):
        document = way.lab.json("export", "--format", name, "-o", str(way.out))
        assert document["counts"] == {"done": 2}
    for name in ("dicom-seg", "rtstruct"):
        words = ["--dicom", str(way.lab.root / "pacs"), "--case", "s0000", "-o", str(way.out)]
        document = way.lab.json("export", "--format", name, *words)
        assert document["counts"] == {"done": 1}
    assert sorted(path.name for path in way.out.iterdir()) == [
        "s0000.json", "s0000.nii.gz", "s0000.rtstruct.dcm", "s0000.rtstruct.dcm.json",
        "s0000.seg.dcm", "s0000.seg.dcm.json", "s0000.seg.nrrd", "s0000.seg.nrrd.json",
        "s0001.json", "s0001.nii.gz", "s0001.seg.nrrd", "s0001.seg.nrrd.json",
    ]  # fmt: skip
    workspace = Workspace.open(way.lab.workspace)
    labels = read_nifti(way.out / "s0001.nii.gz").array
    assert np.array_equal(labels, workspace.label_map("s0001"))
    rois = pydicom.dcmread(way.out / "s0000.rtstruct.dcm").StructureSetROISequence
    assert {roi.ROIName for roi in rois} == set(workspace.in_force("s0000"))


def test_again_is_kept_and_everything_comes_back_unchanged(way):
    document = way.lab.json("export", "--format", "nifti", "-o", str(way.out))
    assert document["counts"] == {"kept": 2}
    collected = way.lab.json("collect", str(way.out))
    assert collected["counts"] == {"kept": 6}


def test_a_series_of_another_patient_fails_with_8_and_bad_words_with_2(way):
    words = ["--format", "rtstruct", "-o", str(way.lab.root / "x")]
    refused = way.lab("export", *words, "--case", "s0001", "--dicom", str(way.lab.root / "pacs"))
    assert refused.code == 8
    assert "has its grid and its voxels" in refused.err
    assert way.lab("export", *words).code == 2
    assert way.lab("export", "--format", "stl", "-o", "x").code == 2
    assert way.lab("export", "--format", "nifti", "--case", "s7", "-o", "x").code == 3
    assert way.lab("export", "--format", "nifti", "--structures", "x", "-o", "x").code == 4
    assert way.lab("collect", str(way.lab.root / "pacs")).code == 4


def test_a_session_is_opened_corrected_and_collected(way):
    folder = way.lab.root / "session"
    opened = way.lab(
        "open", "s0000", "liver", "spleen", "--with", "slicer", "-o", str(folder), "--by", "anna"
    )
    assert opened.code == 0, opened.err
    assert opened.out.splitlines()[-1] == f"Slicer {folder / 'session.mrml'}"
    assert way.lab("open", "s0000", "liver", "--with", "slicer", "-o", str(folder)).code == 4
    voxels, header = nrrd.read(str(folder / "masks.seg.nrrd"))
    place = tuple(np.argwhere(voxels == int(header["Segment1_LabelValue"]))[0])
    voxels[place] = 0
    nrrd.write(str(folder / "masks.seg.nrrd"), voxels, header)
    collected = way.lab.json("collect", str(folder), "--seconds", "30")
    done = [result for result in collected["results"] if result["status"] == "done"]
    name = header["Segment1_Name"]
    assert [(d["subject"], d["added"], d["removed"]) for d in done] == [(f"s0000 {name}", 0, 1)]
    again = way.lab.json("collect", str(folder))
    assert set(again["counts"]) == {"kept"}
    history = way.lab.json("status", "--case", "s0000", "--structure", name, "--history")
    assert "by person:anna" in history["steps"][0]["what"]
    assert [step["kind"] for step in history["steps"]].count("mask") == 2
    assert way.lab("doctor").code == 0


def test_an_itksnap_session_gives_back_a_label_and_the_doctor_can_rebuild(way):
    folder = way.lab.root / "snap"
    words = ["s0001", "aorta", "--with", "itksnap", "-o", str(folder)]
    document = way.lab.json("open", *words)
    assert document["masks"] == ["aorta"]
    image = nibabel.load(folder / "masks.nii.gz")
    voxels = np.asanyarray(image.dataobj).copy()
    value = Workspace.open(way.lab.workspace).class_map["aorta"].value
    voxels[0, 0, 0] = value
    nibabel.save(nibabel.Nifti1Image(voxels, image.affine, image.header), folder / "masks.nii.gz")
    done = way.lab("collect", str(folder), "--by", "bert")
    assert "done   s0001 aorta: +1 -0 voxels" in done.out
    before = Workspace.open(way.lab.workspace).in_force("s0001")["aorta"]
    assert before.provenance.maker == "person:bert"
    assert way.lab("doctor", "--rebuild").code == 0
    assert Workspace.open(way.lab.workspace).in_force("s0001")["aorta"].id == before.id


def test_starting_a_program_that_is_not_there_says_so_and_keeps_the_session(way, monkeypatch):
    monkeypatch.setenv("PATH", str(way.lab.root))
    folder = way.lab.root / "started"
    done = way.lab("open", "s0000", "liver", "--with", "itksnap", "-o", str(folder), "--start")
    assert done.code == 5
    assert "not on PATH" in done.err
    assert (folder / "session.json").is_file()
