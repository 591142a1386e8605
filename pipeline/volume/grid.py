"""The voxel lattice of a volume. Everything that meets on voxels checks its grid first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadInput
from pipeline.volume.boxes import Box

_AXIS_CODES = (("L", "R"), ("P", "A"), ("I", "S"))


class GridMismatch(BadInput):
    """Two volumes that must lie on one grid do not; the message names both grids."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Shape and placement of a volume.

    Parameters
    ----------
    shape : tuple of int
        Voxels along (I, J, K).
    affine : ndarray, shape (4, 4)
        From voxel index to world millimetres, RAS+. Stored read-only as float64.

    Raises
    ------
    BadInput
        When the shape is not three positive numbers or the affine is not a finite,
        invertible 4x4 matrix.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Check and freeze what was given."""
        shape = tuple(int(size) for size in self.shape)
        affine = np.array(self.affine, dtype=np.float64)
        if len(shape) != 3 or min(shape) < 1:
            raise BadInput(f"a grid needs three positive sizes, found {self.shape}")
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise BadInput(f"a grid needs a finite 4x4 affine, found {affine.tolist()}")
        if abs(np.linalg.det(affine[:3, :3])) < 1e-9:
            raise BadInput(f"a grid needs an invertible affine, found {affine.tolist()}")
        affine.setflags(write=False)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "affine", affine)

    def __eq__(self, other: object) -> bool:
        """Compare by value; two grids are equal when shape and affine are."""
        if not isinstance(other, Grid):
            return NotImplemented
        return self.shape == other.shape and np.array_equal(self.affine, other.affine)

    def __hash__(self) -> int:
        """Hash by value."""
        return hash((self.shape, self.affine.tobytes()))

    def __str__(self) -> str:
        """Name the grid in the words of a message: size, spacing, orientation, origin."""
        spacing = " x ".join(f"{size:.4g}" for size in self.spacing_mm)
        origin = ", ".join(f"{value:.2f}" for value in self.origin_mm)
        size = " x ".join(str(count) for count in self.shape)
        return f"{size} voxels of {spacing} mm, {self.orientation}, origin ({origin}) mm"

    def __reduce__(self) -> tuple[type["Grid"], tuple[Any, ...]]:
        """Travel between processes by value."""
        return (Grid, (self.shape, np.array(self.affine)))

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxel centres along (I, J, K), in millimetres."""
        lengths = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))
        return (float(lengths[0]), float(lengths[1]), float(lengths[2]))

    @property
    def origin_mm(self) -> tuple[float, float, float]:
        """World position of the centre of voxel (0, 0, 0), in millimetres."""
        origin = self.affine[:3, 3]
        return (float(origin[0]), float(origin[1]), float(origin[2]))

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    @property
    def extent_mm(self) -> tuple[float, float, float]:
        """Edge lengths of the whole volume along (I, J, K), in millimetres."""
        sizes = [n * step for n, step in zip(self.shape, self.spacing_mm, strict=True)]
        return (sizes[0], sizes[1], sizes[2])

    @property
    def orientation(self) -> str:
        """Where the axes point, closest first, such as ``"RAS"`` or ``"LPS"``."""
        axes, signs = self.world_axes()
        return "".join(_AXIS_CODES[axis][sign > 0] for axis, sign in zip(axes, signs, strict=True))

    def world_axes(self) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """Match each voxel axis to the world axis it runs along.

        Returns
        -------
        axes : tuple of int
            World axis (0 = R, 1 = A, 2 = S) of voxel axes I, J, K; a permutation.
        signs : tuple of int
            +1 where the voxel axis runs in the positive direction, else -1.
        """
        from itertools import permutations

        directions = self.affine[:3, :3] / np.array(self.spacing_mm)
        axes = max(
            permutations(range(3)),
            key=lambda order: sum(abs(directions[order[column], column]) for column in range(3)),
        )
        signs = [1 if directions[axes[column], column] > 0 else -1 for column in range(3)]
        return (axes[0], axes[1], axes[2]), (signs[0], signs[1], signs[2])

    def same_as(self, other: "Grid", tolerance_mm: float = 1e-3) -> bool:
        """Tell whether every voxel centre of both grids lies at the same place.

        Parameters
        ----------
        other : Grid
        tolerance_mm : float
            Largest distance allowed at any corner of the volume.
        """
        return self.shape == other.shape and self.corner_gap_mm(other) <= tolerance_mm

    def corner_gap_mm(self, other: "Grid") -> float:
        """Largest distance between the corners (voxel indices of this shape) of two grids."""
        last = np.array(self.shape) - 1
        corners = np.array(np.meshgrid(*[(0, size) for size in last])).reshape(3, -1)
        homogeneous = np.vstack([corners, np.ones(corners.shape[1])])
        gap = (self.affine - other.affine) @ homogeneous
        return float(np.sqrt((gap[:3] ** 2).sum(axis=0)).max())

    def require_same(self, other: "Grid", *, what: str, tolerance_mm: float = 1e-3) -> None:
        """Raise unless ``other`` is the same grid.

        Raises
        ------
        GridMismatch
            Naming ``what`` and both grids.
        """
        if not self.same_as(other, tolerance_mm):
            raise GridMismatch(f"{what}: grids differ: expected {self}; found {other}")

    def is_orthogonal(self, tolerance: float = 1e-3) -> bool:
        """Tell whether the three axes are perpendicular (no shear)."""
        directions = self.affine[:3, :3] / np.array(self.spacing_mm)
        return bool(np.abs(directions.T @ directions - np.eye(3)).max() <= tolerance)

    def crop(self, box: Box) -> "Grid":
        """Give the grid of ``array[box]``."""
        starts = np.array([side.start for side in box], dtype=np.float64)
        affine = np.array(self.affine)
        affine[:3, 3] += affine[:3, :3] @ starts
        sizes = [side.stop - side.start for side in box]
        return Grid((sizes[0], sizes[1], sizes[2]), affine)

    def with_spacing(self, spacing_mm: float | Sequence[float]) -> "Grid":
        """Give a grid of another spacing over the same field of view, same centre.

        Parameters
        ----------
        spacing_mm : float or three floats
            New spacing along (I, J, K).
        """
        spacing = np.broadcast_to(np.asarray(spacing_mm, dtype=np.float64), (3,))
        sizes = np.maximum(np.rint(np.array(self.extent_mm) / spacing), 1)
        affine = np.array(self.affine)
        affine[:3, :3] *= spacing / np.array(self.spacing_mm)
        centre = self.affine[:3, :3] @ ((np.array(self.shape) - 1) / 2) + self.affine[:3, 3]
        affine[:3, 3] = centre - affine[:3, :3] @ ((sizes - 1) / 2)
        return Grid((int(sizes[0]), int(sizes[1]), int(sizes[2])), affine)

    def to_dict(self) -> dict[str, Any]:
        """Give the grid as plain JSON values."""
        return {"shape": list(self.shape), "affine": self.affine.tolist()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Grid":
        """Read a grid from what :meth:`to_dict` gave."""
        i, j, k = values["shape"]
        return cls((i, j, k), np.array(values["affine"], dtype=np.float64))
