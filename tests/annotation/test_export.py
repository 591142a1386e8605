"""Exports: what goes where, from which revisions, and what is never overwritten."""

import gzip
import json

import nibabel
import numpy as np
import pytest

from annotation.export import ExportRequest, export_masks
from annotation.formats import read_drawn_file
from annotation.handout import read_handout
from annotation.verdicts import VerdictRequest, decide
from pipeline.anatomy import ClassMapError
from pipeline.errors import BadInput, NothingToDo, UsageError
from pipeline.workspace import Provenance, write_label_map_masks
from pipeline.workspace.words import PLANTED
from tests.annotation.conftest import BOXES, saved
from tests.fixtures.dicom_series import write_ct_series
from tests.fixtures.workspaces import small_grid


def export(workspace, folder, format_name="nifti", **words):
    return list(export_masks(workspace, ExportRequest(folder, format_name, **words)))


@pytest.fixture
def dicom_case(workspace, tmp_path, add_case, add_mask, model):
    """Give a case that knows its series, and the folder in which the series lies."""
    from pipeline.volume import Grid

    grid = Grid(small_grid().shape, np.diag([-1.0, -1.0, 1.0, 1.0]) @ small_grid().affine)
    folder = tmp_path / "pacs" / "ct"
    uid = write_ct_series(folder, np.zeros(grid.shape, np.int16), grid)
    write_ct_series(tmp_path / "pacs" / "other", np.ones(grid.shape, np.int16), grid, "b")
    case = _case_on(workspace, grid, workspace.pseudonym("series", uid))
    for name, box in BOXES.items():
        add_mask(case, name, box, model)
    return case, tmp_path / "pacs"


def _case_on(workspace, grid, series_id, case_id="s0009", hu=0):
    from pipeline.workspace import Case, digest_of_ct, write_case

    ct = np.full(grid.shape, hu, np.int16, order="F")
    case = Case(case_id, grid, digest_of_ct(ct, grid), series_id=series_id)
    write_case(workspace.layout, case, ct)
    workspace.record_case(case)
    return case


def test_a_label_map_holds_every_mask_in_force(workspace, drawn_case, tmp_path):
    (result,) = export(workspace, tmp_path / "out")
    assert (result.status, result.masks) == ("done", 4)
    assert saved(tmp_path / "out") == ["s0001.json", "s0001.nii.gz"]
    labels = np.asanyarray(nibabel.load(tmp_path / "out" / "s0001.nii.gz").dataobj)
    assert np.array_equal(labels, workspace.label_map("s0001"))
    assert result.note == (
        "liver gives 240 voxels to stomach; liver gives 64 voxels to gallbladder; "
        "stomach gives 64 voxels to spleen"
    )


def test_the_record_names_masks_makers_and_values(workspace, drawn_case, tmp_path):
    export(workspace, tmp_path)
    handout = read_handout(tmp_path / "s0001.json")
    in_force = workspace.in_force("s0001")
    assert handout.masks() == {name: mask.id for name, mask in in_force.items()}
    (file,) = handout.files
    liver = next(segment for segment in file.segments if segment.structure == "liver")
    assert (liver.value, liver.voxels) == (5, in_force["liver"].voxels)
    assert liver.made["maker"] == "model:btcv"
    names = json.loads((tmp_path / "s0001.json").read_text())["labels"]
    assert names == {"1": "spleen", "4": "gallbladder", "5": "liver", "6": "stomach"}


@pytest.mark.parametrize("format_name", ["nifti", "seg.nrrd"])
@pytest.mark.parametrize("per_structure", [True, False])
def test_our_own_readers_find_what_went_out(
    format_name, per_structure, workspace, drawn_case, tmp_path
):
    (result,) = export(workspace, tmp_path, format_name, per_structure=per_structure)
    found = {d.name: d for path in result.files for d in read_drawn_file(path).drawings}
    assert set(found) == set(BOXES)
    labels = workspace.label_map("s0001")
    for name, drawing in found.items():
        whole = np.zeros(drawn_case.grid.shape, np.bool_)
        whole[drawing.shape.box] = drawing.shape.crop
        assert drawing.shape.grid.same_as(drawn_case.grid)
        expected = workspace.mask_array(workspace.in_force("s0001")[name])
        if format_name == "nifti" and not per_structure:
            expected = labels == workspace.class_map[name].value
        assert np.array_equal(whole, expected)


