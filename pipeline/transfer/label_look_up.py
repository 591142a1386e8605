"""Looking labels up through a registration: where each native point lies, and what is there.

Linear per label, and where the labels together hold at least half of a point, the strongest of
them gets it. Interpolated once, whatever transforms lie in between.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.transfer.registration import Registration
from pipeline.volume import Grid, bounding_box, grow_box

_VOXELS_AT_ONCE = 2_000_000


def lattice_of(grid: Grid, first: NDArray[np.int64], last: NDArray[np.int64]) -> Grid:
    """Give the part of a grid's lattice between two indices, also beyond the grid."""
    affine = np.array(grid.affine)
    affine[:3, 3] += affine[:3, :3] @ first
    i, j, k = (int(size) for size in last - first)
    return Grid((i, j, k), affine)


def look_up_labels(
    lattice: Grid, found: Registration, labels: NDArray[np.integer], grid: Grid
) -> tuple[NDArray[np.integer], NDArray[np.bool_], float]:
    """Look up the labels of a contrast scan on a native lattice, slab by slab.

    Parameters
    ----------
    lattice : Grid
        Of the native scan; it may go on beyond that scan's border.
    found : Registration
    labels : ndarray of integer, shape of ``grid``
    grid : Grid
        Of the contrast scan.

    Returns
    -------
    values : ndarray of integer, shape of the lattice
    unseen : ndarray of bool, shape of the lattice
        Which points lie outside the contrast scan's field of view.
    displacement_mm : float
        Mean over the points with a label.
    """
    values = np.zeros(lattice.shape, labels.dtype, order="F")
    unseen = np.zeros(lattice.shape, np.bool_, order="F")
    thickness = max(1, _VOXELS_AT_ONCE // (lattice.shape[0] * lattice.shape[1]))
    total, count = 0.0, 0
    for start in range(0, lattice.shape[2], thickness):
        slab = slice(start, min(start + thickness, lattice.shape[2]))
        part = lattice.crop((slice(0, lattice.shape[0]), slice(0, lattice.shape[1]), slab))
        way = displacement_on(part, found)
        values[..., slab], unseen[..., slab] = _look_up(labels, _places_in(grid, part, way), grid)
        moved = np.sqrt((way[:, values[..., slab] > 0] ** 2).sum(axis=0))
        total, count = total + float(moved.sum()), count + moved.size
    return values, unseen, total / count if count else 0.0


def displacement_on(grid: Grid, found: Registration) -> NDArray[np.float32]:
    """Give the displacement (mm), shape (3, I, J, K), at each voxel of a grid."""
    from scipy import ndimage

    places = _places_in(found.grid, grid, None)
    parts = [
        ndimage.map_coordinates(found.displacement_mm[..., axis], places, order=1, mode="nearest")
        for axis in range(3)
    ]
    return np.stack(parts).astype(np.float32)


def _places_in(target: Grid, grid: Grid, way_mm: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Give the voxel index in a target grid, shape (3, I, J, K), of each voxel of a grid."""
    index = np.indices(grid.shape, dtype=np.float32)
    world = np.einsum("ab,bijk->aijk", grid.affine[:3, :3].astype(np.float32), index)
    world += grid.affine[:3, 3].astype(np.float32).reshape(3, 1, 1, 1)
    if way_mm is not None:
        world += way_mm
    back = np.linalg.inv(target.affine).astype(np.float32)
    places = np.einsum("ab,bijk->aijk", back[:3, :3], world) + back[:3, 3].reshape(3, 1, 1, 1)
    return np.asarray(places, np.float32)


def _look_up(
    labels: NDArray[np.integer], places: NDArray[np.float32], grid: Grid
) -> tuple[NDArray[np.integer], NDArray[np.bool_]]:
    """Give the label at each place, and which places the contrast scan did not see."""
    from scipy import ndimage

    last = np.array(grid.shape).reshape(3, 1, 1, 1) - 0.5
    unseen: NDArray[np.bool_] = np.any((places < -0.5) | (places > last), axis=0)
    tight = bounding_box(labels)
    if tight is None:
        return np.zeros(unseen.shape, labels.dtype), unseen
    box = grow_box(tight, 1, labels.shape)
    crop = labels[box]
    inside = places - np.array([side.start for side in box], np.float32).reshape(3, 1, 1, 1)
    best = np.full(unseen.shape, 0.5, np.float32)
    values = np.zeros(unseen.shape, labels.dtype)
    shares = {
        int(value): ndimage.map_coordinates(
            (crop == value).astype(np.float32), inside, order=1, mode="grid-constant"
        )
        for value in np.unique(crop[crop > 0])
    }
    if shares:
        # Where the labels together hold at least half, the strongest of them gets the voxel.
        best = np.where(sum(shares.values()) >= 0.5, 0.0, np.inf).astype(np.float32)
    for value, share in shares.items():
        stronger = share > best
        values[stronger], best[stronger] = value, share[stronger]
    values[unseen] = 0
    return values, unseen
