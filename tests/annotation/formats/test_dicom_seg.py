import zlib

import nrrd
import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from annotation.formats import read_drawn_file
from annotation.formats.drawing import DrawnFileError, ReadLimits
from tests.fixtures.drawn_dicom import (
    COLUMNS,
    FRAME_UID,
    ROWS,
    SERIES_UID,
    SLICES,
    STUDY_UID,
    ct_grid,
    segment_masks,
    write_seg,
)


def full(drawing):
    mask = np.zeros(drawing.shape.grid.shape, bool)
    mask[drawing.shape.box] = drawing.shape.crop
    return mask


def in_world(mask, grid):
    index = np.argwhere(mask)
    return {
        tuple(place)
        for place in np.round(index @ grid.affine[:3, :3].T + grid.affine[:3, 3], 3) + 0.0
    }


def expected_world(masks):
    return in_world(masks.transpose(2, 1, 0), ct_grid())


def test_overlapping_segments_with_gaps_lie_where_they_were_drawn(tmp_path):
    masks = segment_masks()
    drawn = read_drawn_file(write_seg(tmp_path / "a.dcm", masks))
    liver, kidney = drawn.drawings
    assert drawn.format == "dicom-seg"
    assert in_world(full(liver), liver.shape.grid) == expected_world(masks[..., 0])
    assert in_world(full(kidney), kidney.shape.grid) == expected_world(masks[..., 1])
    assert (liver.name, liver.snomed, liver.side, liver.value) == ("Liver", "10200004", "", 1)
    assert (kidney.name, kidney.snomed, kidney.side) == ("Niere li.", "64033007", "left")
    assert (liver.drawn_by, liver.drawn_at) == ("Meier Anna", "2024-05-06T07:08:09")
    assert drawn.references.series_uids == (SERIES_UID,)
    assert drawn.references.study_uid == STUDY_UID
    assert drawn.references.frame_of_reference_uid == FRAME_UID
    assert drawn.software == {"Model": "7"}


def test_frames_may_come_in_any_order(tmp_path):
    masks = segment_masks()

    def reverse(made):
        frames = list(made.PerFrameFunctionalGroupsSequence)
        bits = np.unpackbits(np.frombuffer(made.PixelData, np.uint8), bitorder="little")
        planes = bits[: len(frames) * ROWS * COLUMNS].reshape(len(frames), -1)
        made.PerFrameFunctionalGroupsSequence = frames[::-1]
        packed = np.packbits(planes[::-1].ravel(), bitorder="little").tobytes()
        made.PixelData = packed + b"\0" * (len(packed) % 2)

    drawn = read_drawn_file(write_seg(tmp_path / "a.dcm", masks, change=reverse))
    for drawing, at in zip(drawn.drawings, range(2), strict=True):
        assert in_world(full(drawing), drawing.shape.grid) == expected_world(masks[..., at])


def test_without_a_declared_distance_slices_are_placed_by_their_positions(tmp_path):
    def forget(made):
        del made.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices

    masks = segment_masks()
    drawn = read_drawn_file(write_seg(tmp_path / "a.dcm", masks, change=forget))
    shape = drawn.drawings[0].shape
    assert in_world(full(drawn.drawings[0]), shape.grid) == expected_world(masks[..., 0])
    assert drawn.notes == ("slices lie 3 mm apart; taken from their positions",)


def test_fractional_segments_are_cut_at_one_half(tmp_path):
    fractions = np.zeros((SLICES, ROWS, COLUMNS, 2), np.float64)
    fractions[2, 3, 2:6, 0] = (0.2, 0.49, 0.5, 1.0)
    fractions[2, 4, 4, 1] = 0.9
    drawn = read_drawn_file(write_seg(tmp_path / "a.dcm", fractions, "FRACTIONAL"))
    assert full(drawn.drawings[0]).sum() == 2
    assert full(drawn.drawings[1]).sum() == 1
    assert any("at least half" in note for note in drawn.notes)


def test_label_map_segmentations(tmp_path):
    labels = np.zeros((SLICES, ROWS, COLUMNS), np.uint8)
    labels[1:4, 2:5, 3:6] = 1
    labels[2, 5:7, 3:6] = 2
    drawn = read_drawn_file(write_seg(tmp_path / "a.dcm", labels, "LABELMAP"))
    found = {drawing.name: drawing for drawing in drawn.drawings}
    for name, value in (("Liver", 1), ("Niere li.", 2)):
        shape = found[name].shape
        assert in_world(full(found[name]), shape.grid) == expected_world(labels == value)


def test_a_segment_without_frames_stays_a_segment(tmp_path):
    masks = segment_masks()
    masks[..., 1] = 0
    drawn = read_drawn_file(write_seg(tmp_path / "a.dcm", masks))
    assert [drawing.name for drawing in drawn.drawings] == ["Liver", "Niere li."]
    assert not drawn.drawings[1].shape.crop.any()


