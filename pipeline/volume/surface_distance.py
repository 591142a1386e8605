"""Normalised surface Dice (NSD): the share of two surfaces that lie within a tolerance.

The definition is that of Nikolov et al. 2018 (arXiv:1809.04430) as their package
``surface-distance`` computes it; tests hold both equal to 1e-9. Words:

neighbour code
    Eight bits, one for each voxel of a 2x2x2 block. The surface passes through every block that is
    neither empty (0) nor full (255); such a block is a surface element, and its place is that of
    the block's centre.
surfel area
    The area of the marching cubes surface within one block (Lorensen & Cline 1987), in mm2.
within
    A surface element of one mask is within the tolerance when the nearest surface element of the
    other one is at most that far away, centre to centre.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadInput
from pipeline.volume.boxes import Box, bounding_box

# edt computes in float32; squared distances this close to the tolerance are decided in float64.
_DOUBTFUL = 1e-3

Spacing = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class SurfaceAgreement:
    """The areas of two surfaces, and what of each lies within the tolerance of the other."""

    truth_mm2: float
    prediction_mm2: float
    truth_within_mm2: float
    prediction_within_mm2: float

    @property
    def nsd(self) -> float:
        """Normalised surface Dice: NaN when both masks are empty, 0 when only one is."""
        total = self.truth_mm2 + self.prediction_mm2
        within = self.truth_within_mm2 + self.prediction_within_mm2
        return within / total if total else float("nan")


def normalised_surface_dice(
    truth: NDArray[np.bool_],
    prediction: NDArray[np.bool_],
    spacing_mm: Spacing,
    tolerance_mm: float = 3.0,
) -> float:
    """Compute the NSD of two masks on one grid.

    Parameters
    ----------
    truth, prediction : ndarray of bool, shape (I, J, K)
        Whole volumes or crops of the same box (:func:`pipeline.volume.on_union_box`); beyond the
        array there is nothing.
    spacing_mm : three floats
        Along (I, J, K).
    tolerance_mm : float
        3 mm as in Wasserthal et al. 2023.

    Returns
    -------
    float
        NaN when both masks are empty, 0 when only one is; as ``surface-distance``.

    Raises
    ------
    BadInput
        When the shapes differ or the tolerance is below 0.
    """
    return surface_agreement(truth, prediction, spacing_mm, tolerance_mm).nsd


def surface_agreement(
    truth: NDArray[np.bool_],
    prediction: NDArray[np.bool_],
    spacing_mm: Spacing,
    tolerance_mm: float = 3.0,
) -> SurfaceAgreement:
    """Measure both surfaces and what lies within the tolerance; see the NSD for parameters.

    Raises
    ------
    BadInput
        When the shapes differ or the tolerance is below 0.
    """
    if truth.shape != prediction.shape:
        raise BadInput(f"shapes differ: truth {truth.shape}, prediction {prediction.shape}")
    if not tolerance_mm >= 0:
        raise BadInput(f"tolerance {tolerance_mm} mm, expected 0 or more")
    box = _union_box(truth, prediction)
    if box is None:
        return SurfaceAgreement(0.0, 0.0, 0.0, 0.0)
    areas = surfel_areas_mm2(spacing_mm)
    truth_codes, prediction_codes = _neighbour_codes(truth[box]), _neighbour_codes(prediction[box])
    of_truth, of_prediction = _is_surface(truth_codes), _is_surface(prediction_codes)
    truth_areas = areas[truth_codes[of_truth]]
    prediction_areas = areas[prediction_codes[of_prediction]]
    truth_within = _within(of_truth, of_prediction, spacing_mm, tolerance_mm)
    prediction_within = _within(of_prediction, of_truth, spacing_mm, tolerance_mm)
    return SurfaceAgreement(
        float(truth_areas.sum()),
        float(prediction_areas.sum()),
        float(truth_areas[truth_within].sum()),
        float(prediction_areas[prediction_within].sum()),
    )


def _union_box(truth: NDArray[np.bool_], prediction: NDArray[np.bool_]) -> Box | None:
    boxes = [box for box in (bounding_box(truth), bounding_box(prediction)) if box is not None]
    if not boxes:
        return None
    sides = [
        slice(min(side.start for side in axis), max(side.stop for side in axis))
        for axis in zip(*boxes, strict=True)
    ]
    return (sides[0], sides[1], sides[2])


def _neighbour_codes(crop: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Give the code of every 2x2x2 block, one more along each axis than there are voxels."""
    bits = np.zeros([size + 2 for size in crop.shape], np.uint8, order="F")
    bits[1:-1, 1:-1, 1:-1] = crop
    one, two, four = np.uint8(1), np.uint8(2), np.uint8(4)
    along_k = (bits[:, :, :-1] << one) | bits[:, :, 1:]
    along_jk = (along_k[:, :-1] << two) | along_k[:, 1:]
    return (along_jk[:-1] << four) | along_jk[1:]


