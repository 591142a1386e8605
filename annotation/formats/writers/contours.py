"""Outlines of masks: closed curves through the middle between voxels inside and outside.

Marching squares at level 0.5 on a mask of zeros and ones: every corner of a curve lies halfway
between the centre of a voxel inside and that of a neighbour outside. So whoever fills the curves
by the rule "a voxel is inside if its centre is" gets the very same voxels back. A hole is a
curve inside a curve.
"""

import numpy as np
from numpy.typing import NDArray

LEAST_POINTS = 3


def outlines(plane: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Outline a plane of voxels.

    Parameters
    ----------
    plane : ndarray of bool, shape (I, J)

    Returns
    -------
    list of ndarray of float, shape (n, 2)
        Closed curves in voxel indices (i, j); the last point joins the first and is not
        repeated. Points on a straight line are left out.
    """
    from skimage.measure import find_contours

    padded = np.zeros((plane.shape[0] + 2, plane.shape[1] + 2), np.float32)
    padded[1:-1, 1:-1] = plane
    # "low": voxels that share a corner only get curves of their own, so that none crosses itself.
    curves = find_contours(padded, 0.5, fully_connected="low")
    return [_without_straight_points(curve[:-1] - 1.0) for curve in curves]


def _without_straight_points(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave out points that lie between their neighbours on one line; corners are exact halves."""
    before = curve - np.roll(curve, 1, axis=0)
    after = np.roll(curve, -1, axis=0) - curve
    turn = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    kept = curve[np.abs(turn) > 1e-9]
    return kept if len(kept) >= LEAST_POINTS else curve