def _frame(made, at=0):
    return made.PerFrameFunctionalGroupsSequence[at]


def _shear(made):
    for at in range(made.NumberOfFrames):
        place = _frame(made, at).PlanePositionSequence[0]
        x, y, z = place.ImagePositionPatient
        place.ImagePositionPatient = [x, y + 0.2 * float(z), z]


def _uneven(made):
    place = _frame(made, 1).PlanePositionSequence[0]
    place.ImagePositionPatient = [-10.0, -20.0, 40.0 + 3.7]


def _far(made):
    place = _frame(made, 1).PlanePositionSequence[0]
    place.ImagePositionPatient = [-10.0, -20.0, 40.0 + 99_000 * 3.0]


def _placeless(made):
    del _frame(made).PlanePositionSequence


def _segmentless(made):
    del _frame(made).SegmentIdentificationSequence


def _nowhere(made):
    _frame(made).PlanePositionSequence[0].ImagePositionPatient = ["nan", 0, 0]


def _measures(**values):
    def change(made):
        for name, value in values.items():
            setattr(made.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0], name, value)

    return change


def _crooked(made):
    plane = made.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    plane.ImageOrientationPatient = [1, 0, 0, 0.5, 0.5, 0]


def _set(**values):
    def change(made):
        for name, value in values.items():
            setattr(made, name, value)

    return change


def _twice(made):
    made.SegmentSequence[1].SegmentNumber = 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_shear, "off a straight, even stack"),
        (_uneven, "whole multiples of one distance"),
        (_far, "100 m away|voxels"),
        (_segmentless, "1 frames of no segment"),
        (_placeless, "without usable position"),
        (_nowhere, "without usable position|cannot be read"),
        (_measures(PixelSpacing=[0, 1]), "without usable position"),
        (_measures(PixelSpacing=[-1, 1]), "without usable position"),
        (_crooked, "not perpendicular"),
        (_set(NumberOfFrames=2_000_000_000), "frames"),
        (_set(Rows=60_000, Columns=60_000), "bytes of pixels|voxels declared"),
        (_set(Rows=0), "frames of at least one pixel"),
        (_set(BitsAllocated=32), "samples of 32 bits"),
        (_set(SamplesPerPixel=3), "3 samples"),
        (_set(SegmentationType="PICTURE"), "segmentation type 'PICTURE'"),
        (_set(PixelData=b"\1\0"), "bytes of pixels"),
        (_twice, "segment 1 twice"),
    ],
)
def test_objects_that_lie_are_refused_with_words(tmp_path, change, words):
    path = write_seg(tmp_path / "a.dcm", segment_masks(), change=change)
    with pytest.raises(DrawnFileError, match=words) as caught:
        read_drawn_file(path, ReadLimits(max_voxels=50_000_000))
    assert str(caught.value).startswith(f"{path}: found ")
    assert "; expected " in str(caught.value)
    assert "Nobody" not in str(caught.value)


def test_a_deflated_bomb_is_met_before_it_is_opened(tmp_path):
    path = write_seg(tmp_path / "a.dcm", segment_masks())
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    assert [d.name for d in read_drawn_file(path).drawings] == ["Liver", "Niere li."]
    head = path.read_bytes()
    meta = pydicom.filereader.read_file_meta_info(path)
    start = 132 + 12 + meta["FileMetaInformationGroupLength"].value
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(80)) + packer.flush()
    path.write_bytes(head[:start] + bomb)
    with pytest.raises(DrawnFileError, match="expands beyond 60,000,000 bytes"):
        read_drawn_file(path, ReadLimits(max_bytes=60_000_000))


def test_a_truncated_object_is_refused(tmp_path):
    path = write_seg(tmp_path / "a.dcm", segment_masks())
    whole = path.read_bytes()
    for cut in (400, len(whole) // 2, len(whole) - 40):
        path.write_bytes(whole[:cut])
        with pytest.raises(DrawnFileError):
            read_drawn_file(path)


@pytest.mark.real_data
def test_dcmqis_liver_is_identical_to_its_nrrd(real_data):
    folder = real_data / "dicom_seg_dcmqi"
    (seg,) = read_drawn_file(folder / "liver.dcm").drawings
    (own,) = read_drawn_file(folder / "liver_seg.nrrd").drawings
    assert (seg.name, seg.snomed, seg.drawn_at) == ("Liver", "10200004", "2016-03-18T17:48:52")
    assert seg.shape.grid.same_as(own.shape.grid, 1e-4)
    assert np.array_equal(full(seg), full(own))
    assert full(seg).sum() == 107_098
    # and as pynrrd alone reads the samples and LPS places
    samples, header = nrrd.read(str(folder / "liver_seg.nrrd"))
    index = np.argwhere(samples)
    lps = index @ header["space directions"] + header["space origin"]
    assert in_world(full(seg), seg.shape.grid) == {
        tuple(place) for place in np.round(lps * (-1, -1, 1), 3) + 0.0
    }
