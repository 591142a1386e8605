"""Collecting the planes of one segment, cropped, until its box is known."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from annotation.formats.drawing import VoxelShape
from annotation.formats.label_map import EMPTY_BOX
from pipeline.volume import Box, Grid


@dataclass(slots=True)
class PlaneStack:
    """The planes of one segment.

    Attributes
    ----------
    planes : list of (slice index, row slice, column slice, ndarray of bool)
        Each cropped to what is inside.
    doubled : bool
        Whether two planes were given for one slice.
    """

    planes: list[tuple[int, slice, slice, NDArray[np.bool_]]] = field(default_factory=list)
    doubled: bool = False
    _seen: set[int] = field(default_factory=set, repr=False)

    def add(self, k: int, inside: NDArray[np.bool_]) -> int:
        """Add a plane (rows, columns) and say how many pixels are kept of it."""
        rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
        if rows.size == 0:
            return 0
        down, along = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        crop = np.ascontiguousarray(inside[down, along])
        self.doubled |= k in self._seen
        self._seen.add(k)
        self.planes.append((k, down, along, crop))
        return crop.size

    @property
    def box(self) -> Box:
        """Give the box (I along columns, J along rows, K) that holds all planes."""
        if not self.planes:
            return EMPTY_BOX
        ks = [plane[0] for plane in self.planes]
        return (
            slice(
                int(min(plane[2].start for plane in self.planes)),
                int(max(plane[2].stop for plane in self.planes)),
            ),
            slice(
                int(min(plane[1].start for plane in self.planes)),
                int(max(plane[1].stop for plane in self.planes)),
            ),
            slice(min(ks), max(ks) + 1),
        )

    @property
    def volume_voxels(self) -> int:
        """Count the voxels of the box."""
        return int(np.prod([side.stop - side.start for side in self.box], dtype=np.int64))

    def shape(self, grid: Grid) -> VoxelShape:
        """Put the planes together on a grid; slices without a plane are empty."""
        box = self.box
        sizes = [side.stop - side.start for side in box]
        crop = np.zeros(sizes, np.bool_, order="F")
        for k, down, along, inside in self.planes:
            i, j = along.start - box[0].start, down.start - box[1].start
            height, width = inside.shape
            crop[i : i + width, j : j + height, k - box[2].start] |= inside.T
        return VoxelShape(grid, box, crop)
