"""Damaged files of every format: a clear error or a sound answer, never a crash.

The seeds are fixed (the profile of tests/conftest.py derandomizes), the examples few.
"""

import gzip
import tracemalloc
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.formats import find_drawn_files, read_drawn_file
from annotation.formats.drawing import Contour, ContourShape, DrawnFileError, ReadLimits
from annotation.formats.rasterise import ContourPlacementError, rasterise
from tests.fixtures.drawn_dicom import (
    circle,
    contour,
    ct_grid,
    segment_masks,
    structure_set,
    write_dicom,
    write_seg,
)
from tests.fixtures.drawn_files import (
    SNAP_DESCRIPTION,
    box_labels,
    caret_extension,
    grid_of,
    nrrd_bytes,
    write_labels,
    write_mitk,
    write_seg_nrrd,
)

LIMITS = ReadLimits(max_voxels=2_000_000, max_bytes=8_000_000, max_drawings=50, max_points=10_000)
MOST_BYTES = 96 * 2**20


def _nifti(folder):
    image = nib.Nifti1Image(box_labels(), grid_of().affine)
    image.header.extensions.append(nib.nifti1.Nifti1Extension(0, caret_extension({1: "liver"})))
    nib.save(image, folder / "seg.nii")
    return folder / "seg.nii"


def _nora(folder):
    return write_labels(folder / "ROI_liver.nii", (box_labels() == 1).astype(np.uint8))


def _snap(folder):
    (folder / "seg.label").write_text(SNAP_DESCRIPTION)
    return write_labels(folder / "seg.nii")


def _nrrd(folder):
    (folder / "a.nrrd").write_bytes(nrrd_bytes(box_labels(), {"encoding": "raw"}))
    return folder / "a.nrrd"


def _seg_nrrd(folder):
    return write_seg_nrrd(folder / "a.seg.nrrd", fields={"encoding": "raw"})


def _mitk(folder):
    groups = [{"labels": [{"name": "liver", "value": 1}, {"name": "b", "value": 2}]}]
    return write_mitk(folder / "a.nrrd", box_labels(), groups, {"encoding": "raw"})


def _seg(folder):
    return write_seg(folder / "a.dcm", segment_masks())


def _rtstruct(folder):
    rois = {"a": [contour(circle((0, -10), 6, 40))], "b": [contour(circle((2, -9), 3, 43, 20))]}
    return write_dicom(folder / "rs.dcm", structure_set(rois))


MAKERS = [_nifti, _nora, _snap, _nrrd, _seg_nrrd, _mitk, _seg, _rtstruct]


@cache
def _content(make):
    with TemporaryDirectory() as folder:
        path = make(Path(folder))
        return path.name, {one.name: one.read_bytes() for one in Path(folder).iterdir()}


def again(make, folder):
    """Make the files anew; they are the same each time, and made only once."""
    name, files = _content(make)
    for beside, content in files.items():
        (folder / beside).write_bytes(content)
    return folder / name


def damaged(draw, raw: bytes, head: int) -> bytes:
    """Change, cut out, double or cut off some bytes, most of them near the beginning."""
    data = bytearray(raw)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(min(head, len(data)) - 1, 0)))
        kind = draw(st.sampled_from(["set", "cut", "double", "digit"]))
        if kind == "set":
            data[at : at + 1] = bytes([draw(st.integers(0, 255))])
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 40))]
        elif kind == "double":
            data[at:at] = data[at : at + draw(st.integers(1, 60))]
        else:
            data[at : at + 1] = draw(st.sampled_from([b"9", b"-", b"0", b"e9", b"nan", b"\n"]))
    return bytes(data[: draw(st.integers(len(data) * 9 // 10, len(data)))])


def is_sound(drawn) -> bool:
    """Whether what was read keeps the contract."""
    for drawing in drawn.drawings:
        shape = drawing.shape
        if isinstance(shape, ContourShape):
            good = all(
                one.points_mm.shape[1:] == (3,) and np.isfinite(one.points_mm).all()
                for one in shape.contours
            )
        else:
            sizes = tuple(side.stop - side.start for side in shape.box)
            inside = all(
                0 <= side.start < side.stop <= size
                for side, size in zip(shape.box, shape.grid.shape, strict=True)
            )
            good = inside and shape.crop.shape == sizes and shape.crop.dtype == np.bool_
        if not good or any(ord(sign) < 32 for sign in drawing.name):
            return False
    return True


def outcome(path) -> str:
    """Read a file and say how it ended."""
    tracemalloc.start()
    try:
        drawn = read_drawn_file(path, LIMITS)
    except DrawnFileError as error:
        message = str(error)
        assert str(path.parent) in message
        assert "expected" in message
        return "refused"
    else:
        assert is_sound(drawn)
        return "read"
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < MOST_BYTES


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__.strip("_"))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_refused_or_read_soundly(tmp_path, make, data):
    path = again(make, tmp_path)
    head = len(path.read_bytes()) if path.suffix == ".dcm" else 1500
    raw = damaged(data.draw, path.read_bytes(), head)
    path.write_bytes(raw)
    assert outcome(path) in ("refused", "read")
    found = find_drawn_files(tmp_path)
    assert {path} <= {*found.consumed, *(left.path for left in (*found.ignored, *found.broken))}


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__.strip("_"))
def test_the_undamaged_files_are_read(tmp_path, make):
    assert outcome(make(tmp_path)) == "read"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=600), start=st.sampled_from([b"", b"NRRD0004\n", b"\x1f\x8b"]))
