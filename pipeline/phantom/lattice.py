"""The voxel centres of a scan, in world mm."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.phantom.settings import BodySettings, scoliosis_shift_mm

_HALF_WIDTHS_MM = (258.0, 168.0)


@dataclass(frozen=True)
class Lattice:
    """The voxel centres of a scan in world mm: one rising array per axis (x, y, z)."""

    axes_mm: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
    spacing_mm: tuple[float, float, float]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(I, J, K)."""
        x, y, z = self.axes_mm
        return len(x), len(y), len(z)

    @property
    def affine(self) -> NDArray[np.float64]:
        """(4, 4) voxel index to world mm, RAS+."""
        affine = np.diag([*self.spacing_mm, 1.0])
        affine[:3, 3] = [axis[0] for axis in self.axes_mm]
        return affine


def lattice(settings: BodySettings) -> Lattice:
    """Return the voxel centres that a scan with these settings has.

    Centres are whole multiples of the spacing, so fields of view of one body share voxels.
    """
    wide = settings.size * (1 + 0.25 * max(settings.girth - 1, 0))
    halves = [h * wide for h in _HALF_WIDTHS_MM]
    halves[0] += settings.size * scoliosis_shift_mm(settings.scoliosis_deg)
    middle_y = -6.0 * settings.size
    if settings.in_plane_mm is not None:
        halves = [w / 2 for w in settings.in_plane_mm]
    ranges = (
        (-halves[0], halves[0]),
        (middle_y - halves[1], middle_y + halves[1]),
        settings.z_range_mm,
    )
    x, y, z = (
        np.arange(np.ceil(low / s), np.floor(high / s) + 1) * s
        for (low, high), s in zip(ranges, settings.spacing_mm, strict=True)
    )
    return Lattice((x, y, z), settings.spacing_mm)
