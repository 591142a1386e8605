"""Where the body is in a CT: enough to tell a mask in the air, or on the wrong side."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from annotation.importing.placing import Placed
from pipeline.volume import Grid, to_canonical
from pipeline.workspace import Case
from pipeline.workspace.case_file import read_ct

AIR_BELOW_HU = -900
"""Air around a body is about -1000 HU; inflated lung is about -860 (Hounsfield scale)."""

_COARSE_MM = 3.0
_CUT_OFF_SHARE = 0.05
_FEWEST_BODY_VOXELS = 50
_MOST_SAMPLES = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """What is around and in the middle of a body, on some of a CT's voxels.

    Attributes
    ----------
    grid : Grid
        Every few voxels of the CT, with axes along R, A and S.
    air : ndarray of bool, shape of ``grid``
        Air that reaches the border of its axial slice: outside the body.
    middle : ndarray of float
        Index along R of the body's middle in each slice; NaN where it cannot be told, because
        the slice holds no body or the image cuts it off at a side.
    """

    grid: Grid
    air: NDArray[np.bool_]
    middle: NDArray[np.float64]

    def air_share(self, placed: Placed, case_grid: Grid) -> float:
        """Tell which share (0..1) of a mask's voxels lies in the air outside the body."""
        index = self._coarse(placed, case_grid)
        return float(self.air[index[:, 0], index[:, 1], index[:, 2]].mean())

    def right_of_middle_mm(self, placed: Placed, case_grid: Grid) -> float | None:
        """Tell how far a mask's centre lies to the patient's right of the body's middle, in mm.

        None where the middle is unknown for more than half of the mask.
        """
        index = self._coarse(placed, case_grid)
        middles = self.middle[index[:, 2]]
        known = np.isfinite(middles)
        if known.mean() < 0.5:
            return None
        offset = (index[known, 0] - middles[known]).mean()
        return float(offset * self.grid.spacing_mm[0])

    def _coarse(self, placed: Placed, case_grid: Grid) -> NDArray[np.intp]:
        """Give the coarse voxel of a mask's voxels, or of a million of them, shape (n, 3)."""
        flat = np.flatnonzero(placed.crop)
        some = flat[:: 1 + flat.size // _MOST_SAMPLES]
        places = np.stack(np.unravel_index(some, placed.crop.shape), axis=1)
        index = places + np.array([side.start for side in placed.box])
        step = np.linalg.inv(self.grid.affine) @ case_grid.affine
        coarse = np.rint(index @ step[:3, :3].T + step[:3, 3]).astype(np.intp)
        inside: NDArray[np.intp] = np.clip(coarse, 0, np.array(self.grid.shape) - 1)
        return inside


def body_of(ct_path: Path, case: Case) -> Body:
    """Read a case's CT and find its body; the last two stay in the memory of this process.

    Raises
    ------
    GridMismatch, NiftiError
        If the CT cannot be read.
    """
    return _body_of(ct_path, _ByDigest(case))


@dataclass(frozen=True, eq=False)
class _ByDigest:
    """A case that counts as equal to another of the same CT: a key for the cache."""

    case: Case

    def __hash__(self) -> int:
        return hash(self.case.ct_digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByDigest) and other.case.ct_digest == self.case.ct_digest


@lru_cache(maxsize=2)
def _body_of(ct_path: Path, key: _ByDigest) -> Body:
    return find_body(read_ct(ct_path, key.case), key.case.grid)


def find_body(ct: NDArray[np.int16], grid: Grid) -> Body:
    """Find the body in a CT.

    Parameters
    ----------
    ct : ndarray of int16, shape (I, J, K)
        Hounsfield units.
    grid : Grid
    """
    steps = [max(1, round(_COARSE_MM / size)) for size in grid.spacing_mm]
    i, j, k = steps
    some = ct[::i, ::j, ::k]
    affine = np.array(grid.affine)
    affine[:3, :3] *= steps
    values, coarse = to_canonical(some, Grid((some.shape[0], some.shape[1], some.shape[2]), affine))
    air = _air_at_border(values < AIR_BELOW_HU)
    return Body(coarse, air, _middles(~air))


def _air_at_border(air: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the air of each axial slice that reaches the slice's border."""
    from scipy import ndimage

    within_slice = np.zeros((3, 3, 3), bool)
    within_slice[:, :, 1] = True
    pieces, count = ndimage.label(air, structure=within_slice)
    at_border = np.zeros(count + 1, bool)
    for edge in (pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]):
        at_border[np.unique(edge)] = True
    at_border[0] = False
    kept: NDArray[np.bool_] = at_border[pieces]
    return kept


def _middles(body: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Find the middle of the body along R in each slice; NaN where it cannot be told."""
    by_column = np.count_nonzero(body, axis=1).astype(np.float64)
    total = by_column.sum(axis=0)
    cut_off = np.maximum(by_column[0], by_column[-1]) > _CUT_OFF_SHARE * body.shape[1]
    known = (total >= _FEWEST_BODY_VOXELS) & ~cut_off
    middles = np.full(body.shape[2], np.nan)
    columns = np.arange(body.shape[0])
    middles[known] = (columns @ by_column)[known] / total[known]
    return middles
