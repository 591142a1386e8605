import numpy as np
import pytest
from pydicom.dataset import Dataset

from annotation.formats import read_drawn_file
from annotation.formats.drawing import DrawnFileError, ReadLimits
from annotation.formats.rasterise import rasterise
from pipeline.volume import Grid, read_nifti
from tests.fixtures.drawn_dicom import (
    FRAME_UID,
    SERIES_UID,
    STUDY_UID,
    circle,
    contour,
    structure_set,
    write_dicom,
)


def test_rois_are_read_with_names_codes_people_and_times(tmp_path):
    rois = {
        "Leber": [contour(circle((0, -10), 6, 40), image="1.2.3.4.5.100.0")],
        "Niere": [contour(circle((5, -12), 2, z)) for z in (43, 46)],
        "nothing": [],
    }
    made = structure_set(rois)
    code, modifier = Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "64033007", "SCT"
    modifier.CodeValue, modifier.CodingSchemeDesignator = "24028007", "SCT"
    code.SegmentedPropertyTypeModifierCodeSequence = [modifier]
    made.RTROIObservationsSequence[1].RTROIIdentificationCodeSequence = [code]
    made.RTROIObservationsSequence[1].RTROIInterpretedType = "PTV"
    drawn = read_drawn_file(write_dicom(tmp_path / "rs.dcm", made))
    liver, kidney, nothing = drawn.drawings
    assert drawn.format == "rtstruct"
    assert [d.name for d in drawn.drawings] == ["Leber", "Niere", "nothing"]
    assert [len(d.shape.contours) for d in drawn.drawings] == [1, 2, 0]
    assert liver.shape.contours[0].image_uid == "1.2.3.4.5.100.0"
    # LPS (6, -10) is RAS (-6, 10)
    assert liver.shape.contours[0].points_mm[0] == pytest.approx((-6, 10, 40))
    assert (kidney.snomed, kidney.side) == ("64033007", "right")
    assert (nothing.drawn_by, nothing.drawn_at) == ("Meier Anna", "2024-03-04T05:06:07")
    assert drawn.notes == ("'Niere' is of type PTV",)
    assert drawn.references.series_uids == (SERIES_UID,)
    assert drawn.references.study_uid == STUDY_UID
    assert drawn.references.frame_of_reference_uid == FRAME_UID
    assert drawn.software == {"Planner": "1.0; 2"}


def test_contours_that_close_no_area_are_left_out_and_told(tmp_path):
    rois = {
        "a": [
            contour(circle((0, 0), 6, 40)),
            contour([0.0, 0.0, 40.0], "POINT"),
            contour([0.0, 0.0, 40.0, 1.0, 0.0, 40.0], "OPEN_PLANAR"),
            contour([0.0, 0.0, 40.0, 1.0, 0.0, 40.0]),
        ]
    }
    drawn = read_drawn_file(write_dicom(tmp_path / "rs.dcm", structure_set(rois)))
    assert len(drawn.drawings[0].shape.contours) == 1
    assert drawn.notes == (
        "'a': 1 contours of fewer than 3 points left out",
        "'a': 1 contours of type OPEN_PLANAR left out",
        "'a': 1 contours of type POINT left out",
    )


def test_a_persons_name_that_is_long_text_is_not_kept_nor_a_date_of_de_identification(tmp_path):
    made = structure_set({"a": [contour(circle((0, 0), 6, 40))]})
    made.RTROIObservationsSequence[0].ROIInterpreter = "seen on the ward " * 10
    made.StructureSetDate = "19010101"
    drawn = read_drawn_file(write_dicom(tmp_path / "rs.dcm", made))
    assert (drawn.drawings[0].drawn_by, drawn.drawings[0].drawn_at) == ("", "")


def _spoil(data):
    def change(made):
        made.ROIContourSequence[0].ContourSequence[0].ContourData = data

    return change


def _twice(made):
    made.StructureSetROISequence[1].ROINumber = 1


def _two_frames(made):
    made.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = "1.2.9"


def _numberless(made):
    del made.StructureSetROISequence[0].ROINumber


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_spoil([1.0, 2.0, 3.0, 4.0]), "contour of 4 numbers"),
        (_spoil(["nan", "0", "0"] * 3), "finite triples"),
        (_spoil(["1e9", "0", "0"] * 3), "100 m away"),
        (_spoil([0.0, 0.0, 0.0] * 700), "more than 500 contour points"),
        (_twice, "ROI numbers given twice"),
        (_two_frames, "2 frames of reference"),
        (_numberless, "cannot be read"),
    ],
)
def test_structure_sets_that_lie_are_refused_with_words(tmp_path, change, words):
    rois = {name: [contour(circle((0, 0), 6, 40))] for name in "ab"}
    made = structure_set(rois)
    change(made)
    path = write_dicom(tmp_path / "rs.dcm", made)
    with pytest.raises(DrawnFileError, match=words) as caught:
        read_drawn_file(path, ReadLimits(max_points=500))
    assert str(caught.value).startswith(f"{path}: found ")
    assert "Nobody" not in str(caught.value)