def test_one_file_per_structure_in_a_folder_per_case(workspace, drawn_case, tmp_path):
    folder = tmp_path / "out"
    (result,) = export(workspace, folder, per_structure=True, structures=("liver", "spleen"))
    assert saved(folder) == ["s0001/liver.nii.gz", "s0001/nifti.json", "s0001/spleen.nii.gz"]
    assert result.note == ""
    liver = np.asanyarray(nibabel.load(folder / "s0001" / "liver.nii.gz").dataobj)
    assert np.array_equal(liver == 1, workspace.mask_array(workspace.in_force("s0001")["liver"]))


def test_sources_are_the_masks_in_force_the_accepted_or_those_of_an_origin(
    workspace, drawn_case, add_mask, tmp_path
):
    mine = add_mask(drawn_case, "liver", np.s_[20:25, 8:12, 9:12], Provenance("human", "person:a"))
    decide(workspace, [VerdictRequest("s0001", "accept", "spleen", by="a")])

    def liver_of(source):
        folder = tmp_path / source
        export(workspace, folder, source=source)
        return read_handout(folder / "s0001.json").masks()

    assert liver_of("in-force")["liver"] == mine.id
    assert set(liver_of("accepted")) == {"spleen"}
    assert set(liver_of("human")) == {"liver"}
    assert set(liver_of("model")) == set(BOXES)
    assert liver_of("model")["liver"] != mine.id
    assert export(workspace, tmp_path / "r", source="round") == []


def test_exporting_again_keeps_and_never_overwrites(workspace, drawn_case, add_mask, tmp_path):
    export(workspace, tmp_path)
    before = (tmp_path / "s0001.nii.gz").read_bytes()
    assert [r.status for r in export(workspace, tmp_path)] == ["kept"]
    add_mask(drawn_case, "liver", np.s_[20:25, 8:12, 9:12], Provenance("human", "person:a"))
    (refused,) = export(workspace, tmp_path)
    assert refused.status == "failed"
    assert "of other masks" in refused.note
    assert (tmp_path / "s0001.nii.gz").read_bytes() == before
    assert [r.status for r in export(workspace, tmp_path, force=True)] == ["done"]
    assert (tmp_path / "s0001.nii.gz").read_bytes() != before


def test_a_file_of_somebody_elses_or_a_changed_one_is_not_touched(workspace, drawn_case, tmp_path):
    (tmp_path / "s0001.nii.gz").write_bytes(b"mine")
    (refused,) = export(workspace, tmp_path)
    assert (refused.status, "is there already" in refused.note) == ("failed", True)
    assert (tmp_path / "s0001.nii.gz").read_bytes() == b"mine"
    other = tmp_path / "other"
    export(workspace, other)
    (other / "s0001.nii.gz").write_bytes(b"corrected")
    (refused,) = export(workspace, other)
    assert "was changed after it was exported" in refused.note


def test_what_cannot_be_asked_for(workspace, drawn_case, tmp_path):
    with pytest.raises(ClassMapError, match="liverr"):
        export(workspace, tmp_path, structures=("liverr",))
    with pytest.raises(NothingToDo, match="s0002"):
        export(workspace, tmp_path, cases=("s0002",))
    with pytest.raises(UsageError, match="source 'best'"):
        export(workspace, tmp_path, source="best")
    with pytest.raises(UsageError, match="--dicom FOLDER"):
        export(workspace, tmp_path, "rtstruct")
    with pytest.raises(UsageError, match="needs no --dicom"):
        export(workspace, tmp_path, dicom=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="a folder you may write to"):
        export(workspace, tmp_path / "file" / "out")
    assert not list(tmp_path.rglob("*.part"))


def test_a_folder_that_cannot_be_written_fails_the_case_alone(
    workspace, drawn_case, add_case, add_mask, model, tmp_path
):
    add_mask(add_case("s0002"), "liver", BOXES["liver"], model)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "s0001").write_text("a file where a folder must be")
    results = export(workspace, tmp_path / "out", per_structure=True)
    assert [(r.case_id, r.status) for r in results] == [("s0001", "failed"), ("s0002", "done")]
    assert "cannot be written" in results[0].note


def test_a_case_without_masks_fails_if_named_and_is_passed_over_otherwise(
    workspace, drawn_case, add_case, tmp_path
):
    add_case("s0002")
    assert [r.case_id for r in export(workspace, tmp_path)] == ["s0001"]
    (refused,) = export(workspace, tmp_path, cases=("s0002",))
    assert (refused.status, refused.note) == ("failed", "no mask to export (in-force)")


