"""What lies around structures: gaps and contacts between them, and the shells of their masks."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.volume import Box
from qc.plausibility.scene import CaseScene
from qc.plausibility.scene_measures import Measured, Piece, Point, to_world

_SLAB = 32


@dataclass(frozen=True, slots=True)
class Contact:
    """Two structures whose voxels share faces.

    Attributes
    ----------
    area_cm2 : float
    place_mm : ndarray, shape (3,)
        Mean of the shared faces, world (RAS+).
    """

    first: str
    second: str
    area_cm2: float
    place_mm: Point


@dataclass(frozen=True, slots=True, eq=False)
class Shells:
    """The outermost voxel layer of a mask, and the unlabelled layer just outside it, in HU.

    Attributes
    ----------
    inside_hu, outside_hu : ndarray of int16
    outside_voxels : int
        All of the layer outside, also what is labelled as something else.
    """

    inside_hu: NDArray[np.int16]
    outside_hu: NDArray[np.int16]
    outside_voxels: int


def gap_mm(scene: CaseScene, one: str, other: str) -> tuple[float, Point] | None:
    """Measure the smallest distance between two structures' voxels, less one voxel.

    Returns
    -------
    tuple or None
        The gap (0 if they touch) and the voxel of ``one`` that is nearest; None where one of them
        has no voxels.
    """
    return scene.keep(("gap", one, other), lambda: _gap(scene, one, other))


def piece_away_mm(scene: CaseScene, measured: Measured, piece: Piece) -> float:
    """Measure how far the middle of a loose piece lies from the largest piece's surface.

    Points of the surface in the loose piece's own box are passed over.
    """
    points = surface_mm(scene, measured.name)
    own = _inside_box(points, piece.box, scene)
    main = _inside_box(points, measured.pieces[0].box, scene) & ~own
    if not main.any():
        return 0.0
    return float(np.sqrt(((points[main] - piece.place_mm) ** 2).sum(axis=1).min()))


def _inside_box(
    points: NDArray[np.float64], box: Box, scene: CaseScene
) -> NDArray[np.bool_]:
    index = (points - scene.grid.affine[:3, 3]) @ np.linalg.inv(scene.grid.affine[:3, :3]).T
    low = np.array([side.start - 0.5 for side in box])
    high = np.array([side.stop - 0.5 for side in box])
    return np.asarray(((index > low) & (index < high)).all(axis=1))


def surface_mm(scene: CaseScene, name: str) -> NDArray[np.float64]:
    """Give the voxels at a structure's surface: world (RAS+) points, shape (N, 3)."""
    return scene.keep(("surface", name), lambda: _surface(scene, name))


def contacts(scene: CaseScene) -> tuple[Contact, ...]:
    """Find all pairs of structures that touch, in one pass over the label map."""
    return scene.keep("contacts", lambda: tuple(_contacts(scene)))


def shells(scene: CaseScene, name: str) -> Shells | None:
    """Look at the two layers along a mask's surface; None without CT or without voxels."""
    crop = scene.crop(name, margin_voxels=1)
    if crop is None or scene.ct is None:
        return None
    voxels, box = crop
    inner = voxels & ~_eroded(voxels)
    outer = _dilated(voxels) & ~voxels
    hu, free = scene.ct[box], scene.labels[box] == 0
    return Shells(hu[inner], hu[outer & free], int(np.count_nonzero(outer)))


