import os

import numpy as np
import pytest

from annotation.formats import READERS, find_drawn_files, read_drawn_file
from annotation.formats.drawing import DrawnFileError
from tests.fixtures.drawn_dicom import (
    circle,
    contour,
    ct_series,
    segment_masks,
    structure_set,
    write_dicom,
    write_seg,
)
from tests.fixtures.drawn_files import (
    SNAP_DESCRIPTION,
    box_labels,
    nrrd_bytes,
    write_labels,
    write_mitk,
    write_seg_nrrd,
)


def by_name(entries):
    return {entry.path.name: entry for entry in entries}


def test_each_format_is_recognised_by_its_content_not_its_ending(tmp_path):
    write_seg_nrrd(tmp_path / "a.nrrd")
    groups = [{"labels": [{"name": "liver", "value": 1}]}]
    write_mitk(tmp_path / "b.seg.nrrd", (box_labels() == 1).astype(np.uint8), groups)
    (tmp_path / "c.bin").write_bytes(nrrd_bytes(box_labels(), {}))
    write_labels(tmp_path / "d.nii.gz").rename(tmp_path / "d.img")
    write_seg(tmp_path / "e", segment_masks())
    write_dicom(tmp_path / "f.txt", structure_set({"a": [contour(circle((0, 0), 5, 40))]}))
    found = {
        name: entry.format for name, entry in by_name(find_drawn_files(tmp_path).files).items()
    }
    assert found == {
        "a.nrrd": "seg.nrrd",
        "b.seg.nrrd": "mitk",
        "c.bin": "nrrd",
        "d.img": "nifti",
        "e": "dicom-seg",
        "f.txt": "rtstruct",
    }
    assert [reader.name for reader in READERS] == [
        "seg.nrrd", "mitk", "itk-snap", "nora", "nifti", "nrrd", "dicom-seg", "rtstruct",
    ]  # fmt: skip


def test_every_file_ends_consumed_ignored_or_broken_with_a_reason(tmp_path):
    folder = tmp_path / "exam" / "deep"
    folder.mkdir(parents=True)
    write_labels(folder / "seg.nii.gz")
    (folder / "seg.label").write_text(SNAP_DESCRIPTION)
    write_labels(folder / "ct.nii.gz")
    (folder / "imagesTr").mkdir()
    write_labels(folder / "imagesTr" / "case_0000.nii.gz")
    (folder / "._seg.nii.gz").write_bytes(b"\0\5\x16\7")
    (folder / ".hidden.nii.gz").write_bytes(b"x")
    (folder / "liver.nii.gz.part").write_bytes(b"x")
    (folder / "notes.md").write_text("hello")
    (folder / "broken.nii.gz").write_text("hello")
    (folder / "empty.nrrd").touch()
    (folder / "broken.dcm").write_bytes(b"\0" * 200)
    (folder / "header.nhdr").write_bytes(b"NRRD0005\ntype: float\n")
    (tmp_path / ".cache").mkdir()
    write_labels(tmp_path / ".cache" / "x.nii.gz")
    found = find_drawn_files(tmp_path)
    assert {name: entry.format for name, entry in by_name(found.files).items()} == {
        "seg.nii.gz": "itk-snap"
    }
    assert found.consumed == (folder / "seg.label", folder / "seg.nii.gz")
    assert {name: entry.reason for name, entry in by_name(found.ignored).items()} == {
        "._seg.nii.gz": "what macOS keeps beside a file, not the file",
        ".hidden.nii.gz": "hidden",
        "case_0000.nii.gz": "by its name the image that was drawn on",
        "ct.nii.gz": "by its name the image that was drawn on",
        "liver.nii.gz.part": "a copy that is not finished",
        "notes.md": "no known format of drawings (.md)",
    }
    broken = {name: entry.reason for name, entry in by_name(found.broken).items()}
    assert set(broken) == {"broken.nii.gz", "empty.nrrd", "broken.dcm", "header.nhdr"}
    assert broken["empty.nrrd"] == "empty"
    assert broken["broken.nii.gz"] == "not readable as what its ending .nii.gz says"
    assert "found no field 'dimension'" in broken["header.nhdr"]
    assert not broken["header.nhdr"].startswith(str(folder))


