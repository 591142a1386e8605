import numpy as np
import pytest

from pipeline.volume import Grid, GridMismatch, to_canonical
from pipeline.volume.placement import canonical_grid, covered_share, place_on_grid

AFFINE = np.array([[3.0, 0, 0, -54], [0, 3, 0, -36], [0, 0, 5, 100], [0, 0, 0, 1]])
CASE = Grid((36, 24, 30), AFFINE)


def labels_on(grid: Grid) -> np.ndarray:
    values = np.zeros(grid.shape, np.uint8, order="F")
    values[2:9, 3:11, 4:20] = 1
    values[20:30, 10:20, 5:9] = 2
    return values


def turned(values: np.ndarray, grid: Grid) -> tuple[np.ndarray, Grid]:
    """Give the same voxels at the same places, stored as LPS with the axes in another order."""
    affine = np.array(grid.affine)
    affine[:3, 3] += affine[:3, 0] * (grid.shape[0] - 1) + affine[:3, 1] * (grid.shape[1] - 1)
    affine[:3, :2] *= -1
    flipped = np.flip(values, (0, 1)).transpose(2, 0, 1)
    i, j, k = flipped.shape
    return flipped, Grid((i, j, k), affine[:, [2, 0, 1, 3]])


def test_the_same_grid_is_taken_as_it_is() -> None:
    values = labels_on(CASE)
    placed = place_on_grid(values, Grid(CASE.shape, AFFINE), CASE, what="x", minimum_cover=None)
    assert placed.labels is values
    assert placed.note == ""


def test_turned_axes_come_back_without_loss() -> None:
    values = labels_on(CASE)
    other, grid = turned(values, CASE)
    assert grid.orientation == "SLP"
    placed = place_on_grid(other, grid, CASE, what="x", minimum_cover=None)
    np.testing.assert_array_equal(placed.labels, values)
    assert placed.note == "axes turned from SLP to RAS"


def test_a_finer_grid_over_the_same_place_is_resampled_with_a_note() -> None:
    values = labels_on(CASE)
    fine = np.repeat(np.repeat(np.repeat(values, 3, 0), 3, 1), 5, 2)
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = [-54 - 1, -36 - 1, 100 - 2]
    placed = place_on_grid(fine, Grid((108, 72, 150), affine), CASE, what="x", minimum_cover=0.99)
    np.testing.assert_array_equal(placed.labels, values)
    assert placed.note.startswith("resampled from 108 x 72 x 150 voxels of 1 x 1 x 1 mm")


def test_resampling_may_be_forbidden() -> None:
    fine = CASE.with_spacing(1.5)
    with pytest.raises(GridMismatch, match="not on the grid of the CT: expected 36 x 24 x 30"):
        place_on_grid(np.zeros(fine.shape, np.uint8), fine, CASE, what="x", minimum_cover=None)


def test_a_smaller_field_of_view_is_refused_with_its_share() -> None:
    part = CASE.crop((slice(0, 36), slice(0, 24), slice(0, 15)))
    assert covered_share(part, CASE) == pytest.approx(0.5, abs=0.05)
    with pytest.raises(GridMismatch, match=r"x: covers 5\d% of the CT, expected at least 99%"):
        place_on_grid(np.zeros(part.shape, np.uint8), part, CASE, what="x", minimum_cover=0.99)


def test_another_place_is_refused() -> None:
    affine = np.array(AFFINE)
    affine[2, 3] += 1000
    far = Grid(CASE.shape, affine)
    with pytest.raises(GridMismatch, match="covers 0% of the CT"):
        place_on_grid(labels_on(far), far, CASE, what="x", minimum_cover=0.5)


@pytest.mark.parametrize(("signs", "axes"), [((-1, -1, 1), "x, y"), ((-1, 1, 1), "x")])
def test_a_mirrored_header_is_named(signs: tuple[int, int, int], axes: str) -> None:
    mirrored = Grid(CASE.shape, np.diag([*signs, 1]) @ AFFINE)
    with pytest.raises(GridMismatch, match=f"x: mirrored: it would fit if the world axes {axes} "):
        place_on_grid(labels_on(mirrored), mirrored, CASE, what="x", minimum_cover=0.99)


def test_the_canonical_grid_is_that_of_the_turned_array() -> None:
    values, grid = turned(labels_on(CASE), CASE)
    assert canonical_grid(grid).same_as(to_canonical(values, grid)[1], 1e-9)
    assert canonical_grid(grid).same_as(CASE)
