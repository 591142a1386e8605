"""Turning arrays so that their axes point closest to R, A and S, and back."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.volume.grid import Grid

Scalar = TypeVar("Scalar", bound=np.generic)


def canonical_view(array: NDArray[Scalar], grid: Grid) -> tuple[NDArray[Scalar], Grid]:
    """Look at an array as :func:`to_canonical` turns it, without a copy; in any memory order."""
    axes, signs = grid.world_axes()
    order = tuple(int(axis) for axis in np.argsort(axes))
    turned = array.transpose(order)
    affine = np.array(grid.affine)[:, [*order, 3]]
    for axis, voxel_axis in enumerate(order):
        if signs[voxel_axis] < 0:
            turned = np.flip(turned, axis)
            affine[:3, 3] += affine[:3, axis] * (turned.shape[axis] - 1)
            affine[:3, axis] *= -1
    i, j, k = turned.shape
    return turned, Grid((i, j, k), affine)


def to_canonical(array: NDArray[Scalar], grid: Grid) -> tuple[NDArray[Scalar], Grid]:
    """Permute and flip axes to the closest RAS+ orientation; no voxel value changes.

    Parameters
    ----------
    array : ndarray, shape (I, J, K)
    grid : Grid

    Returns
    -------
    array : ndarray
        Fortran-ordered.
    grid : Grid
        The grid of the turned array; the same voxels at the same world places.
    """
    turned, canonical = canonical_view(array, grid)
    return np.asfortranarray(turned), canonical


def from_canonical(array: NDArray[Scalar], grid: Grid) -> NDArray[Scalar]:
    """Turn a canonical array back to the orientation of ``grid``.

    Parameters
    ----------
    array : ndarray
        What :func:`to_canonical` gave for a volume on ``grid``, or another volume on it.
    grid : Grid
        The grid before turning.
    """
    axes, signs = grid.world_axes()
    turned = array.transpose(axes)
    flips = tuple(axis for axis in range(3) if signs[axis] < 0)
    return np.asfortranarray(np.flip(turned, flips) if flips else turned)
