"""Contours onto a grid: which voxels of a CT lie inside what somebody outlined.

Rules, and where they are from
------------------------------
inside
    A voxel belongs to a contour if its centre lies inside the polygon (even-odd rule). So a
    keyhole, a channel that a contour takes twice to go around a hole, leaves no trace.
several contours in one plane
    One that lies within what was filled so far is a hole, or an island in a hole; others are
    added (DICOM PS3.3, C.8.8.6.3: inner contours are holes). Doubled contours count once.
planes and slices
    A slice takes the nearest plane within half a distance of slices. Where the planes lie
    farther apart than the slices, the slices between two neighbouring planes are interpolated
    by shape (the weighted mean of both signed distances; Raya and Udupa 1990), and the outermost
    planes reach half their distance beyond.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from annotation.formats.drawing import ContourShape, VoxelShape
from annotation.formats.label_map import EMPTY_BOX
from annotation.formats.polygons import FilledPlane, fill_plane
from pipeline.errors import BadInput
from pipeline.volume import Box, Grid

_PLANAR_TOLERANCE_SLICES = 0.25
_PLANAR_TOLERANCE_MM = 0.1
_SAME_PLANE_MM = 0.1
_ON_SLICE = 0.05
_NEIGHBOURS = 1.5  # planes farther apart than this many of the least distance have a gap between
_HALF = 0.5
_TIE = 1e-3  # slices; of two planes equally near, the one above counts


class ContourPlacementError(BadInput):
    """Contours that cannot be laid onto a grid: their planes are not its slices."""


@dataclass(frozen=True, slots=True, eq=False)
class Rasterised:
    """Contours as voxels.

    Attributes
    ----------
    shape : VoxelShape
    slice_axis : int
        The axis of the grid whose slices are parallel to the contours.
    drawn_slices : tuple of int
        Slices that have a plane of contours within half a slice.
    interpolated_slices : tuple of int
        Filled slices that have none.
    outside, cut : int
        Contours that lie in no slice, and contours that reach beyond a slice's edge.
    notes : tuple of str
    """

    shape: VoxelShape
    slice_axis: int
    drawn_slices: tuple[int, ...] = ()
    interpolated_slices: tuple[int, ...] = ()
    outside: int = 0
    cut: int = 0
    notes: tuple[str, ...] = ()

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Give the whole volume, shape (I, J, K), Fortran order."""
        full = np.zeros(self.shape.grid.shape, np.bool_, order="F")
        full[self.shape.box] = self.shape.crop
        return full


