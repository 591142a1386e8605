"""Make one body: paint the mean anatomy through the individual's map, then scan it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap
from pipeline.phantom.abdomen import abdomen_parts
from pipeline.phantom.canvas import CODES, Canvas, Part
from pipeline.phantom.coordinates import Coordinates
from pipeline.phantom.head import head_parts, neck_parts
from pipeline.phantom.individual import individual
from pipeline.phantom.intensities import STRUCTURES, hu_of
from pipeline.phantom.lattice import Lattice, lattice
from pipeline.phantom.pelvis_and_limbs import limb_bones, muscles, pelvic_organs
from pipeline.phantom.scanner import scan
from pipeline.phantom.settings import BodySettings, Sex
from pipeline.phantom.soft_tissue import wrapping
from pipeline.phantom.spine_and_ribs import bones
from pipeline.phantom.thorax import heart_parts, lungs_parts
from pipeline.volume import Grid

Axis = NDArray[np.float64]
Scalar = TypeVar("Scalar", bound=np.generic)
Labels = NDArray[np.unsignedinteger]
InField = Literal["whole", "cut", "absent_fov", "absent_anatomy"]

# Small enough for the processor's cache, large enough that the many small parts do not repeat.
_BLOCK_VOXELS = 800_000


@dataclass(frozen=True, eq=False)
class Body:
    """One synthetic body, scanned.

    Parameters
    ----------
    ct
        (I, J, K) int16 in HU, Fortran order.
    labels
        (I, J, K) values of the class map, 0 where there is no structure.
    grid
        Where the voxels stand in world mm.
    settings
        What it was made from.
    """

    ct: NDArray[np.int16]
    labels: Labels
    grid: Grid
    settings: BodySettings


@lru_cache(maxsize=8)
def mean_body(sex: Sex, girth: float) -> tuple[Part, ...]:
    """Return all parts of the mean body in painting order."""
    return (
        *wrapping(sex, girth),
        *neck_parts(),
        *muscles(),
        *lungs_parts(),
        *abdomen_parts(),
        *pelvic_organs(sex),
        *heart_parts(),
        *head_parts(),
        *bones(),
        *limb_bones(),
    )


def make_body(settings: BodySettings, class_map: ClassMap) -> Body:
    """Make the body that `settings` describe, labelled with the values of `class_map`.

    Parameters
    ----------
    settings
        The person and the scan. The same settings give the same bytes.
    class_map
        Structures it names and the phantom has are labelled; the others stay 0.

    Returns
    -------
    Body
        CT, labels and grid, in the orientation that the settings ask for.
    """
    return render(settings, class_map, individual(settings).coordinates)


def render(
    settings: BodySettings,
    class_map: ClassMap,
    coordinates: Callable[[Axis, Axis, Axis], Coordinates],
) -> Body:
    """Make the body whose world grid (axes x, y, z in mm) `coordinates` maps into the mean body.

    Works through the field of view in blocks of slices, so memory stays bounded.
    """
    points = lattice(settings)
    x, y, z = points.axes_mm
    rows = max(1, _BLOCK_VOXELS // (len(x) * len(y)))
    shape = points.shape[::-1]
    labels, hu = np.empty(shape, class_map.dtype), np.empty(shape, np.int16)
    values = _values(class_map)
    for first in range(0, len(z), rows):
        block = slice(first, min(first + rows, len(z)))
        tissues = _paint(coordinates(x, y, z[block]), points, settings, hu[block])
        np.take(values, tissues, out=labels[block])
    ct, affine = orient(scan(hu, settings).T, points.affine, settings.orientation)
    turned, _ = orient(labels.T, points.affine, settings.orientation)
    i, j, k = (int(n) for n in ct.shape)
    return Body(ct, turned, Grid((i, j, k), affine), settings)


def _values(class_map: ClassMap) -> Labels:
    """Class-map value of each tissue code; 0 for what the class map does not name."""
    values = np.zeros(256, class_map.dtype)
    for name in STRUCTURES:
        if name in class_map:
            values[CODES[name]] = class_map[name].value
    return values


def _paint(
    at: Coordinates, points: Lattice, settings: BodySettings, hu: NDArray[np.int16]
) -> NDArray[np.uint8]:
    """Fill the HU (K, J, I) of the voxels at body coordinates `at`; return their tissue codes."""
    tissues = np.full(at.shape, CODES["air"], np.uint8)
    hu[...] = hu_of("air", settings.phase)
    parts = mean_body(settings.sex, settings.girth)
    Canvas(at, tissues, hu).paint(parts, settings.phase, frozenset(settings.removed))
    if settings.table:
        _lay_on_table(tissues, hu, points, settings)
    return tissues


def _lay_on_table(
    tissues: NDArray[np.uint8], hu: NDArray[np.int16], points: Lattice, settings: BodySettings
) -> None:
    x, y, _ = points.axes_mm
    curve = -150.0 * settings.size + (x / 26.0) ** 2 / 6
    depth = curve[None, :] - y[:, None]
    slab = (depth > 0) & (depth < 40) & (np.abs(x) < 215)
    rim = slab & ((depth < 4) | (depth > 36))
    outside = tissues == CODES["air"]
    for mask, name in ((slab, "table"), (rim, "table:rim")):
        np.copyto(hu, np.int16(hu_of(name, settings.phase)), where=outside & mask)


def orient(
    array: NDArray[Scalar], affine: NDArray[np.float64], codes: str
) -> tuple[NDArray[Scalar], NDArray[np.float64]]:
    """Turn an RAS array (I, J, K) and its affine to the axis codes, such as "LPS"."""
    from nibabel.orientations import (
        apply_orientation,
        axcodes2ornt,
        inv_ornt_aff,
        ornt_transform,
    )

    if codes == "RAS":
        return array, affine
    change = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    turned = np.asfortranarray(apply_orientation(array, change))
    return turned, affine @ inv_ornt_aff(change, array.shape)


def in_field(body: Body, class_map: ClassMap) -> dict[str, InField]:
    """Tell for each structure of the class map how much of it the field of view holds.

    Returns
    -------
    dict
        "whole"; "cut" (touches the border of the array); "absent_fov" (outside it);
        "absent_anatomy" (removed from this person, or not part of the phantom).
    """
    present = set(np.unique(body.labels).tolist())
    faces: Sequence[NDArray[np.generic]] = [
        np.take(body.labels, end, axis=axis) for axis in range(3) for end in (0, -1)
    ]
    touching = set(np.unique(np.concatenate([face.ravel() for face in faces])).tolist())
    answer: dict[str, InField] = {}
    for structure in class_map:
        if structure.name in body.settings.removed or structure.name not in STRUCTURES:
            answer[structure.name] = "absent_anatomy"
        elif structure.value not in present:
            answer[structure.name] = "absent_fov"
        else:
            answer[structure.name] = "cut" if structure.value in touching else "whole"
    return answer
