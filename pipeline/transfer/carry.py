"""Carrying labels from a contrast scan onto a native one; needs no workspace.

A structure is written only where the answer is whole: what the contrast scan's border cut off
while the native scan sees beyond gives no mask, for the missing part would be taught as
background. What only the native scan's border cuts off is written, since it is all there is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadInput
from pipeline.transfer.registration import Registration, RegistrationSettings, register
from pipeline.transfer.working_scan import Scan, box_around, box_of_points, world_box
from pipeline.volume import Box, Grid, bounding_box, grow_box

_REACH_VOXELS = 2


@dataclass(frozen=True, slots=True)
class CarrySettings:
    """When labels are carried.

    Attributes
    ----------
    registration : RegistrationSettings
    margin_mm : float
        Of the region around the heart in which the scans are to meet.
    least_body_dice, least_lung_dice : float
        Below one of these the pair is refused.
    least_seen_share : float
        Share of the native region that the contrast scan must have seen.
    """

    registration: RegistrationSettings = field(default_factory=RegistrationSettings)
    margin_mm: float = 40.0
    least_body_dice: float = 0.9
    least_lung_dice: float = 0.85
    least_seen_share: float = 0.3


@dataclass(frozen=True, slots=True)
class Cut:
    """A structure that a field of view cuts off.

    Attributes
    ----------
    by : {"contrast", "native"}
        Whose field of view.
    voxels : int
        Of the native grid: for ``native`` those beyond its border; for ``contrast`` those that
        were seen and are held back.
    ml : float
        The same in millilitres.
    written : bool
        Whether a mask of the structure is given all the same.
    """

    by: str
    voxels: int
    ml: float
    written: bool


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """Labels on the native grid, and how they came there.

    Attributes
    ----------
    labels : ndarray of integer, shape of the box
        Values as in the contrast label map; 0 elsewhere.
    box : tuple of slice
        Where they lie in the native grid.
    structures : tuple of int
        The values that are whole enough to be written.
    cuts : mapping
        Value to what was cut off.
    registration : Registration
    displacement_mm : float
        Mean length of the way from native to contrast within the carried labels.
    refusal : str
        Why the pair is refused; empty if it is not.
    """

    labels: NDArray[np.integer]
    box: Box
    structures: tuple[int, ...]
    cuts: Mapping[int, Cut]
    registration: Registration
    displacement_mm: float
    refusal: str = ""


def transfer_labels(
    contrast: Scan, labels: NDArray[np.integer], native: Scan, settings: CarrySettings
) -> Carried:
    """Register a contrast scan onto a native one and carry its labels there.

    Labels are interpolated once (linear per label, the largest wins) through the composed
    transform.

    Parameters
    ----------
    contrast : Scan
    labels : ndarray of integer, shape of the contrast grid
        0 is background.
    native : Scan
        Any grid, orientation and field of view.
    settings : CarrySettings

    Raises
    ------
    BadInput
        If there are no labels, they are not of the contrast scan's shape, or the native scan
        does not reach the heart's surroundings at all.
    """
    if labels.shape != contrast.grid.shape:
        raise BadInput(f"labels of shape {labels.shape}, expected {contrast.grid.shape}")
    tight = bounding_box(labels)
    if tight is None:
        raise BadInput("no label to carry: the label map of the contrast scan is empty")
    low, high = world_box(contrast.grid.crop(tight))
    region = low - settings.margin_mm, high + settings.margin_mm
    if box_around(native.grid, *region) is None:
        raise BadInput(
            f"the native scan ({native.grid}) does not reach the surroundings of the heart; "
            "check that both scans are of one exam and in one frame of reference"
        )
    found = register(contrast, native, region, settings.registration)
    return _carry(contrast, labels, native, found, refusal_of(found, settings))


def refusal_of(found: Registration, settings: CarrySettings) -> str:
    """Say why a pair is not good enough after registration; empty if it is."""
    after = found.after
    limits = (
        ("body Dice", after.body_dice, settings.least_body_dice),
        ("lung Dice", after.lung_dice, settings.least_lung_dice),
        ("share seen by both", after.seen_share, settings.least_seen_share),
    )
    short = [
        f"{name} {value:.3f}, expected {least:g} or more"
        for name, value, least in limits
        if value is not None and value < least
    ]
    if after.body_dice is None and after.lung_dice is None:
        short.append("no contour of body or lungs to judge by")
    return "; ".join(short)


def _carry(
    contrast: Scan,
    labels: NDArray[np.integer],
    native: Scan,
    found: Registration,
    refusal: str,
) -> Carried:
    first, last = box_of_points(native.grid, *world_box(found.grid))
    shape = last - first
    affine = np.array(native.grid.affine)
    affine[:3, 3] += affine[:3, :3] @ first
    # The lattice goes on beyond the native scan's border, to know what lies there.
    beyond = Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)
    way = _way_on(beyond, found)
    places = _places_in(contrast.grid, beyond, way)
    values, unseen = _look_up(labels, places, contrast.grid)
    inner = box_around(native.grid, *world_box(found.grid))
    if inner is None:
        raise BadInput("the native scan does not reach the heart")
    i, j, k = (
        slice(side.start - int(offset), side.stop - int(offset))
        for side, offset in zip(inner, first, strict=True)
    )
    visible = np.zeros(values.shape, np.bool_)
    visible[i, j, k] = True
    cuts, whole = _cuts(labels, values, unseen, visible, native.grid.voxel_ml)
    carried = np.where(np.isin(values, whole), values, 0)[i, j, k]
    moved = np.sqrt((way[(slice(None), values > 0)] ** 2).sum(axis=0))
    return Carried(
        np.asfortranarray(carried.astype(labels.dtype)),
        inner,
        whole,
        cuts,
        found,
        float(moved.mean()) if moved.size else 0.0,
        refusal,
    )


def _way_on(grid: Grid, found: Registration) -> NDArray[np.float32]:
    """Give the displacement (mm), shape (3, I, J, K), at each voxel of a grid."""
    from scipy import ndimage

    places = _places_in(found.grid, grid, None)
    parts = [
        ndimage.map_coordinates(found.displacement_mm[..., axis], places, order=1, mode="nearest")
        for axis in range(3)
    ]
    return np.stack(parts).astype(np.float32)


def _places_in(target: Grid, grid: Grid, way_mm: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Give the voxel index in a target grid, shape (3, I, J, K), of each voxel of a grid."""
    index = np.indices(grid.shape, dtype=np.float32)
    world = np.einsum("ab,bijk->aijk", grid.affine[:3, :3], index)
    world += grid.affine[:3, 3].reshape(3, 1, 1, 1)
    if way_mm is not None:
        world += way_mm
    back = np.linalg.inv(target.affine)
    places = np.einsum("ab,bijk->aijk", back[:3, :3], world) + back[:3, 3].reshape(3, 1, 1, 1)
    return np.asarray(places, np.float32)


