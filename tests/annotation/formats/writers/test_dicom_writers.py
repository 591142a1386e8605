"""DICOM SEG and RTSTRUCT: read back by highdicom, pydicom, and a filling of our own test."""

import shutil
import subprocess

import highdicom
import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.path import Path as Polygon

from annotation.formats.writers import CannotExport, writer_of
from annotation.formats.writers.contours import outlines
from pipeline.volume import Grid
from tests.annotation.formats.writers.conftest import GRIDS

SLICED = ("dicom", "anisotropic", "oblique")


def seg_on_grid(path, grid: Grid) -> dict[str, np.ndarray]:
    """Read a SEG's segments onto a grid whose axes are the series'."""
    seg = highdicom.seg.segread(path)
    uids = [str(uid) for _, _, uid in seg.get_source_image_uids()]
    frames = seg.get_pixels_by_source_instance(uids, assert_missing_frames_are_empty=True)
    planes = {uid: index for index, uid in enumerate(order_of(path.parent / "series"))}
    found = {}
    for number in seg.segment_numbers:
        mask = np.zeros(grid.shape, np.bool_)
        for frame, uid in zip(frames[..., number - 1], uids, strict=True):
            mask[:, :, planes[uid]] = frame.T
        found[seg.get_segment_description(number).segment_label] = mask
    return found


def order_of(folder) -> list[str]:
    return [
        str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)
        for path in sorted(folder.glob("*.dcm"))
    ]


def fill(contours, series_folder, grid: Grid) -> np.ndarray:
    """Fill contours by voxel centres, even-odd, in the coordinates of the slices themselves."""
    mask = np.zeros(grid.shape, np.bool_)
    to_index = np.linalg.inv(np.diag([-1.0, -1, 1, 1]) @ grid.affine)
    planes = {uid: index for index, uid in enumerate(order_of(series_folder))}
    centres = np.array(np.meshgrid(*map(range, grid.shape[:2]), indexing="ij")).reshape(2, -1).T
    for contour in contours:
        points = np.array(contour.ContourData, float).reshape(-1, 3)
        assert len(points) == contour.NumberOfContourPoints
        index = points @ to_index[:3, :3].T + to_index[:3, 3]
        plane = planes[str(contour.ContourImageSequence[0].ReferencedSOPInstanceUID)]
        assert np.allclose(index[:, 2], plane, atol=1e-3)
        inside = Polygon(index[:, :2]).contains_points(centres).reshape(grid.shape[:2])
        mask[:, :, plane] ^= inside
    return mask


@pytest.mark.parametrize("name", SLICED)
def test_dicom_seg_is_exact(name, make_outgoing, make_series, masks, tmp_path):
    grid, path = GRIDS[name], tmp_path / "x.seg.dcm"
    notes = writer_of("dicom-seg").write(make_outgoing(grid), path, make_series(grid))
    assert notes == ("left out, being empty: spleen",)
    found = seg_on_grid(path, grid)
    assert set(found) == {"liver", "kidney_left", "hip_left"}
    for structure, mask in found.items():
        assert np.array_equal(mask, masks[structure]), structure


def test_an_empty_character_set_is_the_default_one(make_outgoing, make_series, masks, tmp_path):
    """Archives write it so; highdicom takes it for an unknown one."""
    from annotation.formats.writers.source_series import read_series

    grid, path = GRIDS["dicom"], tmp_path / "x.seg.dcm"
    make_series(grid)
    files = sorted((tmp_path / "series").glob("*.dcm"))
    for file in files:
        header = pydicom.dcmread(file)
        header.SpecificCharacterSet = ""
        header.save_as(file)
    writer_of("dicom-seg").write(make_outgoing(grid), path, read_series(files))
    assert np.array_equal(seg_on_grid(path, grid)["liver"], masks["liver"])


