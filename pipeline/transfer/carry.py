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
from pipeline.transfer.label_look_up import lattice_of, look_up_labels
from pipeline.transfer.registration import (
    MIRRORS,
    Registration,
    RegistrationSettings,
    register,
)
from pipeline.transfer.working_scan import Point, Scan, box_around, box_of_points, world_box
from pipeline.volume import Box, Grid, bounding_box, grow_box

_REACH_VOXELS = 2
_AT_BORDER = (
    "the heart would land beyond the region that was registered; raise margin_mm if the scans "
    "really lie that far apart"
)


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
    as_is = found.mirrored["as_is"]
    short += [
        f"one scan is mirrored {name.replace('_', '-')}: mutual information "
        f"{found.mirrored[name]:.3f} mirrored, {as_is:.3f} as it is"
        for name in MIRRORS
        if found.mirrored[name] > as_is
    ]
    return "; ".join(short)


def _carry(
    contrast: Scan,
    labels: NDArray[np.integer],
    native: Scan,
    found: Registration,
    refusal: str,
) -> Carried:
    landing, at_border = _landing(contrast.grid, labels, found)
    # The lattice goes on beyond the native scan's border, to know what lies there.
    first, last = box_of_points(native.grid, *landing)
    first, last = first - _REACH_VOXELS, last + _REACH_VOXELS
    values, unseen, displacement_mm = look_up_labels(
        lattice_of(native.grid, first, last), found, labels, contrast.grid
    )
    start, stop = (np.clip(end, 0, native.grid.shape) for end in (first, last))
    visible = np.zeros(values.shape, np.bool_)
    visible[_box(start - first, stop - first)] = True
    cuts, whole = _cuts(labels, values, unseen, visible, native.grid.voxel_ml)
    if (stop <= start).any():
        start, stop = np.zeros(3, np.int64), np.ones(3, np.int64)
        carried = np.zeros((1, 1, 1), labels.dtype)
    else:
        carried = np.where(np.isin(values, whole), values, 0)[_box(start - first, stop - first)]
    if at_border:
        refusal = "; ".join(filter(None, (refusal, _AT_BORDER)))
    return Carried(
        np.asfortranarray(carried.astype(labels.dtype)),
        _box(start, stop),
        whole,
        cuts,
        found,
        displacement_mm,
        refusal,
    )


def _landing(
    grid: Grid, labels: NDArray[np.integer], found: Registration
) -> tuple[tuple[Point, Point], bool]:
    """Give the native world box in which labels can land, and whether it is cut off.

    Cut off: a point on the border of the region that was registered leads into the labels, so
    what lies beyond that border would be lost.
    """
    tight = bounding_box(labels)
    if tight is None:
        raise BadInput("no label to carry: the label map of the contrast scan is empty")
    low, high = world_box(grid.crop(tight))
    axes = [
        found.grid.origin_mm[axis] + np.arange(size) * found.grid.spacing_mm[axis]
        for axis, size in enumerate(found.grid.shape)
    ]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) + found.displacement_mm
    step_mm = found.grid.spacing_mm[0]
    lands = np.all((places > low - step_mm) & (places < high + step_mm), axis=-1)
    box = bounding_box(lands)
    if box is None:
        return world_box(found.grid), True
    inner = np.all((places > low) & (places < high), axis=-1)
    at_border = bool(inner.sum() > inner[1:-1, 1:-1, 1:-1].sum())
    return world_box(found.grid.crop(box)), at_border


def _box(start: NDArray[np.int64], stop: NDArray[np.int64]) -> Box:
    i, j, k = (slice(int(a), max(int(a), int(b))) for a, b in zip(start, stop, strict=True))
    return i, j, k


def _cuts(
    labels: NDArray[np.integer],
    values: NDArray[np.integer],
    unseen: NDArray[np.bool_],
    visible: NDArray[np.bool_],
    voxel_ml: float,
) -> tuple[dict[int, Cut], tuple[int, ...]]:
    """Tell for each label what cuts it off, and which labels are whole enough to be written."""
    cuts: dict[int, Cut] = {}
    whole = []
    for value in np.unique(labels[labels > 0]).tolist():
        here = values == value
        seen, total = int((here & visible).sum()), int(here.sum())
        reached = _around(here) & unseen
        if not _touches_border(labels == value):
            reached[...] = False
        if bool((reached & visible).any()):
            cuts[value] = Cut("contrast", seen, seen * voxel_ml, written=False)
        elif seen < total or not seen or bool(reached.any()):
            lost = total - seen
            cuts[value] = Cut("native", lost, lost * voxel_ml, written=bool(seen))
        if seen and (value not in cuts or cuts[value].written):
            whole.append(value)
    return cuts, tuple(whole)


def _around(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Grow a mask by the reach, working only where it lies."""
    from scipy import ndimage

    grown = np.zeros_like(mask)
    box = bounding_box(mask)
    if box is not None:
        box = grow_box(box, _REACH_VOXELS, mask.shape)
        grown[box] = ndimage.binary_dilation(mask[box], iterations=_REACH_VOXELS)
    return grown


def _touches_border(mask: NDArray[np.bool_]) -> bool:
    """Tell whether a mask reaches the outermost voxels of its volume."""
    box = bounding_box(mask)
    return box is not None and any(
        side.start == 0 or side.stop == size for side, size in zip(box, mask.shape, strict=True)
    )