def _is_surface(codes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    surface: NDArray[np.bool_] = (codes != 0) & (codes != 255)
    return surface


def _within(
    surface: NDArray[np.bool_], other: NDArray[np.bool_], spacing_mm: Spacing, tolerance_mm: float
) -> NDArray[np.bool_]:
    """Tell for each element of a surface, in array order, whether the other one is near enough."""
    import edt

    if not other.any():
        return np.zeros(int(np.count_nonzero(surface)), np.bool_)
    squared = edt.edtsq(~other, anisotropy=spacing_mm, black_border=False)[surface]
    limit = tolerance_mm**2
    near: NDArray[np.bool_] = squared <= limit * (1 - _DOUBTFUL)
    doubtful = np.flatnonzero(~near & (squared <= limit * (1 + _DOUBTFUL)))
    if doubtful.size:
        places = np.argwhere(surface)[doubtful]
        near[doubtful] = _reaches(places, other, spacing_mm, tolerance_mm)
    return near


def _reaches(
    places: NDArray[np.intp], other: NDArray[np.bool_], spacing_mm: Spacing, tolerance_mm: float
) -> NDArray[np.bool_]:
    """Decide the elements whose nearest neighbour is just about as far away as the tolerance.

    Only the steps of about that length matter; their length is computed in float64.
    """
    reached = np.zeros(len(places), np.bool_)
    for step in _steps_just_within(spacing_mm, tolerance_mm):
        targets = places + step
        inside = ((targets >= 0) & (targets < other.shape)).all(axis=1)
        reached[inside] |= other[tuple(targets[inside].T)]
    return reached


def _steps_just_within(spacing_mm: Spacing, tolerance_mm: float) -> NDArray[np.intp]:
    """Give the voxel steps whose length is at most the tolerance, and hardly less: shape (N, 3)."""
    spacing = np.array(spacing_mm, np.float64)
    reach = np.ceil(tolerance_mm * (1 + _DOUBTFUL) / spacing).astype(np.intp)
    lattice = [np.arange(-size, size + 1) for size in reach]
    steps = np.stack(np.meshgrid(*lattice, indexing="ij"), axis=-1).reshape(-1, 3)
    lengths = np.sqrt(((steps * spacing) ** 2).sum(axis=1))
    shortest = tolerance_mm * (1 - 2 * _DOUBTFUL)
    chosen: NDArray[np.intp] = steps[(lengths >= shortest) & (lengths <= tolerance_mm)]
    return chosen


@lru_cache(maxsize=64)
def surfel_areas_mm2(spacing_mm: Spacing) -> NDArray[np.float64]:
    """Give the area of the marching cubes surface for every neighbour code.

    Parameters
    ----------
    spacing_mm : three floats
        Along (I, J, K).

    Returns
    -------
    ndarray of float64, shape (256,)
        In mm2; 0 for the codes 0 and 255.
    """
    x, y, z = (float(side) for side in spacing_mm)
    areas = np.zeros(256)
    for code, vectors in enumerate(_area_vectors()):
        if len(vectors):
            areas[code] = np.sqrt(((vectors * (y * z, x * z, x * y)) ** 2).sum(axis=1)).sum()
    areas.setflags(write=False)
    return areas


@lru_cache(maxsize=1)
def _area_vectors() -> tuple[NDArray[np.float64], ...]:
    """Give the area vectors (half the cross product of two sides) of each code's triangles.

    A block with more than four full voxels has the surface of its complement: that is the rule of
    Lorensen & Cline, whose 15 cases are for at most four.
    """
    vectors: list[NDArray[np.float64]] = []
    for code in range(256):
        corners = np.array([code >> bit & 1 for bit in range(7, -1, -1)], bool).reshape(2, 2, 2)
        vectors.append(_triangles_of(~corners if corners.sum() > 4 else corners))
    return tuple(vectors)


def _triangles_of(corners: NDArray[np.bool_]) -> NDArray[np.float64]:
    from skimage.measure import marching_cubes

    if corners.min() == corners.max():
        return np.zeros((0, 3))
    points, triangles, _, _ = marching_cubes(corners.astype(np.float32), 0.5, method="lorensen")
    a, b, c = (points[triangles[:, corner]].astype(np.float64) for corner in range(3))
    vectors: NDArray[np.float64] = np.cross(b - a, c - a) / 2
    return vectors