def test_dicom_seg_of_a_turned_grid_lies_in_the_same_place(
    make_outgoing, make_series, masks, tmp_path
):
    """The case's axes run R, A, S; its series' L, P, S."""
    series_grid = GRIDS["dicom"]
    affine = series_grid.affine @ np.diag([-1.0, -1.0, 1.0, 1.0])
    affine[:3, 3] = (
        series_grid.affine
        @ [series_grid.shape[0] - 1, series_grid.shape[1] - 1, 0, 1]
        @ np.eye(4)[:, :3]
    )
    outgoing = make_outgoing(Grid(series_grid.shape, affine))
    writer_of("dicom-seg").write(outgoing, tmp_path / "x.seg.dcm", make_series(series_grid))
    found = seg_on_grid(tmp_path / "x.seg.dcm", series_grid)
    assert np.array_equal(found["liver"], masks["liver"][::-1, ::-1])


def test_dicom_seg_says_what_and_by_whom(make_outgoing, make_series, tmp_path):
    grid, path = GRIDS["dicom"], tmp_path / "x.seg.dcm"
    writer_of("dicom-seg").write(make_outgoing(grid), path, make_series(grid))
    seg = highdicom.seg.segread(path)
    about = {s.segment_label: s for s in (seg.get_segment_description(n) for n in (1, 2, 3))}
    assert (seg.SegmentationType, seg.SegmentsOverlap) == ("BINARY", "YES")
    liver, kidney, hip = about["liver"], about["kidney_left"], about["hip_left"]
    assert (liver.algorithm_type.value, liver.SegmentAlgorithmName) == ("AUTOMATIC", "model:btcv")
    assert liver.algorithm_identification[0].AlgorithmVersion == "2.1"
    assert (kidney.algorithm_type.value, kidney.algorithm_identification) == ("MANUAL", None)
    assert hip.algorithm_type.value == "SEMIAUTOMATIC"
    assert (
        kidney.segmented_property_type.value,
        kidney.segmented_property_type.scheme_designator,
    ) == ("64033007", "SCT")
    side = kidney.segmented_property_type.SegmentedPropertyTypeModifierCodeSequence[0]
    assert (side.CodeValue, side.CodeMeaning) == ("7771000", "Left")
    assert hip.segmented_property_type.scheme_designator == "99MASKSMITH"
    assert hip.segmented_property_type.value == "hip_left"
    source = pydicom.dcmread(tmp_path / "series" / "0000.dcm", stop_before_pixels=True)
    for tag in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert seg[tag].value == source[tag].value
    assert seg.SeriesInstanceUID != source.SeriesInstanceUID


def test_dicom_seg_without_overlap_says_so(make_outgoing, make_series, masks, tmp_path):
    grid, path = GRIDS["dicom"], tmp_path / "x.seg.dcm"
    writer_of("dicom-seg").write(make_outgoing(grid).only("liver"), path, make_series(grid))
    assert highdicom.seg.segread(path).SegmentsOverlap == "NO"
    assert np.array_equal(seg_on_grid(path, grid)["liver"], masks["liver"])


@pytest.mark.parametrize("name", SLICED)
def test_rtstruct_filled_by_voxel_centres_is_exact(
    name, make_outgoing, make_series, masks, tmp_path
):
    grid, path = GRIDS[name], tmp_path / "x.rtstruct.dcm"
    notes = writer_of("rtstruct").write(make_outgoing(grid), path, make_series(grid))
    assert notes == ("left out, being empty: spleen",)
    structure_set = pydicom.dcmread(path)
    names = {roi.ROINumber: roi.ROIName for roi in structure_set.StructureSetROISequence}
    assert sorted(names.values()) == ["hip_left", "kidney_left", "liver"]
    for item in structure_set.ROIContourSequence:
        found = fill(item.ContourSequence, tmp_path / "series", grid)
        assert np.array_equal(found, masks[names[item.ReferencedROINumber]])


