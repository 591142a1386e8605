"""Bringing a contrast scan onto a native one: rigid, then B-spline, each only if it helps.

SimpleITK does the work, on a coarse working grid around the heart. One thread and a regular
choice of samples: the same pair gives the same transform on every run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.transfer.alignment import Alignment, body_of, improves, measure
from pipeline.transfer.working_scan import Scan, WorkingScan, work_on, working_grid, world_box
from pipeline.volume import Grid

Step = Literal["rigid", "bspline"]
_MIRROR_SPACING_MM = 6.0
MIRRORS = ("left_right", "front_back", "up_down")
_FLIP = np.array([-1.0, -1.0, 1.0])  # between RAS+ (here) and LPS+ (SimpleITK)


@dataclass(frozen=True, slots=True)
class RegistrationSettings:
    """How pairs are registered.

    Attributes
    ----------
    spacing_mm : float
        Of the working grid.
    largest_shift_mm : float
        How far the scans may lie apart along each axis.
    knots_mm : float
        Distance of the B-spline's control points.
    smallest_gain : float
        By what share mutual information has to grow for a step to be kept.
    dice_tolerance : float
        By how much the Dice of body or lungs may fall in a step that is kept.
    """

    spacing_mm: float = 3.0
    largest_shift_mm: float = 30.0
    knots_mm: float = 40.0
    smallest_gain: float = 0.01
    dice_tolerance: float = 0.005


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """Where each point of the native scan lies in the contrast scan.

    Attributes
    ----------
    displacement_mm : ndarray of float32, shape (I, J, K, 3)
        World x, y, z (RAS+) on ``grid``: what lies at p in the native scan lies at
        p + displacement in the contrast scan.
    grid : Grid
        The working grid, beyond the native scan's field of view where the heart may reach.
    stages : mapping
        ``world`` (nothing done), ``rigid``, ``bspline``, each with its figures as far as tried.
    kept : tuple of {"rigid", "bspline"}
        The steps that were kept.
    mirrored : mapping
        Mutual information after a rigid step on a grid of 6 mm: ``as_is``, and with the
        contrast scan mirrored ``left_right``, ``front_back``, ``up_down``.
    """

    displacement_mm: NDArray[np.float32]
    grid: Grid
    stages: dict[str, Alignment]
    kept: tuple[Step, ...]
    mirrored: Mapping[str, float]

    @property
    def before(self) -> Alignment:
        """The figures by world coordinates alone."""
        return self.stages["world"]

    @property
    def after(self) -> Alignment:
        """The figures of what was kept."""
        return self.stages[self.kept[-1] if self.kept else "world"]


def register(
    contrast: Scan,
    native: Scan,
    region_mm: tuple[NDArray[np.float64], NDArray[np.float64]],
    settings: RegistrationSettings,
) -> Registration:
    """Register two scans within a region of the world.

    Parameters
    ----------
    contrast, native : Scan
    region_mm : pair of ndarray, shape (3,)
        Lowest and highest world point of the region in which they are to meet.
    settings : RegistrationSettings
    """
    grid = working_grid(*region_mm, settings.spacing_mm)
    fixed = work_on(native, grid)
    reach = np.full(3, settings.largest_shift_mm + settings.knots_mm)
    low, high = world_box(contrast.grid)
    low, high = np.maximum(region_mm[0] - reach, low), np.minimum(region_mm[1] + reach, high)
    if (high - low <= settings.spacing_mm).any():
        low, high = region_mm
    moving = work_on(contrast, working_grid(low, high, settings.spacing_mm))
    return _Pair(fixed, moving, settings).register()


class _Pair:
    """One pair under registration."""

    def __init__(
        self, fixed: WorkingScan, moving: WorkingScan, settings: RegistrationSettings
    ) -> None:
        import SimpleITK as sitk  # noqa: N813 - the name its users know

        self.sitk: Any = sitk
        self.fixed, self.moving, self.settings = fixed, moving, settings
        self.images = tuple(_image(sitk, scan.hu, scan.grid) for scan in (fixed, moving))
        self.masks = tuple(
            _image(sitk, scan.inside.astype(np.uint8), scan.grid) for scan in (fixed, moving)
        )

    def register(self) -> Registration:
        """Try the steps one after the other."""
        sitk = self.sitk
        chosen: Any = sitk.Transform(3, sitk.sitkIdentity)
        stages, kept = {"world": self.measured(chosen)}, list[Step]()
        steps: tuple[tuple[Step, Any], ...] = (("rigid", self.rigid), ("bspline", self.bspline))
        for step, run in steps:
            try:
                tried = run(chosen)
            except RuntimeError:
                # SimpleITK's word for "the scans no longer meet": the step is of no use.
                continue
            before = stages[kept[-1] if kept else "world"]
            stages[step] = self.measured(tried)
            if improves(
                before, stages[step], self.settings.smallest_gain, self.settings.dice_tolerance
            ):
                chosen = tried
                kept.append(step)
        return Registration(
            self.displacement(chosen), self.fixed.grid, stages, tuple(kept), self.mirrored()
        )

    def mirrored(self) -> dict[str, float]:
        """Give the mutual information of a rigid step as the scans are and for each mirror."""
        coarse = _coarser(self, max(1, round(_MIRROR_SPACING_MM / self.settings.spacing_mm)))
        tried = {"as_is": coarse}
        for axis, name in enumerate(MIRRORS):
            turned = _mirror(coarse.moving, axis)
            tried[name] = _Pair(coarse.fixed, turned, self.settings)
        return {name: pair.rigid_information() for name, pair in tried.items()}

    def rigid_information(self) -> float:
        """Give the mutual information after a rigid step; 0 if the scans do not meet."""
        try:
            return self.measured(self.rigid(None)).mutual_information
        except RuntimeError:
            return 0.0

    def measured(self, transform: Any) -> Alignment:
        """Measure the alignment under a transform."""
        return measure(self.fixed, self.moved(transform))

    def moved(self, transform: Any) -> WorkingScan:
        """Bring the contrast scan onto the native scan's working grid."""
        hu = self.resampled(self.images[1], transform, self.sitk.sitkLinear, -1024.0)
        seen = self.resampled(self.masks[1], transform, self.sitk.sitkNearestNeighbor, 0.0)
        return WorkingScan(hu, seen > 0, self.fixed.grid)

    def resampled(
        self, image: Any, transform: Any, interpolator: int, outside: float
    ) -> NDArray[Any]:
        """Give an image of the contrast scan on the native scan's working grid."""
        resampler = self.sitk.ResampleImageFilter()
        resampler.SetNumberOfThreads(1)
        resampler.SetReferenceImage(self.images[0])
        resampler.SetInterpolator(interpolator)
        resampler.SetDefaultPixelValue(outside)
        resampler.SetTransform(transform)
        return np.asfortranarray(self.sitk.GetArrayFromImage(resampler.Execute(image)).T)

    def rigid(self, _start: Any) -> Any:
        """Find the best shift and turn."""
        sitk = self.sitk
        turn = sitk.Euler3DTransform()
        low, high = world_box(self.fixed.grid)
        turn.SetCenter(((low + high) / 2 * _FLIP).tolist())
        turn.SetTranslation((self.best_shift_mm() * _FLIP).tolist())
        method = self.method(0.2, (3, 2), (6.0, 3.0))
        method.SetOptimizerAsRegularStepGradientDescent(
            learningRate=4.0, minStep=0.02, numberOfIterations=100, relaxationFactor=0.6
        )
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetInitialTransform(turn, inPlace=True)
        method.Execute(*self.images)
        return turn

    def best_shift_mm(self) -> NDArray[np.float64]:
        """Find the shift to begin with, on a lattice of shifts."""
        sitk = self.sitk
        reach = self.settings.largest_shift_mm
        along_z = np.arange(-reach, reach + 1, 10.0)
        along_xy = np.array([-reach / 2, 0.0, reach / 2])
        coarse = _coarser(self, 3)
        found = np.zeros(3), -np.inf
        for x, y, z in product(along_xy, along_xy, along_z):
            shift = np.array([x, y, z])
            figures = coarse.measured(sitk.TranslationTransform(3, (shift * _FLIP).tolist()))
            contours = (figures.lung_dice or 0.0) + (figures.body_dice or 0.0)
            value = figures.mutual_information + contours - 1e-4 * float(np.abs(shift).sum())
            if figures.seen_share > 0.5 and value > found[1]:
                found = shift, value
        return found[0]

    def bspline(self, start: Any) -> Any:
        """Find the best smooth warp after what was kept so far."""
        sitk = self.sitk
        size_mm = np.array(self.fixed.grid.extent_mm)
        mesh = np.maximum(np.rint(size_mm / self.settings.knots_mm), 1).astype(int).tolist()
        warp = sitk.BSplineTransformInitializer(self.images[0], mesh, 3)
        method = self.method(0.25, (3, 2), (3.0, 2.0))
        method.SetOptimizerAsLBFGSB(
            gradientConvergenceTolerance=1e-5,
            numberOfIterations=25,
            maximumNumberOfCorrections=5,
            maximumNumberOfFunctionEvaluations=60,
            costFunctionConvergenceFactor=1e8,
        )
        method.SetMovingInitialTransform(start)
        method.SetInitialTransform(warp, inPlace=True)
        method.Execute(*self.images)
        return sitk.CompositeTransform([start, warp])

    def method(self, share: float, shrink: tuple[int, ...], smooth_mm: tuple[float, ...]) -> Any:
        """Set up what both steps have in common: the measure, the samples, the levels."""
        sitk = self.sitk
        method = sitk.ImageRegistrationMethod()
        method.SetNumberOfThreads(1)
        method.SetMetricAsMattesMutualInformation(32)
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(share, 1)
        method.SetMetricFixedMask(self.masks[0])
        method.SetMetricMovingMask(self.masks[1])
        method.SetInterpolator(sitk.sitkLinear)
        method.SetShrinkFactorsPerLevel(shrink)
        method.SetSmoothingSigmasPerLevel(smooth_mm)
        method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
        return method

    def displacement(self, transform: Any) -> NDArray[np.float32]:
        """Give the whole transform as world displacements (mm) on the working grid."""
        sitk, fixed = self.sitk, self.images[0]
        field = sitk.TransformToDisplacementField(
            transform,
            sitk.sitkVectorFloat64,
            fixed.GetSize(),
            fixed.GetOrigin(),
            fixed.GetSpacing(),
            fixed.GetDirection(),
        )
        steps = sitk.GetArrayFromImage(field).transpose(2, 1, 0, 3) * _FLIP
        return np.asarray(steps, np.float32)


