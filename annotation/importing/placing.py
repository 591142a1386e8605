"""Put a drawing onto the grid of its case by world coordinates, exactly where that is possible."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from annotation.formats.drawing import ContourShape, VoxelShape
from annotation.importing.lattice import Lattice, lattice_between
from annotation.importing.refusal import ImportRefused
from pipeline.volume import Box, Grid, bounding_box
from pipeline.volume.drawn_slices import DrawnSlices, drawn_slices
from pipeline.volume.mask_resample import resample_mask
from pipeline.volume.placement import canonical_grid, mirrored_axes

_VOLUME_NOTE_SHARE = 0.02
_AXES = "ijk"


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A drawing on its case's grid.

    Attributes
    ----------
    crop : ndarray of bool, shape of ``box``
        At least one voxel, tight.
    box : tuple of slice
        Where it lies in the case's grid.
    how : str
        ``same grid``, ``axes turned``, ``part of the grid``, ``resampled`` or ``contours``.
    notes : tuple of str
        What was done to it, with figures.
    slices : DrawnSlices
        Which slices were drawn.
    """

    crop: NDArray[np.bool_]
    box: Box
    how: str
    notes: tuple[str, ...]
    slices: DrawnSlices

    @property
    def voxels(self) -> int:
        """How many are set."""
        return int(np.count_nonzero(self.crop))


def is_empty(shape: VoxelShape | ContourShape) -> bool:
    """Say whether nothing was drawn."""
    if isinstance(shape, ContourShape):
        return not any(len(contour.points_mm) for contour in shape.contours)
    return not shape.crop.any()


def place(shape: VoxelShape | ContourShape, target: Grid, *, other_series: bool = False) -> Placed:
    """Put a drawing that is not empty onto a case's grid.

    Parameters
    ----------
    shape : VoxelShape or ContourShape
    target : Grid
        The case's.
    other_series : bool
        It was drawn on another series: half a voxel off is then another grid, not a mistake.

    Raises
    ------
    ImportRefused
        ``outside``, ``mirrored``, ``half_voxel``, ``planes`` or ``vanished``.
    """
    if isinstance(shape, ContourShape):
        from annotation.importing.contour_placing import place_contours

        return place_contours(shape, target, other_series=other_series)
    tight = _tight(shape)
    lattice = lattice_between(tight.grid, tight.box, target)
    if lattice is not None and lattice.is_exact:
        return _moved(tight, lattice, target)
    _refuse_mirrored(tight.grid, target)
    halves = lattice.half_axes if lattice is not None else ()
    if lattice is not None and halves and not other_series and _same_size(tight.grid, target):
        raise ImportRefused("half_voxel", _half_words(lattice, halves, target))
    placed = _resampled(tight, target)
    if lattice is not None and halves:
        return replace(placed, notes=(_half_words(lattice, halves, target), *placed.notes))
    return placed


def united(several: Sequence[Placed], target: Grid) -> Placed:
    """Join drawings of one structure to one; a single one is given back as it is."""
    if len(several) == 1:
        return several[0]
    i, j, k = (
        slice(min(p.box[axis].start for p in several), max(p.box[axis].stop for p in several))
        for axis in range(3)
    )
    crop = np.zeros((i.stop - i.start, j.stop - j.start, k.stop - k.start), np.bool_, order="F")
    for placed in several:
        inside = tuple(
            slice(side.start - outer.start, side.stop - outer.start)
            for side, outer in zip(placed.box, (i, j, k), strict=True)
        )
        crop[inside] |= placed.crop
    notes = (f"{len(several)} drawings joined", *(n for placed in several for n in placed.notes))
    slices = drawn_slices(crop, (i, j, k), target)
    return Placed(crop, (i, j, k), several[0].how, tuple(dict.fromkeys(notes)), slices)


def _tight(shape: VoxelShape) -> VoxelShape:
    inner = bounding_box(shape.crop)
    assert inner is not None
    i, j, k = (
        slice(outer.start + side.start, outer.start + side.stop)
        for outer, side in zip(shape.box, inner, strict=True)
    )
    return VoxelShape(shape.grid, (i, j, k), shape.crop[inner])


def _moved(shape: VoxelShape, lattice: Lattice, target: Grid) -> Placed:
    """Copy voxels, turned and shifted by whole voxels; none changes."""
    turned = lattice.turned(shape.crop)
    start = lattice.start(shape.box)
    inside, box = _clipped(start, turned.shape, target)
    if inside is None or box is None:
        raise ImportRefused("outside", _outside_words(shape, target))
    kept = turned[inside]
    lost = int(np.count_nonzero(turned)) - int(np.count_nonzero(kept))
    if not kept.any():
        raise ImportRefused("outside", _outside_words(shape, target))
    how, notes = _how_moved(shape.grid, target)
    if lost:
        notes = (*notes, _cut_words(lost, int(np.count_nonzero(turned))))
    return _finished(kept, box, target, how, notes)


def _how_moved(grid: Grid, target: Grid) -> tuple[str, tuple[str, ...]]:
    if not _same_size(grid, target):
        size = " x ".join(str(count) for count in grid.shape)
        return "part of the grid", (f"its own grid of {size} voxels lies on the CT's voxels",)
    if grid.orientation != target.orientation:
        return "axes turned", (f"axes turned from {grid.orientation} to {target.orientation}",)
    return "same grid", ()


