"""What lies around structures: gaps and contacts between them, and the shells of their masks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.volume import Box
from qc.plausibility.scene import CaseScene
from qc.plausibility.scene_measures import Measured, Piece, Point, to_world

_POINTS = 6000


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


def pieces_apart_mm(scene: CaseScene, measured: Measured, piece: Piece) -> float:
    """Measure the gap between the largest piece of a structure and another one."""
    import cc3d
    from scipy.spatial import cKDTree

    crop = scene.crop(measured.name)
    assert crop is not None
    voxels, box = crop
    labelled = cc3d.connected_components(voxels, connectivity=26)
    starts = np.array([side.start for side in box])
    points = []
    for each in (measured.pieces[0], piece):
        index = np.rint(_voxels_of(each.place_mm, scene)).astype(int) - starts
        mine = np.argwhere(labelled == labelled[tuple(index)]) + starts
        points.append(to_world(mine.astype(float), scene.grid))
    away, _ = cKDTree(points[0]).query(points[1])
    step = float(np.linalg.norm(scene.grid.spacing_mm))
    return max(0.0, float(np.min(away)) - step)


def _inside_box(points: NDArray[np.float64], box: Box, scene: CaseScene) -> NDArray[np.bool_]:
    index = _voxels_of(points, scene)
    low = np.array([side.start - 0.5 for side in box])
    high = np.array([side.stop - 0.5 for side in box])
    return np.asarray(((index > low) & (index < high)).all(axis=1))


def _voxels_of(points: NDArray[np.float64], scene: CaseScene) -> NDArray[np.float64]:
    """Turn world points (..., 3) into voxels of the scene, whole ones at voxel centres."""
    back = np.linalg.inv(scene.grid.affine[:3, :3])
    return np.asarray((points - scene.grid.affine[:3, 3]) @ back.T)


def surface_mm(scene: CaseScene, name: str) -> NDArray[np.float64]:
    """Give the voxels at a structure's surface: world (RAS+) points, shape (N, 3)."""
    return scene.keep(("surface", name), lambda: _surface(scene, name))


def contacts_cm2(scene: CaseScene) -> dict[tuple[str, str], float]:
    """Find all pairs of structures that touch, and the area (cm²) of the faces they share."""
    return scene.keep("contacts", lambda: _contacts(scene))


def contact_place(scene: CaseScene, one: str, other: str) -> Point:
    """Find a point where two structures touch."""
    found = gap_mm(scene, one, other)
    assert found is not None
    return found[1]


def shells(scene: CaseScene, name: str) -> Shells | None:
    """Look at the two layers along a mask's surface; None without CT or without voxels."""
    crop = scene.crop(name, margin_voxels=1)
    if crop is None or scene.ct is None:
        return None
    voxels, box = crop
    inner = voxels & _border(scene)[box]
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
    first, second = _nearest_to(first, second), _nearest_to(second, first)
    distances, nearest = (np.asarray(each) for each in cKDTree(first).query(second))
    best = int(np.argmin(distances))
    # Centres of voxels that share a corner lie one diagonal apart: that is touching.
    step = float(np.linalg.norm(scene.grid.spacing_mm))
    return max(0.0, float(distances[best]) - step), first[nearest[best]]


def _nearest_to(points: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keep the points that lie nearest to the box of others; all if they are few."""
    if len(points) <= _POINTS:
        return points
    low, high = others.min(axis=0), others.max(axis=0)
    away = np.maximum(0, np.maximum(low - points, points - high))
    order = np.argpartition((away**2).sum(axis=1), _POINTS)[:_POINTS]
    return np.asarray(points[order])


def _surface(scene: CaseScene, name: str) -> NDArray[np.float64]:
    crop = scene.crop(name)
    if crop is None:
        return np.zeros((0, 3))
    voxels, box = crop
    at = np.argwhere(voxels & _border(scene)[box])
    if not len(at):  # it fills the whole field of view
        at = np.argwhere(voxels)
    return to_world(at + [side.start for side in box], scene.grid)


def _border(scene: CaseScene) -> NDArray[np.bool_]:
    """Mark every voxel that has another label, or none, on one of its six sides."""
    return scene.keep("border", lambda: _find_border(scene.labels))


def _find_border(labels: NDArray[np.unsignedinteger]) -> NDArray[np.bool_]:
    found = np.zeros(labels.shape, np.bool_, order="F")
    for axis in range(3):
        low, high = _ahead(axis), _behind(axis)
        differs = labels[low] != labels[high]
        found[low] |= differs
        found[high] |= differs
    return found


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


def _contacts(scene: CaseScene) -> dict[tuple[str, str], float]:
    import cc3d

    names = scene.class_map.names_by_value
    areas = cc3d.contacts(
        scene.labels, connectivity=6, surface_area=True, anisotropy=scene.grid.spacing_mm
    )
    return {
        (names[int(one)], names[int(other)]): float(area_mm2) / 100
        for (one, other), area_mm2 in sorted(areas.items())
        if int(one) in names and int(other) in names
    }
