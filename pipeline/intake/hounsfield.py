"""Voxel values as whole Hounsfield units.

A CT is stored as int16: scanners measure whole units in 12 to 16 bits, and a float copy
would cost twice the space for digits that a resampling made up.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.intake.refusal import refusal

_LOWEST, _HIGHEST = -32768, 32767
_LARGEST_CLIPPED_SHARE = 0.001


def whole_hounsfield_units(
    values: NDArray[np.generic],
) -> tuple[NDArray[np.int16], tuple[str, ...]]:
    """Round and clip a volume to int16, slice by slice, saying what was changed.

    Parameters
    ----------
    values : ndarray, shape (I, J, K)
        Whole or real numbers, already rescaled to Hounsfield units.

    Returns
    -------
    voxels : ndarray of int16, shape (I, J, K), Fortran order
    notes : tuple of str
        One sentence for rounding, one for clipping, if they happened.

    Raises
    ------
    Refused
        If a value is NaN or infinite, or more than 0.1 % of them would be clipped.
    """
    if values.dtype == np.int16:
        return np.asfortranarray(values, dtype=np.int16), ()
    voxels = np.empty(values.shape, np.int16, order="F")
    rounded, clipped = 0, 0
    for k, layer in _layers(values):
        whole = np.rint(layer) if layer.dtype.kind == "f" else layer
        rounded += int(np.count_nonzero(whole != layer))
        inside = np.clip(whole, _LOWEST, _HIGHEST)
        clipped += int(np.count_nonzero(inside != whole))
        voxels[..., k] = inside
    if clipped > values.size * _LARGEST_CLIPPED_SHARE:
        raise refusal(
            f"{clipped:,} of {values.size:,} values outside {_LOWEST}..{_HIGHEST}",
            "Hounsfield units, which fit 16 bits",
            "check the scaling (scl_slope, RescaleSlope) of the file",
        )
    return voxels, tuple(_notes(rounded, clipped))


def _layers(values: NDArray[np.generic]) -> Iterator[tuple[int, NDArray[np.generic]]]:
    """Give the slices along K, refusing the first that holds NaN or infinity."""
    for k in range(values.shape[-1]):
        layer = values[..., k]
        if layer.dtype.kind == "f" and not np.isfinite(layer).all():
            broken = int(np.count_nonzero(~np.isfinite(layer)))
            raise refusal(
                f"{broken:,} NaN or infinite values in slice {k}",
                "a number in every voxel",
                "export the CT again, or fill the gaps with air (-1024) on purpose",
            )
        yield k, layer


def _notes(rounded: int, clipped: int) -> Iterator[str]:
    if rounded:
        yield f"{rounded:,} values rounded to whole HU"
    if clipped:
        yield f"{clipped:,} values clipped to {_LOWEST}..{_HIGHEST}"
