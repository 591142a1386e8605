import gzip
import struct

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.intake.ct_checks import CtRules
from pipeline.intake.reading import ReadCt, ReadTask, case_id_of, read_one, scratch_folder
from pipeline.workspace import Layout

MEMORY_BYTES = 512 * 2**20


@pytest.fixture
def read(tmp_path):
    """Give a function that reads one file as a worker does."""

    def run(path, *, write=False, rules=None) -> ReadCt:
        layout = Layout(tmp_path / "workspace")
        return read_one(ReadTask((path,), None, rules or CtRules(), MEMORY_BYTES, layout, write))

    return run


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
def test_voxels_and_affine_are_what_nibabel_reads(tmp_path, write_ct, read, name):
    path = write_ct(tmp_path / name, seed=3)
    result = read(path, write=True)
    source, stored = nibabel.load(path), nibabel.load(result.scratch_file)
    assert np.array_equal(np.asarray(stored.dataobj), np.asarray(source.dataobj))
    assert np.array_equal(stored.affine, source.affine)
    assert stored.get_data_dtype() == np.int16
    assert result.grid.orientation == "LPS"
    assert result.scratch_file == scratch_folder(Layout(tmp_path / "workspace")) / (
        f"{result.digest}.nii.gz"
    )
    assert case_id_of(result.digest) == f"case-{result.digest[:8]}"


def test_nothing_of_the_source_header_is_carried_over(tmp_path, write_ct, read):
    path = write_ct(tmp_path / "ct.nii.gz", descrip=b"Erika Muster", aux_file=b"1960-02-29")
    stored = gzip.decompress(read(path, write=True).scratch_file.read_bytes())
    assert b"Erika" not in stored
    assert b"1960" not in stored


