"""Drawings onto the grid of a case: exactly where possible, refused where suspicious."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.formats.drawing import Contour, ContourShape, VoxelShape
from annotation.importing.lattice import lattice_between
from annotation.importing.placing import Placed, is_empty, place, united
from annotation.importing.refusal import ImportRefused
from pipeline.volume import Grid, bounding_box, from_canonical, to_canonical

SHAPE = (30, 24, 20)


def case_grid(orientation: str = "RAS") -> Grid:
    affine = np.diag([1.5, 2.0, 3.0, 1.0])
    affine[:3, 3] = (-20, 10, 100)
    grid = Grid(SHAPE, affine)
    return grid if orientation == "RAS" else turned_to(np.zeros(SHAPE, bool), grid, orientation)[1]


def organ() -> np.ndarray:
    """An asymmetric blob on the case's grid."""
    i, j, k = np.indices(SHAPE)
    blob = ((i - 12) / 7) ** 2 + ((j - 9) / 6) ** 2 + ((k - 11) / 5) ** 2 < 1
    blob[12:25, 9, 11] = True
    return blob


def turned_to(array: np.ndarray, grid: Grid, orientation: str) -> tuple[np.ndarray, Grid]:
    """Store an array with other axes; every voxel stays where it is in the world."""
    axes = ["RL", "AP", "SI"]
    order = [next(n for n, pair in enumerate(axes) if letter in pair) for letter in orientation]
    affine = np.array(grid.affine)[:, [*order, 3]]
    turned = array.transpose(order)
    for axis, letter in enumerate(orientation):
        if letter in "LPI":
            turned = np.flip(turned, axis)
            affine[:3, 3] += affine[:3, axis] * (turned.shape[axis] - 1)
            affine[:3, axis] *= -1
    return np.asfortranarray(turned), Grid(turned.shape, affine)  # type: ignore[arg-type]


def shape_of(array: np.ndarray, grid: Grid) -> VoxelShape:
    box = bounding_box(array)
    assert box is not None
    return VoxelShape(grid, box, array[box])


def whole(placed: Placed, grid: Grid) -> np.ndarray:
    array = np.zeros(grid.shape, bool)
    array[placed.box] = placed.crop
    return array


def moved(grid: Grid, *mm: float) -> Grid:
    affine = np.array(grid.affine)
    affine[:3, 3] += mm
    return Grid(grid.shape, affine)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def test_the_same_grid_changes_no_voxel() -> None:
    placed = place(shape_of(organ(), case_grid()), case_grid())
    assert np.array_equal(whole(placed, case_grid()), organ())
    assert (placed.how, placed.notes) == ("same grid", ())


@pytest.mark.parametrize("orientation", ["LPS", "LAS", "SRA", "PIR", "ASL"])
@pytest.mark.parametrize("of_case", ["RAS", "LPS", "IPR"])
def test_turned_axes_change_no_voxel(orientation: str, of_case: str) -> None:
    drawn, grid = turned_to(organ(), case_grid(), orientation)
    expected, target = turned_to(organ(), case_grid(), of_case)
    placed = place(shape_of(drawn, grid), target)
    assert np.array_equal(whole(placed, target), expected)


def test_a_part_of_the_grid_changes_no_voxel() -> None:
    box = (slice(3, 28), slice(2, 20), slice(4, 18))
    placed = place(shape_of(organ()[box], case_grid().crop(box)), case_grid())
    assert np.array_equal(whole(placed, case_grid()), organ())
    assert placed.how == "part of the grid"
    assert "25 x 18 x 14" in placed.notes[0]


def test_rounding_in_a_header_is_no_other_place() -> None:
    affine = np.array(case_grid().affine)
    affine[:3, :3] *= 1 + 1e-5
    affine[:3, 3] += 0.004
    placed = place(shape_of(organ(), Grid(SHAPE, affine)), case_grid())
    assert np.array_equal(whole(placed, case_grid()), organ())
    assert placed.notes == ()


def test_an_oblique_grid_of_its_own_is_matched_exactly() -> None:
    c, s = np.cos(0.3), np.sin(0.3)
    turn = np.array([[c, -s, 0, 5], [s, c, 0, -3], [0, 0, 1, 2], [0, 0, 0, 1]])
    target = Grid(SHAPE, turn @ case_grid().affine)
    drawn, grid = turned_to(organ(), case_grid(), "LPS")
    placed = place(shape_of(drawn, Grid(grid.shape, turn @ grid.affine)), target)
    assert np.array_equal(whole(placed, target), organ())


@pytest.mark.parametrize(
    ("shift", "axes"),
    [((0.75, 0, 0), "i"), ((-0.75, 1.0, -1.5), "ijk"), ((0, 0, 1.5), "k")],
)
def test_half_a_voxel_off_is_refused_with_the_figure(
    shift: tuple[float, float, float], axes: str
) -> None:
    with pytest.raises(ImportRefused, match="half a voxel off") as raised:
        place(shape_of(organ(), moved(case_grid(), *shift)), case_grid())
    assert raised.value.kind == "half_voxel"
    for axis in axes:
        assert f"mm) along {axis}" in raised.value.words
    assert "0.50 voxel" in raised.value.words


