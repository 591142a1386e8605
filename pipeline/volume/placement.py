"""Bring labels onto the grid of a case, or refuse it: never onto another place or side."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.volume.grid import Grid, GridMismatch
from pipeline.volume.orientation import from_canonical, to_canonical
from pipeline.volume.resample import resample_labels

_SAMPLES_PER_AXIS = 24
_MIRROR_TOLERANCE_MM = 0.1


@dataclass(frozen=True, slots=True)
class Placed:
    """Labels on the case's grid, and what had to be done to them (empty if nothing)."""

    labels: NDArray[Any]
    note: str = ""


def place_on_grid(
    labels: NDArray[Any], grid: Grid, target: Grid, *, what: str, minimum_cover: float | None
) -> Placed:
    """Bring labels from their own grid onto a case's grid.

    Parameters
    ----------
    labels : ndarray, shape (I, J, K)
        Labels on `grid`.
    grid, target : Grid
        Where the labels are, and the case's grid.
    what : str
        The file, for messages.
    minimum_cover : float or None
        Share (0..1) of the case's volume that the prediction must cover to be resampled by
        nearest neighbour; None allows no resampling at all.

    Returns
    -------
    Placed
        As they are on the same grid; turned without loss if only the axes' order or direction
        differs; else resampled.

    Raises
    ------
    GridMismatch
        If the prediction lies elsewhere, covers too little, or may not be resampled.
    """
    if grid.same_as(target):
        return Placed(labels)
    turned, turned_grid = to_canonical(labels, grid)
    if turned_grid.same_as(canonical_grid(target)):
        note = f"axes turned from {grid.orientation} to {target.orientation}"
        return Placed(from_canonical(turned, target), note)
    cover = covered_share(grid, target)
    if minimum_cover is None or cover < minimum_cover:
        raise GridMismatch(_explain(grid, target, what, cover, minimum_cover))
    return Placed(resample_labels(labels, grid, target), f"resampled from {grid}")


def canonical_grid(grid: Grid) -> Grid:
    """Give the grid that the closest RAS+ orientation of a volume has."""
    axes, signs = grid.world_axes()
    affine = np.array(grid.affine)
    shape = [0, 0, 0]
    for voxel_axis, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        count = grid.shape[voxel_axis]
        step = grid.affine[:3, voxel_axis]
        affine[:3, axis] = step * sign
        shape[axis] = count
        if sign < 0:
            affine[:3, 3] += step * (count - 1)
    return Grid((shape[0], shape[1], shape[2]), affine)


def covered_share(grid: Grid, target: Grid) -> float:
    """Estimate which share (0..1) of `target`'s volume lies inside `grid`, on a regular sample."""
    places = [
        np.linspace(0, size - 1, min(size, _SAMPLES_PER_AXIS), dtype=np.float64)
        for size in target.shape
    ]
    index = np.array(np.meshgrid(*places, indexing="ij")).reshape(3, -1)
    step = np.linalg.inv(grid.affine) @ target.affine
    inside_at = step[:3, :3] @ index + step[:3, 3:]
    last = np.array(grid.shape, dtype=np.float64)[:, None] - 0.5
    inside = (inside_at >= -0.5 - 1e-3) & (inside_at <= last + 1e-3)
    return float(inside.all(axis=0).mean())


def _explain(grid: Grid, target: Grid, what: str, cover: float, minimum: float | None) -> str:
    grids = f"expected {target}; found {grid}"
    mirrored = mirrored_axes(grid, target)
    if mirrored:
        return (
            f"{what}: mirrored: it would fit if the world axes {mirrored} were turned round "
            f"(LPS written as RAS?); {grids}"
        )
    if minimum is None:
        return f"{what}: not on the grid of the CT: {grids}"
    return (
        f"{what}: covers {cover:.0%} of the CT, expected at least {minimum:.0%} "
        f"(another case, place or field of view?): {grids}"
    )


def mirrored_axes(grid: Grid, target: Grid) -> str:
    """Name the world axes whose reversal would make the grids fit; empty if none would."""
    wanted = canonical_grid(target)
    for signs in product((1, -1), repeat=3):
        if signs == (1, 1, 1):
            continue
        mirrored = Grid(grid.shape, np.diag([*signs, 1]) @ grid.affine)
        if canonical_grid(mirrored).same_as(wanted, _MIRROR_TOLERANCE_MM):
            return ", ".join(name for name, sign in zip("xyz", signs, strict=True) if sign < 0)
    return ""
