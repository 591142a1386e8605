import numpy as np
import pytest

from pipeline.anatomy import load_class_map
from pipeline.errors import BadInput, NothingToDo
from pipeline.volume.label_files import find_case_files
from tests.fixtures.label_pairs import blob_map, write_labels


@pytest.fixture
def class_map(few_structures):
    return load_class_map(few_structures)


def write_masks(folder, *names):
    for name in names:
        write_labels(folder / f"{name}.nii.gz", np.zeros((24, 20, 18), np.uint8))


def test_label_maps_are_cases_by_their_names(tmp_path, class_map):
    for name in ("s2.nii", "s1.nii.gz", "._s1.nii.gz"):
        write_labels(tmp_path / "maps" / name, blob_map("liver"))
    found = find_case_files(tmp_path / "maps", class_map)
    assert list(found) == ["s1", "s2"]
    assert found["s1"].is_label_map
    alone = find_case_files(tmp_path / "maps" / "s2.nii", class_map)
    assert list(alone) == ["s2"]


def test_cts_beside_labels_are_no_labels(tmp_path, class_map):
    for name in ("s1.nii.gz", "s1_labels.nii.gz"):
        write_labels(tmp_path / "maps" / name, blob_map("liver"))
    found = find_case_files(tmp_path / "maps", class_map)
    assert found["s1"].place.name == "s1_labels.nii.gz"


@pytest.mark.parametrize("between", ["", "segmentations"])
def test_folders_of_masks_are_cases(tmp_path, class_map, between):
    for case in ("s1", "s2"):
        write_masks(tmp_path / "set" / case / between, "liver", "spleen", "tooth")
        write_masks(tmp_path / "set" / case, "ct")
    found = find_case_files(tmp_path / "set", class_map)
    assert list(found) == ["s1", "s2"]
    assert sorted(found["s1"].masks) == ["liver", "spleen"]
    assert found["s1"].unknown == ("tooth",)
    one = find_case_files(tmp_path / "set" / "s2" / between, class_map)
    assert list(one) == ["s2"]


def test_what_models_run_wrote_is_a_folder_of_masks_or_a_label_map(tmp_path, class_map):
    write_masks(tmp_path / "out" / "s1", "liver", "labels")
    write_masks(tmp_path / "out" / "s2", "labels")
    found = find_case_files(tmp_path / "out", class_map)
    assert sorted(found["s1"].masks) == ["liver"]
    assert found["s1"].unknown == ()
    assert found["s2"].is_label_map


def test_nothing_that_could_be_a_case_is_said_to_be_nothing(tmp_path, class_map):
    with pytest.raises(NothingToDo, match="no such file"):
        find_case_files(tmp_path / "nowhere", class_map)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(NothingToDo, match=r"no label maps .* names of class map 'few'"):
        find_case_files(tmp_path, class_map)


def test_two_files_of_one_case_are_refused(tmp_path, class_map):
    for name in ("s1.nii", "s1.nii.gz"):
        write_labels(tmp_path / "maps" / name, blob_map("liver"))
    with pytest.raises(BadInput, match=r"s1\.nii\.gz: case 's1' is also .*s1\.nii"):
        find_case_files(tmp_path / "maps", class_map)