def test_scaling_is_applied(tmp_path, write_ct, read, ct_values):
    scaled = write_ct(tmp_path / "scaled.nii", ((ct_values() + 2000) // 2).astype(np.uint16))
    block = bytearray(scaled.read_bytes())
    struct.pack_into("<2f", block, 112, 2.0, -2000.0)
    scaled.write_bytes(block)
    plain = write_ct(tmp_path / "plain.nii", (ct_values() // 2 * 2).astype(np.int16))
    assert read(scaled).digest == read(plain).digest


@pytest.mark.parametrize("slope", [0.0, float("nan")])
def test_a_zero_or_missing_slope_means_no_scaling(tmp_path, write_ct, read, slope):
    plain = write_ct(tmp_path / "ct.nii")
    block = bytearray(plain.read_bytes())
    struct.pack_into("<2f", block, 112, slope, 7.0)
    (tmp_path / "other.nii").write_bytes(block)
    assert read(tmp_path / "other.nii").digest == read(plain).digest


def test_the_digest_is_of_the_content_not_of_the_file(tmp_path, write_ct, read, ct_values):
    values = ct_values()
    same = [
        write_ct(tmp_path / "a.nii", values),
        write_ct(tmp_path / "b.nii.gz", values),
        write_ct(tmp_path / "c.nii.gz", values.astype(np.float32)),
        write_ct(tmp_path / "d.nii.gz", values.astype(np.int32)),
    ]
    assert len({read(path).digest for path in same}) == 1
    changed = values.copy()
    changed[5, 5, 5] += 1
    assert read(write_ct(tmp_path / "e.nii", changed)).digest != read(same[0]).digest
    moved = np.array(nibabel.load(same[0]).affine)
    moved[0, 3] += 1
    assert read(write_ct(tmp_path / "f.nii", values, moved)).digest != read(same[0]).digest


def test_one_frame_of_four_dimensions_is_a_volume(tmp_path, write_ct, read, ct_values):
    frame = write_ct(tmp_path / "frame.nii", ct_values()[..., np.newaxis])
    assert read(frame).digest == read(write_ct(tmp_path / "plain.nii")).digest


def refused(read, path) -> str:
    result = read(path)
    assert result.refused
    assert result.grid is None
    assert str(path) not in result.refused
    return result.refused


def test_other_volumes_are_refused(tmp_path, write_ct, read, ct_values):
    values = ct_values()
    rgb = np.zeros((16, 16, 16), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    frames = np.repeat(values[..., np.newaxis], 2, axis=3)
    assert "4-D (24 x 20 x 16 x 2)" in refused(read, write_ct(tmp_path / "4d.nii", frames))
    assert "2-D" in refused(read, write_ct(tmp_path / "2d.nii", values[:, :, 0]))
    assert "voxel type" in refused(read, write_ct(tmp_path / "rgb.nii", rgb))
    assert "voxel type" in refused(
        read, write_ct(tmp_path / "complex.nii", values.astype(np.complex64))
    )
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 16)).astype(np.uint8)
    assert "no Hounsfield range" in refused(read, write_ct(tmp_path / "picture.nii", picture))
    holes = values.astype(np.float32)
    holes[0, 0, 0] = np.nan
    assert "1 NaN" in refused(read, write_ct(tmp_path / "nan.nii", holes))


def test_placements_that_are_unclear_are_refused(tmp_path, write_ct, read):
    nowhere = write_ct(tmp_path / "nowhere.nii", sform_code=0, qform_code=0)
    block = bytearray(nowhere.read_bytes())
    struct.pack_into("<2h", block, 252, 0, 0)
    nowhere.write_bytes(block)
    assert "no orientation" in refused(read, nowhere)
    two = write_ct(tmp_path / "two.nii")
    block = bytearray(two.read_bytes())
    struct.pack_into("<h", block, 252, 1)
    struct.pack_into("<3f", block, 268, 23.0, 15.0, -100.0)
    two.write_bytes(block)
    assert "sform and qform place it up to" in refused(read, two)


@pytest.mark.parametrize(
    ("row", "message"),
    [((0, 0, 0, 0), "invertible"), ((float("nan"), 0, 0, 0), "finite"), ((2, 1, 0, 0), "sheared")],
)
def test_affines_that_place_nothing_straight_are_refused(tmp_path, write_ct, read, row, message):
    path = write_ct(tmp_path / "ct.nii")
    block = bytearray(path.read_bytes())
    struct.pack_into("<2h", block, 252, 0, 1)
    struct.pack_into("<4f", block, 280, *row)
    path.write_bytes(block)
    assert message in refused(read, path)


def test_broken_streams_are_refused(tmp_path, write_ct, read):
    whole = write_ct(tmp_path / "ct.nii.gz").read_bytes()
    for name, content in {
        "cut.nii.gz": whole[: len(whole) // 2],
        "tail.nii.gz": whole[:-4],
        "flipped.nii.gz": whole[:900] + bytes([whole[900] ^ 255]) + whole[901:],
        "empty.nii.gz": b"",
        "text.nii": b"this is no NIfTI file" * 40,
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert refused(read, path), name


def test_a_few_bytes_that_declare_terabytes_are_refused_at_once(tmp_path, write_ct, read):
    block = bytearray(write_ct(tmp_path / "ct.nii").read_bytes()[:352])
    struct.pack_into("<4h", block, 40, 3, 32767, 32767, 32767)
    path = tmp_path / "huge.nii.gz"
    path.write_bytes(gzip.compress(block))
    assert path.stat().st_size < 200
    assert "expected 1 to 8192 voxels a side" in refused(read, path)
    struct.pack_into("<4h", block, 40, 3, 1024, 1024, 1024)
    path.write_bytes(gzip.compress(block))
    assert "cannot hold them" in refused(read, path)


def test_a_small_file_that_expands_beyond_its_header_is_refused(tmp_path, write_ct, read):
    block = write_ct(tmp_path / "ct.nii").read_bytes()
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(gzip.compress(block + bytes(64 * 2**20), 9))
    assert path.stat().st_size < 2**20
    assert "more data than its header declares" in refused(read, path)


def test_a_file_beyond_the_memory_limit_is_refused_with_the_way_out(tmp_path, read):
    block = bytearray(nibabel.Nifti1Header(endianness="<").binaryblock) + bytes(4)
    struct.pack_into("<4h", block, 40, 3, 1024, 1024, 400)
    struct.pack_into("<2h", block, 70, 16, 32)
    struct.pack_into("<8f", block, 76, 1, 1, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<f", block, 108, 352)
    struct.pack_into("<2h", block, 252, 0, 1)
    struct.pack_into("<12f", block, 280, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)
    block[344:348] = b"n+1\0"
    path = tmp_path / "large.nii"
    with path.open("wb") as file:
        file.write(block)
        file.truncate(352 + 1024 * 1024 * 400 * 4)  # sparse
    assert "takes more than 0.5 GiB; if it is a CT, raise --memory-limit-gib" in refused(read, path)


changes = st.lists(
    st.tuples(st.integers(0, 351), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4
)


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(changes, st.booleans())
@example([(40, b"\xff\xff")], False)
@example([(76, b"\x00\x00\xc0\x7f")], True)
@example([(108, b"\x00\x00\x80\x7f")], True)
@example([(112, b"\x00\x00\x80\x7f\x00\x00\x80\x7f")], False)
@example([(252, b"\x01\x00"), (256, b"\x00\x00\xc0\x7f")], False)
@example([(256, b"\x00\x00\x80\x7f")], False)
@example([(280, b"\xff\xff\x7f\x7f")], False)
def test_a_damaged_header_gives_a_ct_or_a_reason_never_a_crash(
    tmp_path, write_ct, read, edits, compressed
):
    path = tmp_path / "whole.nii"
    if not path.exists():
        write_ct(path)
    block = bytearray(path.read_bytes())
    for at, change in edits:
        block[at : at + len(change)] = change
    damaged = tmp_path / ("damaged.nii.gz" if compressed else "damaged.nii")
    damaged.write_bytes(gzip.compress(block, 1) if compressed else block)
    with np.errstate(all="ignore"):
        result = read(damaged)
    assert bool(result.refused) != bool(result.digest)
