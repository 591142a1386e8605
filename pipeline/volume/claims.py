"""Voxels that several masks claim, counted pair by pair while they are painted into one map."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.volume.boxes import Box
from pipeline.volume.grid import Grid


@dataclass(frozen=True, slots=True)
class Overlapping:
    """Two masks that claim the same voxels.

    Attributes
    ----------
    share_of_smaller : float
        0..1.
    place_mm : tuple of float
        World (RAS+).
    """

    first: str
    second: str
    volume_ml: float
    share_of_smaller: float
    place_mm: tuple[float, float, float]


class Claims:
    """Counts for masks that are painted one after the other.

    Parameters
    ----------
    grid : Grid
        Of the label map.
    """

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._sizes: dict[int, int] = {}
        self._shared: dict[tuple[int, int], int] = {}
        self._places: dict[tuple[int, int], NDArray[np.float64]] = {}

    @property
    def shared_voxels(self) -> int:
        """How many voxels were claimed again."""
        return sum(self._shared.values())

    def add(
        self,
        value: int,
        crop: NDArray[np.bool_],
        box: Box,
        painted: NDArray[np.unsignedinteger[Any]],
    ) -> None:
        """Count a mask that is about to be painted.

        Parameters
        ----------
        value : int
            Its label.
        crop : ndarray of bool
            Its voxels, at `box` in the label map.
        painted : ndarray of unsigned integer
            What stands there so far.
        """
        self._sizes[value] = int(np.count_nonzero(crop))
        claimed = crop & (painted != 0)
        if not claimed.any():
            return
        values, counts = np.unique(painted[claimed], return_counts=True)
        for other, count in zip(values.tolist(), counts.tolist(), strict=True):
            pair = (int(other), value)
            self._shared[pair] = self._shared.get(pair, 0) + int(count)
            at = np.argwhere(claimed & (painted == other))
            self._places[pair] = at[len(at) // 2] + np.array([side.start for side in box], float)

    def overlaps(self, names: Mapping[int, str]) -> tuple[Overlapping, ...]:
        """Give the pairs, by the values of the earlier and the later mask."""
        found = []
        for (one, other), voxels in sorted(self._shared.items()):
            x, y, z = (float(v) for v in self._grid.affine[:3] @ (*self._places[one, other], 1.0))
            share = voxels / min(self._sizes[one], self._sizes[other])
            ml = voxels * self._grid.voxel_ml
            found.append(Overlapping(names[one], names[other], ml, share, (x, y, z)))
        return tuple(found)
