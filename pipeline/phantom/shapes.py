"""Implicit shapes in mm: each gives a signed distance, negative inside, good near its surface.

Only + - * / sqrt, min and max touch the voxels, so a voxel's value depends on its own place
alone and never on the size of the array it stands in: a cropped field of view shows the same
body, voxel for voxel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.phantom.coordinates import Coordinates, Floats, Vector

PointLike = Sequence[float] | NDArray[np.float64]
FAR = 1e4
EVERYWHERE: tuple[Vector, Vector] = ((-1e4, -1e4, -1e4), (1e4, 1e4, 1e4))


class Shape(Protocol):
    """A solid in body coordinates."""

    @property
    def bounds(self) -> tuple[Vector, Vector]:
        """Lower and upper corner (mm) of a box around the inside."""

    def distance(self, at: Coordinates) -> Floats:
        """Return the signed distance (mm, negative inside) at each voxel."""


def vector(values: Sequence[float] | NDArray[np.floating]) -> Vector:
    """Return three floats."""
    x, y, z = (float(v) for v in values)
    return x, y, z


def along(axis: Sequence[float], front: Sequence[float] = (0.0, 1.0, 0.0)) -> NDArray[np.float64]:
    """Return the rotation whose rows are the local x, y, z; z runs along `axis`."""
    up = np.asarray(axis, float) / np.linalg.norm(axis)
    right = np.cross(np.asarray(front, float), up)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(up, right), up])


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid; `rotation` rows are its local axes; `boxy` gives it blunt corners."""

    centre: Vector
    radii: Vector
    rotation: NDArray[np.float64] | None = None
    boxy: bool = False

    @cached_property
    def bounds(self) -> tuple[Vector, Vector]:
        """Box around the ellipsoid."""
        turn = np.eye(3) if self.rotation is None else self.rotation
        scaled = np.abs(turn * np.asarray(self.radii)[:, None])
        reach = scaled.sum(axis=0) if self.boxy else np.sqrt((scaled**2).sum(axis=0))
        centre = np.asarray(self.centre)
        return vector(centre - reach), vector(centre + reach)

    def distance(self, at: Coordinates) -> Floats:
        """Distance along the ray from the centre."""
        x, y, z = _local(at, self.centre, self.rotation)
        a, b, c = (np.float32(1 / r) for r in self.radii)
        length = np.sqrt(x * x + y * y + z * z)
        u, v, w = (x * a) ** 2, (y * b) ** 2, (z * c) ** 2
        level = np.sqrt(np.sqrt(u * u + v * v + w * w)) if self.boxy else np.sqrt(u + v + w)
        middle = np.float32(-min(self.radii))
        near = level < 1e-3
        level[near] = 1
        result: Floats = length - length / level
        result[near] = middle
        return result


def _local(
    at: Coordinates, centre: Vector, rotation: NDArray[np.float64] | None
) -> tuple[Floats, Floats, Floats]:
    x, y, z = (a - np.float32(c) for a, c in zip((at.x, at.y, at.z), centre, strict=True))
    if rotation is None:
        return x, y, z
    rows = rotation.astype(np.float32)
    turned = [x * row[0] + y * row[1] + z * row[2] for row in rows]
    return turned[0], turned[1], turned[2]


@dataclass(frozen=True)
class Tube:
    """A chain of round cones through `points`; `stretch` above 1 widens it along that axis."""

    points: NDArray[np.float64]
    radii: NDArray[np.float64]
    stretch: Vector = (1.0, 1.0, 1.0)

    @cached_property
    def bounds(self) -> tuple[Vector, Vector]:
        """Box around the chain."""
        reach = self.radii[:, None] * np.asarray(self.stretch)
        return vector((self.points - reach).min(axis=0)), vector((self.points + reach).max(axis=0))

    def distance(self, at: Coordinates) -> Floats:
        """Smallest distance to any piece; far from the chain just a large number."""
        out = np.full(at.shape, FAR, np.float32)
        wide = np.asarray(self.stretch)
        for i in range(len(self.points) - 1):
            a, b = self.points[i], self.points[i + 1]
            reach = max(self.radii[i], self.radii[i + 1]) * wide + at.reach_mm
            box = at.box(vector(np.minimum(a, b) - reach), vector(np.maximum(a, b) + reach))
            if box is not None:
                piece = self._piece(at.cut(box, at.reach_mm), i)
                np.minimum(out[box], piece, out=out[box])
        if wide.max() > 1:
            # Distances of a stretched tube are too short outside it; never let them reach further.
            np.multiply(out, np.float32(wide.max()), out=out, where=out > 0)
        return out

    def _piece(self, at: Coordinates, i: int) -> Floats:
        shrink = (1 / np.asarray(self.stretch)).astype(np.float32)
        a = self.points[i] * shrink
        d = ((self.points[i + 1] - self.points[i]) * shrink).astype(np.float32)
        x, y, z = (
            (c if s == 1 else c * s) - np.float32(o)
            for c, s, o in zip((at.x, at.y, at.z), shrink, a, strict=True)
        )
        share = (x * d[0] + y * d[1] + z * d[2]) * np.float32(1 / max(float(d @ d), 1e-6))
        np.clip(share, 0, 1, out=share)
        x -= share * d[0]
        y -= share * d[1]
        z -= share * d[2]
        first, last = np.float32(self.radii[i]), np.float32(self.radii[i + 1])
        result: Floats = np.sqrt(x * x + y * y + z * z) - (share * (last - first) + first)
        return result


