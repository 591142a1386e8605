"""Pairs of phantoms for the heart transfer: one person, scanned twice, moved by a known amount."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap
from pipeline.phantom import BodySettings, Deformation, Pair, make_pair
from pipeline.transfer.carry import Carried, CarrySettings, transfer_labels
from pipeline.transfer.heart_manifest import HEART_STRUCTURES
from pipeline.transfer.label_look_up import displacement_on
from pipeline.transfer.working_scan import Scan as BareScan
from pipeline.volume import Grid

SMOOTH_SHARE = 0.5  # largest smooth deformation, as a share of how far the heart moves
TURN_DEG_PER_MM = 0.1
NATIVE_NOISE_HU = 30.0
_NEAR_MM = 0.1
Volume = NDArray[Any]


@dataclass(frozen=True)
class Scan:
    """A CT with labels 1..6 of the heart structures; called, it gives both and the grid."""

    ct: Volume
    labels: Volume
    grid: Grid

    def __call__(self) -> tuple[Volume, Volume, Grid]:
        """Give CT, labels and grid, as a training case wants them."""
        return self.ct, self.labels, self.grid

    @property
    def bare(self) -> BareScan:
        """The CT and its grid, as the registration wants them."""
        return BareScan(self.ct, self.grid)


@dataclass(frozen=True)
class MovedPair:
    """Both scans with the truth of each.

    Attributes
    ----------
    displacement_mm : ndarray, shape (I, J, K, 3)
        From native to contrast.
    """

    contrast: Scan
    native: Scan
    displacement_mm: Volume

    @property
    def in_heart_mm(self) -> Volume:
        """Displacements of the voxels of the native heart, shape (n, 3)."""
        return np.asarray(self.displacement_mm[self.native.labels > 0])


@dataclass(frozen=True)
class CarriedHeart:
    """Labels carried from contrast to native, before and after refinement.

    Attributes
    ----------
    before, after : ndarray, shape of the native scan
    error_mm : float
        Mean distance of where a voxel of the native heart was found from where it is.
    """

    before: Volume
    after: Volume
    error_mm: float


def moved_pair(seed: int, motion_mm: float, class_map: ClassMap) -> MovedPair:
    """Make a pair whose heart moved by `motion_mm` in the mean.

    A shift, turns and a smooth deformation of the whole body. The shift is made as long as it
    takes; the native scan has no contrast, more noise and a sharp kernel.

    Parameters
    ----------
    seed : int
        Chooses the person and the way.
    """
    rng = np.random.default_rng(seed)
    direction = rng.standard_normal(3)
    direction /= np.linalg.norm(direction)
    turn = rng.uniform(-1, 1, 3) * motion_mm * TURN_DEG_PER_MM
    settings = BodySettings(
        seed=seed,
        sex="female" if seed % 2 else "male",
        phase="arterial",
        spacing_mm=(4.0, 4.0, 4.0),
        field_of_view="thorax",
        in_plane_mm=(360.0, 280.0),
    )

    def shifted(length_mm: float) -> MovedPair:
        x, y, z = direction * length_mm
        deformation = Deformation(seed, motion_mm * SMOOTH_SHARE, (x, y, z), tuple(turn))
        pair = make_pair(
            settings,
            deformation,
            class_map,
            native_noise_hu=NATIVE_NOISE_HU,
            native_kernel="bone",
        )
        return scans_of(pair, class_map)

    length_mm, pair = motion_mm, shifted(motion_mm)
    while abs(mean_length(pair.in_heart_mm) - motion_mm) > _NEAR_MM:
        rest = pair.in_heart_mm - direction * length_mm
        length_mm = length_for(rest, direction, motion_mm)
        pair = shifted(length_mm)
    return pair


def length_for(rest_mm: Volume, direction: Volume, motion_mm: float) -> float:
    """Give the length of a shift that, on top of other displacements, gives a mean of so much."""
    low, high = 0.0, 3 * motion_mm
    for _ in range(40):
        middle = (low + high) / 2
        if mean_length(rest_mm + direction * middle) < motion_mm:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def mean_length(displacement_mm: Volume) -> float:
    """Give the mean length of displacements, shape (n, 3)."""
    return float(np.linalg.norm(displacement_mm, axis=-1).mean())


def scans_of(pair: Pair, class_map: ClassMap) -> MovedPair:
    """Give both scans with the heart structures only, in the values of the heart's class map."""
    heart = class_map.subset(HEART_STRUCTURES)
    values = np.zeros(max(class_map.values) + 1, np.uint8)
    for structure in heart:
        values[class_map[structure.name].value] = structure.value
    contrast, native = (
        Scan(body.ct, np.asfortranarray(values[body.labels]), body.grid)
        for body in (pair.contrast, pair.native)
    )
    return MovedPair(contrast, native, pair.displacement_mm)


def carry(pair: MovedPair) -> CarriedHeart:
    """Carry the contrast labels with the settings that the command has by default.

    Raises
    ------
    RuntimeError
        If the pair is refused.
    """
    contrast, native = pair.contrast, pair.native
    carried = transfer_labels(contrast.bare, contrast.labels, native.bare, CarrySettings())
    if carried.refusal:
        raise RuntimeError(f"phantom pair refused: {carried.refusal}")
    found = np.moveaxis(displacement_on(native.grid, carried.registration), 0, -1)
    error_mm = mean_length((found - pair.displacement_mm)[native.labels > 0])
    # Both scans are on one grid: by world coordinates alone, the labels stay where they are.
    return CarriedHeart(contrast.labels, on_native_grid(carried, native.grid), error_mm)


def on_native_grid(carried: Carried, grid: Grid) -> Volume:
    """Lay carried labels into a volume of the whole native grid."""
    labels = np.zeros(grid.shape, carried.labels.dtype, order="F")
    labels[carried.box] = carried.labels
    return labels
