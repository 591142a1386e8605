"""Where a file of drawings lies: every format's geometry as one grid in world RAS+ mm.

A left-handed grid (one whose axes run, say, L, A and S) is no mirrored one: most NIfTI files
are stored so, and its voxels lie where its affine says. What is refused is what places nothing
or not one thing: no numbers, no spacing, axes that are not at right angles.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from annotation.formats.drawing import ReadLimits
from annotation.formats.refusal import refused, require_size
from pipeline.volume import Grid

FARTHEST_MM = 100_000.0
"""No point of a scanner's room is farther than this from its origin."""

_SPACING_MM = (0.001, 1000.0)
_LARGEST_SIDE = 8192
_AXES_TOLERANCE = 1e-3
_LPS_TO_RAS = (-1.0, -1.0, 1.0)


def lps_to_ras(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn an affine (4, 4) into DICOM's and ITK's LPS mm into one into RAS+ mm."""
    return signed(affine, _LPS_TO_RAS)


def signed(affine: NDArray[np.float64], signs: Sequence[float]) -> NDArray[np.float64]:
    """Turn round the world axes of an affine (4, 4) that have the sign -1."""
    turned: NDArray[np.float64] = affine * np.array([*signs, 1.0])[:, None]
    return turned


def affine_of(
    columns: Sequence[Sequence[float]] | NDArray[np.float64],
    origin: Sequence[float] | NDArray[np.float64],
) -> NDArray[np.float64]:
    """Make an affine (4, 4) of the three steps along I, J, K and the place of voxel (0, 0, 0)."""
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(columns, dtype=np.float64).T
    affine[:3, 3] = origin
    return affine


def checked_shape(path: Path, sizes: Sequence[int], limits: ReadLimits) -> tuple[int, int, int]:
    """Give three sizes that a volume can have.

    Raises
    ------
    DrawnFileError
        If they are not three, not between 1 and 8192, or too many voxels for the limits.
    """
    if len(sizes) != 3 or min(sizes) < 1 or max(sizes) > _LARGEST_SIDE:
        raise refused(
            path,
            f"sizes {' x '.join(f'{size:,}' for size in sizes) or 'of nothing'}",
            f"three of 1 to {_LARGEST_SIDE:,} voxels",
            "export it again as one 3-D volume",
        )
    shape = (int(sizes[0]), int(sizes[1]), int(sizes[2]))
    require_size(path, shape[0] * shape[1] * shape[2], 1, limits)
    return shape


def checked_grid(path: Path, shape: tuple[int, int, int], affine: NDArray[np.float64]) -> Grid:
    """Give the grid of a volume, or refuse it.

    Parameters
    ----------
    path : Path
        For the message.
    shape : tuple of int
    affine : ndarray, shape (4, 4)
        Into world RAS+ mm.

    Raises
    ------
    DrawnFileError
        If the affine is not finite, has no or an absurd spacing, or axes not at right angles.
    """
    affine = np.asarray(affine, dtype=np.float64)
    if not np.isfinite(affine).all() or np.abs(affine).max() > FARTHEST_MM:
        raise refused(
            path,
            "a placement that is not finite or lies more than 100 m away",
            "position, directions and spacing in millimetres",
            "export it again",
        )
    spacing = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    if spacing.min() < _SPACING_MM[0] or spacing.max() > _SPACING_MM[1]:
        shown = " x ".join(f"{step:.4g}" for step in spacing)
        raise refused(path, f"a spacing of {shown} mm", "0.001 to 1000 mm", "export it again")
    directions = affine[:3, :3] / spacing
    cosine = float(np.abs(directions.T @ directions - np.eye(3)).max())
    if cosine > _AXES_TOLERANCE:
        raise refused(
            path,
            f"axes that are not at right angles (cosine {cosine:.4f})",
            "three perpendicular axes",
            "resample it onto its CT in the program it was drawn with",
        )
    return Grid(shape, affine)