def test_noise_is_refused(tmp_path, content, start):
    path = tmp_path / "noise.nii.gz"
    path.write_bytes(start + content)
    assert outcome(path) == "refused"


NUMBERS = st.sampled_from(
    ["0", "-1", "1", "7", "99999999999999999999", "nan", "inf", "1e308", "x", ""]
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.dictionaries(
        st.sampled_from(
            [
                "type",
                "dimension",
                "sizes",
                "space directions",
                "space origin",
                "kinds",
                "encoding",
                "endian",
                "space",
                "space units",
                "data file",
                "Segment0_Layer",
                "Segment0_Extent",
                "Segment0_LabelValue",
                "Segment0_Tags",
                "Segmentation_Extent",
            ]
        ),
        st.lists(NUMBERS, min_size=1, max_size=6).map(" ".join)
        | st.lists(NUMBERS, min_size=3, max_size=3).map(
            lambda n: f"({','.join(n)}) (0,1,0) (0,0,1)"
        )
        | st.text(max_size=40),
        min_size=1,
        max_size=3,
    )
)
def test_headers_of_any_words_are_refused_or_read_soundly(tmp_path, values):
    values = {key: " ".join(value.split()) for key, value in values.items()}
    fields = {key: value for key, value in values.items() if not key.startswith("Seg")}
    texts = {key: value for key, value in values.items() if key.startswith("Seg")}
    path = write_seg_nrrd(tmp_path / "a.seg.nrrd", texts=texts)
    content = path.read_bytes()
    for key, value in fields.items():
        lines = content.partition(b"\n\n")[0].split(b"\n")
        kept = [line for line in lines if not line.startswith(f"{key}:".encode())]
        kept.insert(1, f"{key}: {value}".encode())
        content = b"\n".join(kept) + b"\n\n" + content.partition(b"\n\n")[2]
    path.write_bytes(content)
    assert outcome(path) in ("refused", "read")


@settings(max_examples=60)
@given(
    points=st.lists(
        st.tuples(*[st.floats(-200, 200, allow_nan=False)] * 2), min_size=3, max_size=30
    ),
    heights=st.lists(st.floats(-100, 200, allow_nan=False), min_size=1, max_size=8),
)
def test_any_contours_give_a_mask_of_the_grid(points, heights):
    flat = np.array(points)
    curves = [Contour(np.column_stack([flat, np.full(len(flat), z)])) for z in heights]
    found = rasterise(ContourShape(tuple(curves)), ct_grid())
    assert found.mask.shape == ct_grid().shape
    filled = set(np.flatnonzero(found.mask.any(axis=(0, 1))).tolist())
    assert filled <= {*found.drawn_slices, *found.interpolated_slices}


@settings(max_examples=20)
@given(points=st.lists(st.tuples(*[st.floats(-50, 50)] * 3), min_size=4, max_size=12))
def test_curves_that_lie_in_no_plane_are_refused_or_filled(points):
    shape = ContourShape((Contour(np.array(points)),))
    try:
        found = rasterise(shape, ct_grid())
    except ContourPlacementError as error:
        said = str(error)
    else:
        said = "filled" if found.mask.shape == ct_grid().shape else "another grid"
    assert said == "filled" or "parallel to no slices" in said


def test_a_bomb_in_every_compressed_form_takes_no_memory(tmp_path):
    small = gzip.compress(bytes(200 * 2**20), 9)
    header = nrrd_bytes(box_labels(), {"encoding": "raw"})[: -box_labels().nbytes]
    (tmp_path / "a.nrrd").write_bytes(header.replace(b"encoding: raw", b"encoding: gzip") + small)
    assert outcome(tmp_path / "a.nrrd") == "refused"
    nifti = _nifti(tmp_path).read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(nifti + bytes(100 * 2**20)))
    assert outcome(tmp_path / "b.nii.gz") == "refused"
