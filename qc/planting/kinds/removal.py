"""What should be there and is not: deleted, cut, hollow, thinned out."""

import numpy as np

from qc.planting.kind import ErrorKind
from qc.planting.kinds.sides import relabelled
from qc.planting.shaping import along, depth_mm, longest_axis, lowest, random_direction
from qc.planting.subject import CannotPlant, Draft, Draw, Mask, Subject, row_number

_SMALLEST_ML = 4.0
_FEWEST_SLICES = 6


def _deleted(subject: Subject, draw: Draw) -> Draft:
    low, high = draw.graded((150.0, np.inf), (30.0, 150.0), (0.0, 30.0))
    fitting = subject.present(low, high, whole=True)
    name = draw.one_of(fitting, "whole structure of that size")
    figures = {"volume_ml": subject.volumes_ml[name]}
    return Draft(relabelled(subject, {name: None}), (name,), figures, f"{name} is missing")


def _deleted_between(subject: Subject, draw: Draw) -> Draft:
    """Delete ribs or vertebrae between two that stay."""
    count = draw.graded(3, 1, 1)
    sides = [f"rib_{side}_" for side in ("left", "right")]
    prefixes = draw.graded(["vertebrae_", *sides], ["vertebrae_"], sides)
    row = subject.chain(str(draw.rng.choice(prefixes)))
    inner = [n for n, name in enumerate(row) if n > 0 and n + count < len(row)]
    first = draw.one_of([row[n] for n in inner], f"row with {count} between two others")
    gone = row[row.index(first) :][:count]
    labels = relabelled(subject, dict.fromkeys(gone))
    figures = {"deleted": float(count), "first_number": float(row_number(first))}
    return Draft(labels, tuple(gone), figures, f"{', '.join(gone)} missing between others")


def _without(subject: Subject, name: str, gone: Mask, words: str) -> Draft:
    """Take voxels of a structure's own box away."""
    labels = subject.labels.copy(order="F")
    labels[subject.boxes[name]][gone] = 0
    lost = float(np.count_nonzero(gone))
    share = lost * subject.grid.voxel_ml / subject.volumes_ml[name]
    figures = {"lost_ml": lost * subject.grid.voxel_ml, "lost_share": share}
    return Draft(labels, (name,), figures, f"{words} ({share:.0%} of it)")


def _some_structure(subject: Subject, draw: Draw, smallest_ml: float = _SMALLEST_ML) -> str:
    fitting = subject.present(smallest_ml, whole=True)
    return draw.one_of(fitting, f"whole structure of {smallest_ml:g} ml or more")


def _voxels(crop: Mask, share: float) -> int:
    return min(max(1, round(share * np.count_nonzero(crop))), int(np.count_nonzero(crop)) - 1)


def _cut(subject: Subject, draw: Draw) -> Draft:
    name = _some_structure(subject, draw)
    share = draw.strength((0.5, 0.75), (0.25, 0.45), (0.08, 0.2))
    crop = subject.crop(name)
    heights = along(crop.shape, random_direction(draw.rng), subject.spacing_mm)
    gone = lowest(heights, crop, _voxels(crop, share), draw.rng)
    return _without(subject, name, gone, f"{name} is cut off by a plane")


def _eroded(subject: Subject, draw: Draw) -> Draft:
    name = _some_structure(subject, draw)
    share = draw.strength((0.6, 0.8), (0.3, 0.5), (0.1, 0.22))
    crop = subject.crop(name)
    depths = depth_mm(crop, subject.spacing_mm)
    gone = lowest(depths, crop, _voxels(crop, share), draw.rng)
    return _without(subject, name, gone, f"{name} is too small all round")