def test_an_excluded_case_goes_out_only_if_named(workspace, drawn_case, tmp_path):
    decide(workspace, [VerdictRequest("s0001", "exclude", by="a", reason="metal")])
    assert export(workspace, tmp_path) == []
    assert [r.status for r in export(workspace, tmp_path, cases=("s0001",))] == ["done"]


def test_structures_without_a_mask_are_told(workspace, drawn_case, tmp_path):
    (result,) = export(workspace, tmp_path, structures=("spleen", "aorta"))
    assert (result.status, result.note, result.masks) == ("done", "no mask of aorta", 1)


@pytest.mark.parametrize("format_name", ["dicom-seg", "rtstruct"])
def test_dicom_goes_onto_the_series_of_the_case(format_name, workspace, dicom_case, tmp_path):
    case, pacs = dicom_case
    (result,) = export(workspace, tmp_path / "out", format_name, dicom=pacs)
    assert result.status == "done", result.note
    drawn = read_drawn_file(result.files[0])
    assert {workspace.pseudonym("series", uid) for uid in drawn.references.series_uids} == {
        case.series_id
    }
    from annotation.importing.placing import place

    for drawing in drawn.drawings:
        placed = place(drawing.shape, case.grid)
        whole = np.zeros(case.grid.shape, np.bool_)
        whole[placed.box] = placed.crop
        expected = np.zeros(case.grid.shape, np.bool_)
        expected[BOXES[drawing.name]] = True
        assert np.array_equal(whole, expected), drawing.name


def test_contours_corrected_elsewhere_come_back(workspace, dicom_case, tmp_path):
    """The contour of one slice of the liver is deleted, as in a treatment-planning system."""
    import pydicom

    from annotation.collect import CollectRequest, collect

    case, pacs = dicom_case
    (exported,) = export(workspace, tmp_path / "out", "rtstruct", dicom=pacs)
    request = CollectRequest(tmp_path / "out", by="anna", isolate=False)
    assert [r.status for r in collect(workspace, request)] == ["kept"]
    structure_set = pydicom.dcmread(exported.files[0])
    number = next(
        r.ROINumber for r in structure_set.StructureSetROISequence if r.ROIName == "liver"
    )
    (roi,) = (r for r in structure_set.ROIContourSequence if r.ReferencedROINumber == number)
    del roi.ContourSequence[0]
    structure_set.save_as(exported.files[0])
    given = workspace.in_force(case.id)["liver"]
    done = [r for r in collect(workspace, request) if r.status == "done"]
    area = 14 * 14
    assert [(d.subject, d.added, d.removed) for d in done] == [("s0009 liver", 0, area)]
    mask = workspace.in_force(case.id)["liver"]
    assert mask.provenance.parents == (given.id,)
    assert mask.voxels == given.voxels - area


def test_segments_corrected_elsewhere_come_back(workspace, dicom_case, tmp_path):
    """The first frame of a DICOM SEG is erased: a slice of its first segment."""
    import pydicom

    from annotation.collect import CollectRequest, collect

    _, pacs = dicom_case
    (exported,) = export(workspace, tmp_path / "out", "dicom-seg", dicom=pacs)
    seg = pydicom.dcmread(exported.files[0])
    bits = np.unpackbits(np.frombuffer(seg.PixelData, np.uint8), bitorder="little")
    area = int(bits[: seg.Rows * seg.Columns].sum())
    bits[: seg.Rows * seg.Columns] = 0
    seg.PixelData = np.packbits(bits, bitorder="little").tobytes()
    seg.save_as(exported.files[0])
    frame = seg.PerFrameFunctionalGroupsSequence[0].SegmentIdentificationSequence[0]
    name = seg.SegmentSequence[frame.ReferencedSegmentNumber - 1].SegmentLabel
    request = CollectRequest(tmp_path / "out", by="anna", isolate=False)
    done = [r for r in collect(workspace, request) if r.status == "done"]
    assert area > 0
    assert [(d.subject, d.added, d.removed) for d in done] == [(f"s0009 {name}", 0, area)]