def test_ct_slices_around_a_segmentation_are_left_aside(tmp_path):
    for at, image in enumerate(ct_series()):
        write_dicom(tmp_path / f"ct{at}.dcm", image)
    write_seg(tmp_path / "seg.dcm", segment_masks())
    write_dicom(tmp_path / "rs.dcm", structure_set({"a": [contour(circle((0, 0), 5, 40))]}))
    found = find_drawn_files(tmp_path)
    assert [entry.path.name for entry in found.files] == ["rs.dcm", "seg.dcm"]
    assert len(found.ignored) == 6
    assert {entry.reason for entry in found.ignored} == {
        "a DICOM image or object that holds no segmentation"
    }
    assert found.broken == ()


def test_links_that_go_round_or_nowhere_and_pipes_do_not_hang(tmp_path):
    write_labels(tmp_path / "a.nii.gz")
    (tmp_path / "round").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "self.nii.gz").symlink_to(tmp_path / "self.nii.gz")
    (tmp_path / "gone.nii.gz").symlink_to(tmp_path / "nowhere")
    (tmp_path / "good.nii.gz").symlink_to(tmp_path / "a.nii.gz")
    os.mkfifo(tmp_path / "pipe.nii.gz")
    found = find_drawn_files(tmp_path)
    assert [entry.path.name for entry in found.files] == ["a.nii.gz", "good.nii.gz"]
    assert {name: entry.reason for name, entry in by_name(found.ignored).items()} == {
        "round": "a link to a folder, which is not followed",
        "self.nii.gz": "a link that leads nowhere",
        "gone.nii.gz": "a link that leads nowhere",
        "pipe.nii.gz": "no ordinary file",
    }


def test_detached_samples_go_with_their_header(tmp_path):
    labels = box_labels()
    header = nrrd_bytes(labels, {"encoding": "raw"})[: -labels.nbytes].rstrip(b"\n")
    (tmp_path / "a.raw").write_bytes(labels.tobytes(order="F"))
    (tmp_path / "a.nhdr").write_bytes(header + b"\ndata file: a.raw\n")
    found = find_drawn_files(tmp_path)
    assert [(entry.path.name, entry.format) for entry in found.files] == [("a.nhdr", "nrrd")]
    assert found.files[0].beside == (tmp_path / "a.raw",)
    assert found.ignored == ()


def test_one_file_and_nothing_at_all(tmp_path):
    path = write_labels(tmp_path / "a.nii.gz")
    assert [entry.path for entry in find_drawn_files(path).files] == [path]
    with pytest.raises(DrawnFileError, match="found nothing there"):
        find_drawn_files(tmp_path / "no")


def test_a_file_of_no_known_format_and_a_folder_are_refused(tmp_path):
    (tmp_path / "a.nii.gz").write_text("hello, this is text")
    with pytest.raises(DrawnFileError, match="no format of drawings that is known"):
        read_drawn_file(tmp_path / "a.nii.gz")
    with pytest.raises(DrawnFileError, match="no ordinary file"):
        read_drawn_file(tmp_path)


@pytest.mark.real_data
def test_the_shared_data_hold_drawings_among_other_things(real_data):
    found = find_drawn_files(real_data / "dicom_seg_dcmqi")
    assert [(entry.path.name, entry.format) for entry in found.files] == [
        ("heart_seg.nrrd", "nrrd"),
        ("liver.dcm", "dicom-seg"),
        ("liver_seg.nrrd", "nrrd"),
        ("liver_spine_seg.nrrd", "nrrd"),
        ("spine_seg.nrrd", "nrrd"),
    ]
    assert len(found.ignored) == 3
    sarcoma = find_drawn_files(real_data / "rtstruct_sts036")
    assert [entry.format for entry in sarcoma.files].count("rtstruct") == 2
    assert len(sarcoma.ignored) == 136
    assert sarcoma.broken == ()