def _resampled(shape: VoxelShape, target: Grid) -> Placed:
    own = shape.grid.crop(shape.box)
    box = _reach(own, target)
    if box is None:
        raise ImportRefused("outside", _outside_words(shape, target))
    crop = resample_mask(shape.crop, own, target.crop(box))
    drawn, lost = int(np.count_nonzero(shape.crop)), _voxels_outside(shape, target)
    if lost == drawn:
        raise ImportRefused("outside", _outside_words(shape, target))
    if not crop.any():
        words = f"nothing of its {drawn} voxels is left on the CT's grid: {target}"
        raise ImportRefused("vanished", f"{words}; it is thinner than a voxel there")
    notes = [f"resampled from {shape.grid}"]
    before, after = drawn * shape.grid.voxel_ml, np.count_nonzero(crop) * target.voxel_ml
    if lost:
        notes.append(_cut_words(lost, drawn))
    elif abs(after / before - 1) > _VOLUME_NOTE_SHARE:
        notes.append(f"volume {before:.2f} ml became {after:.2f} ml ({after / before - 1:+.1%})")
    return _finished(crop, box, target, "resampled", tuple(notes))


def _finished(
    crop: NDArray[np.bool_], box: Box, target: Grid, how: str, notes: tuple[str, ...]
) -> Placed:
    inner = bounding_box(crop)
    assert inner is not None
    i, j, k = (
        slice(outer.start + side.start, outer.start + side.stop)
        for outer, side in zip(box, inner, strict=True)
    )
    tight = np.asfortranarray(crop[inner])
    return Placed(tight, (i, j, k), how, notes, drawn_slices(tight, (i, j, k), target))


def _clipped(
    start: tuple[int, ...], size: tuple[int, ...], target: Grid
) -> tuple[Box, Box] | tuple[None, None]:
    """Cut a box to the image: which part of the array stays, and where it lies."""
    inside, box = [], []
    for low, count, limit in zip(start, size, target.shape, strict=True):
        first, last = max(low, 0), min(low + count, limit)
        if first >= last:
            return None, None
        inside.append(slice(first - low, last - low))
        box.append(slice(first, last))
    return (inside[0], inside[1], inside[2]), (box[0], box[1], box[2])


def _reach(own: Grid, target: Grid) -> Box | None:
    """Find the box of the target that a grid's voxels reach; None if it is outside."""
    corners = np.array(list(product(*((-0.5, size - 0.5) for size in own.shape)))).T
    step = np.linalg.inv(target.affine) @ own.affine
    places = step[:3, :3] @ corners + step[:3, 3:]
    low = np.floor(places.min(axis=1)).astype(int)
    high = np.ceil(places.max(axis=1)).astype(int) + 1
    start = (int(low[0]), int(low[1]), int(low[2]))
    size = (int(high[0] - low[0]), int(high[1] - low[1]), int(high[2] - low[2]))
    return _clipped(start, size, target)[1]


def _voxels_outside(shape: VoxelShape, target: Grid) -> int:
    """Count drawn voxels whose centre lies outside the image."""
    index = np.argwhere(shape.crop) + np.array([side.start for side in shape.box])
    step = np.linalg.inv(target.affine) @ shape.grid.affine
    places = index @ step[:3, :3].T + step[:3, 3]
    last = np.array(target.shape) - 0.5
    return int(np.count_nonzero(((places < -0.5) | (places > last)).any(axis=1)))


def _same_size(grid: Grid, target: Grid) -> bool:
    return canonical_grid(grid).shape == canonical_grid(target).shape


def _refuse_mirrored(grid: Grid, target: Grid) -> None:
    axes = mirrored_axes(grid, target)
    if axes:
        raise ImportRefused(
            "mirrored",
            f"mirrored: it would fit if the world axes {axes} were turned round (LPS written as "
            f"RAS?): the CT has {target}; it has {grid}; correct its header",
        )


def _outside_words(shape: VoxelShape, target: Grid) -> str:
    own = shape.grid.crop(shape.box)
    words = f"wholly outside the image: the CT has {target}; it was drawn on {shape.grid}"
    for signs in product((-1, 1), repeat=3):
        turned = Grid(own.shape, np.diag([*signs, 1]) @ own.affine)
        lattice = lattice_between(turned, tuple(slice(0, n) for n in own.shape), target)  # type: ignore[arg-type]
        if lattice is not None and lattice.is_exact and _reach(turned, target) is not None:
            axes = ", ".join(name for name, sign in zip("xyz", signs, strict=True) if sign < 0)
            return f"{words}; it would lie inside if the world axes {axes} were turned round"
    return f"{words}; another case or place?"


def _cut_words(lost: int, drawn: int) -> str:
    return f"{lost} of {drawn} voxels ({lost / drawn:.1%}) lie outside the image and were cut off"


def _half_words(lattice: Lattice, axes: tuple[int, ...], target: Grid) -> str:
    off = ", ".join(
        f"{lattice.shift[axis]:+.2f} voxel ({lattice.shift[axis] * target.spacing_mm[axis]:+.3g} "
        f"mm) along {_AXES[axis]}"
        for axis in axes
    )
    return f"half a voxel off: {off}; its origin was written for a voxel's corner, not its centre?"
