"""Right shape, wrong place: shifted, far away, scattered about."""

import numpy as np
from numpy.typing import NDArray

from qc.planting.kind import ErrorKind
from qc.planting.shaping import away_from_mm, distance_mm, moved, random_direction, some_voxel
from qc.planting.subject import CannotPlant, Draft, Draw, Mask, Subject

_SMALLEST_ML = 4.0
_FAR_MM = 60.0
_ANOTHER_ROOM_MM = 110.0
_NEAR_MM = 40.0
_FEWEST_SLICES = 6
_TRIES = 40
_LEAST_KEPT = 0.8


def _steps(mm: NDArray[np.float64], subject: Subject) -> NDArray[np.int64]:
    return np.rint(mm / subject.spacing_mm).astype(np.int64)


def _shifted(subject: Subject, draw: Draw) -> Draft:
    """Move a mask as it is; it lies over what was there."""
    distance_mm_ = draw.strength((30.0, 60.0), (12.0, 22.0), (5.0, 9.0))
    fitting = subject.present(_SMALLEST_ML, whole=True)
    name = draw.one_of(fitting, "whole structure")
    mask = subject.labels == subject.value(name)
    for _ in range(_TRIES):
        steps = _steps(distance_mm_ * random_direction(draw.rng), subject)
        there = moved(mask, steps)
        kept = np.count_nonzero(there) / np.count_nonzero(mask)
        if steps.any() and kept >= _LEAST_KEPT and _inside(subject, there) >= _LEAST_KEPT:
            return _placed(subject, name, mask, there, steps, "shifted")
    raise CannotPlant(f"{draw.kind} ({draw.grade}): {name} would leave the body")


def _inside(subject: Subject, mask: Mask) -> float:
    return float(int(np.count_nonzero(mask & subject.body)) / max(int(np.count_nonzero(mask)), 1))


def _placed(
    subject: Subject, name: str, gone: Mask, there: Mask, steps: NDArray[np.int64], words: str
) -> Draft:
    labels = subject.labels.copy(order="F")
    labels[gone] = 0
    labels[there] = subject.value(name)
    shift_mm = float(np.linalg.norm(steps * subject.spacing_mm))
    words = f"{name} is {words} by {shift_mm:.0f} mm"
    figures = {"shift_mm": shift_mm, "share": float(gone.sum() / subject.crop(name).sum())}
    return Draft(labels, (name,), figures, words)


def _another_room(subject: Subject, draw: Draw) -> Draft:
    """Move a mask, or lay a copy of part of it, a hand's breadth up or down."""
    size = draw.graded((100.0, np.inf), (20.0, np.inf), (20.0, np.inf))
    name = draw.one_of(subject.present(*size, whole=True), "whole structure of that size")
    mask = subject.labels == subject.value(name)
    rows = np.flatnonzero(mask.any(axis=(0, 1)))
    step = int(np.ceil(_ANOTHER_ROOM_MM / subject.spacing_mm[2]))
    free = [
        k
        for k in range(-int(rows[0]), mask.shape[2] - int(rows[-1]))
        if abs(k) >= step
    ]  # fmt: skip
    if not free:
        raise CannotPlant(f"{draw.kind}: the field of view leaves no other room for {name}")
    part = mask.copy()
    share = draw.graded(1.0, 0.5, 0.1)
    i_of = np.argwhere(mask)[:, 0]
    part[int(np.quantile(i_of, share)) + 1 :] = False
    for k in draw.rng.permutation(free)[:_TRIES]:
        steps = np.array([0, 0, int(k)])
        there = moved(part, steps)
        if _inside(subject, there) >= _LEAST_KEPT:
            gone = mask if draw.grade == "gross" else np.zeros_like(mask)
            draft = _placed(subject, name, gone, there, steps, "in another room of the body,")
            figures = {**draft.figures, "share": share}
            return Draft(draft.labels, draft.targets, figures, draft.words)
    raise CannotPlant(f"{draw.kind} ({draw.grade}): {name} would leave the body")


def _ball(subject: Subject, place: NDArray[np.int64], volume_ml: float, allowed: Mask) -> Mask:
    radius_mm = (3 * volume_ml * 1000 / (4 * np.pi)) ** (1 / 3)
    away = away_from_mm(allowed.shape, place, subject.spacing_mm)
    ball: Mask = (away <= max(radius_mm, subject.spacing_mm.min() / 2)) & allowed
    return ball


