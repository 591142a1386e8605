"""From painted HU to a CT: point spread, noise of the kernel, clipping."""

import numpy as np
from numpy.typing import NDArray

from pipeline.phantom.coordinates import Floats
from pipeline.phantom.settings import PHASES, BodySettings, Kernel

LOWEST_HU, HIGHEST_HU = -1024, 3071
_SLICES_AT_ONCE = 32
# Width of the point spread (standard deviation, mm) in the plane of a slice.
_BLUR_MM = {"soft": 0.9, "bone": 0.45}


def scan(hu: NDArray[np.int16], settings: BodySettings) -> NDArray[np.int16]:
    """Return the picture a scanner would make of `hu` (K, J, I), slab by slab."""
    rng = np.random.default_rng([settings.seed, 2, PHASES.index(settings.phase)])
    taps = [
        _taps(_BLUR_MM[settings.kernel], s)
        for s in (settings.spacing_mm[0], settings.spacing_mm[1])
    ]
    # A slice averages over its own thickness; its neighbours reach in a little.
    along_z = _taps(0.35 * settings.spacing_mm[2], settings.spacing_mm[2])
    out = np.empty_like(hu)
    for first in range(0, len(hu), _SLICES_AT_ONCE):
        last = min(first + _SLICES_AT_ONCE, len(hu))
        low, high = max(first - 1, 0), min(last + 1, len(hu))
        block = hu[low:high].astype(np.float32)
        block = _three_taps(block, along_z, 0)[first - low : len(block) - (high - last)]
        block = _three_taps(_three_taps(block, taps[0], 2), taps[1], 1)
        block += _noise(block.shape, settings.kernel, rng) * np.float32(settings.noise_hu)
        out[first:last] = np.clip(np.rint(block), LOWEST_HU, HIGHEST_HU)
    return out


def _taps(blur_mm: float, spacing_mm: float) -> tuple[np.float32, np.float32]:
    """Weights of a voxel and of each neighbour, with the variance of a Gaussian."""
    side = min((blur_mm / spacing_mm) ** 2 / 2, 0.3)
    return np.float32(1 - 2 * side), np.float32(side)


def _three_taps(block: Floats, taps: tuple[np.float32, np.float32], axis: int) -> Floats:
    """Convolve along one axis; the ends repeat."""
    centre, side = taps
    moved = np.moveaxis(block, axis, 0)
    out = moved * centre
    out[1:] += moved[:-1] * side
    out[:-1] += moved[1:] * side
    out[0] += moved[0] * side
    out[-1] += moved[-1] * side
    return np.moveaxis(out, 0, axis)


def _noise(shape: tuple[int, ...], kernel: Kernel, rng: np.random.Generator) -> Floats:
    """Noise of unit deviation: grainy for the soft kernel, sharp for the bone kernel."""
    white = rng.standard_normal(shape, dtype=np.float32)
    grain = (np.float32(0.5), np.float32(0.25))
    smooth = _three_taps(_three_taps(white, grain, 2), grain, 1)
    if kernel == "soft":
        return smooth * np.float32(1 / 0.375)
    result: Floats = (white - smooth) * np.float32(1 / 0.771)
    return result
