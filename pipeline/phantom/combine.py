"""Shapes made of shapes: union, intersection, difference, offset."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.phantom.coordinates import Coordinates, Floats, Vector
from pipeline.phantom.shapes import FAR, Shape, vector


def smooth_minimum(a: Floats, b: Floats, blend_mm: float) -> Floats:
    """Return the minimum of two distances, rounded where they differ by less than `blend_mm`."""
    share = a - b
    np.abs(share, out=share)
    np.subtract(np.float32(blend_mm), share, out=share)
    np.maximum(share, 0, out=share)
    share *= share
    share *= np.float32(0.25 / blend_mm)
    result: Floats = np.minimum(a, b)
    result -= share
    return result


@dataclass(frozen=True)
class Union:
    """What lies in any of the shapes; `blend_mm` fills the creases between them."""

    shapes: tuple[Shape, ...]
    blend_mm: float = 0.0

    @cached_property
    def bounds(self) -> tuple[Vector, Vector]:
        """Box around all shapes."""
        low = np.min([s.bounds[0] for s in self.shapes], axis=0) - self.blend_mm / 4
        high = np.max([s.bounds[1] for s in self.shapes], axis=0) + self.blend_mm / 4
        return vector(low), vector(high)

    def distance(self, at: Coordinates) -> Floats:
        """Smallest distance of any shape, each looked at only near itself."""
        out = np.full(at.shape, FAR, np.float32)
        reach = self.blend_mm + at.reach_mm
        for shape in self.shapes:
            low, high = shape.bounds
            box = at.box(
                vector([v - reach for v in low]),
                vector([v + reach for v in high]),
            )
            if box is None:
                continue
            near = shape.distance(at.cut(box, reach))
            if self.blend_mm:
                out[box] = smooth_minimum(out[box], near, self.blend_mm)
            else:
                np.minimum(out[box], near, out=out[box])
        return out


@dataclass(frozen=True)
class Intersection:
    """What lies in all of the shapes; `blend_mm` rounds off sharp edges, which thin out."""

    shapes: tuple[Shape, ...]
    blend_mm: float = 0.0

    @cached_property
    def bounds(self) -> tuple[Vector, Vector]:
        """Box common to all shapes."""
        return (
            vector(np.max([s.bounds[0] for s in self.shapes], axis=0)),
            vector(np.min([s.bounds[1] for s in self.shapes], axis=0)),
        )

    def distance(self, at: Coordinates) -> Floats:
        """Largest distance of any shape."""
        out = self.shapes[0].distance(at)
        for shape in self.shapes[1:]:
            out = _largest(out, shape.distance(at), self.blend_mm)
        return out


def _largest(a: Floats, b: Floats, blend_mm: float) -> Floats:
    if blend_mm:
        return -smooth_minimum(-a, -b, blend_mm)
    result: Floats = np.maximum(a, b)
    return result


@dataclass(frozen=True)
class Minus:
    """What lies in `shape` and not in `hole`; `blend_mm` rounds off sharp edges."""

    shape: Shape
    hole: Shape
    blend_mm: float = 0.0

    @property
    def bounds(self) -> tuple[Vector, Vector]:
        """Box of the shape."""
        return self.shape.bounds

    def distance(self, at: Coordinates) -> Floats:
        """Distance to the nearer of the two borders."""
        hole = self.hole.distance(at.with_reach(at.reach_mm + self.blend_mm))
        return _largest(self.shape.distance(at), -hole, self.blend_mm)


@dataclass(frozen=True)
class Grown:
    """A shape with its surface moved outwards by `by_mm` (inwards if negative)."""

    shape: Shape
    by_mm: float

    @cached_property
    def bounds(self) -> tuple[Vector, Vector]:
        """Box of the shape, moved too."""
        low, high = self.shape.bounds
        return vector([v - self.by_mm for v in low]), vector([v + self.by_mm for v in high])

    def distance(self, at: Coordinates) -> Floats:
        """Distance less the growth."""
        around = at.with_reach(max(at.reach_mm + self.by_mm, 1.0))
        result: Floats = self.shape.distance(around) - np.float32(self.by_mm)
        return result


@dataclass(frozen=True, eq=False)
class Kept:
    """A large shape that others are made of: worked out once for each block of voxels.

    `margin_mm` is how far outside its bounds the distance is still needed.
    """

    shape: Shape
    margin_mm: float = 40.0

    @property
    def bounds(self) -> tuple[Vector, Vector]:
        """Box of the shape."""
        return self.shape.bounds

    def distance(self, at: Coordinates) -> Floats:
        """Distance of the shape, from memory after the first time; treat as read-only."""
        known = at.recall(self, FAR)
        if known is None:
            self._work_out(at.block)
            known = at.recall(self, FAR)
        return np.full(at.shape, FAR, np.float32) if known is None else known

    def _work_out(self, block: Coordinates) -> None:
        low, high = self.shape.bounds
        box = block.box(
            vector([v - self.margin_mm for v in low]), vector([v + self.margin_mm for v in high])
        )
        if box is not None:
            block.keep(self, box, self.shape.distance(block.cut(box, self.margin_mm)))