def test_half_a_voxel_off_on_another_grid_is_reported() -> None:
    box = (slice(3, 28), slice(2, 20), slice(4, 18))
    grid = moved(case_grid().crop(box), 0.75, 0, 0)
    placed = place(shape_of(organ()[box], grid), case_grid())
    assert placed.how == "resampled"
    assert "half a voxel off: +0.50 voxel (+0.75 mm) along i" in placed.notes[0]
    other = place(shape_of(organ(), moved(case_grid(), 0.75, 0, 0)), case_grid(), other_series=True)
    assert other.how == "resampled"


@pytest.mark.parametrize(("signs", "named"), [((-1, -1, 1), "x, y"), ((-1, 1, 1), "x")])
def test_a_mirrored_header_is_refused(signs: tuple[int, int, int], named: str) -> None:
    mirrored = Grid(SHAPE, np.diag([*signs, 1]) @ case_grid().affine)
    with pytest.raises(ImportRefused, match=f"world axes {named} were turned") as raised:
        place(shape_of(organ(), mirrored), case_grid())
    assert raised.value.kind == "mirrored"


def test_a_mirrored_part_outside_says_so() -> None:
    box = (slice(3, 28), slice(2, 20), slice(4, 18))
    part = case_grid().crop(box)
    mirrored = Grid(part.shape, np.diag([-1, -1, 1, 1]) @ part.affine)
    with pytest.raises(ImportRefused, match="inside if the world axes x, y were turned") as raised:
        place(shape_of(organ()[box], mirrored), case_grid())
    assert raised.value.kind == "outside"


def test_wholly_outside_is_refused_with_both_grids() -> None:
    with pytest.raises(ImportRefused, match="wholly outside") as raised:
        place(shape_of(organ(), moved(case_grid(), 500, 0, 0)), case_grid())
    assert raised.value.kind == "outside"
    assert str(case_grid()) in raised.value.words
    oblique = Grid(SHAPE, moved(case_grid(), 500, 0, 0).affine @ np.diag([1.1, 1.1, 1.1, 1]))
    with pytest.raises(ImportRefused, match="wholly outside"):
        place(shape_of(organ(), oblique), case_grid())


def test_what_reaches_out_of_the_image_is_cut_with_figures() -> None:
    array = organ()
    placed = place(shape_of(array, moved(case_grid(), 0, 0, 3 * 7)), case_grid())
    kept = np.roll(array, 7, axis=2)
    kept[:, :, :7] = False
    assert np.array_equal(whole(placed, case_grid()), kept)
    lost = int(array.sum() - kept.sum())
    assert f"{lost} of {array.sum()} voxels" in placed.notes[-1]
    assert lost > 0


def fine_organ(grid: Grid) -> np.ndarray:
    """The blob of `organ` drawn on another grid."""
    index = np.indices(grid.shape).reshape(3, -1)
    world = grid.affine[:3, :3] @ index + grid.affine[:3, 3:]
    inverse = np.linalg.inv(case_grid().affine)
    i, j, k = inverse[:3, :3] @ world + inverse[:3, 3:]
    blob = ((i - 12) / 7) ** 2 + ((j - 9) / 6) ** 2 + ((k - 11) / 5) ** 2 < 1
    return blob.reshape(grid.shape)


@pytest.mark.parametrize(
    ("spacing", "least"), [((1, 1, 1), 0.98), ((0.8, 0.8, 5), 0.9), ((3, 3, 3), 0.9)]
)
def test_another_grid_is_resampled_with_a_note(
    spacing: tuple[float, float, float], least: float
) -> None:
    grid = moved(case_grid().with_spacing(spacing), 0.3, -0.2, 0.4)
    placed = place(shape_of(fine_organ(grid), grid), case_grid())
    assert placed.how == "resampled"
    assert f"resampled from {grid}" in placed.notes
    assert dice(whole(placed, case_grid()), fine_organ(case_grid())) > least


def test_a_turned_other_grid_lands_in_the_same_place() -> None:
    c, s = np.cos(0.2), np.sin(0.2)
    turn = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    centre = case_grid().affine @ np.array([15, 12, 10, 1])
    back = np.eye(4)
    back[:3, 3] = centre[:3]
    grid = Grid((60, 60, 60), back @ turn @ np.diag([1, 1, 1, 1]) @ _centred(60))
    placed = place(shape_of(fine_organ(grid), grid), case_grid())
    assert dice(whole(placed, case_grid()), fine_organ(case_grid())) > 0.97


def _centred(size: int) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, 3] = -(size - 1) / 2
    return affine


def test_single_drawn_slices_are_not_lost_on_thicker_ones() -> None:
    grid = case_grid().with_spacing((1.5, 2.0, 1.0))
    array = fine_organ(grid)
    array[:, :, [k for k in range(grid.shape[2]) if k % 7]] = False
    drawn = np.flatnonzero(array.any(axis=(0, 1)))
    placed = place(shape_of(array, grid), case_grid())
    assert placed.slices.drawn == drawn.size
    assert placed.slices.skipped > 0
    assert placed.slices.axis_name == "k"


