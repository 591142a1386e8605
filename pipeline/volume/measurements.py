"""What a label map says in numbers: volume and mean Hounsfield units of each structure."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.volume.grid import Grid


@dataclass(frozen=True, slots=True)
class Measurement:
    """One structure in numbers.

    Attributes
    ----------
    voxels : int
    volume_ml : float
    mean_hu : float or None
        None where no voxel is.
    """

    voxels: int
    volume_ml: float
    mean_hu: float | None


def measure_labels(
    labels: NDArray[np.unsignedinteger],
    ct: NDArray[np.generic],
    grid: Grid,
    values: Iterable[int],
) -> dict[int, Measurement]:
    """Measure structures of a label map, all in one pass over it.

    Parameters
    ----------
    labels : ndarray of unsigned integer, shape (I, J, K)
    ct : ndarray, shape (I, J, K)
        Hounsfield units.
    grid : Grid
        Of both.
    values : iterable of int
        Of the structures wanted; those without a voxel measure 0 ml.

    Raises
    ------
    ValueError
        If labels, CT and grid differ in shape.
    """
    if not labels.shape == ct.shape == grid.shape:
        raise ValueError(f"labels {labels.shape}, CT {ct.shape} and grid {grid.shape} differ")
    wanted = tuple(values)
    size = max((int(labels.max(initial=0)), *wanted)) + 1
    voxels, sums = np.zeros(size, np.int64), np.zeros(size)
    for k in range(labels.shape[2]):  # np.bincount copies to 8 bytes a voxel
        found = labels[..., k] > 0
        here = labels[..., k][found]
        voxels += np.bincount(here, minlength=size)
        sums += np.bincount(here, ct[..., k][found], size)
    return {
        value: Measurement(
            voxels=int(voxels[value]),
            volume_ml=float(voxels[value] * grid.voxel_ml),
            mean_hu=float(sums[value] / voxels[value]) if voxels[value] else None,
        )
        for value in wanted
    }