@dataclass(frozen=True, slots=True, eq=False)
class _Plane:
    """Curves of one plane: where along the slices it lies, and the curves in pixels."""

    depth: float
    curves: list[NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class _Source:
    """What a slice is filled from: one plane, or two and the weight (0..1) of the second.

    ``away`` is how far, in slices, the nearest plane is.
    """

    first: int
    second: int
    weight: float
    away: float


def rasterise(contours: ContourShape, grid: Grid, *, interpolate: bool = True) -> Rasterised:
    """Fill contours on a grid.

    Parameters
    ----------
    contours : ContourShape
        In world RAS+ mm.
    grid : Grid
        Of any orientation; its slices along one axis must be parallel to the contours.
    interpolate : bool
        Whether to fill slices between (and half a distance beyond) planes that lie farther apart
        than the slices do. Turn it off to get only what was drawn.

    Raises
    ------
    ContourPlacementError
        If the contours are not parallel to the slices of any axis.
    """
    curves = _in_voxels(contours, grid)
    axis = _slice_axis(curves, grid)
    planes = _planes(curves, axis, grid.spacing_mm[axis])
    others = [other for other in range(3) if other != axis]
    shape = (grid.shape[others[0]], grid.shape[others[1]])
    filled = [fill_plane(plane.curves, shape) for plane in planes]
    depths = np.array([plane.depth for plane in planes])
    sources = _sources(depths, grid.shape[axis], interpolate)
    pixel_mm = (grid.spacing_mm[others[0]], grid.spacing_mm[others[1]])
    slices = {k: _slice(source, filled, pixel_mm) for k, source in sources.items()}
    drawn = [k for k, source in sources.items() if source.away <= _HALF + _TIE]
    inside = (depths >= -_HALF) & (depths < grid.shape[axis] - _HALF)
    outside = sum(len(planes[at].curves) for at in np.flatnonzero(~inside))
    cut = sum(_reaches_out(curve, shape) for plane in planes for curve in plane.curves)
    return Rasterised(
        _assembled(slices, axis, grid),
        axis,
        tuple(drawn),
        tuple(k for k in sources if k not in set(drawn)),
        outside,
        cut,
        _notes(filled, outside, cut),
    )


def _in_voxels(contours: ContourShape, grid: Grid) -> list[NDArray[np.float64]]:
    to_voxels = np.linalg.inv(grid.affine)
    return [
        contour.points_mm @ to_voxels[:3, :3].T + to_voxels[:3, 3] for contour in contours.contours
    ]


def _slice_axis(curves: Sequence[NDArray[np.float64]], grid: Grid) -> int:
    """Find the axis along which every curve stays in one slice."""
    if not curves:
        return int(grid.world_axes()[0].index(2))
    spreads = np.max([np.ptp(curve, axis=0) for curve in curves], axis=0)
    tolerance = [
        max(_PLANAR_TOLERANCE_SLICES, _PLANAR_TOLERANCE_MM / step) for step in grid.spacing_mm
    ]
    relative = spreads / np.array(tolerance)
    axis = int(np.argmin(relative))
    if relative[axis] > 1:
        spread_mm = float(spreads[axis] * grid.spacing_mm[axis])
        raise ContourPlacementError(
            f"contours that are parallel to no slices of the image (one crosses {spread_mm:.2f} mm "
            f"of them); expected contours drawn slice by slice on {grid}; export the structures "
            "as a segmentation on the image's own grid"
        )
    return axis


def _planes(curves: Sequence[NDArray[np.float64]], axis: int, step_mm: float) -> list[_Plane]:
    """Sort curves by plane, ascending along the axis."""
    others = [other for other in range(3) if other != axis]
    deep = sorted(
        ((float(curve[:, axis].mean()), curve[:, others]) for curve in curves),
        key=lambda pair: pair[0],
    )
    planes: list[_Plane] = []
    for depth, curve in deep:
        if planes and (depth - planes[-1].depth) * step_mm <= _SAME_PLANE_MM:
            planes[-1].curves.append(curve)
        else:
            planes.append(_Plane(depth, [curve]))
    return planes


def _sources(depths: NDArray[np.float64], slices: int, interpolate: bool) -> dict[int, _Source]:
    """Choose for each slice the plane or the two planes that it is filled from."""
    if depths.size == 0:
        return {}
    usual = float(np.diff(depths).min()) if depths.size > 1 else 1.0
    is_finer = interpolate and usual > 1 + _ON_SLICE
    reach = usual / 2 if is_finer else _HALF
    sources: dict[int, _Source] = {}
    first = max(int(np.floor(depths[0] - reach)), 0)
    for k in range(first, min(int(np.ceil(depths[-1] + reach)) + 1, slices)):
        after = int(np.searchsorted(depths, k))
        nearest = _nearest(depths, k, after)
        away = k - float(depths[nearest])
        if is_finer and abs(away) > _ON_SLICE and 0 < after < depths.size:
            gap = float(depths[after] - depths[after - 1])
            if gap <= _NEIGHBOURS * usual:
                weight = (k - float(depths[after - 1])) / gap
                sources[k] = _Source(after - 1, after, weight, abs(away))
                continue
        if -reach - _TIE <= away < reach - _TIE:
            sources[k] = _Source(nearest, nearest, 0.0, abs(away))
    return sources


def _nearest(depths: NDArray[np.float64], k: int, after: int) -> int:
    """Find the plane nearest to a slice; of two that are equally near, the one above."""
    if after in (0, depths.size):
        return min(after, depths.size - 1)
    above, below = depths[after] - k, k - depths[after - 1]
    return after if above <= below + 2 * _TIE else after - 1


def _slice(
    source: _Source, filled: Sequence[FilledPlane], pixel_mm: tuple[float, float]
) -> FilledPlane:
    one, other = filled[source.first], filled[source.second]
    if source.first == source.second or not (one.inside.size and other.inside.size):
        return one if source.weight < _HALF else other
    top, left = (min(a, b) - 1 for a, b in zip(one.start, other.start, strict=True))
    bottom, right = (
        max(a.start[at] + a.inside.shape[at] for a in (one, other)) + 1 for at in range(2)
    )
    size = (bottom - top, right - left)
    distances = [_signed_distance_mm(plane, (top, left), size, pixel_mm) for plane in (one, other)]
    mean = (1 - source.weight) * distances[0] + source.weight * distances[1]
    return FilledPlane((top + 1, left + 1), (mean > 0)[1:-1, 1:-1])


def _signed_distance_mm(
    plane: FilledPlane, start: tuple[int, int], size: tuple[int, int], pixel_mm: tuple[float, float]
) -> NDArray[np.float64]:
    """Give the distance to a filled plane's edge, positive inside, on a larger window."""
    from scipy import ndimage

    window = np.zeros(size, np.bool_)
    row, column = plane.start[0] - start[0], plane.start[1] - start[1]
    height, width = plane.inside.shape
    window[row : row + height, column : column + width] = plane.inside
    inner: NDArray[np.float64] = ndimage.distance_transform_edt(window, sampling=pixel_mm)
    outer: NDArray[np.float64] = ndimage.distance_transform_edt(~window, sampling=pixel_mm)
    return inner - outer


def _assembled(slices: dict[int, FilledPlane], axis: int, grid: Grid) -> VoxelShape:
    """Put filled slices together in the box that holds them all."""
    filled = {k: plane for k, plane in slices.items() if plane.inside.any()}
    if not filled:
        return VoxelShape(grid, EMPTY_BOX, np.zeros((1, 1, 1), np.bool_, order="F"))
    ranges = [slice(min(filled), max(filled) + 1)]
    for at in range(2):
        starts = [plane.start[at] for plane in filled.values()]
        stops = [plane.start[at] + plane.inside.shape[at] for plane in filled.values()]
        ranges.append(slice(min(starts), max(stops)))
    stack = np.zeros([side.stop - side.start for side in ranges], np.bool_)
    for k, plane in filled.items():
        row, column = plane.start[0] - ranges[1].start, plane.start[1] - ranges[2].start
        height, width = plane.inside.shape
        window = stack[k - ranges[0].start, row : row + height, column : column + width]
        window |= plane.inside
    sides = ranges[1:]
    sides.insert(axis, ranges[0])
    box: Box = (sides[0], sides[1], sides[2])
    return VoxelShape(grid, box, np.asfortranarray(np.moveaxis(stack, 0, axis)))


def _reaches_out(curve: NDArray[np.float64], shape: tuple[int, int]) -> bool:
    return bool((curve < -_HALF).any() or (curve > np.array(shape) - _HALF).any())


def _notes(filled: Sequence[FilledPlane], outside: int, cut: int) -> tuple[str, ...]:
    counts = {
        "overlapping contours were joined": sum(plane.overlapping for plane in filled),
        "doubled contours counted once": sum(plane.doubled for plane in filled),
        "contours lie in no slice of the image": outside,
        "contours reach beyond the image and were cut": cut,
    }
    return tuple(f"{count} {what}" for what, count in counts.items() if count)
