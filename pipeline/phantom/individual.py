"""The individual: a smooth map from a person's world (mm) into the mean body.

All that makes one person differ from another (size, girth, sex, scoliosis, organ sizes and
places, uneven borders) is one smooth cubic B-spline map, so no organ is ever torn from its
neighbour: whatever touches in the mean body touches in every body.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.phantom.coordinates import Coordinates, Floats
from pipeline.phantom.settings import CURVE_MM, BodySettings, scoliosis_shift_mm

Array = NDArray[np.float64]

KNOT_MM = 32.0
_FIRST = np.array([-13, -11, -10])
"""Index (x, y, z) of the first knot; knot n stands at n times `KNOT_MM`."""
_COUNT = np.array([27, 23, 48])

# Organs that vary most: centre, reach (mm), spread of size, spread of place (mm).
_ORGANS = (
    ((60.0, 10.0, 330.0), 110.0, 0.06, 4.0),  # liver
    ((-30.0, 35.0, 415.0), 85.0, 0.06, 5.0),  # heart
    ((-95.0, -45.0, 325.0), 60.0, 0.10, 5.0),  # spleen
    ((-50.0, 25.0, 310.0), 75.0, 0.10, 6.0),  # stomach
    ((62.0, -45.0, 236.0), 65.0, 0.08, 8.0),  # right kidney
    ((-62.0, -48.0, 248.0), 65.0, 0.08, 8.0),  # left kidney
    ((0.0, 18.0, 15.0), 70.0, 0.18, 4.0),  # bladder
    ((0.0, 45.0, 150.0), 90.0, 0.06, 8.0),  # bowel
    ((0.0, 5.0, 760.0), 110.0, 0.03, 2.0),  # head
)


@dataclass(frozen=True)
class Individual:
    """One person's map, as B-spline coefficients.

    Parameters
    ----------
    coefficients
        (3, nz, ny, nx): body x, y, z (mm) at knots of the world lattice.
    """

    coefficients: Array

    def coordinates(self, x_mm: Array, y_mm: Array, z_mm: Array) -> Coordinates:
        """Return body coordinates on the grid spanned by three axes of world mm."""
        return Coordinates.of(*spread(self.coefficients, x_mm, y_mm, z_mm))

    def at_points(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
        """Return body coordinates of world points (arrays of one shape, mm)."""
        from scipy.ndimage import map_coordinates

        where = np.stack(
            [
                p / np.float32(KNOT_MM) - np.float32(f)
                for p, f in zip((z, y, x), _FIRST[::-1], strict=True)
            ]
        )
        out = [
            map_coordinates(
                c.astype(np.float32),
                where,
                order=3,
                prefilter=False,
                mode="nearest",
                output=np.float32,
            )
            for c in self.coefficients
        ]
        return out[0], out[1], out[2]


def knot_shape() -> tuple[int, int, int]:
    """Return the number of knots along z, y, x."""
    x, y, z = (int(n) for n in _COUNT)
    return z, y, x


def spread(
    coefficients: Array, x_mm: Array, y_mm: Array, z_mm: Array
) -> tuple[Floats, Floats, Floats]:
    """Evaluate three cubic B-splines, (3, nz, ny, nx), on the grid of three axes of world mm."""
    axes = [_taps(a, i) for i, a in enumerate((x_mm, y_mm, z_mm))]
    x, y, z = (_spread(c, axes) for c in coefficients)
    return x, y, z


def _taps(axis_mm: Array, dimension: int) -> tuple[NDArray[np.intp], Array]:
    """First of four knots and the four cubic B-spline weights of each place on an axis."""
    place = axis_mm / KNOT_MM - _FIRST[dimension]
    knot = np.clip(np.floor(place).astype(np.intp) - 1, 0, _COUNT[dimension] - 4)
    t = np.clip(place - knot - 1, 0.0, 1.0)
    weights = np.stack(
        [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    )
    return knot, weights / 6


def _spread(coefficients: Array, axes: Sequence[tuple[NDArray[np.intp], Array]]) -> Floats:
    (kx, wx), (ky, wy), (kz, wz) = axes
    used = slice(int(kz[0]), int(kz[-1]) + 4)
    rows = sum(coefficients[used, :, kx + i] * wx[i] for i in range(4)).astype(np.float32)
    columns = wy.astype(np.float32)[:, :, None]
    planes = rows[:, ky] * columns[0]
    for i in range(1, 4):
        planes += rows[:, ky + i] * columns[i]
    out = np.empty((len(kz), len(ky), len(kx)), np.float32)
    weights = wz.astype(np.float32)
    term = np.empty(out.shape[1:], np.float32)
    for k, first in enumerate(kz - used.start):
        np.multiply(planes[first], weights[0, k], out=out[k])
        for i in range(1, 4):
            np.multiply(planes[first + i], weights[i, k], out=term)
            out[k] += term
    return out


def knots() -> tuple[Array, Array, Array]:
    """Return world x, y, z (mm) of the knots, each (nz, ny, nx)."""
    z, y, x = np.meshgrid(
        *((np.arange(n) + f) * KNOT_MM for f, n in zip(_FIRST[::-1], _COUNT[::-1], strict=True)),
        indexing="ij",
    )
    return x, y, z


def individual(settings: BodySettings) -> Individual:
    """Draw the person that `settings` describe."""
    rng = np.random.default_rng([settings.seed, 1])
    x, y, z = (a / settings.size for a in knots())
    x, z = _scoliosis(x, z, settings.scoliosis_deg)
    x, y = _build(x, y, z, settings)
    x, y, z = _organs(x, y, z, rng, settings.variation)
    body = np.stack([x, y, z])
    body += settings.variation * _unevenness(rng)
    return Individual(body)


def _scoliosis(x: Array, z: Array, angle_deg: float) -> tuple[Array, Array]:
    """Bend the spine to one side; vertebrae tilt with the curve (Cobb angle of its two ends)."""
    low, high = CURVE_MM
    length = high - low
    turn = np.clip((z - low) / length, 0, 1) * 2 * np.pi
    # A cubic B-spline with samples as coefficients flattens a wave by (k h)^2 / 6.
    flatten = 1 - (2 * np.pi * KNOT_MM / length) ** 2 / 6
    amplitude = np.sign(angle_deg) * scoliosis_shift_mm(angle_deg) / flatten
    shift = amplitude * (1 - np.cos(turn)) / 2
    slope = amplitude * np.pi / length * np.sin(turn)
    aside = x - shift
    return aside, z + slope * aside / (1 + (aside / 150) ** 2)


def _bump(distance: Array, reach: float) -> Array:
    inside = np.clip(1 - (distance / reach) ** 2, 0, None)
    return inside**2


def _build(x: Array, y: Array, z: Array, settings: BodySettings) -> tuple[Array, Array]:
    belly = 0.30 * (settings.girth - 1) * _bump(z - 220, 260)
    chest = 0.10 * (settings.girth - 1) * _bump(z - 430, 220)
    female = settings.sex == "female"
    pelvis = (0.03 if female else -0.02) * _bump(z - 20, 200)
    shoulders = (-0.05 if female else 0.04) * _bump(z - 500, 190)
    wide = 1 + belly + chest + pelvis + shoulders
    # The belly grows forwards, the back stays.
    deep = 1 + belly * 1.1 + chest + 0.5 * shoulders
    return x / wide, (y + 60) / deep - 60


def _organs(
    x: Array, y: Array, z: Array, rng: np.random.Generator, variation: float
) -> tuple[Array, Array, Array]:
    for centre, reach, spread, moved in _ORGANS:
        dx, dy, dz = x - centre[0], y - centre[1], z - centre[2]
        weight = _bump(np.sqrt(dx**2 + dy**2 + dz**2), 1.5 * reach)
        draw = np.clip(rng.standard_normal(4), -2, 2) * variation
        shrink = -spread * draw[0] * weight
        step = np.clip(moved * draw[1:], -12, 12)
        x = x + dx * shrink + step[0] * 0.5 * weight
        y = y + dy * shrink + step[1] * 0.5 * weight
        z = z + dz * shrink + step[2] * weight
    return x, y, z


def _unevenness(rng: np.random.Generator) -> Array:
    """Return a smooth random displacement (mm) of coarse and fine waves."""
    rough = rng.standard_normal((3, *_COUNT[::-1]))
    coarse = rough
    for axis in (1, 2, 3):
        coarse = (np.roll(coarse, 1, axis) + 2 * coarse + np.roll(coarse, -1, axis)) / 4
        coarse = (np.roll(coarse, 2, axis) + coarse + np.roll(coarse, -2, axis)) / 3
    coarse /= coarse.std()
    return 4.0 * coarse + 1.2 * rough
