"""What rules measure of one structure: voxels, place, extent, pieces, density, cut sides.

All of it comes from the structure's own crop, so memory is that of the largest structure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.volume import Box, Grid
from pipeline.volume.claims import Overlapping

Point = NDArray[np.float64]
Edge = Literal["left", "right", "back", "front", "bottom", "top"]

EDGES: tuple[tuple[Edge, Edge], ...] = (("left", "right"), ("back", "front"), ("bottom", "top"))
"""Ends of the field of view along the axes R, A, S: the low one, the high one."""

_PIECES_KEPT = 64


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One connected piece of a structure (26 neighbours).

    Attributes
    ----------
    voxels : int
    centroid_mm : ndarray, shape (3,)
        RAS+ world.
    place_mm : ndarray, shape (3,)
        A voxel of it near its centre; the centroid of a bent structure may lie outside it.
    box : Box
        In the scene's arrays.
    touches_edge : bool
        Whether it reaches the edge of the field of view.
    """

    voxels: int
    centroid_mm: Point
    place_mm: Point
    box: Box
    touches_edge: bool


@dataclass(frozen=True, slots=True)
class Density:
    """Hounsfield units of a structure's voxels."""

    mean_hu: float
    sd_hu: float
    p05_hu: float
    p25_hu: float
    median_hu: float
    p75_hu: float
    p95_hu: float


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One structure that has voxels.

    Attributes
    ----------
    voxels : int
    volume_ml : float
    box : Box
        In the scene's arrays.
    centroid_mm, place_mm : ndarray, shape (3,)
        World (RAS+). The place is a voxel of its largest piece.
    low_mm, high_mm : ndarray, shape (3,)
        Ends of its box along the world's axes R, A, S.
    edges : frozenset of str
        The ends of the field of view that it reaches.
    pieces : tuple of Piece
        The largest first, at most 64.
    piece_count : int
        How many there are.
    """

    name: str
    value: int
    voxels: int
    volume_ml: float
    box: Box
    centroid_mm: Point
    place_mm: Point
    low_mm: Point
    high_mm: Point
    edges: frozenset[Edge]
    pieces: tuple[Piece, ...]
    piece_count: int

    @property
    def is_cut(self) -> bool:
        """Whether the field of view ends in it."""
        return bool(self.edges)

    @property
    def extent_mm(self) -> Point:
        """Edge lengths of its box along R, A, S."""
        return self.high_mm - self.low_mm


@dataclass(frozen=True, slots=True)
class Changed:
    """How a mask in force differs from the one before it.

    Attributes
    ----------
    before : str
        What the earlier one was, in words: ``round 1``, ``model btcv``.
    dice : float
    volume_ratio : float
        Volume in force by the earlier one; 0 where it became empty.
    """

    structure: str
    before: str
    before_ml: float
    after_ml: float
    dice: float

    @property
    def volume_ratio(self) -> float:
        """Volume in force divided by the earlier one."""
        return self.after_ml / self.before_ml if self.before_ml else float("inf")


@dataclass(frozen=True, slots=True)
class Context:
    """What is known about a case beside its label map.

    Attributes
    ----------
    sex : str or None
        ``m`` or ``f``.
    phase : str or None
        Contrast phase.
    age_years : float or None
    decided, absent, accepted : frozenset of str
        Structures somebody or something looked for (a mask, also an empty one, or a verdict);
        those a person said are not there; those whose mask a person accepted.
    outside_fov : frozenset of str
        Those of ``absent`` that were said to lie outside the field of view.
    overlaps : tuple of Overlapping
    changes : tuple of Changed
    """

    sex: str | None = None
    phase: str | None = None
    age_years: float | None = None
    decided: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    accepted: frozenset[str] = frozenset()
    outside_fov: frozenset[str] = frozenset()
    overlaps: tuple[Overlapping, ...] = field(default=())
    changes: tuple[Changed, ...] = field(default=())


def measure(crop: NDArray[np.bool_], box: Box, grid: Grid, name: str, value: int) -> Measured:
    """Measure one structure from its crop, which must hold at least one voxel.

    Parameters
    ----------
    crop : ndarray of bool
        Its voxels inside ``box``.
    box : Box
        Where the crop lies in the grid; it fits tightly.
    grid : Grid
        Canonical: its axes run closest to R, A, S.
    """
    pieces, count = _pieces(crop, box, grid)
    voxels = int(np.count_nonzero(crop))
    starts = np.array([side.start for side in box], float)
    centre = _mean_index(crop) + starts
    low, high = _world_ends(box, grid)
    return Measured(
        name=name,
        value=value,
        voxels=voxels,
        volume_ml=voxels * grid.voxel_ml,
        box=box,
        centroid_mm=to_world(centre, grid),
        place_mm=pieces[0].place_mm,
        low_mm=low,
        high_mm=high,
        edges=edges_of(box, grid.shape),
        pieces=pieces,
        piece_count=count,
    )


def density_of(values_hu: NDArray[np.int16]) -> Density:
    """Summarise the Hounsfield units of some voxels, at least one."""
    cuts = np.percentile(values_hu, (5, 25, 50, 75, 95))
    mean, sd = float(values_hu.mean(dtype=float)), float(values_hu.std(dtype=float))
    return Density(mean, sd, *(float(cut) for cut in cuts))


def edges_of(box: Box, shape: Sequence[int]) -> frozenset[Edge]:
    """Name the ends of a canonical volume that a box reaches."""
    found: list[Edge] = []
    for (low, high), side, size in zip(EDGES, box, shape, strict=True):
        found += [low] if side.start == 0 else []
        found += [high] if side.stop == size else []
    return frozenset(found)


def to_world(index: NDArray[np.float64], grid: Grid) -> Point:
    """Turn voxel indices (..., 3) into world millimetres."""
    return np.asarray(index @ np.array(grid.affine)[:3, :3].T + np.array(grid.affine)[:3, 3])


def _mean_index(crop: NDArray[np.bool_]) -> Point:
    means = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        counts = np.count_nonzero(crop, axis=others)
        means.append(float(np.average(np.arange(counts.size), weights=counts)))
    return np.array(means)


def _world_ends(box: Box, grid: Grid) -> tuple[Point, Point]:
    """Give the ends of a box in the world, half a voxel beyond the outermost centres."""
    ends = [(side.start - 0.5, side.stop - 0.5) for side in box]
    corners = np.array([[i, j, k] for i in ends[0] for j in ends[1] for k in ends[2]])
    world = to_world(corners, grid)
    return world.min(axis=0), world.max(axis=0)


def _pieces(crop: NDArray[np.bool_], box: Box, grid: Grid) -> tuple[tuple[Piece, ...], int]:
    import cc3d

    labelled, count = cc3d.connected_components(crop, connectivity=26, return_N=True)
    known = cc3d.statistics(labelled, no_slice_conversion=False)
    sizes = np.asarray(known["voxel_counts"])[1:]
    starts = np.array([side.start for side in box])
    found = []
    for at in np.argsort(-sizes.astype(np.int64), kind="stable")[:_PIECES_KEPT]:
        inner = known["bounding_boxes"][int(at) + 1]
        centre = np.asarray(known["centroids"][int(at) + 1], float)
        own = labelled[inner] == at + 1
        place = _inside(own, centre - [side.start for side in inner])
        place = place + [side.start for side in inner]
        outer = _shifted(inner, starts)
        found.append(
            Piece(
                voxels=int(sizes[at]),
                centroid_mm=to_world(centre + starts, grid),
                place_mm=to_world(place + starts, grid),
                box=outer,
                touches_edge=bool(edges_of(outer, grid.shape)),
            )
        )
    return tuple(found), int(count)


def _inside(own: NDArray[np.bool_], centre: Point) -> Point:
    """Find the voxel of a piece that lies nearest to its centroid."""
    rounded = np.clip(np.rint(centre), 0, np.array(own.shape) - 1).astype(int)
    if own[tuple(rounded)]:
        return rounded.astype(float)
    voxels = np.argwhere(own)
    nearest = ((voxels - centre) ** 2).sum(axis=1).argmin()
    return np.asarray(voxels[nearest], float)


def _shifted(box: Sequence[slice], starts: NDArray[np.int_]) -> Box:
    i, j, k = (
        slice(int(side.start) + int(start), int(side.stop) + int(start))
        for side, start in zip(box, starts, strict=True)
    )
    return i, j, k
