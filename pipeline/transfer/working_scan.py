"""Scans as they are compared: smoothed, on a coarse grid along the world axes around the heart."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.volume import Box, Grid, resample_image

_AIR_HU = -1024.0
Point = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """A CT and where it lies.

    Attributes
    ----------
    ct : ndarray, shape (I, J, K)
        Hounsfield units.
    grid : Grid
        Any spacing, orientation and field of view.
    """

    ct: NDArray[np.generic]
    grid: Grid


@dataclass(frozen=True, slots=True, eq=False)
class WorkingScan:
    """A CT on a working grid.

    Attributes
    ----------
    hu : ndarray of float32, shape of ``grid``
        Air outside the scan's field of view.
    inside : ndarray of bool, shape of ``grid``
        Where the scan saw something.
    grid : Grid
        Isotropic, its axes along the world's (RAS).
    """

    hu: NDArray[np.float32]
    inside: NDArray[np.bool_]
    grid: Grid


def world_box(grid: Grid) -> tuple[Point, Point]:
    """Give the lowest and highest world point (mm) of a grid's voxels, their edges included."""
    corners = np.array(np.meshgrid(*[(-0.5, size - 0.5) for size in grid.shape])).reshape(3, -1)
    places = grid.affine[:3, :3] @ corners + grid.affine[:3, 3:]
    return places.min(axis=1), places.max(axis=1)


def working_grid(lowest_mm: Point, highest_mm: Point, spacing_mm: float) -> Grid:
    """Give the isotropic grid along the world axes that covers a box of world points."""
    sizes = np.maximum(np.ceil((highest_mm - lowest_mm) / spacing_mm), 1).astype(int)
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = (lowest_mm + highest_mm) / 2 - spacing_mm * (sizes - 1) / 2
    return Grid((int(sizes[0]), int(sizes[1]), int(sizes[2])), affine)


def box_around(grid: Grid, lowest_mm: Point, highest_mm: Point) -> Box | None:
    """Give the voxels of a grid around a box of world points; None if there are none."""
    first, last = box_of_points(grid, lowest_mm, highest_mm)
    shape = np.array(grid.shape)
    first, last = np.clip(first, 0, shape), np.clip(last, 0, shape)
    if (last <= first).any():
        return None
    i, j, k = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    return i, j, k


def box_of_points(
    grid: Grid, lowest_mm: Point, highest_mm: Point
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give first and last (exclusive) index around a box of world points, beyond the grid too."""
    corners = np.array(
        np.meshgrid(*[(a, b) for a, b in zip(lowest_mm, highest_mm, strict=True)])
    ).reshape(3, -1)
    back = np.linalg.inv(grid.affine)
    places = back[:3, :3] @ corners + back[:3, 3:]
    return (
        np.floor(places.min(axis=1)).astype(np.int64),
        np.ceil(places.max(axis=1)).astype(np.int64) + 1,
    )


def work_on(scan: Scan, target: Grid) -> WorkingScan:
    """Bring a scan onto a working grid, smoothed first where that grid is coarser.

    Parameters
    ----------
    scan : Scan
    target : Grid
        Isotropic, axes along the world's.
    """
    from scipy import ndimage

    step_mm = target.spacing_mm[0]
    lowest, highest = world_box(target)
    box = box_around(scan.grid, lowest - 4 * step_mm, highest + 4 * step_mm)
    if box is None:
        nothing = np.full(target.shape, _AIR_HU, np.float32)
        return WorkingScan(nothing, np.zeros(target.shape, np.bool_), target)
    crop = np.asarray(scan.ct[box], np.float32)
    part = scan.grid.crop(box)
    # Half the coarse step as sigma keeps noise and fine kernels from aliasing into it.
    sigma = [0.5 * step_mm / own if own < step_mm else 0.0 for own in part.spacing_mm]
    smooth = np.asfortranarray(ndimage.gaussian_filter(crop, sigma, mode="nearest"))
    hu = resample_image(smooth, part, target, outside=np.nan)
    inside = np.isfinite(hu)
    return WorkingScan(np.where(inside, hu, np.float32(_AIR_HU)), inside, target)
