"""Resampling between grids: cubic B-splines for images, nearest neighbour for labels.

Grids whose axes are parallel (the usual case: another spacing, orientation or field of
view of one scan) are resampled axis by axis as matrix products; oblique pairs go through
:func:`scipy.ndimage.affine_transform`.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.volume.grid import Grid

AIR_HU = -1024.0
_PLANES = 32

Scalar = TypeVar("Scalar", bound=np.generic)


def resample_image(
    array: NDArray[np.generic], grid: Grid, target: Grid, *, outside: float = AIR_HU
) -> NDArray[np.float32]:
    """Resample an image with a cubic B-spline, as nnU-Net and TotalSegmentator do (order 3).

    Parameters
    ----------
    array : ndarray, shape (I, J, K)
        Image on ``grid``.
    grid, target : Grid
        Where the values are and where they are wanted.
    outside : float
        Value for target voxels whose centre lies outside the source's field of view.

    Returns
    -------
    ndarray of float32
        Shape of ``target``, Fortran-ordered.
    """
    if grid == target:
        return np.asfortranarray(array, dtype=np.float32)
    axes = parallel_axes(grid, target)
    if axes is None:
        return _resample_oblique(array.astype(np.float32), grid, target, 3, outside)
    # Transposed, the volume is C-contiguous (K, J, I): each product runs over whole rows.
    turned = array.transpose([axis.source for axis in axes]).T
    matrices = [_spline_matrix(axis) for axis in axes]
    depth, rows, columns = turned.shape[0], target.shape[1], target.shape[0]
    values = np.empty((depth, rows, columns), np.float32)
    for start in range(0, depth, _PLANES):  # never the whole volume as float32
        planes = np.ascontiguousarray(turned[start : start + _PLANES], np.float32)
        np.matmul(matrices[1], planes @ matrices[0].T, out=values[start : start + _PLANES])
    flat = matrices[2] @ values.reshape(depth, rows * columns)
    result = flat.reshape(-1, rows, columns).T
    for position, axis in enumerate(axes):
        result[_along(position, ~axis.inside())] = outside
    return np.asfortranarray(result, dtype=np.float32)


def resample_labels(labels: NDArray[Scalar], grid: Grid, target: Grid) -> NDArray[Scalar]:
    """Resample a label map or mask by nearest neighbour; outside the source is background.

    Parameters
    ----------
    labels : ndarray, shape (I, J, K)
        Labels on ``grid``.
    grid, target : Grid

    Returns
    -------
    ndarray
        Same dtype as ``labels``, shape of ``target``, Fortran-ordered.
    """
    if grid == target:
        return np.asfortranarray(labels)
    axes = parallel_axes(grid, target)
    if axes is None:
        return _resample_oblique(labels, grid, target, 0, 0)
    turned = labels.transpose([axis.source for axis in axes]).T
    picks = [axis.nearest() for axis in reversed(axes)]
    result = np.asfortranarray(turned[np.ix_(*picks)].T)
    for position, axis in enumerate(axes):
        result[_along(position, ~axis.inside())] = 0
    return result


@dataclass(frozen=True)
class ParallelAxis:
    """How one axis of the target runs along one axis of the source.

    Attributes
    ----------
    source, count : int
        The axis of the source, and its voxels.
    positions : ndarray of float64
        Of each target voxel, in voxels of the source.
    """

    source: int
    count: int
    positions: NDArray[np.float64]

    def inside(self) -> NDArray[np.bool_]:
        """Say which target voxels have their centre in the source's field of view."""
        edge = 0.5 + 1e-6
        return (self.positions >= -edge) & (self.positions <= self.count - 1 + edge)

    def nearest(self) -> NDArray[np.intp]:
        """Give the source voxel nearest to each target voxel."""
        # Halves go down, so that two target voxels never share one source voxel by rounding.
        rounded = np.ceil(self.positions - 0.5 - 1e-9).astype(np.intp)
        return np.clip(rounded, 0, self.count - 1)


def parallel_axes(grid: Grid, target: Grid) -> list[ParallelAxis] | None:
    """Describe each target axis along its source axis, or None when they are oblique."""
    step = np.linalg.inv(grid.affine) @ target.affine
    sources = np.abs(step[:3, :3]).argmax(axis=0)
    if len(set(sources.tolist())) < 3:
        return None
    off_axis = step[:3, :3].copy()
    off_axis[sources, range(3)] = 0
    # A slant of under a twentieth of a voxel over the whole length is no slant.
    if (np.abs(off_axis) * (np.array(target.shape) - 1)).max() > 0.05:
        return None
    return [
        ParallelAxis(
            source=int(source),
            count=grid.shape[source],
            positions=step[source, axis] * np.arange(target.shape[axis]) + step[source, 3],
        )
        for axis, source in enumerate(sources)
    ]


def _along(axis: int, selection: NDArray[np.bool_]) -> tuple[slice | NDArray[np.bool_], ...]:
    index: list[slice | NDArray[np.bool_]] = [slice(None)] * 3
    index[axis] = selection
    return tuple(index)


def _spline_matrix(axis: ParallelAxis) -> NDArray[np.float32]:
    """Cubic B-spline interpolation along one axis as a matrix (targets, sources).

    Prefilter and weights in one: ``weights @ inverse(samples)``, mirrored at the borders.
    """
    count = axis.count
    if count == 1:
        return np.ones((axis.positions.size, 1), np.float32)
    samples = _basis(np.arange(count, dtype=np.float64), count)
    weights = _basis(np.clip(axis.positions, 0, count - 1), count)
    return np.linalg.solve(samples.T, weights.T).T.astype(np.float32)


def _basis(positions: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Cubic B-spline weights of the coefficients around each position, mirrored borders."""
    first = np.floor(positions).astype(int)
    t = positions - first
    pieces = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, 3 * (1 - t) ** 3 - 6 * (1 - t) ** 2 + 4, t**3)
    matrix = np.zeros((positions.size, count))
    rows = np.arange(positions.size)
    period = 2 * (count - 1)
    for offset, piece in zip(range(-1, 3), pieces, strict=True):
        index = np.abs(first + offset) % period
        index = np.where(index >= count, period - index, index)
        np.add.at(matrix, (rows, index), piece / 6)
    return matrix


def _resample_oblique(
    array: NDArray[Scalar], grid: Grid, target: Grid, order: int, outside: float
) -> NDArray[Scalar]:
    from scipy import ndimage

    step = np.linalg.inv(grid.affine) @ target.affine
    # scipy fills with cval beyond the last voxel's centre; half a voxel more is still inside.
    transform: Any = ndimage.affine_transform
    result = transform(
        array,
        step[:3, :3],
        offset=step[:3, 3],
        output_shape=target.shape,
        order=order,
        mode="grid-constant" if order == 0 else "nearest",
        cval=outside,
    )
    if order:
        result[~_inside_oblique(step, grid.shape, target.shape)] = outside
    return np.asfortranarray(result)


def _inside_oblique(
    step: NDArray[np.float64], source: tuple[int, int, int], target: tuple[int, int, int]
) -> NDArray[np.bool_]:
    index = [np.arange(size, dtype=np.float32) for size in target]
    i, j, k = np.meshgrid(*index, indexing="ij", sparse=True)
    inside = np.ones(target, dtype=np.bool_)
    for axis, size in enumerate(source):
        place = step[axis, 0] * i + step[axis, 1] * j + step[axis, 2] * k + step[axis, 3]
        inside &= (place >= -0.5 - 1e-6) & (place <= size - 0.5 + 1e-6)
    return inside
