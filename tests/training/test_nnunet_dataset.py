import json

import nibabel as nib
import numpy as np
import pytest

from pipeline.anatomy import ClassMap
from pipeline.errors import BadInput
from pipeline.volume import Grid
from tests.fixtures.tiny_models import STRUCTURES, bright_body
from training.nnunet_dataset import (
    DatasetSettings,
    TrainingCase,
    is_exported,
    split_by_patient,
    write_dataset,
)


@pytest.fixture
def class_map(workspace):
    return workspace.class_map.subset(STRUCTURES)


def bright_cases(*seeds: int, orientation: str = "RAS") -> list[TrainingCase]:
    return [
        TrainingCase(f"c{seed}", f"p{seed}", lambda seed=seed: bright_body(seed, orientation))
        for seed in seeds
    ]


def write(folder, cases, class_map, **settings):
    return list(write_dataset(folder, cases, class_map, DatasetSettings(**settings)))


def test_images_and_labels_arrive_unchanged_at_native_spacing(tmp_path, class_map):
    folder = tmp_path / "Dataset501_x"
    assert write(folder, bright_cases(1, 2), class_map) == ["c1", "c2"]
    ct, labels, grid = bright_body(1)
    image = nib.load(folder / "imagesTr" / "c1_0000.nii.gz")
    label_map = nib.load(folder / "labelsTr" / "c1.nii.gz")
    assert np.array_equal(np.asarray(image.dataobj), ct)
    assert np.array_equal(np.asarray(label_map.dataobj), labels)
    assert np.allclose(image.affine, grid.affine)
    assert np.allclose(label_map.affine, grid.affine)
    assert image.get_data_dtype() == np.int16
    assert label_map.get_data_dtype() == np.uint8


def test_other_orientations_become_canonical(tmp_path, class_map):
    write(tmp_path / "ras", bright_cases(1), class_map)
    write(tmp_path / "lps", bright_cases(1, orientation="LPS"), class_map)
    for name in ("imagesTr/c1_0000.nii.gz", "labelsTr/c1.nii.gz"):
        ras, lps = nib.load(tmp_path / "ras" / name), nib.load(tmp_path / "lps" / name)
        assert nib.aff2axcodes(lps.affine) == ("R", "A", "S")
        assert np.array_equal(np.asarray(ras.dataobj), np.asarray(lps.dataobj))
        assert np.allclose(ras.affine, lps.affine)


def test_native_spacing_follows_its_axis_when_axes_are_permuted(tmp_path, class_map):
    labels = np.zeros((4, 6, 8), np.uint8, order="F")
    labels[0, 0, 7] = 2
    affine = np.array([[0, 0, -2.0, 5], [3.0, 0, 0, 6], [0, 4.0, 0, 7], [0, 0, 0, 1]])
    case = TrainingCase(
        "c", "p", lambda: (np.zeros(labels.shape, np.int16), labels, Grid(labels.shape, affine))
    )
    write(tmp_path / "d", [case], class_map)
    stored = nib.load(tmp_path / "d" / "labelsTr" / "c.nii.gz")
    assert stored.shape == (8, 4, 6)
    assert np.allclose(stored.header.get_zooms(), (2, 3, 4))
    place = np.argwhere(np.asarray(stored.dataobj) == 2)[0]
    expected = affine @ (0, 0, 7, 1)
    assert np.allclose(stored.affine @ (*place, 1), expected)


def test_an_isotropic_spacing_keeps_structures_in_place_and_size(tmp_path, class_map):
    write(tmp_path / "d", bright_cases(1), class_map, spacing_mm=4.0)
    _, labels, grid = bright_body(1)
    stored = nib.load(tmp_path / "d" / "labelsTr" / "c1.nii.gz")
    assert np.allclose(stored.header.get_zooms(), 4.0)
    array = np.asarray(stored.dataobj)
    for value in (1, 2, 3):
        before, after = np.argwhere(labels == value), np.argwhere(array == value)
        centre = grid.affine[:3, :3] @ before.mean(0) + grid.affine[:3, 3]
        moved = stored.affine[:3, :3] @ after.mean(0) + stored.affine[:3, 3]
        assert np.abs(centre - moved).max() < 2.0  # half a voxel
        assert len(after) * 64 == pytest.approx(len(before) * 125, rel=0.12)


def test_dataset_json_names_the_structures_by_value(tmp_path, class_map):
    write(tmp_path / "d", bright_cases(1, 2), class_map)
    dataset = json.loads((tmp_path / "d" / "dataset.json").read_text())
    expected = {s.name: s.value for s in class_map}
    assert dataset["labels"] == {"background": 0} | expected
    assert dataset["numTraining"] == 2
    assert dataset["channel_names"] == {"0": "CT"}


