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

# Steps looked at before it is asked whether all distances would be less work, and what a distance
# costs in looks (measured: 300 ns against 5 ns).
_NEAREST_STEPS = 32
_MOST_WORK = 60
_MOST_STEPS = 200_000
_LOOKS_AT_ONCE = 2**18

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
        When the shapes differ or the tolerance is no number of 0 or more.
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
        When the shapes differ or the tolerance is no number of 0 or more.
    """
    if truth.shape != prediction.shape:
        raise BadInput(f"shapes differ: truth {truth.shape}, prediction {prediction.shape}")
    if not 0 <= tolerance_mm < float("inf"):
        raise BadInput(f"tolerance {tolerance_mm} mm, expected 0 or more")
    box = _union_box(truth, prediction)
    if box is None:
        return SurfaceAgreement(0.0, 0.0, 0.0, 0.0)
    x, y, z = spacing_mm
    spacing_mm = (float(x), float(y), float(z))  # as a key of what is remembered
    areas = surfel_areas_mm2(spacing_mm)
    ours, theirs = _Elements.of(truth[box]), _Elements.of(prediction[box])
    truth_areas, prediction_areas = areas[ours.codes], areas[theirs.codes]
    return SurfaceAgreement(
        float(truth_areas.sum()),
        float(prediction_areas.sum()),
        float(truth_areas[_within(ours, theirs, spacing_mm, tolerance_mm)].sum()),
        float(prediction_areas[_within(theirs, ours, spacing_mm, tolerance_mm)].sum()),
    )


@dataclass(frozen=True, slots=True)
class _Elements:
    """The surface elements of a mask, in Fortran order.

    Attributes
    ----------
    shape : tuple of int
        Of the lattice of blocks.
    surface : ndarray of bool, flat
        Which blocks are surface elements.
    index, codes : ndarray
        Flat index and neighbour code of each element.
    """

    shape: tuple[int, ...]
    surface: NDArray[np.bool_]
    index: NDArray[np.intp]
    codes: NDArray[np.uint8]

    @classmethod
    def of(cls, crop: NDArray[np.bool_]) -> "_Elements":
        codes = _neighbour_codes(crop)
        flat = codes.reshape(-1, order="F")
        # 0 becomes 255 and 255 becomes 254: one comparison instead of two.
        surface = (flat - np.uint8(1)) < 254
        index = np.flatnonzero(surface)
        return cls(codes.shape, surface, index, flat[index])

    def coordinates(self) -> NDArray[np.intp]:
        """Give the block of every element: shape (N, 3)."""
        return np.stack(np.unravel_index(self.index, self.shape, order="F"), axis=1)


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


def _within(
    elements: "_Elements", other: "_Elements", spacing_mm: Spacing, tolerance_mm: float
) -> NDArray[np.bool_]:
    """Tell for each element of a surface whether an element of the other one is near enough.

    Looks where an element of the other surface could be, nearest places first. Most elements have
    one there or next to it, so this is far less work than all distances, and it is exact: a
    place is within the tolerance by its length in float64, as in the oracle.
    """
    near = other.surface[elements.index]
    if near.all() or not other.index.size:
        return near
    steps = _steps_within(spacing_mm, tolerance_mm)
    if steps is None:
        return _within_by_distance(elements, other, spacing_mm, tolerance_mm)
    reach = steps.max(axis=0, initial=0)
    flat, strides = _padded(other, reach)
    places = (elements.coordinates() + reach) @ strides
    jumps = steps @ strides
    left = np.flatnonzero(~near)
    start = 0
    while left.size and start < len(jumps):
        if start >= _NEAREST_STEPS and left.size * (len(jumps) - start) > _MOST_WORK * flat.size:
            return _within_by_distance(elements, other, spacing_mm, tolerance_mm)
        stop = start + max(1, _LOOKS_AT_ONCE // left.size)
        found = flat[places[left, None] + jumps[start:stop]].any(axis=1)
        near[left[found]] = True
        left, start = left[~found], stop
    return near


def _within_by_distance(
    elements: "_Elements", other: "_Elements", spacing_mm: Spacing, tolerance_mm: float
) -> NDArray[np.bool_]:
    """Do the same by the distance of every place to the other surface: for far apart surfaces."""
    from scipy import ndimage

    surface = other.surface.reshape(other.shape, order="F")
    distances = ndimage.distance_transform_edt(~surface, sampling=spacing_mm)
    near: NDArray[np.bool_] = distances[tuple(elements.coordinates().T)] <= tolerance_mm
    return near


def _padded(
    other: "_Elements", reach: NDArray[np.intp]
) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Give a surface with room for every step around it, flat, and its strides."""
    shape = np.array(other.shape) + 2 * reach
    whole = np.zeros(shape, np.bool_, order="F")
    core = tuple(slice(r, r + size) for r, size in zip(reach, other.shape, strict=True))
    whole[core] = other.surface.reshape(other.shape, order="F")
    strides = np.array([1, shape[0], shape[0] * shape[1]], np.intp)
    return whole.reshape(-1, order="F"), strides


@lru_cache(maxsize=64)
def _steps_within(spacing_mm: Spacing, tolerance_mm: float) -> NDArray[np.intp] | None:
    """Give the voxel steps of at most the tolerance, shortest first: shape (N, 3); None if many."""
    spacing = np.array(spacing_mm, np.float64)
    reach = np.floor(tolerance_mm / spacing * (1 + 1e-9)).astype(np.intp)
    if np.prod(2.0 * reach + 1) > _MOST_STEPS:
        return None
    lattice = [np.arange(-size, size + 1) for size in reach]
    steps = np.stack(np.meshgrid(*lattice, indexing="ij"), axis=-1).reshape(-1, 3)
    lengths = np.sqrt(((steps * spacing) ** 2).sum(axis=1))
    order = np.argsort(lengths, kind="stable")
    chosen: NDArray[np.intp] = steps[order[lengths[order] <= tolerance_mm]][1:]
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