def _look_up(
    labels: NDArray[np.integer], places: NDArray[np.float32], grid: Grid
) -> tuple[NDArray[np.integer], NDArray[np.bool_]]:
    """Give the label at each place, and which places the contrast scan did not see."""
    from scipy import ndimage

    last = np.array(grid.shape).reshape(3, 1, 1, 1) - 0.5
    unseen: NDArray[np.bool_] = np.any((places < -0.5) | (places > last), axis=0)
    tight = bounding_box(labels)
    if tight is None:
        return np.zeros(unseen.shape, labels.dtype), unseen
    box = grow_box(tight, 1, labels.shape)
    crop = labels[box]
    inside = places - np.array([side.start for side in box], np.float32).reshape(3, 1, 1, 1)
    best = np.full(unseen.shape, 0.5, np.float32)
    values = np.zeros(unseen.shape, labels.dtype)
    shares = {
        int(value): ndimage.map_coordinates(
            (crop == value).astype(np.float32), inside, order=1, mode="grid-constant"
        )
        for value in np.unique(crop[crop > 0])
    }
    if shares:
        # Where the labels together hold at least half, the strongest of them gets the voxel.
        best = np.where(sum(shares.values()) >= 0.5, 0.0, np.inf).astype(np.float32)
    for value, share in shares.items():
        stronger = share > best
        values[stronger], best[stronger] = value, share[stronger]
    values[unseen] = 0
    return values, unseen


def _cuts(
    labels: NDArray[np.integer],
    values: NDArray[np.integer],
    unseen: NDArray[np.bool_],
    visible: NDArray[np.bool_],
    voxel_ml: float,
) -> tuple[dict[int, Cut], tuple[int, ...]]:
    """Tell for each label what cuts it off, and which labels are whole enough to be written."""
    from scipy import ndimage

    cuts: dict[int, Cut] = {}
    whole = []
    for value in np.unique(labels[labels > 0]).tolist():
        here = values == value
        seen, total = int((here & visible).sum()), int(here.sum())
        near = ndimage.binary_dilation(here, iterations=_REACH_VOXELS) if total else here
        if total and bool((near & unseen & visible).any()) and _touches_border(labels == value):
            cuts[value] = Cut("contrast", seen, seen * voxel_ml, written=False)
        elif seen < total or not seen:
            lost = total - seen
            cuts[value] = Cut("native", lost, lost * voxel_ml, written=bool(seen))
        if seen and (value not in cuts or cuts[value].written):
            whole.append(value)
    return cuts, tuple(whole)


def _touches_border(mask: NDArray[np.bool_]) -> bool:
    """Tell whether a mask reaches the outermost voxels of its volume."""
    box = bounding_box(mask)
    return box is not None and any(
        side.start == 0 or side.stop == size for side, size in zip(box, mask.shape, strict=True)
    )
