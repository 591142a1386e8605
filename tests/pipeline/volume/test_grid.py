import numpy as np
import pytest

from pipeline.errors import BadInput
from pipeline.volume import Grid, GridMismatch


def grid(shape=(10, 20, 30), spacing=(1.0, 2.0, 3.0), origin=(5.0, -6.0, 7.0)):
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return Grid(shape, affine)


def test_says_spacing_origin_extent_and_voxel_volume():
    it = grid()
    assert it.spacing_mm == (1.0, 2.0, 3.0)
    assert it.origin_mm == (5.0, -6.0, 7.0)
    assert it.extent_mm == (10.0, 40.0, 90.0)
    assert it.voxel_ml == pytest.approx(0.006)
    assert str(it) == "10 x 20 x 30 voxels of 1 x 2 x 3 mm, RAS, origin (5.00, -6.00, 7.00) mm"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (((1, 0, 0), (0, 1, 0), (0, 0, 1)), "RAS"),
        (((-1, 0, 0), (0, -1, 0), (0, 0, 1)), "LPS"),
        (((0, 0, -1), (-1, 0, 0), (0, 1, 0)), "ILA"),
        (((0.9, 0.1, 0), (-0.1, 0.9, 0), (0, 0, 1)), "RAS"),
    ],
)
def test_names_the_orientation(columns, expected):
    affine = np.eye(4)
    affine[:3, :3] = np.array(columns).T
    assert Grid((4, 5, 6), affine).orientation == expected


def test_same_as_allows_a_micrometre_and_no_half_voxel():
    assert grid().same_as(grid(origin=(5.0005, -6, 7)))
    assert not grid().same_as(grid(origin=(5.5, -6, 7)))
    assert not grid().same_as(grid(shape=(10, 20, 31)))


def test_a_tiny_error_of_spacing_counts_at_the_far_corner():
    assert not grid().same_as(grid(spacing=(1.0, 2.0, 3.0001)))
    assert grid().corner_gap_mm(grid(spacing=(1.0, 2.0, 3.0001))) == pytest.approx(0.0029)


def test_a_mismatch_names_both_grids_and_the_thing():
    with pytest.raises(GridMismatch, match=r"liver\.nii\.gz: grids differ: expected 10 x 20 x 30"):
        grid().require_same(grid(shape=(9, 9, 9)), what="liver.nii.gz")


def test_a_crop_keeps_voxels_at_their_world_place():
    crop = grid().crop((slice(2, 5), slice(3, 9), slice(10, 11)))
    assert crop.shape == (3, 6, 1)
    assert crop.origin_mm == (5 + 2 * 1.0, -6 + 3 * 2.0, 7 + 10 * 3.0)


def test_another_spacing_keeps_the_centre():
    coarse = grid().with_spacing(1.5)
    assert coarse.spacing_mm == pytest.approx((1.5, 1.5, 1.5))
    assert coarse.shape == (7, 27, 60)
    middle = [g.affine @ [*(np.array(g.shape) - 1) / 2, 1] for g in (grid(), coarse)]
    assert middle[0] == pytest.approx(middle[1])


def test_travels_as_plain_values_and_compares_by_value():
    again = Grid.from_dict(grid().to_dict())
    assert again == grid()
    assert len({again, grid()}) == 1


@pytest.mark.parametrize(
    ("shape", "affine"),
    [
        ((0, 1, 1), np.eye(4)),
        ((1, 1), np.eye(4)),
        ((1, 1, 1), np.eye(3)),
        ((1, 1, 1), np.full((4, 4), np.nan)),
        ((1, 1, 1), np.diag([1.0, 1.0, 0.0, 1.0])),
    ],
)
def test_refuses_what_places_no_voxels(shape, affine):
    with pytest.raises(BadInput):
        Grid(shape, affine)


def test_knows_a_shear():
    affine = np.eye(4)
    affine[0, 1] = 0.1
    assert not Grid((3, 3, 3), affine).is_orthogonal()
    assert grid().is_orthogonal()