@pytest.mark.parametrize("format_name", ["nifti", "seg.nrrd"])
def test_nothing_that_names_the_patient_goes_out_without_dicom(
    format_name, workspace, dicom_case, tmp_path
):
    """The series is of Planted^Name, P-a, born on 19500101."""
    _, pacs = dicom_case
    planted = [b"Planted", b"P-a", b"19500101"]
    series = pydicom_uid(pacs / "ct").encode()
    export(workspace, tmp_path / "out", format_name)
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) == 2
    for path in files:
        data = path.read_bytes()
        content = gzip.decompress(data) if path.suffix == ".gz" else data
        assert not [word for word in (*planted, series) if word in content]


def pydicom_uid(folder):
    import pydicom

    path = next(iter(sorted(folder.glob("*.dcm"))))
    return str(pydicom.dcmread(path, stop_before_pixels=True).SeriesInstanceUID)


def test_a_case_of_another_series_is_refused(workspace, dicom_case, tmp_path):
    _, pacs = dicom_case
    (refused,) = export(workspace, tmp_path / "out", "rtstruct", dicom=pacs / "other")
    assert refused.status == "failed"
    assert "none of its 1 series is the one that case s0009 was made from" in refused.note


def test_the_right_series_on_another_grid_is_refused(workspace, dicom_case, tmp_path):
    _, pacs = dicom_case
    for path in sorted((pacs / "ct").glob("*.dcm"))[:3]:
        path.unlink()
    (refused,) = export(workspace, tmp_path / "out", "dicom-seg", dicom=pacs)
    assert refused.status == "failed"
    assert "not on the grid of the CT" in refused.note


def test_a_series_with_a_gap_is_refused(workspace, dicom_case, tmp_path):
    _, pacs = dicom_case
    sorted((pacs / "ct").glob("*.dcm"))[7].unlink()
    (refused,) = export(workspace, tmp_path / "out", "dicom-seg", dicom=pacs)
    assert "off a straight, even series" in refused.note


def test_a_case_that_came_in_as_nifti_is_recognised_by_its_voxels(
    workspace, dicom_case, add_mask, model, tmp_path
):
    case, pacs = dicom_case
    same = _case_on(workspace, case.grid, None, "s0010", hu=1)  # those of the series "other"
    add_mask(same, "liver", BOXES["liver"], model)
    (result,) = export(workspace, tmp_path / "out", "rtstruct", cases=("s0010",), dicom=pacs)
    assert result.status == "done", result.note
    different = _case_on(workspace, case.grid, None, "s0011", hu=50)
    add_mask(different, "liver", BOXES["liver"], model)
    (refused,) = export(workspace, tmp_path / "out", "rtstruct", cases=("s0011",), dicom=pacs)
    assert "none of the 2 series here has its grid and its voxels" in refused.note


def test_a_folder_without_dicom_is_refused(workspace, dicom_case, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("nothing")
    with pytest.raises(BadInput, match="holds no DICOM images"):
        export(workspace, tmp_path / "out", "rtstruct", dicom=tmp_path / "empty")


def test_empty_masks_are_left_out_of_dicom_and_said_so(
    workspace, dicom_case, add_mask, model, tmp_path
):
    case, pacs = dicom_case
    add_mask(case, "pancreas", np.s_[0:0, 0:0, 0:0], model)
    (result,) = export(workspace, tmp_path / "one", "dicom-seg", dicom=pacs)
    assert "left out, being empty: pancreas" in result.note
    assert result.masks == 4
    (each,) = export(workspace, tmp_path / "each", "rtstruct", dicom=pacs, per_structure=True)
    assert len(each.files) == 4
    (refused,) = export(
        workspace, tmp_path / "none", "rtstruct", dicom=pacs, structures=("pancreas",)
    )
    assert refused.status == "failed"
    assert "every mask is empty" in refused.note


def test_a_planted_case_goes_to_nobody_also_by_name(workspace, drawn_case, add_case, tmp_path):
    planted = add_case("s0002", source={PLANTED: "yes"})
    labels = workspace.label_map("s0001")
    made = Provenance("model", "model:btcv")
    masks = write_label_map_masks(workspace.layout, planted, labels, workspace.class_map, made)
    workspace.record_masks(masks)
    with pytest.raises(UsageError, match=r"case 's0002' holds an error .* leave it out"):
        export(workspace, tmp_path / "out", cases=("s0001", "s0002"))
    assert not (tmp_path / "out").exists()
    assert [each.case_id for each in export(workspace, tmp_path / "out")] == ["s0001"]
    assert saved(tmp_path / "out") == ["s0001.json", "s0001.nii.gz"]