def test_a_thread_that_vanishes_is_refused() -> None:
    grid = case_grid().with_spacing((0.1, 0.1, 3.0))
    array = np.zeros(grid.shape, bool)
    array[100:104, 100:104, 3:12] = True
    with pytest.raises(ImportRefused, match="thinner than a voxel") as raised:
        place(shape_of(array, Grid(grid.shape, grid.affine)), case_grid())
    assert raised.value.kind == "vanished"


def square(k: float, grid: Grid, low: float = 8, high: float = 16) -> Contour:
    corners = np.array([[low, low, k], [high, low, k], [high, high, k], [low, high, k]])
    return Contour(corners @ grid.affine[:3, :3].T + grid.affine[:3, 3])


def test_contours_fill_their_slices() -> None:
    grid = case_grid()
    placed = place(ContourShape(tuple(square(k, grid) for k in range(5, 9))), grid)
    array = whole(placed, grid)
    assert placed.how == "contours"
    assert (placed.slices.axis_name, placed.slices.text) == ("k", "5-8")
    assert array[12, 12].nonzero()[0].tolist() == [5, 6, 7, 8]
    assert 49 <= array[:, :, 6].sum() <= 81


def test_contours_half_a_slice_off_are_refused() -> None:
    grid = case_grid()
    contours = ContourShape(tuple(square(k + 0.5, grid) for k in range(5, 9)))
    with pytest.raises(
        ImportRefused, match=r"4 of 4 contours lie 0.50 slices \(1.5 mm\)"
    ) as raised:
        place(contours, grid)
    assert raised.value.kind == "half_voxel"
    assert place(contours, grid, other_series=True).voxels > 0


def test_contours_outside_are_refused_with_their_place() -> None:
    grid = case_grid()
    contours = ContourShape(tuple(square(k, moved(grid, 400, 0, 0)) for k in range(5, 9)))
    with pytest.raises(ImportRefused, match="reach from") as raised:
        place(contours, grid)
    assert raised.value.kind == "outside"


def test_contours_across_the_slices_are_refused() -> None:
    c, s = np.cos(0.4), np.sin(0.4)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    points = square(8, case_grid()).points_mm
    centre = points.mean(axis=0)
    slanted = ContourShape((Contour((points - centre) @ turn.T + centre),))
    with pytest.raises(ImportRefused) as raised:
        place(slanted, case_grid())
    assert raised.value.kind == "planes"


def test_nothing_drawn() -> None:
    assert is_empty(ContourShape(()))
    box = (slice(0, 1), slice(0, 1), slice(0, 1))
    assert is_empty(VoxelShape(case_grid(), box, np.zeros((1, 1, 1), np.bool_)))
    assert not is_empty(shape_of(organ(), case_grid()))


def test_several_drawings_are_joined() -> None:
    array = organ()
    low, high = array.copy(), array.copy()
    low[:, :, 11:] = False
    high[:, :, :11] = False
    parts = [place(shape_of(each, case_grid()), case_grid()) for each in (low, high)]
    joined = united(parts, case_grid())
    assert np.array_equal(whole(joined, case_grid()), array)
    assert joined.notes == ("2 drawings joined",)
    assert united(parts[:1], case_grid()) is parts[0]


def test_lattices_of_another_spacing_or_direction_are_none() -> None:
    target = case_grid()
    box = (slice(0, 30), slice(0, 24), slice(0, 20))
    assert lattice_between(target.with_spacing(1.0), box, target) is None
    same = lattice_between(target, box, target)
    assert same is not None
    assert same.is_exact
    assert np.array_equal(same.turned(organ()), organ())
    canonical = to_canonical(organ(), target)[0]
    assert np.array_equal(from_canonical(canonical, target), organ())


@given(
    order=st.permutations(["RL", "AP", "SI"]),
    flips=st.tuples(*[st.integers(0, 1)] * 3),
    starts=st.tuples(*[st.integers(-4, 6)] * 3),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=60)
def test_any_turned_cropped_or_padded_grid_is_placed_voxel_for_voxel(
    order: list[str], flips: tuple[int, ...], starts: tuple[int, ...], seed: int
) -> None:
    array = np.random.default_rng(seed).random(SHAPE) > 0.7
    sizes = (26, 20, 18)
    box = tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))
    padded = np.pad(array, 10)[tuple(slice(s.start + 10, s.stop + 10) for s in box)]
    letters = "".join(pair[flip] for pair, flip in zip(order, flips, strict=True))
    drawn, grid = turned_to(padded, case_grid().crop(box), letters)  # type: ignore[arg-type]
    expected = np.zeros(SHAPE, bool)
    inside = tuple(slice(max(s.start, 0), s.stop) for s in box)
    expected[inside] = array[inside]
    placed = place(shape_of(drawn, grid), case_grid())
    assert np.array_equal(whole(placed, case_grid()), expected)
    assert placed.how != "resampled"
