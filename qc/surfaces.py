"""Label maps to surfaces: crop each structure, walk around it with surface nets, add normals.

Words
-----
surface
    A closed triangle mesh around the voxels of one structure.
body
    A label map made ready for that: canonical (RAS+), no finer than it is drawn, with the box of
    every structure known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.volume import (
    Box,
    Grid,
    label_boxes,
    occurring_values,
    resample_labels,
    to_canonical,
)

FINEST_MM = 1.5
"""Voxels finer than this are merged before drawing: a pixel of the picture is about as large."""

SMOOTHING_ITERATIONS = 6
"""Few: with 16, as is common, a slab of one voxel loses 60 % of its thickness and a rib a fifth of
its width; with 6 a ball keeps 98 % of its volume and the steps of the voxels are gone."""

_FEWEST_SMOOTHED = 64
"""Smaller structures would smooth away; they keep the shape of their voxels."""


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """Triangles around one structure.

    Attributes
    ----------
    points_mm : ndarray of float32, shape (V, 3)
        Millimetres along the canonical axes of the volume (right, front, head), measured from the
        centre of its first voxel.
    normals : ndarray of float32, shape (V, 3)
        Unit vectors that point outwards, in the same frame.
    triangles : ndarray of uint32, shape (T, 3)
        Indices of points, counter-clockwise seen from outside.
    """

    points_mm: NDArray[np.float32]
    normals: NDArray[np.float32]
    triangles: NDArray[np.uint32]

    def world_points_mm(self, grid: Grid) -> NDArray[np.float64]:
        """Give the points in world millimetres (RAS+); ``grid`` is that of the body."""
        directions = grid.affine[:3, :3] / np.array(grid.spacing_mm)
        return np.asarray(self.points_mm @ directions.T + grid.affine[:3, 3])

    @property
    def volume_ml(self) -> float:
        """The volume inside, in millilitres (divergence theorem)."""
        a, b, c = self._corners_mm()
        return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum()) / 6000.0

    @property
    def area_mm2(self) -> float:
        """The area of all triangles, in square millimetres."""
        a, b, c = self._corners_mm()
        return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()) / 2

    def _corners_mm(self) -> NDArray[np.float64]:
        return self.points_mm.astype(np.float64)[self.triangles.T]


@dataclass(frozen=True, eq=False)
class Body:
    """A label map ready to be drawn.

    Attributes
    ----------
    grid : Grid
        Of ``labels``: canonical, no finer than it is drawn.
    labels : ndarray, shape (I, J, K)
        On ``grid``, Fortran-ordered.
    boxes : mapping
        Label value to its box on ``grid``.
    cut : frozenset of int
        Values whose voxels touch the edge of the field of view.
    fine : mapping
        Structures so small that they vanish on ``grid``: value to their own crop and its grid.
    """

    grid: Grid
    labels: NDArray[np.integer[Any]]
    boxes: Mapping[int, Box]
    cut: frozenset[int]
    fine: Mapping[int, tuple[NDArray[np.bool_], Grid]]

    @property
    def values(self) -> frozenset[int]:
        """Every label value that occurs, however few its voxels."""
        return frozenset(self.boxes) | frozenset(self.fine)

    def span_mm(self, value: int) -> NDArray[np.float64]:
        """Give the lowest and highest corner of a structure in the frame of its surface, (2, 3)."""
        if value in self.fine:
            crop, grid = self.fine[value]
            start = self._place_mm(grid)
            return np.array([start, start + np.array(crop.shape) * grid.spacing_mm])
        spacing = np.array(self.grid.spacing_mm)
        corners = [[s.start for s in self.boxes[value]], [s.stop for s in self.boxes[value]]]
        return np.asarray((np.array(corners) - 0.5) * spacing)

    def surface(self, value: int) -> Surface:
        """Make the surface of one structure.

        Raises
        ------
        KeyError
            If no voxel has this value.
        """
        if value in self.fine:
            crop, grid = self.fine[value]
            return surface_of(crop, grid.spacing_mm, tuple(self._place_mm(grid)))
        box = self.boxes[value]
        spacing = self.grid.spacing_mm
        start = tuple(side.start * step for side, step in zip(box, spacing, strict=True))
        return surface_of(self.labels[box] == value, spacing, start)

    def _place_mm(self, grid: Grid) -> NDArray[np.float64]:
        directions = self.grid.affine[:3, :3] / np.array(self.grid.spacing_mm)
        return np.asarray((grid.affine[:3, 3] - self.grid.affine[:3, 3]) @ directions)


def make_body(
    labels: NDArray[np.integer[Any]], grid: Grid, *, finest_mm: float = FINEST_MM
) -> Body:
    """Make a label map ready to be drawn.

    Parameters
    ----------
    labels : ndarray of integer, shape (I, J, K)
        0 is background; any orientation.
    grid : Grid
        Of ``labels``.
    finest_mm : float
        Axes with finer voxels are sampled at this distance (nearest neighbour).
    """
    canonical, whole = to_canonical(labels, grid)
    spacing = [max(step, finest_mm) for step in whole.spacing_mm]
    target = whole.with_spacing(spacing) if spacing != list(whole.spacing_mm) else whole
    coarse = resample_labels(canonical, whole, target)
    boxes = label_boxes(coarse)
    lost = set() if target == whole else set(occurring_values(canonical)) - set(boxes)
    fine = {value: _own_crop(canonical, whole, value) for value in sorted(lost)}
    cut = frozenset(value for value, box in boxes.items() if _touches_edge(box, target.shape))
    return Body(target, coarse, boxes, cut, fine)


def surface_of(
    mask: NDArray[np.bool_], spacing_mm: tuple[float, ...], start_mm: tuple[float, ...]
) -> Surface:
    """Make the surface around the true voxels of a crop.

    Parameters
    ----------
    mask : ndarray of bool, shape (I, J, K)
        May touch the edge of the crop: the surface is closed there too.
    spacing_mm : tuple of float
    start_mm : tuple of float
        Where the centre of the crop's first voxel lies.

    Returns
    -------
    Surface
        Without points if no voxel is set.

    Notes
    -----
    Surface nets (Frisken 2022) with smoothing that moves a point by less than two voxels.
    """
    vtk = _vtk()
    padded = np.pad(mask, 1).astype(np.uint8, order="F")
    image = vtk.vtkImageData()
    image.SetDimensions(*padded.shape)
    image.SetSpacing(*spacing_mm)
    image.SetOrigin(*(start - step for start, step in zip(start_mm, spacing_mm, strict=True)))
    image.GetPointData().SetScalars(vtk.numpy_to_vtk(padded.reshape(-1, order="F")))
    mesh = _net(image, vtk, smooth=bool(np.count_nonzero(mask) >= _FEWEST_SMOOTHED))
    normals = vtk.vtkTriangleMeshPointNormals()
    normals.SetInputData(mesh)
    normals.Update()
    return _surface_from(normals.GetOutput(), vtk)


def _net(image: Any, vtk: Any, *, smooth: bool) -> Any:
    nets = vtk.vtkSurfaceNets3D()
    nets.SetInputData(image)
    nets.SetValue(0, 1)
    nets.SetBackgroundLabel(0)
    nets.SetNumberOfIterations(SMOOTHING_ITERATIONS)
    nets.SetOutputMeshTypeToTriangles()
    nets.SmoothingOff()
    nets.Update()
    mesh = nets.GetOutput()
    if mesh.GetNumberOfPoints() == 0 or not smooth:
        return mesh
    leaders = _leaders(vtk.vtk_to_numpy(mesh.GetPoints().GetData()))
    nets.SmoothingOn()
    nets.Update()
    mesh = nets.GetOutput()
    points = vtk.vtk_to_numpy(mesh.GetPoints().GetData())
    points[:] = points[leaders]
    return mesh


def _leaders(points: NDArray[np.float32]) -> NDArray[np.intp]:
    """Give for each point the first of the equal ones that stand together with it.

    Where voxels meet only at an edge, the net is split into sheets with a point each, one after
    the other, and smoothing tears them apart: holes, unless they are put together again.
    """
    repeats = np.zeros(len(points), np.bool_)
    repeats[1:] = (points[1:] == points[:-1]).all(axis=1)
    return np.maximum.accumulate(np.where(repeats, 0, np.arange(len(points))))


def _surface_from(mesh: Any, vtk: Any) -> Surface:
    if mesh.GetNumberOfPoints() == 0:
        nothing = np.zeros((0, 3), np.float32)
        return Surface(nothing, nothing, np.zeros((0, 3), np.uint32))
    points = vtk.vtk_to_numpy(mesh.GetPoints().GetData())
    normals = vtk.vtk_to_numpy(mesh.GetPointData().GetNormals())
    corners = vtk.vtk_to_numpy(mesh.GetPolys().GetConnectivityArray())
    return Surface(
        np.array(points, np.float32),
        np.array(normals, np.float32),
        corners.reshape(-1, 3).astype(np.uint32),
    )


def _own_crop(
    labels: NDArray[np.integer[Any]], grid: Grid, value: int
) -> tuple[NDArray[np.bool_], Grid]:
    places = np.unravel_index(
        np.flatnonzero(labels.reshape(-1, order="F") == value), labels.shape, order="F"
    )
    i, j, k = (slice(int(axis.min()), int(axis.max()) + 1) for axis in places)
    box = (i, j, k)
    return labels[box] == value, grid.crop(box)


def _touches_edge(box: Box, shape: tuple[int, int, int]) -> bool:
    return any(side.start == 0 or side.stop == size for side, size in zip(box, shape, strict=True))


@cache
def _vtk() -> Any:
    """Load the few parts of vtk in use, and keep it from talking on stderr."""
    from types import SimpleNamespace

    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkLogger
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkSurfaceNets3D, vtkTriangleMeshPointNormals

    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)
    return SimpleNamespace(
        numpy_to_vtk=numpy_to_vtk,
        vtk_to_numpy=vtk_to_numpy,
        vtkImageData=vtkImageData,
        vtkSurfaceNets3D=vtkSurfaceNets3D,
        vtkTriangleMeshPointNormals=vtkTriangleMeshPointNormals,
    )
