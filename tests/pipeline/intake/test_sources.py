from pathlib import Path

import pytest

from pipeline.intake.sources import find_sources


def touch(*paths: Path, content: bytes = b"") -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    touch(tmp_path / "b.nii.gz", tmp_path / "deep" / "er" / "A.NII", tmp_path / "._b.nii.gz")
    touch(tmp_path / "scan" / "IM1", content=b"\0" * 128 + b"DICM")
    touch(tmp_path / "scan" / "IM2.dcm", tmp_path / "notes.txt", tmp_path / "scan" / "DICOMDIR")
    return tmp_path


def test_files_are_sorted_by_what_they_are_and_none_is_forgotten(mixed):
    found = find_sources([mixed])
    assert [path.name for path in found.nifti] == ["b.nii.gz", "A.NII"]
    assert [path.name for path in found.dicom] == ["IM1", "IM2.dcm"]
    assert [note for _, note in found.left] == [
        "1 file left alone: '._' files of macOS, no images",
        "1 file left alone: neither NIfTI nor DICOM (.txt)",
        "1 file left alone: neither NIfTI nor DICOM (no ending)",
    ]
    assert found.missing == []


def test_a_layout_leaves_the_other_kind_alone_with_a_note(mixed):
    found = find_sources([mixed], "dicom")
    assert found.nifti == []
    assert len(found.dicom) == 2
    assert (str(mixed), "2 files left alone: nifti files, not asked for by --layout") in found.left


def test_a_file_given_twice_or_within_a_given_folder_is_read_once(mixed):
    found = find_sources([mixed, mixed / "b.nii.gz", mixed])
    assert [path.name for path in found.nifti] == ["b.nii.gz", "A.NII"]


def test_what_is_given_by_name_must_be_there_and_be_an_image(mixed):
    found = find_sources([mixed / "none.nii.gz", mixed / "notes.txt"])
    assert found.missing[0] == (str(mixed / "none.nii.gz"), "no such file or folder")
    assert found.missing[1][1].startswith("not a NIfTI or DICOM file")


def test_subjects_of_a_dataset_are_found_and_their_masks_are_not_taken_for_cts(tmp_path):
    for name in ("s0001", "s0002"):
        touch(tmp_path / name / "ct.nii.gz", tmp_path / name / "segmentations" / "liver.nii.gz")
        touch(tmp_path / name / "segmentations" / "._liver.nii.gz")
    touch(tmp_path / "meta.csv", tmp_path / "extra.nii.gz", tmp_path / "s0003" / "ct.nii.gz")
    found = find_sources([tmp_path])
    assert [subject.case_id for subject in found.subjects] == ["s0001", "s0002"]
    assert [path.name for path in found.subjects[0].masks] == ["liver.nii.gz"]
    assert [path.name for path in found.nifti] == ["extra.nii.gz", "ct.nii.gz"]
    assert found.left == []
    asked = find_sources([tmp_path], "totalsegmentator")
    assert [subject.case_id for subject in asked.subjects] == ["s0001", "s0002", "s0003"]
    assert asked.subjects[2].masks == ()


def test_a_subject_itself_may_be_given_and_one_without_ct_is_named(tmp_path):
    touch(tmp_path / "s0001" / "ct.nii.gz", tmp_path / "s0002" / "segmentations" / "liver.nii.gz")
    (tmp_path / "s0001" / "segmentations").mkdir()
    found = find_sources([tmp_path / "s0001", tmp_path / "s0002"])
    assert [subject.case_id for subject in found.subjects] == ["s0001"]
    assert found.missing == [(str(tmp_path / "s0002"), "segmentations/ without ct.nii.gz")]


def test_a_folder_name_that_may_be_a_patients_gives_no_case_id(tmp_path):
    touch(tmp_path / "mueller_erna" / "ct.nii.gz")
    (subject,) = find_sources([tmp_path], "totalsegmentator").subjects
    assert subject.case_id is None


def test_a_folder_without_subjects_is_named_when_they_were_asked_for(tmp_path):
    found = find_sources([tmp_path], "totalsegmentator")
    assert found.missing == [(str(tmp_path), "no folder with ct.nii.gz in it")]