def _island(subject: Subject, draw: Draw) -> Draft:
    """Lay one ball of a structure's name far from it."""
    volume_ml = draw.strength((20.0, 60.0), (3.0, 8.0), (0.4, 1.2))
    name = draw.one_of(subject.present(1.0), "structure")
    box = subject.box(name, int(np.ceil(_FAR_MM / subject.spacing_mm.min())))
    far = subject.body.copy()
    far[box] &= distance_mm(subject.crop(name, box), subject.spacing_mm) > _FAR_MM
    place = some_voxel(far, draw.rng, f"room {_FAR_MM:.0f} mm away from {name}")
    return _sprinkled(subject, name, _ball(subject, place, volume_ml, far), 1)


def _islands(subject: Subject, draw: Draw) -> Draft:
    """Lay many small balls around a structure that do not touch it."""
    count = round(draw.strength((50, 90), (18, 35), (5, 10)))
    each_ml = draw.graded(0.6, 0.4, 0.2)
    name = draw.one_of(subject.present(_SMALLEST_ML), f"structure of {_SMALLEST_ML:g} ml or more")
    box = subject.box(name, int(np.ceil(_NEAR_MM / subject.spacing_mm.min())))
    near = distance_mm(subject.crop(name, box), subject.spacing_mm)
    apart_mm = 2.5 * subject.spacing_mm.max()
    free = (near > apart_mm) & (subject.labels[box] == 0)
    around = free & (near > apart_mm + 5) & (near <= _NEAR_MM) & subject.body[box]
    scattered = np.zeros_like(around)
    for _ in range(count):
        place = some_voxel(around, draw.rng, f"room around {name}")
        scattered |= _ball(subject, place, each_ml, free)
    added = np.zeros(subject.labels.shape, np.bool_, order="F")
    added[box] = scattered
    return _sprinkled(subject, name, added, count)


def _sprinkled(subject: Subject, name: str, added: Mask, count: int) -> Draft:
    if not added.any():
        raise CannotPlant(f"there is no room for an island of {name}")
    labels = subject.labels.copy(order="F")
    labels[added] = subject.value(name)
    gained = float(np.count_nonzero(added)) * subject.grid.voxel_ml
    where = "an island" if count == 1 else f"{count} islands"
    words = f"{name} has {where} of {gained:.1f} ml"
    return Draft(labels, (name,), {"gained_ml": gained, "islands": float(count)}, words)


def _slipped_slices(subject: Subject, draw: Draw) -> Draft:
    """Move a block of slices of a mask within its plane."""
    shift = draw.strength((25.0, 45.0), (12.0, 20.0), (6.0, 9.0))
    share = draw.graded(0.5, 0.35, 0.2)
    fitting = [
        name
        for name in subject.present(_SMALLEST_ML)
        if subject.boxes[name][2].stop - subject.boxes[name][2].start >= _FEWEST_SLICES
    ]
    name = draw.one_of(fitting, f"structure of {_FEWEST_SLICES} slices or more")
    rows = subject.boxes[name][2]
    length = max(2, round(share * (rows.stop - rows.start)))
    first = int(draw.rng.integers(rows.start, rows.stop - length + 1))
    gone = subject.labels == subject.value(name)
    gone[:, :, :first] = False
    gone[:, :, first + length :] = False
    if not gone.any():
        raise CannotPlant(f"{draw.kind}: {name} has no voxels in the slices that were drawn")
    for _ in range(_TRIES):
        angle = draw.rng.uniform(0, 2 * np.pi)
        steps = _steps(shift * np.array([np.cos(angle), np.sin(angle), 0]), subject)
        there = moved(gone, steps)
        if steps.any() and np.count_nonzero(there) >= _LEAST_KEPT * np.count_nonzero(gone):
            return _placed(subject, name, gone, there, steps, f"moved in {length} slices")
    raise CannotPlant(f"{draw.kind} ({draw.grade}): {name} would leave the field of view")


KINDS = (
    ErrorKind("shifted", "a mask moved as it is", _shifted),
    ErrorKind("another_room", "a mask, or a copy of part of it, in another room of the body",
              _another_room),
    ErrorKind("island", "a piece far away from the rest", _island),
    ErrorKind("islands", "many crumbs around a mask", _islands),
    ErrorKind("slipped_slices", "a block of slices that slipped aside", _slipped_slices),
)  # fmt: skip
