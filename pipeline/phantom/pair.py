"""A contrast and a native scan of one body, with a known deformation between them."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap
from pipeline.errors import UsageError
from pipeline.phantom.body import Body, make_body, orient, render
from pipeline.phantom.coordinates import Coordinates, Floats
from pipeline.phantom.individual import KNOT_MM, Individual, individual, knot_shape, spread
from pipeline.phantom.lattice import lattice
from pipeline.phantom.settings import BodySettings, Kernel

Axis = NDArray[np.float64]


@dataclass(frozen=True)
class Deformation:
    """How the patient lay differently in the second scan.

    Parameters
    ----------
    seed
        Chooses the smooth part.
    amplitude_mm
        Largest length of the smooth part within the field of view, at most 20 mm (more would
        fold the body).
    shift_mm
        Rigid shift along world x, y, z.
    turn_deg
        Rigid turn about world x, y, z (in this order) around the middle of the field of view.
    """

    seed: int = 0
    amplitude_mm: float = 6.0
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        """Refuse what would fold the body.

        Raises
        ------
        UsageError
            If the amplitude is out of range.
        """
        if not 0 <= self.amplitude_mm <= 20:
            raise UsageError(f"amplitude_mm is {self.amplitude_mm}, expected 0 to 20 mm")


@dataclass(frozen=True, eq=False)
class Pair:
    """Two scans of one body on one grid.

    Parameters
    ----------
    contrast, native
        The scans, each with its own exact truth.
    displacement_mm
        (I, J, K, 3) float32, world x, y, z: what lies at world point p in the native scan lies
        at p + displacement in the contrast scan.
    """

    contrast: Body
    native: Body
    displacement_mm: Floats


@dataclass(frozen=True)
class _Field:
    """A displacement of world points: rigid part about a middle, and a B-spline."""

    turn: Axis
    middle: Axis
    shift: Axis
    coefficients: Axis

    def on_grid(self, x_mm: Axis, y_mm: Axis, z_mm: Axis) -> tuple[Floats, Floats, Floats]:
        """Displacement (mm) along x, y, z on the grid of three axes, each (K, J, I)."""
        z, y, x = np.meshgrid(
            z_mm - self.middle[2],
            y_mm - self.middle[1],
            x_mm - self.middle[0],
            indexing="ij",
            sparse=True,
        )
        smooth = spread(self.coefficients, x_mm, y_mm, z_mm)
        rigid = self.turn - np.eye(3)
        out = [
            part + (x * row[0] + y * row[1] + z * row[2] + moved).astype(np.float32)
            for part, row, moved in zip(smooth, rigid, self.shift, strict=True)
        ]
        return out[0], out[1], out[2]


def make_pair(
    settings: BodySettings,
    deformation: Deformation,
    class_map: ClassMap,
    *,
    native_noise_hu: float | None = None,
    native_kernel: Kernel | None = None,
) -> Pair:
    """Make a contrast scan and a deformed native scan of one body.

    Parameters
    ----------
    settings
        The person and the contrast scan; the phase must not be native.
    deformation
        How the native scan differs in posture. Its voxels are painted from the same anatomy
        at displaced points, so its labels are exact, not resampled.
    native_noise_hu, native_kernel
        Of the native scan, where they differ from the contrast scan's.

    Raises
    ------
    UsageError
        If the settings ask for a native phase.
    """
    if settings.phase == "native":
        raise UsageError("phase is 'native', expected a contrast phase for the first of the pair")
    person = individual(settings)
    points = lattice(settings)
    field = _field(deformation, points.axes_mm)

    def moved(x_mm: Axis, y_mm: Axis, z_mm: Axis) -> Coordinates:
        return _moved(person, field, (x_mm, y_mm, z_mm))

    scanned = replace(
        settings,
        phase="native",
        noise_hu=settings.noise_hu if native_noise_hu is None else native_noise_hu,
        kernel=native_kernel or settings.kernel,
    )
    native = render(scanned, class_map, moved)
    displacement = np.stack(
        [
            orient(part.T, points.affine, settings.orientation)[0]
            for part in field.on_grid(*points.axes_mm)
        ],
        axis=-1,
    )
    return Pair(make_body(settings, class_map), native, displacement)


def _moved(person: Individual, field: _Field, axes_mm: tuple[Axis, Axis, Axis]) -> Coordinates:
    steps = field.on_grid(*axes_mm)
    z, y, x = np.meshgrid(*axes_mm[::-1], indexing="ij", sparse=True)
    places = [(axis + step).astype(np.float32) for axis, step in zip((x, y, z), steps, strict=True)]
    return Coordinates.of(*person.at_points(*places))


def _field(deformation: Deformation, axes_mm: tuple[Axis, Axis, Axis]) -> _Field:
    rng = np.random.default_rng([deformation.seed, 3])
    smooth = rng.standard_normal((3, *knot_shape()))
    for axis in (1, 2, 3):
        for step in (1, 1, 2):
            smooth = (np.roll(smooth, step, axis) + np.roll(smooth, -step, axis) + smooth) / 3
    coarse = [np.arange(a[0], a[-1] + KNOT_MM / 2, KNOT_MM / 2) for a in axes_mm]
    lengths = np.sqrt(sum(part**2 for part in spread(smooth, *coarse)))
    smooth *= deformation.amplitude_mm / float(lengths.max())
    middle = np.array([(a[0] + a[-1]) / 2 for a in axes_mm])
    return _Field(_turn(deformation.turn_deg), middle, np.array(deformation.shift_mm), smooth)


def _turn(angles_deg: tuple[float, float, float]) -> Axis:
    """Rotation matrix of turns about x, then y, then z."""
    turn = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(angles_deg)):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        step = np.eye(3)
        step[i, i] = step[j, j] = np.cos(angle)
        step[i, j], step[j, i] = -np.sin(angle), np.sin(angle)
        turn = step @ turn
    return turn
