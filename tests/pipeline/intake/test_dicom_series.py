import shutil

import numpy as np
import pytest
from pydicom.uid import RLELossless

from pipeline.intake.dicom_header import read_slice_header
from pipeline.intake.dicom_pixels import read_series_voxels
from pipeline.intake.dicom_series import ct_series, group_series
from pipeline.intake.refusal import Refused


@pytest.fixture
def series_of(tmp_path, write_series):
    """Give a function that writes a series and groups what lies in its folder."""

    def make(**keywords):
        write_series(tmp_path / "scan", **keywords)
        return group_series(read_slice_header(p) for p in (tmp_path / "scan").iterdir())

    return make


def test_the_voxels_of_a_series_are_its_hounsfield_units_in_order(series_of, ct_values):
    (series,) = series_of(seed=5)
    straight = ct_series(series)
    voxels, notes = read_series_voxels([h.path for h in straight.slices], straight.grid)
    assert np.array_equal(voxels, ct_values(5))
    assert notes == ()


def test_every_slice_keeps_its_own_rescaling(series_of, ct_values):
    def scale(dataset, k):
        dataset.RescaleSlope = 2 if k == 3 else 1
        dataset.RescaleIntercept = -2048 if k == 3 else -1024

    (series,) = series_of(change=scale)
    straight = ct_series(series)
    voxels, _ = read_series_voxels([h.path for h in straight.slices], straight.grid)
    expected = ct_values().astype(int)
    expected[:, :, 3] = 2 * (expected[:, :, 3] + 1024) - 2048
    assert np.array_equal(voxels, expected)


def test_compressed_slices_are_decoded(series_of, ct_values):
    (series,) = series_of(seed=2, change=lambda dataset, k: dataset.compress(RLELossless))
    straight = ct_series(series)
    voxels, _ = read_series_voxels([h.path for h in straight.slices], straight.grid)
    assert np.array_equal(voxels, ct_values(2))


def test_several_series_in_one_folder_are_told_apart(series_of, tmp_path, write_series):
    write_series(tmp_path / "scan" / "more", series="1.2.3.6")
    for path in (tmp_path / "scan" / "more").iterdir():
        shutil.move(path, tmp_path / "scan" / f"B{path.name}")
    (tmp_path / "scan" / "more").rmdir()
    first, second = series_of()
    assert (len(first.headers), len(second.headers)) == (16, 16)
    assert first.name.endswith("scan (series 1 of 2)")
    assert "1.2.3" not in second.name


def test_copies_of_slices_are_left_out_and_counted(series_of, tmp_path, write_series):
    path = write_series(tmp_path / "scan")[4]
    shutil.copy(path, tmp_path / "scan" / "copy of it")
    (series,) = group_series(read_slice_header(p) for p in (tmp_path / "scan").iterdir())
    assert (len(series.headers), series.copies) == (16, 1)
    assert ct_series(series).grid.shape == (24, 20, 16)


def test_one_instance_with_two_contents_is_not_taken_for_a_copy(tmp_path, write_series):
    path = write_series(tmp_path / "scan")[4]
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 1
    (tmp_path / "scan" / "other").write_bytes(whole)
    (series,) = group_series(read_slice_header(p) for p in (tmp_path / "scan").iterdir())
    assert series.copies == 0
    with pytest.raises(Refused, match="1 of 17 slices lie where another one lies"):
        ct_series(series)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"Modality": "PT"}, "modality PT; expected modality CT"),
        ({"Modality": "MR"}, "modality MR"),
        ({"Modality": ""}, "modality missing"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "a localizer"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "a secondary capture"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2.1"}, "an enhanced multi-frame CT"),
        ({"NumberOfFrames": 40}, "an enhanced multi-frame CT"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "3 samples per pixel, RGB"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "MONOCHROME1"),
        ({"RescaleSlope": 0}, "rescale slope 0"),
        ({"RescaleType": "OD"}, "rescale type OD"),
        ({"SeriesInstanceUID": ""}, "no SeriesInstanceUID"),
    ],
)
def test_what_is_no_ct_is_refused_by_name(series_of, attributes, message):
    (series,) = series_of(**attributes)
    with pytest.raises(Refused, match=message):
        ct_series(series)


def test_two_frames_of_reference_are_refused(series_of):
    def change(dataset, k):
        dataset.FrameOfReferenceUID = f"1.2.3.{k // 8}"

    (series,) = series_of(change=change)
    with pytest.raises(Refused, match="several frames of reference"):
        ct_series(series)


@pytest.mark.parametrize("modality", ["RTSTRUCT", "SEG", "SR"])
def test_other_objects_are_no_images(series_of, modality):
    (series,) = series_of(Modality=modality)
    assert not series.is_image
    assert series.label == f"{modality}, 16 files"


def test_a_truncated_slice_is_refused_by_name(series_of):
    (series,) = series_of()
    straight = ct_series(series)
    paths = [header.path for header in straight.slices]
    paths[7].write_bytes(paths[7].read_bytes()[:-100])
    with pytest.raises(Refused, match=f"{paths[7].name}: pixels that cannot be decoded"):
        read_series_voxels(paths, straight.grid)


def test_a_slice_of_another_size_than_its_header_said_is_refused(series_of, tmp_path, write_series):
    (series,) = series_of()
    straight = ct_series(series)
    paths = [header.path for header in straight.slices]
    wider = straight.grid.crop((slice(0, 23), slice(0, 20), slice(0, 16)))
    with pytest.raises(Refused, match="24 x 20 pixels; expected 23 x 20"):
        read_series_voxels(paths, wider)
