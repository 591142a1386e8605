"""Which slices of a volume somebody drew on, and where the gaps are.

A rough mask is often drawn on every fifth slice. What lies between was not looked at, which is
not "nothing there": whoever trains on such a mask must know the gaps.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadInput
from pipeline.volume.boxes import Box
from pipeline.volume.grid import Grid

_AXES = "ijk"
_THIN_RUN = 2
_RUN = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass(frozen=True, slots=True)
class DrawnSlices:
    """Slices with voxels, as runs along one axis of a case's grid.

    Attributes
    ----------
    axis : int
        0, 1, 2 for I, J, K.
    runs : tuple of (int, int)
        First and last slice of each run, ascending.
    """

    axis: int
    runs: tuple[tuple[int, int], ...]

    @property
    def axis_name(self) -> str:
        """``i``, ``j`` or ``k``."""
        return _AXES[self.axis]

    @property
    def text(self) -> str:
        """The runs as ``3-7,10,15-20``."""
        return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in self.runs)

    @property
    def drawn(self) -> int:
        """How many slices hold voxels."""
        return sum(last - first + 1 for first, last in self.runs)

    @property
    def skipped(self) -> int:
        """How many slices between the first and the last hold none."""
        return self.runs[-1][1] - self.runs[0][0] + 1 - self.drawn if self.runs else 0

    @classmethod
    def parse(cls, axis_name: str, text: str) -> "DrawnSlices":
        """Read what :attr:`axis_name` and :attr:`text` gave.

        Raises
        ------
        BadInput
            If they are something else.
        """
        found = [_RUN.fullmatch(part) for part in text.split(",")] if text else []
        runs = [(int(run[1]), int(run[2] or run[1])) for run in found if run is not None]
        flat = [bound for run in runs for bound in run]
        if axis_name not in tuple(_AXES) or len(runs) != len(found) or flat != sorted(flat):
            raise BadInput(f"drawn slices '{text}' along '{axis_name}': expected 3-7,10 along k")
        return cls(_AXES.index(axis_name), tuple(runs))


def drawn_slices(crop: NDArray[np.bool_], box: Box, grid: Grid) -> DrawnSlices:
    """Find the axis along which a mask was drawn slice by slice, and its slices.

    An axis along which most runs are thin (see :func:`is_sparse`) and there are gaps; the one
    with the most, else that of the CT's slices. So the gaps of a bowel that winds are no gaps.

    Parameters
    ----------
    crop : ndarray of bool, shape of ``box``
        With at least one voxel.
    box : tuple of slice
        Where it lies in the case's grid.
    grid : Grid
        The case's.
    """
    runs = [runs_along(crop, axis) for axis in range(3)]
    axes, _ = grid.world_axes()
    thickness = [round(step, 3) for step in grid.spacing_mm]
    sparse = [axis for axis in range(3) if len(runs[axis]) > 1 and is_sparse(crop, axis)]
    slice_axis = max(range(3), key=lambda axis: (thickness[axis], axes[axis]))
    axis = max(sparse, key=lambda axis: len(runs[axis]), default=slice_axis)
    start = box[axis].start
    return DrawnSlices(axis, tuple((first + start, last + start) for first, last in runs[axis]))


def is_sparse(crop: NDArray[np.bool_], axis: int) -> bool:
    """Say whether a mask was drawn on single slices along an axis: most runs are thin."""
    lengths = [last - first + 1 for first, last in runs_along(crop, axis)]
    return bool(lengths) and float(np.median(lengths)) <= _THIN_RUN


def runs_along(crop: NDArray[np.bool_], axis: int) -> tuple[tuple[int, int], ...]:
    """Find the runs of slices along an axis that hold voxels: first and last index of each."""
    others = tuple(other for other in range(3) if other != axis)
    return runs_of(np.flatnonzero(crop.any(axis=others)).tolist())


def runs_of(indices: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Join ascending indices to runs."""
    runs: list[tuple[int, int]] = []
    for index in indices:
        if runs and index == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], index)
        else:
            runs.append((index, index))
    return tuple(runs)
