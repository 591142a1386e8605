import gzip
import os
import struct

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.volume import (
    Grid,
    NiftiError,
    NiftiLimits,
    atomic_path,
    from_canonical,
    is_partial,
    read_nifti,
    read_nifti_grid,
    to_canonical,
    write_nifti,
)

ORIENTATIONS = ["RAS", "LPS", "SLA", "PIR", "ILA"]


def volume(codes="RAS", dtype=np.int16, shape=(5, 6, 7)):
    affine = np.diag([1.5, 2.0, 3.0, 1.0])
    affine[:3, 3] = (-10, 20, -30)
    values = np.random.default_rng(3).integers(0, 100, shape).astype(dtype)
    to_codes = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(tuple(codes))
    )
    image = nib.Nifti1Image(values, affine).as_reoriented(to_codes)
    array = np.asfortranarray(image.dataobj)
    return array, Grid(array.shape, image.affine)


@pytest.mark.parametrize("codes", ORIENTATIONS)
@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii"])
def test_nibabel_reads_back_what_was_written(tmp_path, codes, name):
    array, grid = volume(codes)
    write_nifti(tmp_path / name, array, grid)
    image = nib.load(tmp_path / name)
    assert np.array_equal(np.asarray(image.dataobj), array)
    assert image.get_data_dtype() == np.int16
    assert np.allclose(image.get_sform(), grid.affine)
    assert np.allclose(image.get_qform(), grid.affine, atol=1e-4)
    assert nib.aff2axcodes(image.affine) == tuple(codes)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64, np.uint16])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_reads_what_nibabel_wrote(tmp_path, dtype, kind):
    array, grid = volume(dtype=dtype)
    nib.save(kind(array, grid.affine), tmp_path / "a.nii.gz")
    found = read_nifti(tmp_path / "a.nii.gz")
    assert np.array_equal(found.array, array)
    assert found.array.flags.f_contiguous
    assert found.array.dtype == dtype
    assert found.grid.same_as(grid)
    assert read_nifti_grid(tmp_path / "a.nii.gz").same_as(grid)


def test_reads_big_endian_and_scaled_values(tmp_path):
    array, grid = volume()
    image = nib.Nifti1Image(array, grid.affine, nib.Nifti1Header(endianness=">"))
    image.header.set_slope_inter(2.0, -1024.0)
    image.to_filename(tmp_path / "a.nii")
    nib_values = nib.load(tmp_path / "a.nii").get_fdata()
    found = read_nifti(tmp_path / "a.nii")
    assert np.allclose(found.array, nib_values)
    assert found.array.dtype.isnative


def test_a_boolean_mask_is_stored_as_bytes_with_its_record(tmp_path):
    array, grid = volume()
    write_nifti(tmp_path / "m.nii.gz", array > 50, grid, extension={"who": "é"}, intent="label")
    found = read_nifti(tmp_path / "m.nii.gz")
    assert found.array.dtype == np.uint8
    assert np.array_equal(found.array.astype(bool), array > 50)
    assert found.extension == {"who": "é"}
    assert nib.load(tmp_path / "m.nii.gz").header.get_intent()[0] == "label"


def test_equal_volumes_give_equal_bytes_without_name_or_time(tmp_path):
    array, grid = volume()
    write_nifti(tmp_path / "patient_name.nii.gz", array, grid)
    write_nifti(tmp_path / "b.nii.gz", array, grid)
    first = (tmp_path / "patient_name.nii.gz").read_bytes()
    assert first == (tmp_path / "b.nii.gz").read_bytes()
    assert struct.unpack_from("<I", first, 4)[0] == 0  # gzip mtime
    assert first[3] == 0  # gzip flags: no name


def write_header(path, dims, *, datatype=4, bitpix=16, offset=352.0, body=b"", magic=b"n+1"):
    header = nib.Nifti1Header()
    header["dim"] = [*dims, *([1] * (8 - len(dims)))]
    header["datatype"], header["bitpix"] = datatype, bitpix
    header["vox_offset"], header["magic"] = offset, magic
    header["srow_x"], header["srow_y"], header["srow_z"] = np.eye(4)[:3]
    header["sform_code"] = 1
    path.write_bytes(gzip.compress(header.binaryblock + b"\0\0\0\0" + body))


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"dims": [3, 30000, 30000, 19000]}, "expected 1 to 8192"),
        ({"dims": [3, 8000, 8000, 8000]}, "more than the limit"),
        ({"dims": [3, 512, 512, 512]}, "truncated or lying"),
        ({"dims": [3, 4, 4, 4]}, "cannot be read to its end"),
        ({"dims": [3, -4, 4, 4], "body": bytes(128)}, "expected 1 to"),
        ({"dims": [4, 2, 2, 2, 2], "body": bytes(64)}, "4-D"),
        ({"dims": [2, 2, 2], "body": bytes(8)}, "2-D"),
        ({"dims": [0], "body": bytes(8)}, "declares 0 dimensions"),
        ({"dims": [3, 2, 2, 2], "datatype": 128, "bitpix": 24, "body": bytes(24)}, "voxel type"),
        ({"dims": [3, 2, 2, 2], "datatype": 32, "bitpix": 64, "body": bytes(64)}, "voxel type"),
        ({"dims": [3, 2, 2, 2], "datatype": 77, "body": bytes(16)}, "voxel type 77"),
        ({"dims": [3, 2, 2, 2], "offset": 1e12, "body": bytes(16)}, "voxel offset"),
        ({"dims": [3, 2, 2, 2], "offset": float("nan"), "body": bytes(16)}, "voxel offset"),
        ({"dims": [3, 2, 2, 2], "magic": b"ni1", "body": bytes(16)}, "single-file"),
        ({"dims": [3, 2, 2, 2], "body": bytes(2**21)}, "more data than its header declares"),
    ],
)
def test_refuses_headers_that_lie(tmp_path, keywords, words):
    write_header(tmp_path / "x.nii.gz", **keywords)
    with pytest.raises(NiftiError, match=words) as caught:
        read_nifti(tmp_path / "x.nii.gz")
    assert str(tmp_path / "x.nii.gz") in str(caught.value)


