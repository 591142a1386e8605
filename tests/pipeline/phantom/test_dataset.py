from pathlib import Path

import numpy as np
import pytest

from pipeline.anatomy import ClassMap
from pipeline.errors import UsageError
from pipeline.phantom import (
    Body,
    DatasetSettings,
    body_settings,
    write_dataset,
    write_phantoms,
)
from pipeline.volume import read_nifti


def test_totalsegmentator_layout(
    tmp_path: Path, small_abdomen: Body, phantom_class_map: ClassMap
) -> None:
    written = list(write_dataset(tmp_path, [small_abdomen], phantom_class_map))
    assert [w.image_id for w in written] == ["s0000"]
    ct = read_nifti(tmp_path / "s0000" / "ct.nii.gz")
    assert np.array_equal(ct.array, small_abdomen.ct)
    assert ct.grid.same_as(small_abdomen.grid)
    masks = tmp_path / "s0000" / "segmentations"
    assert {p.name for p in masks.iterdir()} == {f"{n}.nii.gz" for n in phantom_class_map.names}
    for name in ("liver", "brain"):
        mask = read_nifti(masks / f"{name}.nii.gz").array
        assert np.array_equal(mask > 0, small_abdomen.labels == phantom_class_map[name].value)
    assert not read_nifti(masks / "brain.nii.gz").array.any()


def test_meta_csv_has_the_columns_of_the_dataset(
    tmp_path: Path, small_abdomen: Body, phantom_class_map: ClassMap
) -> None:
    list(write_dataset(tmp_path, [small_abdomen] * 2, phantom_class_map, with_masks=False))
    lines = (tmp_path / "meta.csv").read_text().splitlines()
    assert lines[0] == "image_id;age;gender;institute;study_type;split"
    first = lines[1].split(";")
    assert first[0] == "s0000"
    assert 18 <= int(first[1]) <= 95
    assert first[2] == "f"
    assert first[4] == "ct abdomen portal venous"
    assert first[5] in ("train", "val", "test")
    assert not (tmp_path / "s0000" / "segmentations" / "liver.nii.gz").exists()
    assert len(lines) == 3


def test_plain_layout(tmp_path: Path, small_abdomen: Body, phantom_class_map: ClassMap) -> None:
    list(write_dataset(tmp_path, [small_abdomen], phantom_class_map, "plain"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s0000.nii.gz", "s0000_labels.nii.gz"]
    labels = read_nifti(tmp_path / "s0000_labels.nii.gz").array
    assert np.array_equal(labels, small_abdomen.labels)


def test_phantoms_are_written_one_by_one(tmp_path: Path, phantom_class_map: ClassMap) -> None:
    wish = DatasetSettings(
        count=2, seed=4, spacing_mm=8.0, layout="plain", with_masks=False, field_of_view="pelvis"
    )
    steps = write_phantoms(tmp_path, phantom_class_map, wish)
    first = next(steps)
    assert first.ct.is_file()
    assert not (tmp_path / "s0001.nii.gz").exists()
    assert [w.image_id for w in steps] == ["s0001"]
    assert first.settings.field_of_view == "pelvis"


def test_people_of_a_dataset_differ_and_do_not_depend_on_its_size() -> None:
    few = [body_settings(n, DatasetSettings(count=3)) for n in range(3)]
    many = [body_settings(n, DatasetSettings(count=40)) for n in range(40)]
    assert many[:3] == few
    assert len({s.seed for s in many}) == 40
    assert {s.sex for s in many} == {"female", "male"}
    assert len({s.field_of_view for s in many}) >= 4
    assert len({s.phase for s in many}) >= 3
    assert all((s.in_plane_mm is None) == (s.field_of_view == "whole") for s in many)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"count": -1}, "count"),
        ({"layout": "bids"}, "layout"),
        ({"field_of_view": "leg"}, "field_of_view"),
        ({"phase": "dynamic"}, "phase"),
    ],
)
def test_unknown_wishes_are_refused(change: dict[str, object], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        DatasetSettings(**change)  # type: ignore[arg-type]
