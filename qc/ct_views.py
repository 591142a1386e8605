"""The CT beside the masks: a projection from the front and a slice through the middle.

Both are arrays seen as pictures: rows from head to foot, columns as the viewer sees them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.volume import Grid

_COARSE_MM = 1.0
_SHARE_OF_WIDEST = 0.05
_WHITE = 235
_GREYS = 48
"""Enough for the eye at this size; more only makes the files larger."""

_TISSUE_HU = -300
_AIR_HU = -900.0
_SOFT_HU = (-160.0, 260.0)
_BONE_HU = (100.0, 1100.0)


@dataclass(frozen=True, slots=True)
class FlatView:
    """A grey picture with its scale.

    Attributes
    ----------
    grey : ndarray of uint8, shape (rows, columns)
        The first row is nearest the head.
    step_mm : tuple of float
        Height and width of a pixel in millimetres.
    middle_column : float
        The column to show in the middle.
    """

    grey: NDArray[np.uint8]
    step_mm: tuple[float, float]
    middle_column: float


def coronal_projection(ct: NDArray[np.int16], grid: Grid) -> FlatView:
    """Look through the whole body from the front: the patient's right is on the left.

    Parameters
    ----------
    ct : ndarray of int16, shape (I, J, K)
        Canonical (RAS+), Hounsfield units.
    grid : Grid
        Of ``ct``.

    Returns
    -------
    FlatView
        Mean of the densities, which shows air and organs, and maximum, which shows bones.
    """
    x, y, z = (max(1, int(_COARSE_MM / step + 0.5)) for step in grid.spacing_mm)
    thinned = ct[::x, ::y, ::z]
    mean = thinned.mean(axis=1, dtype=np.float32)
    brightest = thinned.max(axis=1).astype(np.float32)
    inside = mean[mean > _AIR_HU]
    low, high = np.quantile(inside, (0.01, 0.998)) if inside.size else (_AIR_HU, 0.0)
    dense = _ramp(mean, float(low) - 50.0, float(high))
    picture = 0.7 * dense + 0.3 * dense * _ramp(brightest, *_BONE_HU)
    centre = centre_of_tissue(thinned)[0]
    grey = _as_rows(picture)[:, ::-1]
    return FlatView(
        grey,
        (grid.spacing_mm[2] * z, grid.spacing_mm[0] * x),
        grey.shape[1] - 1 - centre,
    )


def sagittal_slice(ct: NDArray[np.int16], grid: Grid, index: int) -> FlatView:
    """Cut at one index of the first axis: the patient's front is on the left.

    Parameters
    ----------
    ct : ndarray of int16, shape (I, J, K)
        Canonical (RAS+), Hounsfield units.
    grid : Grid
        Of ``ct``.
    index : int
        Where to cut.
    """
    plane = ct[index]
    grey = _as_rows(_ramp(plane.astype(np.float32), *_SOFT_HU))[:, ::-1]
    front_to_back = np.flatnonzero((plane > _TISSUE_HU).any(axis=1))
    middle = front_to_back.mean() if front_to_back.size else (plane.shape[0] - 1) / 2
    return FlatView(
        grey, (grid.spacing_mm[2], grid.spacing_mm[1]), grey.shape[1] - 1 - float(middle)
    )


def width_of_tissue_mm(ct: NDArray[np.int16], grid: Grid) -> float:
    """Measure the body from side to side: most of it, without what lies apart."""
    step = max(1, ct.shape[2] // 32)
    across = (ct[:, :, ::step] > _TISSUE_HU).sum(axis=(1, 2))
    filled = np.flatnonzero(across >= max(across.max() * _SHARE_OF_WIDEST, 1))
    voxels = filled[-1] - filled[0] + 1 if filled.size else ct.shape[0]
    return float(voxels) * grid.spacing_mm[0]


def centre_of_tissue(ct: NDArray[np.int16]) -> tuple[float, float]:
    """Find where the body lies: mean index of tissue along the first two axes."""
    step = max(1, ct.shape[2] // 32)
    tissue = ct[:, :, ::step] > _TISSUE_HU
    centres = []
    for axis in range(2):
        weights = tissue.sum(axis=(1 - axis, 2), dtype=np.float64)
        places = np.arange(weights.size)
        middle = (weights.size - 1) / 2
        centres.append(float(weights @ places / weights.sum()) if weights.any() else middle)
    return centres[0], centres[1]


def _ramp(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    return np.asarray(np.clip((values - low) / max(high - low, 1.0), 0.0, 1.0), np.float32)


def _as_rows(plane: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Turn an (across, up) plane into rows from the head down."""
    levels = (plane.T[::-1] * (_GREYS - 1) + 0.5).astype(np.uint8)
    return np.ascontiguousarray(levels * np.uint8(_WHITE // (_GREYS - 1)))
