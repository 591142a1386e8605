"""Whether bone lies at C7 where only a cervical rib can: what says so when vertebrae are seen.

A cervical rib often meets the first rib and is one bone with it, so that no count of ribs shows it.
But it begins at C7, a whole vertebra above the first rib, whose head lies at the upper edge of T1.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.bootstrap.ribs.strands import Points
from pipeline.bootstrap.ribs.thorax import Thorax

C7, T1 = 0, 1
AT_C7 = 0.2  # in vertebrae from the centre of C7 (0) to that of T1 (1): higher is no first rib
ASIDE_MM = 55.0  # of the body's middle: farther out a first rib may be raised
LEAST_ML = 0.6  # 1 cm of a rib; first ribs of development bodies have at most 0.2 there,
# cervical ones of 3 to 5 cm at least 2


def bone_at_c7(
    points: Points,
    side: NDArray[np.int64],
    thorax: Thorax,
    spine: Mapping[int, Points],
    voxel_ml: float,
) -> NDArray[np.int64] | None:
    """Find the bone beside C7, on each side where it is as much as of a rib.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Of the ribs, RAS in mm.
    side : ndarray of int, shape (n,)
        -1 left, 1 right, of each point.
    thorax : Thorax
    spine : mapping of int to ndarray, shape (3,)
        Centres of vertebrae in mm by number; 0 is C7, 1 is T1.
    voxel_ml : float
        Volume of one point.

    Returns
    -------
    ndarray of int, shape (n,), or None
        -1 or 1 where a point is such bone, else 0. None if neither C7 nor T1 is known, or no other
        vertebra: then nothing can be told.
    """
    limit_mm = _limit_mm({number: float(centre[2]) for number, centre in spine.items()})
    if limit_mm is None:
        return None
    near = np.abs(points[:, 0] - thorax.middle(points[:, 2])) <= ASIDE_MM
    found = np.where(near & (thorax.along_spine(points) > limit_mm), side, 0)
    for one in (-1, 1):
        if (found == one).sum() * voxel_ml < LEAST_ML:
            found[found == one] = 0
    return found


def _limit_mm(z_mm: Mapping[int, float]) -> float | None:
    """Height above which no first rib lies beside the spine; None if it cannot be told."""
    known = sorted(z_mm)
    if len(known) < 2 or not {C7, T1} & set(known):
        return None
    around = [pair for pair in pairwise(known) if pair[1] >= T1]
    upper, lower = around[0] if around else (known[-2], known[-1])
    step_mm = (z_mm[lower] - z_mm[upper]) / (lower - upper)
    return z_mm[upper] + (AT_C7 - upper) * step_mm
