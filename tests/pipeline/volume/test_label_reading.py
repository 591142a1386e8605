"""Segmentations from files: read onto the grid of the CT, or refused with a reason."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.anatomy import ClassMap, Structure
from pipeline.errors import BadInput, NothingToDo
from pipeline.volume import Grid, GridMismatch, from_canonical, to_canonical, write_nifti
from pipeline.volume.label_reading import read_segmentation

SHAPE = (12, 10, 8)
GRID = Grid(SHAPE, np.diag([2.0, 2.0, 3.0, 1.0]))


def structure(name: str, value: int) -> Structure:
    fields = {"part": "p", "category": "organ", "side": None, "mirror": None}
    return Structure(
        name=name, value=value, colour=(9, 9, value % 256), snomed=None, neighbours=(), **fields
    )


@pytest.fixture
def class_map() -> ClassMap:
    return ClassMap("three", tuple(structure(n, v) for n, v in (("a", 1), ("b", 2), ("c", 300))))


@pytest.fixture
def labels() -> np.ndarray:
    made = np.zeros(SHAPE, np.uint16, order="F")
    made[1:4, 2:5, 1:3] = 1
    made[6:11, 2:8, 2:7] = 300
    return made


def write(path: Path, array: np.ndarray, grid: Grid = GRID) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(path, array, grid)
    return path


def test_a_label_map_comes_back_as_it_was(
    tmp_path: Path, class_map: ClassMap, labels: np.ndarray
) -> None:
    found = read_segmentation(write(tmp_path / "seg.nii.gz", labels), class_map, GRID)
    assert np.array_equal(found.labels, labels)
    assert found.labels.flags.f_contiguous
    assert found.covered == {"a", "b", "c"}
    assert (found.unknown, found.notes) == ((), ())


def test_axes_in_another_order_are_turned(
    tmp_path: Path, class_map: ClassMap, labels: np.ndarray
) -> None:
    affine = np.diag([-2.0, -2.0, 3.0, 1.0])
    affine[:3, 3] = (22, 18, 0)
    turned = Grid(SHAPE, affine)
    path = write(
        tmp_path / "seg.nii.gz", from_canonical(to_canonical(labels, GRID)[0], turned), turned
    )
    assert not np.array_equal(read_segmentation(path, class_map).labels, labels)
    found = read_segmentation(path, class_map, GRID)
    assert np.array_equal(found.labels, labels)
    assert found.notes == ("axes turned from LPS to RAS",)


def test_a_label_map_elsewhere_is_refused(
    tmp_path: Path, class_map: ClassMap, labels: np.ndarray
) -> None:
    affine = np.array(GRID.affine)
    affine[0, 3] = 5.0
    path = write(tmp_path / "seg.nii.gz", labels, Grid(SHAPE, affine))
    with pytest.raises(GridMismatch, match=r"seg\.nii\.gz: not on the grid of the CT"):
        read_segmentation(path, class_map, GRID)


def test_values_without_a_structure_are_refused_or_told(
    tmp_path: Path, class_map: ClassMap, labels: np.ndarray
) -> None:
    labels[0, 0, 0] = 77
    path = write(tmp_path / "seg.nii.gz", labels)
    with pytest.raises(BadInput, match=r"found the label values 77.*class map 'three'"):
        read_segmentation(path, class_map, GRID)
    found = read_segmentation(path, class_map, GRID, ignore_unknown=True)
    assert found.unknown == ("77",)
    assert found.labels[0, 0, 0] == 77


def test_a_segmentation_of_which_nothing_is_known_is_of_another_class_map(
    tmp_path: Path, class_map: ClassMap
) -> None:
    path = write(tmp_path / "seg.nii.gz", np.full(SHAPE, 7, np.uint8))
    with pytest.raises(BadInput, match=r"values 7, .*--class-map"):
        read_segmentation(path, class_map, GRID, ignore_unknown=True)
    for name in ("tooth", "tongue"):
        write(tmp_path / "masks" / f"{name}.nii.gz", np.ones(SHAPE, np.uint8))
    with pytest.raises(BadInput, match=r"no name is in class map 'three'.*--class-map"):
        read_segmentation(tmp_path / "masks", class_map, GRID, ignore_unknown=True)
    write(path, np.zeros(SHAPE, np.uint8))
    assert not read_segmentation(path, class_map, GRID, ignore_unknown=True).labels.any()


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.full(SHAPE, 0.5, np.float32), "values with fractions"),
        (np.full(SHAPE, -1000, np.int16), "is it a CT"),
    ],
)
def test_what_is_no_label_map_is_refused(
    tmp_path: Path, class_map: ClassMap, array: np.ndarray, reason: str
) -> None:
    with pytest.raises(BadInput, match=reason):
        read_segmentation(write(tmp_path / "seg.nii.gz", array), class_map, GRID)


@pytest.mark.parametrize("small_first", [True, False])
def test_in_a_folder_the_smaller_structure_gets_shared_voxels(
    tmp_path: Path, class_map: ClassMap, small_first: bool
) -> None:
    small, large = ("a", "c") if small_first else ("c", "a")
    masks = {name: np.zeros(SHAPE, np.uint8) for name in "abc"}
    masks[large][1:10, 1:9, 1:7] = 255
    masks[small][4:6, 4:6, 4:6] = 1
    for name, mask in masks.items():
        write(tmp_path / "s1" / "segmentations" / f"{name}.nii.gz", mask)
    found = read_segmentation(tmp_path / "s1", class_map, GRID)
    expected = np.zeros(SHAPE, np.uint16)
    expected[masks[large] > 0] = class_map[large].value
    expected[masks[small] > 0] = class_map[small].value
    assert np.array_equal(found.labels, expected)
    assert found.covered == {"a", "b", "c"}
    assert found.notes == ("8 voxels in several masks: the smaller structure has them",)
    (pair,) = found.overlaps
    assert {pair.first, pair.second} == {"a", "c"}
    assert (pair.volume_ml, pair.share_of_smaller) == (pytest.approx(8 * 0.012), 1.0)
    assert pair.place_mm == (10.0, 8.0, 12.0)


def test_a_folder_decides_only_what_it_has_a_file_for(tmp_path: Path, class_map: ClassMap) -> None:
    write(tmp_path / "s1" / "b.nii.gz", np.zeros(SHAPE, np.uint8))
    found = read_segmentation(tmp_path / "s1", class_map, GRID)
    assert found.covered == {"b"}
    assert not found.labels.any()


def test_files_that_name_no_structure_are_refused_or_told(
    tmp_path: Path, class_map: ClassMap
) -> None:
    for name in ("a", "tooth"):
        write(tmp_path / f"{name}.nii.gz", np.ones(SHAPE, np.uint8))
    with pytest.raises(BadInput, match="masks named tooth"):
        read_segmentation(tmp_path, class_map, GRID)
    assert read_segmentation(tmp_path, class_map, GRID, ignore_unknown=True).unknown == ("tooth",)


def test_masks_on_several_grids_are_refused(tmp_path: Path, class_map: ClassMap) -> None:
    write(tmp_path / "a.nii.gz", np.ones(SHAPE, np.uint8))
    write(tmp_path / "b.nii.gz", np.ones(SHAPE, np.uint8), Grid(SHAPE, np.diag([2.0, 2.0, 4.0, 1])))
    with pytest.raises(GridMismatch, match=r"b\.nii\.gz and the other masks of its folder"):
        read_segmentation(tmp_path, class_map)


def test_a_mask_with_several_values_is_refused(tmp_path: Path, class_map: ClassMap) -> None:
    mask = np.ones(SHAPE, np.uint8)
    mask[0] = 2
    write(tmp_path / "a.nii.gz", mask)
    with pytest.raises(BadInput, match=r"a\.nii\.gz: found several values"):
        read_segmentation(tmp_path, class_map)


def test_several_cases_or_none_are_refused(
    tmp_path: Path, class_map: ClassMap, labels: np.ndarray
) -> None:
    with pytest.raises(NothingToDo, match="no such file"):
        read_segmentation(tmp_path / "nothing", class_map)
    for name in ("s1", "s2"):
        write(tmp_path / f"{name}.nii.gz", labels)
    with pytest.raises(BadInput, match=r"holds 2 cases \(s1, s2\)"):
        read_segmentation(tmp_path, class_map)