def _mirror(scan: WorkingScan, axis: int) -> WorkingScan:
    """Mirror a scan about the middle of its body."""
    places = np.flatnonzero(body_of(scan).any(axis=_others(axis)))
    size = scan.grid.shape[axis]
    middle = (places[0] + places[-1]) / 2 if places.size else (size - 1) / 2
    affine = np.array(scan.grid.affine)
    affine[axis, 3] += affine[axis, axis] * (2 * middle - (size - 1))
    return WorkingScan(
        np.asfortranarray(np.flip(scan.hu, axis)),
        np.asfortranarray(np.flip(scan.inside, axis)),
        Grid(scan.grid.shape, affine),
    )


def _others(axis: int) -> tuple[int, int]:
    first, second = (other for other in range(3) if other != axis)
    return first, second


def _coarser(pair: _Pair, factor: int) -> _Pair:
    step = slice(None, None, factor)
    scans = []
    for scan in (pair.fixed, pair.moving):
        affine = np.array(scan.grid.affine)
        affine[:3, :3] *= factor
        hu = np.asfortranarray(scan.hu[step, step, step])
        inside = np.asfortranarray(scan.inside[step, step, step])
        shape = (hu.shape[0], hu.shape[1], hu.shape[2])
        scans.append(WorkingScan(hu, inside, Grid(shape, affine)))
    return _Pair(scans[0], scans[1], pair.settings)


def _image(sitk: Any, array: NDArray[Any], grid: Grid) -> Any:
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin((np.array(grid.origin_mm) * _FLIP).tolist())
    image.SetDirection([-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0])
    return image