def tube(
    points: Sequence[PointLike],
    radii: float | Sequence[float],
    *,
    stretch: Vector = (1.0, 1.0, 1.0),
    pieces: int = 4,
) -> Tube:
    """Return a tube along a smooth (Catmull-Rom) curve through `points`, `pieces` per span."""
    way = np.asarray(points, float)
    wide = np.broadcast_to(np.asarray(radii, float), (len(way),))
    both = np.column_stack([way, wide])
    if pieces > 1 and len(way) > 2:
        both = _smooth_curve(both, pieces)
    return Tube(both[:, :3].copy(), both[:, 3].copy(), stretch)


def _smooth_curve(knots: NDArray[np.float64], pieces: int) -> NDArray[np.float64]:
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    share = np.linspace(0, 1, pieces, endpoint=False)[:, None]
    spans = []
    for p0, p1, p2, p3 in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        spans.append(
            0.5
            * (
                2 * p1
                + (p2 - p0) * share
                + (2 * p0 - 5 * p1 + 4 * p2 - p3) * share**2
                + (3 * p1 - p0 - 3 * p2 + p3) * share**3
            )
        )
    return np.concatenate([*spans, knots[-1:]])


@dataclass(frozen=True)
class HalfSpace:
    """Everything on the side of a plane against `normal`; optionally only inside `within`."""

    point: Vector
    normal: Vector
    within: tuple[Vector, Vector] = EVERYWHERE

    @property
    def bounds(self) -> tuple[Vector, Vector]:
        """The box that was given."""
        return self.within

    def distance(self, at: Coordinates) -> Floats:
        """Distance to the plane."""
        unit = np.asarray(self.normal, float) / np.linalg.norm(self.normal)
        n = unit.astype(np.float32)
        offset = np.float32(unit @ np.asarray(self.point))
        result: Floats = at.x * n[0] + at.y * n[1] + at.z * n[2] - offset
        return result


@dataclass(frozen=True)
class Trunk:
    """A body-like column: at each height an oval with its own width, front and back.

    Parameters
    ----------
    rows
        (N, 4): z, half width, front y, back y, in mm, z rising.
    grow_mm
        Moves the surface outwards.
    step_mm
        Heights at which the ovals are worked out.
    """

    rows: tuple[tuple[float, float, float, float], ...]
    grow_mm: float = 0.0
    step_mm: float = 0.5

    @cached_property
    def bounds(self) -> tuple[Vector, Vector]:
        """Box around all ovals."""
        z, half, front, back = np.asarray(self.rows, float).T
        g = self.grow_mm
        return (
            (-half.max() - g, back.min() - g, z[0]),
            (half.max() + g, front.max() + g, z[-1]),
        )

    @cached_property
    def table(self) -> NDArray[np.float32]:
        """(3, M): 1/half-width, 1/half-depth and middle y, one column per step of height."""
        z, half, front, back = np.asarray(self.rows, float).T
        heights = np.arange(z[0], z[-1], self.step_mm)
        kernel = np.ones(41) / 41
        smooth = [
            np.convolve(np.pad(np.interp(heights, z, v), 20, mode="edge"), kernel, "valid")
            for v in (half, front, back)
        ]
        depth = (smooth[1] - smooth[2]) / 2 + self.grow_mm
        return np.stack(
            [1 / (smooth[0] + self.grow_mm), 1 / depth, (smooth[1] + smooth[2]) / 2]
        ).astype(np.float32)

    def oval(self, z_mm: float) -> tuple[float, float, float]:
        """Half width, half depth and middle y of the oval at one height."""
        i = int(np.clip((z_mm - self.rows[0][0]) / self.step_mm, 0, self.table.shape[1] - 1))
        a, b, middle = self.table[:, i]
        return 1 / float(a), 1 / float(b), float(middle)

    def distance(self, at: Coordinates) -> Floats:
        """Distance in the horizontal plane, and to the flat ends."""
        low, high = self.rows[0][0], self.rows[-1][0]
        index = ((at.z - np.float32(low)) * np.float32(1 / self.step_mm)).astype(np.intp)
        y = at.y - self.table[2].take(index, mode="clip")
        u = (at.x * self.table[0].take(index, mode="clip")) ** 2
        v = (y * self.table[1].take(index, mode="clip")) ** 2
        # Between an ellipse and a fourth-power oval: as a trunk is, fuller than an ellipse.
        level = (np.sqrt(u + v) + np.sqrt(np.sqrt(u * u + v * v))) * np.float32(0.5)
        length = np.sqrt(at.x * at.x + y * y)
        radial = length - length / np.maximum(level, np.float32(1e-3))
        ends = np.maximum(np.float32(low) - at.z, at.z - np.float32(high))
        result: Floats = np.maximum(radial, ends)
        return result