def test_refuses_a_missing_an_empty_and_a_foreign_file(tmp_path):
    (tmp_path / "empty.nii.gz").touch()
    (tmp_path / "text.nii.gz").write_text("hello, this is not an image at all")
    for name, words in [
        ("no.nii", "no such file"),
        ("empty.nii.gz", "not a NIfTI"),
        ("text.nii.gz", "not a NIfTI"),
    ]:
        with pytest.raises(NiftiError, match=words):
            read_nifti(tmp_path / name)


def test_refuses_a_truncated_and_a_flipped_stream(tmp_path):
    array, grid = volume(shape=(40, 40, 40))
    path = tmp_path / "a.nii.gz"
    write_nifti(path, array, grid)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(NiftiError):
        read_nifti(path)
    broken = bytearray(whole)
    broken[-5] ^= 0xFF  # the checksum
    path.write_bytes(bytes(broken))
    with pytest.raises(NiftiError, match="cannot be read"):
        read_nifti(path)


def test_a_singular_affine_is_named(tmp_path):
    array, _ = volume()
    image = nib.Nifti1Image(array, None)
    image.header["sform_code"], image.header["qform_code"] = 1, 0
    image.header["srow_x"] = image.header["srow_y"] = image.header["srow_z"] = 0
    image.to_filename(tmp_path / "a.nii")
    data = bytearray((tmp_path / "a.nii").read_bytes())
    data[280:328] = bytes(48)
    data[254:256] = (1).to_bytes(2, "little")
    (tmp_path / "a.nii").write_bytes(bytes(data))
    with pytest.raises(NiftiError, match="invertible affine"):
        read_nifti(tmp_path / "a.nii")


def test_limits_are_settings(tmp_path):
    array, grid = volume()
    write_nifti(tmp_path / "a.nii", array, grid)
    with pytest.raises(NiftiError, match="more than the limit of 100"):
        read_nifti(tmp_path / "a.nii", limits=NiftiLimits(max_bytes=100))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_damage_gets_past_as_anything_but_a_clear_error(tmp_path, data):
    path = tmp_path / "fuzz.nii"
    array, grid = volume()
    write_nifti(path, array, grid)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, 351))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    try:
        found = read_nifti(path, limits=NiftiLimits(max_bytes=2**24))
    except NiftiError as error:
        message = str(error)
    else:
        message = str(path) if found.array.shape == found.grid.shape else "shapes differ"
    assert str(path) in message


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_turning_to_canonical_and_back_is_exact(codes):
    array, grid = volume(codes)
    turned, turned_grid = to_canonical(array, grid)
    expected = nib.as_closest_canonical(nib.Nifti1Image(array, grid.affine))
    assert np.array_equal(turned, np.asarray(expected.dataobj))
    assert np.allclose(turned_grid.affine, expected.affine)
    assert turned_grid.orientation == "RAS"
    assert np.array_equal(from_canonical(turned, grid), array)


def test_an_interrupted_write_leaves_nothing_under_the_final_name(tmp_path):
    def write_and_fail():
        with atomic_path(tmp_path / "x.bin") as partial:
            partial.write_bytes(b"half")
            assert is_partial(partial)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_cannot_be_flushed_is_an_error(tmp_path, monkeypatch):
    def no_space(descriptor):
        raise OSError(28, "No space left on device")

    (tmp_path / "x.bin").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"), atomic_path(tmp_path / "x.bin") as partial:
        partial.write_bytes(b"new")
    assert (tmp_path / "x.bin").read_bytes() == b"old"


def test_array_and_grid_must_agree(tmp_path):
    array, grid = volume()
    with pytest.raises(ValueError, match="on a grid of shape"):
        write_nifti(tmp_path / "a.nii.gz", array[:-1], grid)