def test_rtstruct_says_what_and_by_whom(make_outgoing, make_series, class_map, tmp_path):
    grid, path = GRIDS["dicom"], tmp_path / "x.rtstruct.dcm"
    writer_of("rtstruct").write(make_outgoing(grid), path, make_series(grid))
    found = pydicom.dcmread(path)
    rois = {roi.ROIName: roi for roi in found.StructureSetROISequence}
    assert rois["liver"].ROIGenerationAlgorithm == "AUTOMATIC"
    assert rois["liver"].ROIGenerationDescription == "model:btcv 2.1"
    assert rois["kidney_left"].ROIGenerationAlgorithm == "MANUAL"
    number = rois["kidney_left"].ROINumber
    contours = next(c for c in found.ROIContourSequence if c.ReferencedROINumber == number)
    assert tuple(contours.ROIDisplayColor) == class_map["kidney_left"].colour
    about = next(o for o in found.RTROIObservationsSequence if o.ReferencedROINumber == number)
    assert about.RTROIIdentificationCodeSequence[0].CodeValue == "64033007"
    series = found.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    images = series.RTReferencedSeriesSequence[0].ContourImageSequence
    assert len(images) == grid.shape[2]


@pytest.mark.parametrize("name", ["dicom-seg", "rtstruct"])
def test_masks_that_are_all_empty_are_refused(name, make_outgoing, make_series, tmp_path):
    grid = GRIDS["dicom"]
    with pytest.raises(CannotExport, match="every mask is empty"):
        writer_of(name).write(make_outgoing(grid).only("spleen"), tmp_path / "x", make_series(grid))
    assert not (tmp_path / "x").exists()


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not here")
@pytest.mark.parametrize("name", ["dicom-seg", "rtstruct"])
def test_the_standards_validator_finds_no_error(name, make_outgoing, make_series, tmp_path):
    path = tmp_path / "x.dcm"
    writer_of(name).write(make_outgoing(GRIDS["dicom"]), path, make_series(GRIDS["dicom"]))
    done = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    assert "Error" not in done.stderr + done.stdout


def test_an_outline_goes_through_the_middle_and_a_hole_is_a_curve_inside():
    plane = np.zeros((7, 7), np.bool_)
    plane[1:6, 1:6] = True
    plane[3, 3] = False
    inner, outer = sorted(outlines(plane), key=len)
    assert {tuple(point) for point in inner} == {(2.5, 3), (3, 2.5), (3.5, 3), (3, 3.5)}
    assert outer.min() == 0.5
    assert outer.max() == 5.5
    assert len(outer) == 8


@given(arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_filling_the_outlines_of_any_plane_gives_the_plane_back(plane):
    centres = np.argwhere(np.ones_like(plane))
    found = np.zeros_like(plane)
    for curve in outlines(plane):
        assert len(curve) >= 4
        found ^= Polygon(curve).contains_points(centres).reshape(plane.shape)
    assert np.array_equal(found, plane)


def test_a_mask_at_the_border_is_closed_outside_it():
    (curve,) = outlines(np.ones((2, 3), np.bool_))
    assert curve.min(axis=0).tolist() == [-0.5, -0.5]
    assert curve.max(axis=0).tolist() == [1.5, 2.5]


@pytest.mark.parametrize("name", ["dicom-seg", "rtstruct"])
def test_a_series_that_makes_no_valid_object_is_refused_without_a_value_of_it(
    name, make_outgoing, make_series, tmp_path
):
    from copy import deepcopy
    from dataclasses import replace

    series = make_series(GRIDS["dicom"])
    for header in series.slices:
        header.PatientName = "Planted"
        header.SeriesNumber = None
    broken = [deepcopy(header) for header in series.slices]
    for header in broken:
        del header.StudyInstanceUID
    writer_of(name).write(make_outgoing(GRIDS["dicom"]), tmp_path / "good", series)
    with pytest.raises(CannotExport, match="take over from it") as refused:
        writer_of(name).write(
            make_outgoing(GRIDS["dicom"]), tmp_path / "x", replace(series, slices=tuple(broken))
        )
    assert "Planted" not in str(refused.value)
    assert not (tmp_path / "x").exists()
