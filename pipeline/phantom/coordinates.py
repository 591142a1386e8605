"""Where each voxel lies in the body, and quick boxes around a shape.

Arrays are in (z, y, x) order inside this package: transposed, they are the (I, J, K) Fortran
arrays of the rest of Masksmith without a copy.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Box3 = tuple[slice, slice, slice]
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Coordinates:
    """The body coordinates (mm) of a block of voxels, or of a box cut from it.

    Parameters
    ----------
    x, y, z
        (K, J, I) float32: where the centre of each voxel lies in the mean body.
    ranges
        For z, y, x: smallest and largest value at each index of that axis, made rising so that
        they can be searched. Of a box they may be those of the whole block: wider, never narrower.
    window
        The box (z, y, x) of the whole block that this is.
    kept
        Distances already worked out for the whole block, by shape.
    whole
        The whole block; None if this is it.
    reach_mm
        How far outside a shape its distance must be right; further out any larger value will do.
    """

    x: Floats
    y: Floats
    z: Floats
    ranges: tuple[tuple[list[float], list[float]], ...]
    window: Box3
    kept: dict[object, tuple[Box3, Floats]] = field(default_factory=dict)
    whole: "Coordinates | None" = None
    reach_mm: float = 10.0

    @classmethod
    def of(cls, x: Floats, y: Floats, z: Floats) -> "Coordinates":
        """Wrap three (K, J, I) arrays and find their ranges."""
        k, j, i = x.shape
        return cls(x, y, z, _ranges(x, y, z), (slice(0, k), slice(0, j), slice(0, i)))

    @property
    def shape(self) -> tuple[int, ...]:
        """(K, J, I)."""
        return self.x.shape

    @property
    def block(self) -> "Coordinates":
        """The whole block of voxels."""
        return self if self.whole is None else self.whole

    def box(self, low: Vector, high: Vector) -> Box3 | None:
        """Return slices (z, y, x) that hold every voxel between two corners, or None."""
        slices = []
        for (smallest, largest), a, b in zip(self.ranges, low[::-1], high[::-1], strict=True):
            first, last = bisect_left(largest, a), bisect_right(smallest, b)
            if first >= last:
                return None
            slices.append(slice(first, last))
        return slices[0], slices[1], slices[2]

    def cut(self, box: Box3, reach_mm: float) -> "Coordinates":
        """Return the coordinates inside `box`, without a copy, with a reach of their own."""
        ranges = tuple((low[s], high[s]) for (low, high), s in zip(self.ranges, box, strict=True))
        window = self._in_block(box)
        arrays = (self.x[box], self.y[box], self.z[box])
        return Coordinates(*arrays, ranges, window, self.kept, self.block, reach_mm)

    def with_reach(self, reach_mm: float) -> "Coordinates":
        """Return the same coordinates with another reach."""
        return replace(self, reach_mm=reach_mm)

    def _in_block(self, box: Box3) -> Box3:
        pairs = zip(self.window, box, strict=True)
        z, y, x = (slice(w.start + s.start, w.start + s.stop) for w, s in pairs)
        return z, y, x

    def keep(self, shape: object, box: Box3, distance: Floats) -> None:
        """Remember a distance that was worked out for `box` of this (a whole block)."""
        self.kept[shape] = (box, distance)

    def recall(self, shape: object, outside: float) -> Floats | None:
        """Return what was kept for a shape, here; `outside` where nothing was worked out."""
        if shape not in self.kept:
            return None
        box, distance = self.kept[shape]
        inner, outer = [], []
        for mine, theirs in zip(self.window, box, strict=True):
            low, high = max(mine.start, theirs.start), min(mine.stop, theirs.stop)
            high = max(low, high)
            inner.append(slice(low - theirs.start, high - theirs.start))
            outer.append(slice(low - mine.start, high - mine.start))
        piece = distance[tuple(inner)]
        if piece.shape == self.shape:
            return piece
        out = np.full(self.shape, outside, np.float32)
        out[tuple(outer)] = piece
        return out


def _ranges(x: Floats, y: Floats, z: Floats) -> tuple[tuple[list[float], list[float]], ...]:
    return tuple(
        (
            np.minimum.accumulate(a.min(axis=axes)[::-1])[::-1].tolist(),
            np.maximum.accumulate(a.max(axis=axes)).tolist(),
        )
        for a, axes in ((z, (1, 2)), (y, (0, 2)), (x, (0, 1)))
    )
