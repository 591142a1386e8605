"""How large each structure is in the other cases: medians and spreads that a few errors don't move.

Sizes come from what the ledger knows of a mask (voxels and box), so a cohort of 10,000 cases is
read without opening a mask.
"""

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.volume import Box, Grid
from qc.plausibility.scene import CaseScene
from qc.plausibility.scene_measures import Edge, edges_of, to_world

FEATURES = ("volume_ml", "height_mm", "width_mm", "fill")
"""What is compared; all are above 0 and compared by their logarithms."""
_TO_SD = 1.4826


@dataclass(frozen=True, slots=True)
class Size:
    """How large a structure of a case is.

    Attributes
    ----------
    volume_ml : float
    width_mm, depth_mm, height_mm : float
        Edge lengths of its box along R, A, S.
    fill : float
        Share of its box that it fills: a straight bar much, a curved one little.
    edges : frozenset of str
        Ends of the field of view that it reaches.
    place_mm : tuple of float
        Middle of its box.
    """

    volume_ml: float
    width_mm: float
    depth_mm: float
    height_mm: float
    fill: float
    edges: frozenset[Edge]
    place_mm: tuple[float, float, float]

    @property
    def is_cut(self) -> bool:
        """Whether the field of view ends in it."""
        return bool(self.edges)


@dataclass(frozen=True, slots=True)
class Spread:
    """Median of a feature and its spread on the logarithmic scale, from some cases."""

    median: float
    log_sd: float
    cases: int

    def z_score(self, value: float, least_log_sd: float) -> float:
        """Tell how many spreads a value lies above the median; below, if negative."""
        return math.log(value / self.median) / max(self.log_sd, least_log_sd)


@dataclass(frozen=True, eq=False)
class Cohort:
    """Sizes of whole structures over cases.

    Parameters
    ----------
    logs : mapping of str to ndarray, shape (N, 4)
        By structure, of what no field of view cuts: logarithms of :data:`FEATURES`.
    sexes : mapping of str to tuple of (str or None)
        Of the same N cases.
    """

    logs: Mapping[str, NDArray[np.float64]]
    sexes: Mapping[str, tuple[str | None, ...]]

    @cached_property
    def _known(self) -> dict[tuple[str, str | None], tuple[Spread, ...] | None]:
        return {}

    def spread(self, structure: str, feature: str, sex: str | None, fewest: int) -> Spread | None:
        """Give the spread of a feature, within one sex if enough cases are of it.

        Parameters
        ----------
        fewest : int
            None is given if fewer cases hold the structure whole.
        """
        for group in dict.fromkeys((sex, None)):
            key = (structure, group)
            if key not in self._known:
                self._known[key] = self._measure(structure, group)
            found = self._known[key]
            if found is not None and found[0].cases >= fewest:
                return found[FEATURES.index(feature)]
        return None

    def _measure(self, structure: str, sex: str | None) -> tuple[Spread, ...] | None:
        logs = self.logs.get(structure)
        if logs is None:
            return None
        if sex is not None:
            logs = logs[[of == sex for of in self.sexes[structure]]]
        if not len(logs):
            return None
        middle = np.median(logs, axis=0)
        mad = np.median(np.abs(logs - middle), axis=0)
        return tuple(
            Spread(math.exp(at), _TO_SD * float(spread), len(logs))
            for at, spread in zip(middle, mad, strict=True)
        )


def make_cohort(cases: Iterable[tuple[str | None, Mapping[str, Size]]]) -> Cohort:
    """Collect the sizes of cases: their sex, if known, and their structures' sizes by name."""
    logs: dict[str, array[float]] = {}
    sexes: dict[str, list[str | None]] = {}
    for sex, own in cases:
        for name, size in own.items():
            values = [float(getattr(size, feature)) for feature in FEATURES]
            if not size.is_cut and min(values) > 0:
                logs.setdefault(name, array("d")).extend(math.log(value) for value in values)
                sexes.setdefault(name, []).append(sex)
    return Cohort(
        {name: np.array(found).reshape(-1, len(FEATURES)) for name, found in logs.items()},
        {name: tuple(found) for name, found in sexes.items()},
    )


def size_of(voxels: int, box: Box, grid: Grid) -> Size:
    """Measure what a mask's voxel count and box say, on a grid of any orientation."""
    axes, signs = grid.world_axes()
    sides = [box[axes.index(axis)] for axis in range(3)]
    lengths = [(s.stop - s.start) * grid.spacing_mm[axes.index(a)] for a, s in enumerate(sides)]
    filled = voxels / max(1, math.prod(side.stop - side.start for side in box))
    middle = np.array([(side.start + side.stop - 1) / 2 for side in box])
    x, y, z = (float(at) for at in to_world(middle, grid))
    width, depth, height = lengths
    edges = _edges(sides, axes, signs, grid)
    return Size(voxels * grid.voxel_ml, width, depth, height, filled, edges, (x, y, z))


def sizes_in(scene: CaseScene) -> dict[str, Size]:
    """Measure the structures of a scene."""
    return dict(_sizes_in(scene))


def _sizes_in(scene: CaseScene) -> Iterator[tuple[str, Size]]:
    for measured in scene.present():
        yield measured.name, size_of(measured.voxels, measured.box, scene.grid)


def _edges(
    sides: list[slice], axes: tuple[int, int, int], signs: tuple[int, int, int], grid: Grid
) -> frozenset[Edge]:
    """Name the ends reached, with each side turned to run in its axis' positive direction."""
    turned, shape = [], []
    for axis, side in enumerate(sides):
        size = grid.shape[axes.index(axis)]
        forward = signs[axes.index(axis)] > 0
        turned.append(side if forward else slice(size - side.stop, size - side.start))
        shape.append(size)
    return edges_of((turned[0], turned[1], turned[2]), shape)