def test_what_is_undecided_stands_in_a_file_of_its_own(tmp_path, class_map):
    def without_aorta():
        ct, labels, grid = bright_body(1)
        return ct, np.where(labels == 2, 0, labels), grid

    partial = TrainingCase("c1", "p1", without_aorta, undecided=frozenset({"aorta"}))
    write(tmp_path / "d", [partial, *bright_cases(2)], class_map)
    value = class_map["aorta"].value
    assert json.loads((tmp_path / "d" / "undecided.json").read_text()) == {"c1": [value]}
    assert "c1" not in (tmp_path / "d" / "dataset.json").read_text()
    write(tmp_path / "e", bright_cases(2), class_map)
    assert json.loads((tmp_path / "e" / "undecided.json").read_text()) == {}


def test_voxels_of_an_undecided_structure_are_refused(tmp_path, class_map):
    case = TrainingCase("c1", "p1", lambda: bright_body(1), undecided=frozenset({"aorta"}))
    with pytest.raises(BadInput, match="c1: aorta is called undecided and has voxels"):
        write(tmp_path / "d", [case], class_map)


def test_voxels_to_ignore_are_declared_where_there_are_any(tmp_path, class_map):
    def with_gap():
        ct, labels, grid = bright_body(1)
        labels = labels.copy()
        labels[:3] = 4
        return ct, labels, grid

    write(tmp_path / "d", [TrainingCase("c", "p", with_gap, may_ignore=True)], class_map)
    labels = json.loads((tmp_path / "d" / "dataset.json").read_text())["labels"]
    assert labels["ignore"] == 4
    stored = np.asarray(nib.load(tmp_path / "d" / "labelsTr" / "c.nii.gz").dataobj)
    assert (stored[:3] == 4).all()
    none = TrainingCase("c", "p", lambda: bright_body(1), may_ignore=True)
    write(tmp_path / "e", [none], class_map)
    assert "ignore" not in json.loads((tmp_path / "e" / "dataset.json").read_text())["labels"]
    with pytest.raises(BadInput, match="label value 4 is not in the class map"):
        write(tmp_path / "f", [TrainingCase("c", "p", with_gap)], class_map)


def test_a_half_written_dataset_is_redone_and_a_finished_one_kept(tmp_path, class_map):
    folder = tmp_path / "d"
    export = write_dataset(folder, bright_cases(1, 2), class_map, DatasetSettings())
    next(export)
    export.close()
    stale = folder / "imagesTr" / "stale_0000.nii.gz"
    stale.write_bytes(b"half")
    assert not is_exported(folder)
    assert write(folder, bright_cases(1, 2), class_map) == ["c1", "c2"]
    assert not stale.exists()
    assert write(folder, bright_cases(1, 2), class_map) == []


def test_values_with_gaps_unsafe_ids_and_no_cases_are_refused(tmp_path, class_map):
    from dataclasses import replace

    gap = ClassMap("gap", tuple(replace(s, value=2 * s.value) for s in class_map))
    with pytest.raises(BadInput, match=r"use ClassMap\.subset"):
        write(tmp_path / "d", bright_cases(1), gap)
    with pytest.raises(BadInput, match="cannot name a file"):
        write(tmp_path / "d", [TrainingCase("../c", "p", lambda: bright_body(1))], class_map)
    with pytest.raises(BadInput, match="at least one case"):
        write(tmp_path / "d", [], class_map)
    with pytest.raises(BadInput, match="share an id"):
        write(tmp_path / "d", [*bright_cases(1), *bright_cases(1)], class_map)


def test_a_label_that_is_not_in_the_class_map_is_refused(tmp_path, workspace):
    two = workspace.class_map.subset(("aorta", "liver"))
    with pytest.raises(BadInput, match=r"c1: not exported: .*label value 3"):
        write(tmp_path / "d", bright_cases(1), two)
    assert not is_exported(tmp_path / "d")


def test_a_patient_never_stands_on_two_sides():
    patients = {f"case{i}": f"patient{i // 3}" for i in range(60)}
    (fold,) = split_by_patient(patients, DatasetSettings())
    sides = [{patients[case] for case in fold[side]} for side in ("train", "val")]
    assert sides[0] & sides[1] == set()
    assert len(sides[1]) == 1
    assert sorted(fold["train"] + fold["val"]) == sorted(patients)


def test_the_split_is_seeded_and_does_not_depend_on_order():
    patients = {f"case{i}": f"patient{i}" for i in range(40)}
    backwards = dict(reversed(patients.items()))
    first = split_by_patient(patients, DatasetSettings(validation_cases=4))
    assert first == split_by_patient(backwards, DatasetSettings(validation_cases=4))
    assert first != split_by_patient(patients, DatasetSettings(validation_cases=4, seed=5))
    assert len(first[0]["val"]) == 4


@pytest.mark.parametrize(("patients", "wanted"), [(3, None), (8, 0)])
def test_few_patients_validate_on_what_they_train_on(patients, wanted):
    names = {f"c{i}": f"p{i}" for i in range(patients)}
    (fold,) = split_by_patient(names, DatasetSettings(validation_cases=wanted))
    assert fold["train"] == fold["val"] == sorted(names)


def test_validation_must_leave_somebody_to_train_on():
    with pytest.raises(BadInput, match="lower validation_cases"):
        split_by_patient({"a": "p", "b": "p"}, DatasetSettings(validation_cases=1))
