"""What is drawn in RAS lands on the same voxels of the file, however the file is turned."""

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest

from annotation.patches import Patch
from annotation.server.drafts import Stroke, play
from annotation.server.voxel_order import VoxelOrder, box_text, read_box
from pipeline.errors import UsageError
from pipeline.volume import Grid

SHAPE = (11, 8, 14)


def turned_grid(order, signs, spacing=(1.0, 2.5, 0.7), tilt_degrees=0.0) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = 0
    for own, axis in enumerate(order):
        affine[axis, own] = signs[own] * spacing[own]
    angle = np.deg2rad(tilt_degrees)
    tilt = np.eye(4)
    tilt[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    affine = tilt @ affine
    affine[:3, 3] = (-31.5, 12.25, 900.0)
    return Grid(SHAPE, affine)


EVERY_TURN = [
    turned_grid(order, signs)
    for order in permutations(range(3))
    for signs in product((1, -1), repeat=3)
]
GRIDS = [*EVERY_TURN, turned_grid((0, 1, 2), (-1, -1, 1), tilt_degrees=17.0),
         turned_grid((2, 0, 1), (1, -1, -1), tilt_degrees=-23.0)]  # fmt: skip


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: grid.orientation)
def test_it_turns_as_nibabel_does(grid: Grid) -> None:
    image = nib.Nifti1Image(np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE), grid.affine)
    expected = nib.as_closest_canonical(image)
    order = VoxelOrder(grid)
    assert np.array_equal(order.shown(np.asarray(image.dataobj)), np.asarray(expected.dataobj))
    assert order.canonical.shape == expected.shape
    assert np.allclose(order.canonical.affine, expected.affine, atol=1e-9)
    assert order.canonical.orientation == "RAS"


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: grid.orientation)
def test_strokes_in_ras_change_exactly_these_voxels_of_the_file(grid: Grid) -> None:
    rng = np.random.default_rng(7)
    order = VoxelOrder(grid)
    in_file = rng.random(SHAPE) < 0.2
    seen = order.shown(in_file)
    strokes = []
    for number in range(12):
        low = [int(rng.integers(0, size)) for size in seen.shape]
        high = [
            int(rng.integers(lo + 1, size + 1)) for lo, size in zip(low, seen.shape, strict=True)
        ]
        box = tuple(slice(lo, hi) for lo, hi in zip(low, high, strict=True))
        voxels = rng.random([s.stop - s.start for s in box]) < 0.5
        strokes.append(Stroke("", "tab", number + 1, box, voxels))
        # The oracle: each voxel by its world place, without the code under test.
        for index in np.ndindex(*voxels.shape):
            ras = [o + s.start for o, s in zip(index, box, strict=True)]
            world = order.canonical.affine @ [*ras, 1]
            i, j, k = np.rint(np.linalg.solve(grid.affine, world)[:3]).astype(int)
            in_file[i, j, k] = voxels[index]
    whole = Patch(seen, tuple(slice(0, n) for n in seen.shape))
    landed = order.stored_patch(play(whole, strokes, whole.box))
    stored = np.zeros(SHAPE, bool)
    stored[landed.box] = landed.crop
    assert np.count_nonzero(stored != in_file) == 0


@pytest.mark.parametrize("grid", EVERY_TURN[::5], ids=lambda grid: grid.orientation)
def test_boxes_go_there_and_back(grid: Grid) -> None:
    order = VoxelOrder(grid)
    box = (slice(1, 4), slice(0, 8), slice(9, 14))
    assert order.stored_box(order.shown_box(box)) == box
    patch = Patch(np.random.default_rng(1).random((3, 8, 5)) < 0.5, box)
    assert order.stored_patch(order.shown_patch(patch)).same_as(patch)


def test_a_box_is_read_as_it_is_written() -> None:
    box = (slice(1, 4), slice(0, 8), slice(9, 14))
    assert box_text(box) == "1,0,9,4,8,14"
    assert read_box(box_text(box), SHAPE) == box


@pytest.mark.parametrize(
    "text",
    ["", "1,2,3", "0,0,0,12,8,14", "3,0,0,3,8,14", "-1,0,0,2,2,2", "a,0,0,1,1,1", "0,0,0,1,1,1,1",
     "0,0,0,1e3,1,1", "0,0,0,٣,1,1", "0,0,0,99999999999999999999,1,1"],
)  # fmt: skip
def test_a_box_outside_the_volume_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_box(text, SHAPE)
