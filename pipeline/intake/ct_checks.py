"""What makes a volume a CT: the rules that are not about the file but about its content.

Figures behind the defaults (CTs measured: whole body crops, a cardiac CTA, head and neck):
every CT holds air or fat below -200 HU and tissue above 100 HU; label maps, probability
maps, PET, MR and 8-bit pictures start at 0 or near it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.intake.refusal import refusal
from pipeline.volume import Grid

_AXES_TOLERANCE = 1e-3  # cosine between two axes; 0.06 degrees


@dataclass(frozen=True, slots=True)
class CtRules:
    """Limits a volume keeps to be taken for a CT.

    Parameters
    ----------
    spacing_mm
        Smallest and largest distance between voxels along any axis.
    min_slices
        Fewest voxels along any axis.
    max_extent_mm
        Largest length of the whole volume along any axis.
    air_below_hu, tissue_above_hu
        The lowest value is at most the first, the highest at least the second.
    min_distinct_values
        Fewer different values than this make a label map, not a CT.
    """

    spacing_mm: tuple[float, float] = (0.1, 25.0)
    min_slices: int = 8
    max_extent_mm: float = 3000.0
    air_below_hu: int = -200
    tissue_above_hu: int = 100
    min_distinct_values: int = 32


def require_ct_grid(grid: Grid, rules: CtRules) -> None:
    """Check that a grid can be that of a CT.

    Raises
    ------
    Refused
        If the axes are sheared, or spacing, number of slices or extent are out of bounds.
    """
    _require_straight_axes(grid)
    low, high = rules.spacing_mm
    spacing = " x ".join(f"{step:.4g}" for step in grid.spacing_mm)
    if min(grid.spacing_mm) < low or max(grid.spacing_mm) > high:
        raise refusal(
            f"spacing {spacing} mm",
            f"{low:g} to {high:g} mm along every axis",
            "check the header: the unit must be millimetres",
        )
    shape = " x ".join(str(size) for size in grid.shape)
    if min(grid.shape) < rules.min_slices:
        raise refusal(
            f"{shape} voxels, too few slices",
            f"at least {rules.min_slices} along every axis",
            "leave it out, or lower --min-slices",
        )
    if max(grid.extent_mm) > rules.max_extent_mm:
        raise refusal(
            f"{shape} voxels of {spacing} mm, {max(grid.extent_mm):.4g} mm long",
            f"at most {rules.max_extent_mm:g} mm along every axis",
            "check the header: the unit must be millimetres",
        )


def _require_straight_axes(grid: Grid) -> None:
    directions = grid.affine[:3, :3] / np.array(grid.spacing_mm)
    cosines = np.abs(directions.T @ directions - np.eye(3))
    if cosines.max() > _AXES_TOLERANCE:
        degrees = float(np.degrees(np.arcsin(min(cosines.max(), 1.0))))
        raise refusal(
            f"axes sheared by {degrees:.2f} degrees (gantry tilt?)",
            "three perpendicular axes",
            "resample it to a straight grid first",
        )


def require_hounsfield(voxels: NDArray[np.int16], rules: CtRules) -> None:
    """Check that values spread as Hounsfield units do.

    Parameters
    ----------
    voxels : ndarray of int16, shape (I, J, K)
    rules : CtRules

    Raises
    ------
    Refused
        If the volume is constant, holds few different values, or lacks air or tissue.
    """
    counts = value_counts(voxels)
    present = np.flatnonzero(counts)
    low, high = int(present[0]) - 32768, int(present[-1]) - 32768
    found = f"values {low}..{high}"
    if present.size < rules.min_distinct_values:
        raise refusal(
            f"{found}, {present.size} different ones",
            f"a CT with at least {rules.min_distinct_values} different values",
            "this looks like a label map or an empty image: leave it out",
        )
    if low > rules.air_below_hu or high < rules.tissue_above_hu:
        raise refusal(
            f"{found}, no Hounsfield range",
            f"air or fat below {rules.air_below_hu} and tissue above {rules.tissue_above_hu}",
            _advice(low, high),
        )


def _advice(low: int, high: int) -> str:
    if low >= 0 and high > 1500:
        return "the intercept (about -1024) seems missing: export it again in Hounsfield units"
    return "this looks like a mask, a picture, PET or MR: leave it out"


def value_counts(voxels: NDArray[np.int16]) -> NDArray[np.int64]:
    """Count every int16 value, slice by slice.

    Returns
    -------
    ndarray of int64, shape (65536,)
        Entry ``v + 32768`` is the number of voxels of value ``v``.
    """
    counts = np.zeros(65536, np.int64)
    for k in range(voxels.shape[-1]):
        layer = voxels[..., k].ravel(order="K").view(np.uint16) ^ np.uint16(0x8000)
        counts += np.bincount(layer, minlength=65536)
    return counts