def test_an_object_that_is_another_one_inside_is_refused(tmp_path):
    path = write_dicom(tmp_path / "rs.dcm", structure_set({"a": []}))
    inner, other = b"1.2.840.10008.5.1.4.1.1.481.3", b"1.2.840.10008.5.1.4.1.1.481.5"
    head, _, rest = path.read_bytes().partition(inner)
    path.write_bytes(head + inner + rest.replace(inner, other))
    with pytest.raises(DrawnFileError, match="another kind of DICOM object"):
        read_drawn_file(path)


def test_text_that_is_no_number_is_refused(tmp_path):
    path = write_dicom(tmp_path / "rs.dcm", structure_set({"a": [contour([1.25, 2.25, 3.25] * 3)]}))
    path.write_bytes(path.read_bytes().replace(b"1.25\\2.25", b"1.25\\x.25"))
    with pytest.raises(DrawnFileError, match="cannot be read"):
        read_drawn_file(path)


def test_thousands_of_rois_are_refused(tmp_path):
    made = structure_set({str(n): [] for n in range(40)})
    path = write_dicom(tmp_path / "rs.dcm", made)
    with pytest.raises(DrawnFileError, match="40 different labels or segments"):
        read_drawn_file(path, ReadLimits(max_drawings=30))


def dice(first, second):
    return 2 * np.count_nonzero(first & second) / (first.sum() + second.sum())


@pytest.mark.real_data
@pytest.mark.parametrize(("kind", "least", "voxels"), [("CT", 0.985, 110_129), ("PET", 0.93, 4804)])
def test_the_sarcoma_on_its_reference_grid(real_data, kind, least, voxels):
    folder = real_data / "rtstruct_sts036"
    drawn = read_drawn_file(folder / kind / "mask" / "RS.dcm")
    (drawing,) = drawn.drawings
    reference = read_nifti(folder / "nifti" / f"{kind}_mask.nii.gz")
    found = rasterise(drawing.shape, reference.grid)
    assert drawing.name == f"GTV_Mass_{kind}"
    assert drawing.drawn_at.startswith("2009-10-21T10:5")
    assert len(found.drawn_slices) == 36
    assert found.interpolated_slices == ()
    assert np.count_nonzero(reference.array) == voxels
    # measured: 1.0 on both; the bound is what is asked for
    assert dice(found.mask, reference.array > 0) >= least
    assert dice(found.mask, reference.array > 0) > 0.999


@pytest.mark.real_data
def test_the_breast_plan_has_ten_rois(real_data):
    drawn = read_drawn_file(real_data / "rtstruct_breast_dicompyler" / "rtss.dcm")
    counts = {drawing.name: len(drawing.shape.contours) for drawing in drawn.drawings}
    assert len(counts) == 10
    assert (counts["Heart"], counts["Lt Lung"]) == (33, 165)
    assert {drawing.drawn_at for drawing in drawn.drawings} == {""}


@pytest.mark.real_data
def test_the_breast_plans_organs_have_the_volumes_of_organs(real_data):
    """On the planes' own spacing (98 planes, 3 mm): each drawn slice filled and none between."""
    drawn = read_drawn_file(real_data / "rtstruct_breast_dicompyler" / "rtss.dcm")
    affine = np.diag([-1.074219, -1.074219, 3.0, 1.0])
    affine[:3, 3] = (275.0, 524.0, -122.4407)
    grid = Grid((512, 512, 98), affine)
    expected = {"Heart": (33, 439.7), "Lt Lung": (80, 2003.5), "BODY": (98, 14881.4)}
    for drawing in drawn.drawings:
        if drawing.name in expected:
            found = rasterise(drawing.shape, grid)
            slices, volume_ml = expected[drawing.name]
            assert len(found.drawn_slices) == slices
            assert (found.interpolated_slices, found.outside, found.notes) == ((), 0, ())
            measured_ml = np.count_nonzero(found.shape.crop) * grid.voxel_ml
            assert measured_ml == pytest.approx(volume_ml, rel=0.002)
