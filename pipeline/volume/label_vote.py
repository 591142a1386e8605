"""Labels of a model's coarse grid on a finer one, with smooth borders instead of steps."""

from dataclasses import dataclass
from itertools import product
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.volume.grid import Grid
from pipeline.volume.resample import ParallelAxis, parallel_axes, resample_labels

Labels = TypeVar("Labels", bound=np.unsignedinteger)
_PLANES = 16
_VOTERS = 1 << 20
_TIE = 1e-6


def vote_labels(labels: NDArray[Labels], grid: Grid, target: Grid) -> NDArray[Labels]:
    """Resample a label map: each voxel takes the label that weighs most among its neighbours.

    The eight voxels around a place vote with their trilinear weights, which is what becomes of
    interpolated logits that are sure of themselves. Where all eight agree, and where the two
    grids are oblique to each other, it is the nearest neighbour.

    Parameters
    ----------
    labels : ndarray of unsigned integers, shape (I, J, K)
        Labels on ``grid``.
    grid, target : Grid

    Returns
    -------
    ndarray
        Same dtype as ``labels``, shape of ``target``, Fortran-ordered. Outside the field of view
        of ``grid`` is background.
    """
    result = resample_labels(labels, grid, target)
    axes = parallel_axes(grid, target)
    if grid == target or axes is None:
        return result
    turned = np.asfortranarray(labels.transpose([axis.source for axis in axes]))
    ways = tuple(_Way.of(axis) for axis in axes)
    mixed = _mixed_cells(turned)
    for start in range(0, target.shape[2], _PLANES):
        planes = slice(start, start + _PLANES)
        cells = (*(way.low for way in ways[:2]), ways[2].low[planes])
        inside = (*(way.inside for way in ways[:2]), ways[2].inside[planes])
        places = np.nonzero(mixed[np.ix_(*cells)] & _outer_and(inside))
        for first in range(0, places[0].size, _VOTERS):
            i, j, k = (place[first : first + _VOTERS] for place in places)
            result[i, j, k + start] = _elect(turned, ways, (i, j, k + start))
    return result


@dataclass(frozen=True)
class _Way:
    """The two source voxels around each target voxel of one axis, and the weight of the upper."""

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    share: NDArray[np.float32]
    inside: NDArray[np.bool_]

    @classmethod
    def of(cls, axis: ParallelAxis) -> "_Way":
        places = np.clip(axis.positions, 0, axis.count - 1)
        low = np.minimum(np.floor(places + 1e-9), max(axis.count - 2, 0)).astype(np.intp)
        high = np.minimum(low + 1, axis.count - 1)
        return cls(low, high, (places - low).astype(np.float32), axis.inside())


def _mixed_cells(labels: NDArray[Labels]) -> NDArray[Any]:
    """Say of each voxel whether it and its seven upper neighbours differ."""
    low, high = labels, labels
    for axis, size in enumerate(labels.shape):
        upper = np.minimum(np.arange(size) + 1, size - 1)
        low = np.minimum(low, low.take(upper, axis))
        high = np.maximum(high, high.take(upper, axis))
    return np.asarray(low != high)


def _outer_and(sides: tuple[NDArray[np.bool_], ...]) -> NDArray[np.bool_]:
    first, second, third = sides
    both: NDArray[np.bool_] = first[:, None, None] & second[:, None] & third
    return both


def _elect(
    labels: NDArray[Labels],
    ways: tuple[_Way, ...],
    places: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]],
) -> NDArray[Labels]:
    """Let the neighbours of some target voxels vote; of two that are equal the lower wins."""
    votes, weights = [], []
    for corner in product((False, True), repeat=3):
        at: list[NDArray[np.intp]] = []
        weight = np.ones(places[0].size, np.float32)
        for way, place, is_upper in zip(ways, places, corner, strict=True):
            at.append((way.high if is_upper else way.low)[place])
            share = way.share[place]
            weight *= share if is_upper else 1 - share
        votes.append(labels[tuple(at)])
        weights.append(weight)
    chosen, most = votes[0].copy(), np.zeros(votes[0].size, np.float32)
    for vote in votes:
        total = sum(
            (weight * (other == vote) for other, weight in zip(votes, weights, strict=True)),
            np.zeros(vote.size, np.float32),
        )
        better = total > most + _TIE
        most[better] = total[better]
        chosen[better] = vote[better]
    return chosen