def dilated_by_corners(voxels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Add the layer of voxels that touch some by a face, an edge or a corner."""
    out = voxels
    for axis in range(3):
        grown = out.copy()
        low, high = _ahead(axis), _behind(axis)
        grown[low] |= out[high]
        grown[high] |= out[low]
        out = grown
    return out


def world_of(index: NDArray[np.int_], box: Box, scene: CaseScene) -> Point:
    """Turn a voxel of a crop into a world point."""
    return to_world(np.asarray(index, float) + [side.start for side in box], scene.grid)


def _gap(scene: CaseScene, one: str, other: str) -> tuple[float, Point] | None:
    from scipy.spatial import cKDTree

    first, second = surface_mm(scene, one), surface_mm(scene, other)
    if not len(first) or not len(second):
        return None
    tree, asked, turned = second, first, False
    if len(first) > len(second):
        tree, asked, turned = first, second, True
    distances, nearest = cKDTree(tree).query(asked)
    best = int(np.argmin(distances))
    place = tree[nearest[best]] if turned else asked[best]
    # Centres of voxels that share a corner lie one diagonal apart: that is touching.
    step = float(np.linalg.norm(scene.grid.spacing_mm))
    return max(0.0, float(distances[best]) - step), place


def _surface(scene: CaseScene, name: str) -> NDArray[np.float64]:
    crop = scene.crop(name, margin_voxels=1)
    if crop is None:
        return np.zeros((0, 3))
    voxels, box = crop
    at = np.argwhere(voxels & ~_eroded(voxels))
    return to_world(at + [side.start for side in box], scene.grid)


def _eroded(voxels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Take one layer of voxels off, along faces; the array's edge counts as filled."""
    out = voxels.copy()
    for axis in range(3):
        low, high = _ahead(axis), _behind(axis)
        out[low] &= voxels[high]
        out[high] &= voxels[low]
    return out


def _dilated(voxels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    out = voxels.copy()
    for axis in range(3):
        low, high = _ahead(axis), _behind(axis)
        out[low] |= voxels[high]
        out[high] |= voxels[low]
    return out


def _ahead(axis: int) -> tuple[slice, ...]:
    return tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))


def _behind(axis: int) -> tuple[slice, ...]:
    return tuple(slice(1, None) if a == axis else slice(None) for a in range(3))


def _contacts(scene: CaseScene) -> Iterator[Contact]:
    names = {s.value: s.name for s in scene.class_map}
    found: dict[tuple[int, int], list[float]] = {}
    areas = _face_areas_mm2(scene)
    for first in range(0, scene.labels.shape[2], _SLAB):
        slab = scene.labels[:, :, first : first + _SLAB + 1]
        for axis in range(3):
            own = slab if axis == 2 else slab[:, :, :_SLAB]
            _add_faces(own, axis, first, areas[axis], found)
    for (one, other), (area, x, y, z) in sorted(found.items()):
        if one in names and other in names:
            middle = to_world(np.array([x, y, z]) / area, scene.grid)
            yield Contact(names[one], names[other], area / 100, middle)


def _add_faces(
    slab: NDArray[np.unsignedinteger],
    axis: int,
    first: int,
    area_mm2: float,
    found: dict[tuple[int, int], list[float]],
) -> None:
    """Add the faces along one axis of a slab of slices that begins at ``first``."""
    low, high = slab[_ahead(axis)], slab[_behind(axis)]
    at = np.nonzero((low != high) & (low != 0) & (high != 0))
    if not at[0].size:
        return
    pairs = np.sort(np.stack([low[at], high[at]]).astype(np.int64), axis=0)
    keys, inverse, counts = np.unique(
        pairs[0] << 16 | pairs[1], return_inverse=True, return_counts=True
    )
    sums = [np.bincount(inverse, each, len(keys)) for each in at]
    for n, key in enumerate(keys):
        total = found.setdefault((int(key) >> 16, int(key) & 0xFFFF), [0.0, 0.0, 0.0, 0.0])
        middle = [sums[0][n], sums[1][n], sums[2][n] + first * counts[n]]
        middle[axis] += 0.5 * counts[n]
        for place, value in enumerate((counts[n], *middle)):
            total[place] += float(value) * area_mm2


def _face_areas_mm2(scene: CaseScene) -> tuple[float, float, float]:
    i, j, k = scene.grid.spacing_mm
    return j * k, i * k, i * j
