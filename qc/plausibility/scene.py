"""A case as the rules see it: label map, CT, what was decided, and measurements taken once.

Arrays are turned to the closest RAS orientation, so that a rule can say left, front and up without
looking at the affine. Voxels finer than 1.5 mm are thinned out: rules look for what a person would
see in a picture of the whole body.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap
from pipeline.errors import BadInput
from pipeline.volume import Box, Grid, grow_box, label_boxes, to_canonical
from qc.plausibility.scene_measures import Context, Density, Measured, density_of, measure

FINEST_MM = 1.5

Kept = TypeVar("Kept")
Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, eq=False)
class CaseScene:
    """One case, ready to be checked; make it with :func:`make_scene`.

    Attributes
    ----------
    labels : ndarray of unsigned integer, shape (I, J, K)
        Canonical: axes run closest to R, A, S. Values that the class map lacks are left alone.
    grid : Grid
        Of ``labels``.
    ct : ndarray of int16 or None
        Hounsfield units on the same voxels.
    class_map : ClassMap
    context : Context
        What is known beside the voxels.
    """

    labels: NDArray[np.unsignedinteger]
    grid: Grid
    ct: NDArray[np.int16] | None
    class_map: ClassMap
    context: Context = field(default_factory=Context)
    kept: dict[object, Any] = field(default_factory=dict)
    """Further measurements that several rules share, see :meth:`keep`."""
    _measured: dict[str, Measured | None] = field(default_factory=dict)
    _densities: dict[str, Density | None] = field(default_factory=dict)

    @cached_property
    def boxes(self) -> dict[int, Box]:
        """Box of every value that occurs."""
        return label_boxes(self.labels)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Structures of the class map that have voxels, in its order."""
        return tuple(s.name for s in self.class_map if s.value in self.boxes)

    @property
    def sex(self) -> str | None:
        """``m`` or ``f``, where known."""
        return self.context.sex

    @property
    def decided(self) -> frozenset[str]:
        """Structures that something or somebody looked for; those with voxels in any case."""
        return self.context.decided | frozenset(self.names)

    @property
    def absent(self) -> frozenset[str]:
        """Structures of which a person said that they are not there."""
        return self.context.absent

    @property
    def accepted(self) -> frozenset[str]:
        """Structures whose mask a person accepted."""
        return self.context.accepted

    def __contains__(self, name: str) -> bool:
        """Tell whether a structure has voxels."""
        return self._box(name) is not None

    def get(self, name: str) -> Measured | None:
        """Give the measurements of a structure; None where it has no voxels or is not known."""
        if name not in self._measured:
            box = self._box(name)
            if box is None:
                self._measured[name] = None
            else:
                value = self.class_map[name].value
                crop = np.asfortranarray(self.labels[box] == value)
                self._measured[name] = measure(crop, box, self.grid, name, value)
        return self._measured[name]

    def present(self, names: Sequence[str] | None = None) -> Iterator[Measured]:
        """Go through the structures that have voxels, of some or of all."""
        for name in self.names if names is None else names:
            found = self.get(name)
            if found is not None:
                yield found

    def density(self, name: str) -> Density | None:
        """Give the Hounsfield units of a structure; None without CT or without voxels."""
        if name not in self._densities:
            crop = self.crop(name)
            known = self.ct is not None and crop is not None
            self._densities[name] = (
                density_of(self.ct[crop[1]][crop[0]])  # type: ignore[index]
                if known
                else None
            )
        return self._densities[name]

    def crop(self, name: str, margin_voxels: int = 0) -> tuple[NDArray[np.bool_], Box] | None:
        """Give a structure's voxels and where they lie; None where it has none."""
        box = self._box(name)
        if box is None:
            return None
        wide = grow_box(box, margin_voxels, self.grid.shape)
        return self.labels[wide] == self.class_map[name].value, wide

    def keep(self, key: object, measure_it: Callable[[], Kept]) -> Kept:
        """Give a measurement that was taken before under this key, or take it now."""
        if key not in self.kept:
            self.kept[key] = measure_it()
        found: Kept = self.kept[key]
        return found

    def _box(self, name: str) -> Box | None:
        return self.boxes.get(self.class_map[name].value) if name in self.class_map else None


def make_scene(
    labels: NDArray[np.unsignedinteger],
    grid: Grid,
    class_map: ClassMap,
    ct: NDArray[np.int16] | None = None,
    context: Context | None = None,
) -> CaseScene:
    """Make a scene of a label map on any grid.

    Parameters
    ----------
    labels : ndarray of unsigned integer, shape (I, J, K)
    grid : Grid
        Of labels and CT, in whatever orientation.
    class_map : ClassMap
    ct : ndarray of int16, optional
        Hounsfield units. Without it rules about density stay silent.
    context : Context, optional
        By default nothing is known; every structure with voxels counts as decided.

    Raises
    ------
    BadInput
        If labels, CT and grid differ in shape, or labels are no whole numbers of 0 and above.
    """
    for what, array in (("label map", labels), ("CT", ct)):
        if array is not None and array.shape != grid.shape:
            raise BadInput(f"{what} of shape {array.shape}, expected {grid.shape} as its grid says")
    if labels.dtype.kind not in "ub" and (labels.dtype.kind != "i" or labels.min() < 0):
        raise BadInput(f"label map of {labels.dtype}, expected whole numbers from 0 up")
    turned, canonical = to_canonical(*_thinned(labels, grid))
    turned_ct = None if ct is None else to_canonical(*_thinned(ct, grid))[0]
    return CaseScene(turned, canonical, turned_ct, class_map, context or Context())


def _thinned(array: NDArray[Scalar], grid: Grid) -> tuple[NDArray[Scalar], Grid]:
    """Take fine voxels out, as a view."""
    steps = [max(1, int(FINEST_MM / size + 1e-6)) for size in grid.spacing_mm]
    # The first voxel kept is half a step in, so that what is kept stands for its neighbours.
    starts = [min((step - 1) // 2, size - 1) for step, size in zip(steps, grid.shape, strict=True)]
    kept = array[tuple(slice(start, None, step) for start, step in zip(starts, steps, strict=True))]
    affine = np.array(grid.affine)
    affine[:3, 3] += affine[:3, :3] @ np.array(starts, float)
    affine[:3, :3] *= np.array(steps, float)
    i, j, k = kept.shape
    return kept, Grid((i, j, k), affine)