def _hollow(subject: Subject, draw: Draw) -> Draft:
    """Take out the deepest voxels, which leaves a wall."""
    thick = [name for name in subject.present(20.0, whole=True) if _inner(subject, name).any()]
    name = draw.one_of(thick, "whole structure that is thick enough")
    share = draw.strength((0.3, 0.45), (0.1, 0.2), (0.03, 0.07))
    crop, inner = subject.crop(name), _inner(subject, name)
    depths = depth_mm(crop, subject.spacing_mm)
    count = min(_voxels(crop, share), int(np.count_nonzero(inner)))
    gone = lowest(-depths, inner, count, draw.rng)
    return _without(subject, name, gone, f"{name} is hollow")


def _inner(subject: Subject, name: str) -> Mask:
    """Mark what lies deeper than the outermost layer of voxels."""
    deep: Mask = depth_mm(subject.crop(name), subject.spacing_mm) > subject.spacing_mm.max() * 1.01
    return deep


def _in_two(subject: Subject, draw: Draw) -> Draft:
    """Take out a band across the longest direction."""
    name = _some_structure(subject, draw)
    share = draw.strength((0.3, 0.5), (0.15, 0.25), (0.06, 0.12))
    crop = subject.crop(name)
    heights = along(crop.shape, longest_axis(crop, subject.spacing_mm), subject.spacing_mm)
    middle = np.quantile(heights[crop], draw.rng.uniform(0.35, 0.65))
    off = np.abs(heights - middle)
    # A band thinner than the voxels are long would leave bridges.
    through = int(np.count_nonzero(crop & (off <= subject.spacing_mm.max())))
    count = max(_voxels(crop, share), min(through, _voxels(crop, 0.9)))
    gone = lowest(off, crop, count, draw.rng)
    return _without(subject, name, gone, f"{name} is in two pieces with a gap")


def _rib_without_head(subject: Subject, draw: Draw) -> Draft:
    # Of a rib that the field cuts the spinal end may lie outside, and none would be taken off.
    ribs = [n for n in subject.present(1.0, whole=True) if n.startswith("rib_")]
    name = draw.one_of(ribs, "whole rib")
    share = draw.strength((0.35, 0.55), (0.18, 0.3), (0.07, 0.14))
    crop = subject.crop(name)
    # The spinal end is the one nearest to the middle of the body and to its back.
    inwards = 1.0 if subject.class_map[name].side == "left" else -1.0
    direction = np.array([-inwards, 1.0, 0.0]) / np.sqrt(2)
    heights = along(crop.shape, direction, subject.spacing_mm)
    gone = lowest(heights, crop, _voxels(crop, share), draw.rng)
    return _without(subject, name, gone, f"{name} lacks its spinal end")


def _empty_slices(subject: Subject, draw: Draw) -> Draft:
    name = _some_structure(subject, draw)
    every = draw.graded(2, 3, 5)
    crop = subject.crop(name)
    slices = crop.shape[2]
    if slices < max(_FEWEST_SLICES, every + 1):
        raise CannotPlant(f"{draw.kind} ({draw.grade}): {name} has {slices} slices only")
    gone = crop.copy()
    kept = np.arange(slices) % every != int(draw.rng.integers(1, every))
    gone[:, :, kept] = False
    draft = _without(subject, name, gone, f"every {every}. slice of {name} is empty")
    return Draft(draft.labels, draft.targets, {**draft.figures, "every": float(every)}, draft.words)


KINDS = (
    ErrorKind("deleted", "a structure that is missing", _deleted),
    ErrorKind("deleted_between", "ribs or vertebrae missing between others", _deleted_between),
    ErrorKind("cut", "a structure cut off by a plane", _cut),
    ErrorKind("eroded", "a mask too small all round", _eroded),
    ErrorKind("hollow", "a mask with a hole inside", _hollow),
    ErrorKind("in_two", "a structure in two pieces with a gap", _in_two),
    ErrorKind("rib_without_head", "a rib that lacks its spinal end", _rib_without_head),
    ErrorKind("empty_slices", "slices that nobody filled in", _empty_slices),
)
