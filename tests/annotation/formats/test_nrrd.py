import bz2
import gzip
import os

import numpy as np
import pytest

from annotation.formats import read_drawn_file
from annotation.formats.drawing import DrawnFileError, ReadLimits
from tests.fixtures.drawn_files import LIST_FIELDS, box_labels, grid_of, layered, nrrd_bytes


def write(path, array=None, fields=None, texts=None):
    path.write_bytes(nrrd_bytes(box_labels() if array is None else array, fields or {}, texts))
    return path


def counts(drawn):
    return {drawing.value: int(drawing.shape.crop.sum()) for drawing in drawn.drawings}


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.int32])
def test_a_label_map_gives_its_values(tmp_path, dtype):
    drawn = read_drawn_file(write(tmp_path / "a.nrrd", box_labels().astype(dtype)))
    assert drawn.format == "nrrd"
    assert counts(drawn) == {1: 24, 2: 18, 5: 1}
    assert [drawing.name for drawing in drawn.drawings] == ["", "", ""]
    assert drawn.drawings[0].shape.box == (slice(1, 5), slice(2, 5), slice(1, 3))


@pytest.mark.parametrize(
    ("space", "signs", "origin"),
    [
        ("left-posterior-superior", (-1, -1, 1), "(20,-10,-30)"),
        ("LPS", (-1, -1, 1), "(20,-10,-30)"),
        ("right-anterior-superior", (1, 1, 1), "(-20,10,-30)"),
        ("left-anterior-superior", (-1, 1, 1), "(20,10,-30)"),
    ],
)
def test_every_space_is_turned_to_ras(tmp_path, space, signs, origin):
    path = write(tmp_path / "a.nrrd", fields={"space": space, "space origin": origin})
    found = read_drawn_file(path).drawings[0].shape.grid
    assert found.same_as(grid_of(signs=signs))


def test_encodings_and_byte_orders_give_the_same(tmp_path):
    labels = box_labels().astype(np.int16)
    raw = nrrd_bytes(labels, {"encoding": "raw"})
    header = raw[: -labels.nbytes]
    big = header.replace(b"endian: little", b"endian: big") + labels.astype(">i2").tobytes("F")
    packed = header.replace(b"encoding: raw", b"encoding: bzip2") + bz2.compress(
        labels.tobytes(order="F")
    )
    text = header.replace(b"encoding: raw", b"encoding: ascii") + b" ".join(
        str(value).encode() for value in labels.ravel(order="F")
    )
    for name, content in {"raw": raw, "big": big, "bz2": packed, "text": text}.items():
        path = tmp_path / f"{name}.nrrd"
        path.write_bytes(content)
        assert counts(read_drawn_file(path)) == {1: 24, 2: 18, 5: 1}


