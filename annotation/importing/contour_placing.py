"""Contours onto the grid of a case, with the slices that were drawn on."""

import numpy as np
from numpy.typing import NDArray

from annotation.formats.drawing import ContourShape
from annotation.formats.rasterise import ContourPlacementError, rasterise
from annotation.importing.placing import Placed
from annotation.importing.refusal import ImportRefused
from pipeline.volume import Grid
from pipeline.volume.drawn_slices import DrawnSlices, runs_of

_HALF = (0.4, 0.6)
_MOST = 0.8


def place_contours(shape: ContourShape, target: Grid, *, other_series: bool) -> Placed:
    """Fill contours on a case's grid; raises as :func:`annotation.importing.placing.place`."""
    _refuse_outside(shape, target)
    try:
        filled = rasterise(shape, target)
    except ContourPlacementError as error:
        raise ImportRefused("planes", str(error)) from None
    if not other_series:
        _refuse_half_slice(shape, filled.slice_axis, target)
    crop, box = filled.shape.crop, filled.shape.box
    if not crop.any():
        raise ImportRefused("vanished", "its contours enclose no voxel of the CT")
    notes = list(filled.notes)
    between = len(filled.interpolated_slices)
    if between:
        notes.append(f"{between} slices between contours filled by shape")
    slices = DrawnSlices(filled.slice_axis, runs_of(filled.drawn_slices))
    return Placed(np.asfortranarray(crop), box, "contours", tuple(notes), slices)


def _places(shape: ContourShape, target: Grid) -> NDArray[np.float64]:
    """Give all points as positions in voxels, shape (n, 3)."""
    points = np.vstack([contour.points_mm for contour in shape.contours])
    inverse = np.linalg.inv(target.affine)
    places: NDArray[np.float64] = points @ inverse[:3, :3].T + inverse[:3, 3]
    return places


def _refuse_outside(shape: ContourShape, target: Grid) -> None:
    places = _places(shape, target)
    low, high = places.min(axis=0), places.max(axis=0)
    if (high < -0.5).any() or (low > np.array(target.shape) - 0.5).any():
        points = np.vstack([contour.points_mm for contour in shape.contours])
        ends = (points.min(axis=0), points.max(axis=0))
        where = " to ".join(f"({', '.join(f'{x:.0f}' for x in end)})" for end in ends)
        raise ImportRefused(
            "outside",
            f"wholly outside the image: its contours reach from {where} mm; the CT has {target}; "
            "another case or place?",
        )


def _refuse_half_slice(shape: ContourShape, axis: int, target: Grid) -> None:
    """Refuse contours whose planes lie between the slices: written for a slice's edge."""
    inverse = np.linalg.inv(target.affine)
    depths = np.array(
        [
            float((contour.points_mm @ inverse[axis, :3] + inverse[axis, 3]).mean())
            for contour in shape.contours
        ]
    )
    shift = depths - np.rint(depths)
    half = (np.abs(shift) >= _HALF[0]) & (np.abs(shift) <= _HALF[1])
    if half.mean() >= _MOST:
        off = float(np.median(np.abs(shift[half])))
        raise ImportRefused(
            "half_voxel",
            f"half a slice off: {half.sum()} of {half.size} contours lie {off:.2f} slices "
            f"({off * target.spacing_mm[axis]:.3g} mm) from the nearest slice along {'ijk'[axis]}",
        )
