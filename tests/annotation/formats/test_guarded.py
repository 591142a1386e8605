import gzip

import numpy as np
import pytest

from annotation.formats.drawing import DrawnFileError
from annotation.formats.guarded import Guard, read_all_guarded, read_guarded, read_within
from tests.fixtures.drawn_dicom import circle, contour, structure_set, write_dicom
from tests.fixtures.drawn_files import box_labels, nrrd_bytes, write_labels, write_seg_nrrd


def test_drawings_come_back_from_the_other_process_as_they_are(tmp_path):
    drawn = read_guarded(write_seg_nrrd(tmp_path / "a.seg.nrrd"))
    assert [drawing.name for drawing in drawn.drawings] == ["Liver", "kidney links", "Punkt"]
    for drawing, value in zip(drawn.drawings, (1, 2, 5), strict=True):
        mask = np.zeros(drawing.shape.grid.shape, bool)
        mask[drawing.shape.box] = drawing.shape.crop
        assert np.array_equal(mask, box_labels() == value)


def test_one_bad_file_does_not_stop_the_others(tmp_path):
    made = structure_set({"a": [contour(circle((0, 0), 5, 40))]})
    good = [write_labels(tmp_path / "a.nii.gz"), write_dicom(tmp_path / "b.dcm", made)]
    bad = tmp_path / "c.nrrd"
    bad.write_bytes(nrrd_bytes(box_labels(), {"sizes": "8000 8000 8000"}))
    results = {read.path: read for read in read_all_guarded([*good, bad])}
    assert [len(results[path].drawn.drawings) for path in good] == [3, 1]
    assert results[bad].drawn is None
    assert "voxels declared" in results[bad].error


def huge(path, voxels=256 * 2**20):
    """A file of a few hundred kilobytes that honestly expands to a quarter of a gigabyte."""
    header = nrrd_bytes(box_labels(), {"encoding": "raw", "sizes": f"8192 8192 {voxels // 2**26}"})
    header = header[: -box_labels().nbytes].replace(b"encoding: raw", b"encoding: gzip")
    path.write_bytes(header + gzip.compress(bytes(voxels)))
    return path


def test_a_file_beyond_its_memory_is_refused(tmp_path):
    path = huge(tmp_path / "a.nrrd")
    with pytest.raises(DrawnFileError, match="more memory than there is") as caught:
        read_guarded(path, memory_bytes=128 * 2**20)
    assert str(caught.value).startswith(str(path))


def test_a_file_beyond_its_time_is_stopped(tmp_path):
    path = write_labels(tmp_path / "a.nii.gz")
    with pytest.raises(DrawnFileError, match=r"took longer than its time limit.*0\.05 s") as caught:
        read_guarded(path, timeout_s=0.05)
    assert str(caught.value).startswith(f"{path}: found a file whose reading took longer")


def test_a_refusal_travels_as_text(tmp_path):
    path = tmp_path / "a.nii.gz"
    path.write_text("no image")
    with pytest.raises(DrawnFileError, match="no format of drawings that is known"):
        read_guarded(path)


def test_a_name_table_travels_along(tmp_path):
    from annotation.formats.guarded import _Task

    path = write_labels(tmp_path / "a.nii.gz")
    table = tmp_path / "names.csv"
    table.write_text("value,name\n1,liver\n")
    read = read_within(_Task(path, Guard(), table))
    assert [drawing.name for drawing in read.drawn.drawings] == ["liver", "", ""]