def test_detached_samples_are_read_from_the_same_folder_only(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    labels = box_labels()
    header = nrrd_bytes(labels, {"encoding": "raw"})[: -labels.nbytes].rstrip(b"\n")
    for place in (folder / "a.raw", tmp_path / "a.raw"):
        place.write_bytes(labels.tobytes(order="F"))
    path = folder / "a.nhdr"
    path.write_bytes(header + b"\ndata file: a.raw\n")
    assert counts(read_drawn_file(path)) == {1: 24, 2: 18, 5: 1}
    (folder / "link.raw").symlink_to(tmp_path / "a.raw")
    for name in ("../a.raw", str(tmp_path / "a.raw"), "link.raw", "no.raw", "LIST", ".."):
        path.write_bytes(header + f"\ndata file: {name}\n".encode())
        with pytest.raises(DrawnFileError, match="expected one file in the same folder"):
            read_drawn_file(path)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sizes": "9000 10 8"}, "1 to 8,192 voxels"),
        ({"sizes": "8000 8000 8000"}, "voxels declared"),
        ({"sizes": "1000 1000 100"}, "truncated or lying"),
        ({"sizes": "12 10 9"}, "bytes declared"),
        ({"sizes": "12 10 7"}, "more bytes than declared"),
        ({"sizes": "-12 10 8"}, "1 to 8,192"),
        ({"sizes": "12 80"}, "2 sizes for 3 dimensions"),
        ({"type": "double precision"}, "samples of type"),
        ({"type": "block"}, "samples of type 'block'"),
        ({"encoding": "hex"}, "encoding other than"),
        ({"space": None}, "the space ''"),
        ({"space": "scanner-xyz"}, "the space 'scanner-xyz'"),
        ({"space origin": None}, "no directions or origin"),
        ({"space origin": "(nan,0,0)"}, "not finite"),
        ({"space origin": "(1e9,0,0)"}, "100 m away"),
        ({"space directions": "(0,0,0) (0,2,0) (0,0,3)"}, "a spacing of 0 x"),
        ({"space directions": "(1.5,0,0) (0.5,2,0) (0,0,3)"}, "not at right angles"),
        ({"space directions": "(1.5,0) (0,2) (0,0)"}, "found "),
        ({"space directions": "none none none"}, "not 3-D"),
        ({"space units": '"cm" "cm" "cm"'}, "the unit 'cm'"),
        ({"byte skip": "-1"}, "to skip"),
        ({"line skip": "2"}, "to skip"),
        ({"dimension": "many"}, "cannot be read"),
        ({"encoding": None}, "no field 'encoding'"),
    ],
)
def test_headers_that_lie_are_refused_with_words(tmp_path, fields, words):
    path = write(tmp_path / "a.nrrd")
    path.write_bytes(_with(fields))
    with pytest.raises(DrawnFileError, match=words) as caught:
        read_drawn_file(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: found ")
    assert "; expected " in message


def _with(fields):
    """Encode the usual samples under a header that says something else."""
    given = {key: value for key, value in fields.items() if key not in ("type", "encoding")}
    content = nrrd_bytes(box_labels(), given)
    if "type" in fields:
        content = content.replace(b"type: unsigned char", f"type: {fields['type']}".encode())
    if fields.get("encoding", "") is None:
        return content.replace(b"encoding: gzip\n", b"")
    if "encoding" in fields:
        return content.replace(b"encoding: gzip", f"encoding: {fields['encoding']}".encode())
    return content


def test_doubled_fields_and_keys_are_refused(tmp_path):
    path = tmp_path / "a.nrrd"
    content = nrrd_bytes(box_labels(), {})
    path.write_bytes(content.replace(b"endian: little\n", b"endian: little\nendian: big\n"))
    with pytest.raises(DrawnFileError, match="Duplicate header field"):
        read_drawn_file(path)
    path.write_bytes(content.replace(b"endian: little\n", b"endian: little\na:=1\na:=2\n"))
    with pytest.raises(DrawnFileError, match="two values of 'a'"):
        read_drawn_file(path)


def test_a_bomb_is_cut_off_at_the_declared_size(tmp_path):
    path = tmp_path / "a.nrrd"
    header = nrrd_bytes(box_labels(), {"encoding": "raw"})[: -box_labels().nbytes]
    bomb = gzip.compress(bytes(64 * 2**20))
    path.write_bytes(header.replace(b"encoding: raw", b"encoding: gzip") + bomb)
    with pytest.raises(DrawnFileError, match="more bytes than declared"):
        read_drawn_file(path)


def test_truncated_samples_are_refused(tmp_path):
    whole = nrrd_bytes(np.random.default_rng(1).integers(0, 3, (12, 10, 8)).astype(np.uint8), {})
    for cut in (len(whole) - 1, len(whole) - 9, len(whole) - 60):
        (tmp_path / "a.nrrd").write_bytes(whole[:cut])
        with pytest.raises(DrawnFileError, match="samples that cannot be read"):
            read_drawn_file(tmp_path / "a.nrrd")


def test_layers_without_keys_that_explain_them_are_refused(tmp_path):
    path = write(tmp_path / "a.nrrd", layered(box_labels(), box_labels()), LIST_FIELDS)
    with pytest.raises(DrawnFileError, match="2 values per voxel"):
        read_drawn_file(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda labels: labels - np.int16(7), "values from -7 to"),
        (lambda labels: labels + np.float32(0.5), "no whole numbers"),
        (lambda labels: np.where(labels, np.float32("nan"), 0).astype(np.float32), "no whole"),
        (lambda labels: np.arange(960, dtype=np.int16).reshape(12, 10, 8), "different labels"),
        (lambda labels: np.arange(960, dtype=np.int32).reshape(12, 10, 8) * 99999, "different"),
    ],
)
def test_what_is_no_label_map_is_refused(tmp_path, change, words):
    path = write(tmp_path / "a.nrrd", np.asfortranarray(change(box_labels().astype(np.int16))))
    with pytest.raises(DrawnFileError, match=words):
        read_drawn_file(path, ReadLimits(max_drawings=500))


def test_large_values_are_kept(tmp_path):
    labels = box_labels().astype(np.int32)
    labels[labels == 5] = 1_000_000_007
    drawn = read_drawn_file(write(tmp_path / "a.nrrd", labels))
    assert counts(drawn) == {1: 24, 2: 18, 1_000_000_007: 1}


def test_labels_strewn_like_noise_take_no_more_than_the_limit(tmp_path):
    noise = np.random.default_rng(2).integers(0, 100, (12, 10, 8)).astype(np.uint8)
    path = write(tmp_path / "a.nrrd", np.asfortranarray(noise))
    with pytest.raises(DrawnFileError, match="boxes hold"):
        read_drawn_file(path, ReadLimits(max_voxels=20_000))


def test_a_file_that_may_not_be_opened_is_an_error_in_words(tmp_path):
    path = write(tmp_path / "a.nrrd")
    path.chmod(0)
    if os.access(path, os.R_OK):
        path = tmp_path / "gone.nrrd"
    with pytest.raises(DrawnFileError, match="cannot be opened"):
        read_drawn_file(path)
