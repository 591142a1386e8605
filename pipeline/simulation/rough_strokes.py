"""How a person draws a structure roughly: a thick pencil and an unsteady hand, no system in it.

The paper (section 2.2.3) drew with a pencil through three slices at a time and found that "the
errors in the rough segmentations are rather random across subjects (no systematic error)", which
a network does not learn. Here the line of each stroke leaves the true border by an error that is
smooth along the border, independent from stroke to stroke, and zero on average.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.volume import bounding_box, grow_box

Bools = NDArray[np.bool_]
_DEEPEST = 0.6  # a stroke strays inwards by at most this share of the depth: never nothing is left
_STEADIER = 1 / 3  # of the depth of what is drawn: what is thin is not drawn as freely as a liver
_REACH = 3.0  # standard deviations of the error that fit around the structure


@dataclass(frozen=True, slots=True)
class RoughStrokes:
    """A pencil and a hand.

    Attributes
    ----------
    pencil_mm : float
        How thick a stroke is: three slices of 1.5 mm in the paper. At least one slice.
    boundary_error_mm : float
        Standard deviation of the distance between the line drawn and the border; less for what
        is thinner than three times as much on either side of its middle.
    wavelength_mm : float
        Along the border the error keeps its sign over about this length.
    """

    pencil_mm: float = 4.5
    boundary_error_mm: float = 3.0
    wavelength_mm: float = 20.0

    def slices(self, slice_mm: float) -> int:
        """Count the slices that one stroke fills."""
        return max(1, round(self.pencil_mm / slice_mm))


def draw_roughly(
    mask: Bools,
    spacing_mm: tuple[float, float, float],
    strokes: RoughStrokes,
    rng: np.random.Generator,
) -> Bools:
    """Draw a structure again, roughly, slice by slice along the last axis.

    Parameters
    ----------
    mask : ndarray of bool, shape (I, J, K)
        What it truly is.
    spacing_mm : tuple of float
        Along I, J, K.
    rng : Generator
        The same state gives the same drawing.

    Returns
    -------
    ndarray of bool, shape (I, J, K)
        Empty for an empty mask.
    """
    drawn = np.zeros(mask.shape, np.bool_, order="F")
    box = bounding_box(mask)
    if box is None:
        return drawn
    pencil = strokes.slices(spacing_mm[2])
    margin = int(np.ceil(_REACH * strokes.boundary_error_mm / min(spacing_mm[:2]))) + 1
    i, j, _ = grow_box(box, margin, mask.shape)
    first, last = box[2].start, box[2].stop
    for start in range(first - int(rng.integers(pencil)), last, pencil):
        stroke = slice(max(start, 0), min(start + pencil, mask.shape[2]))
        middle = _drawn_slice(mask[i, j, stroke])
        if middle is not None:
            drawn[i, j, stroke] = _one_stroke(middle, spacing_mm[:2], strokes, rng)[:, :, None]
    return drawn


def _drawn_slice(thick: Bools) -> Bools | None:
    """Give the slice a person draws on: the middle one, or else the one that shows most."""
    shown = np.count_nonzero(thick, axis=(0, 1))
    if not shown.any():
        return None
    middle = thick.shape[2] // 2
    return np.asarray(thick[:, :, middle if shown[middle] else int(shown.argmax())])


def _one_stroke(
    outline: Bools,
    spacing_mm: tuple[float, ...],
    strokes: RoughStrokes,
    rng: np.random.Generator,
) -> Bools:
    depth = signed_depth_mm(outline, spacing_mm)
    if not np.isfinite(depth).all():
        return outline
    deepest = float(depth.max())
    error_mm = min(strokes.boundary_error_mm, _STEADIER * deepest)
    error = error_mm * _smooth_noise(outline.shape, spacing_mm, strokes.wavelength_mm, rng)
    return np.asarray(depth + np.maximum(error, -_DEEPEST * deepest) > 0)


def signed_depth_mm(outline: Bools, spacing_mm: tuple[float, ...]) -> NDArray[np.float64]:
    """Give how deep each pixel's centre lies inside an outline, in mm; negative outside.

    The border is taken half a pixel away from the centres on both of its sides.
    """
    from scipy.ndimage import distance_transform_edt

    half = 0.5 * min(spacing_mm)
    # What is cut off by the edge of the picture has no border there.
    padded = np.pad(outline, 1, mode="edge")
    if padded.all():
        return np.full(outline.shape, np.inf)
    inside = distance_transform_edt(padded, sampling=spacing_mm)
    outside = distance_transform_edt(~padded, sampling=spacing_mm)
    depth = np.where(padded, inside - half, half - outside)
    return np.asarray(depth[1:-1, 1:-1], np.float64)


def _smooth_noise(
    shape: tuple[int, ...],
    spacing_mm: tuple[float, ...],
    wavelength_mm: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Give a field (I, J) of mean 0 and standard deviation 1 everywhere."""
    from scipy.ndimage import gaussian_filter

    # A Gaussian of width s leaves white noise with a correlation length of about 2 s.
    widths = [wavelength_mm / 4 / mm for mm in spacing_mm]
    pad = [int(np.ceil(4 * width)) for width in widths]
    white = rng.standard_normal([n + 2 * p for n, p in zip(shape, pad, strict=True)])
    smooth = gaussian_filter(white, widths, truncate=4.0)
    impulse = np.zeros([2 * p + 1 for p in pad])
    impulse[pad[0], pad[1]] = 1.0
    gain = float(np.sqrt(np.square(gaussian_filter(impulse, widths, truncate=4.0)).sum()))
    inner = tuple(slice(p, p + n) for p, n in zip(pad, shape, strict=True))
    return np.asarray(smooth[inner] / gain)


def draw_label_map_roughly(
    labels: NDArray[np.unsignedinteger],
    spacing_mm: tuple[float, float, float],
    strokes: RoughStrokes,
    rng: np.random.Generator,
) -> NDArray[np.unsignedinteger]:
    """Draw every structure of a label map again; where two meet, the smaller one wins.

    Parameters
    ----------
    labels : ndarray, shape (I, J, K)
        0 is background.
    """
    counts = np.bincount(labels.ravel())
    counts[0] = 0
    drawn = np.zeros_like(labels, order="F")
    for value in np.argsort(-counts, kind="stable"):
        if counts[value]:
            drawn[draw_roughly(labels == value, spacing_mm, strokes, rng)] = value
    return drawn
