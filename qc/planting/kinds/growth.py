"""Too much in a mask: grown all round, leaked, taken from a neighbour."""

import numpy as np

from pipeline.volume import Box
from qc.planting.kind import ErrorKind
from qc.planting.shaping import along, away_from_mm, distance_mm, lowest, some_voxel
from qc.planting.subject import CannotPlant, Draft, Draw, Mask, Subject

_SMALLEST_ML = 4.0
_REACH_MM = 40.0
_RIM_VOXELS = 2


def _with(subject: Subject, name: str, added: Mask, words: str) -> Draft:
    """Give a structure the marked voxels of the whole grid."""
    labels = subject.labels.copy(order="F")
    labels[added] = subject.value(name)
    gained = float(np.count_nonzero(added)) * subject.grid.voxel_ml
    figures = {"gained_ml": gained, "gained_share": gained / subject.volumes_ml[name]}
    return Draft(labels, (name,), figures, f"{words} ({gained:.1f} ml)")


def _dilated(subject: Subject, draw: Draw) -> Draft:
    """Grow into what bears no label; neighbours keep theirs."""
    name = draw.one_of(subject.present(_SMALLEST_ML), f"structure of {_SMALLEST_ML:g} ml or more")
    share = draw.strength((1.0, 2.0), (0.4, 0.8), (0.12, 0.25))
    box = subject.box(name, int(np.ceil(_REACH_MM / subject.spacing_mm.min())))
    crop = subject.crop(name, box)
    free = (subject.labels[box] == 0) & subject.body[box]
    count = max(1, round(share * np.count_nonzero(crop)))
    near = distance_mm(crop, subject.spacing_mm)
    added = np.zeros(subject.labels.shape, np.bool_, order="F")
    added[box] = lowest(near, free, count, draw.rng)
    return _with(subject, name, added, f"{name} is too large all round")


def _leak(subject: Subject, draw: Draw, into: list[str], what: str, volume_ml: float) -> Draft:
    """Let a soft structure spill as one blob into other ones that it touches."""
    taken_from = set(into)
    fitting = [
        name
        for name in subject.present(_SMALLEST_ML)
        if subject.class_map[name].category != "bone"
        and not name.startswith("lung_")
        and taken_from & set(subject.class_map[name].neighbours)
    ]
    allowed = np.isin(subject.labels, subject.values(into))
    fitting = [
        name for name in fitting if (_rim(subject, name) & allowed[_rim_box(subject, name)]).any()
    ]
    name = draw.one_of(fitting, f"soft structure beside {what}")
    return _with(subject, name, _blob(subject, name, allowed, volume_ml, draw, what),
                 f"{name} leaks into {what}")  # fmt: skip


def _blob(
    subject: Subject, name: str, allowed: Mask, volume_ml: float, draw: Draw, what: str
) -> Mask:
    """Mark so many allowed voxels around one that touches the structure."""
    box = _rim_box(subject, name)
    start = some_voxel(_rim(subject, name) & allowed[box], draw.rng, f"{what} beside {name}")
    place = start + np.array([side.start for side in box])
    away = away_from_mm(subject.labels.shape, place, subject.spacing_mm)
    return lowest(away, allowed, subject.voxels_of(volume_ml), draw.rng)


def _rim_box(subject: Subject, name: str) -> Box:
    return subject.box(name, _RIM_VOXELS)


def _rim(subject: Subject, name: str) -> Mask:
    """Mark a structure with what lies next to it, inside its rim box."""
    near = distance_mm(subject.crop(name, _rim_box(subject, name)), subject.spacing_mm)
    rim: Mask = near <= _RIM_VOXELS * subject.spacing_mm.max()
    return rim


def _leak_into_lung(subject: Subject, draw: Draw) -> Draft:
    lungs = [name for name in subject.boxes if name.startswith("lung_")]
    volume_ml = draw.strength((150.0, 400.0), (40.0, 100.0), (8.0, 20.0))
    return _leak(subject, draw, lungs, "the lung", volume_ml)


def _leak_into_bone(subject: Subject, draw: Draw) -> Draft:
    bones = [name for name in subject.boxes if subject.class_map[name].category == "bone"]
    volume_ml = draw.strength((25.0, 50.0), (8.0, 16.0), (1.5, 4.0))
    return _leak(subject, draw, bones, "bone", volume_ml)


def _leak_into_fat(subject: Subject, draw: Draw) -> Draft:
    """Spill as one blob into what bears no label: fat, mesentery, wall."""
    soft = [
        name
        for name in subject.present(_SMALLEST_ML)
        if subject.class_map[name].category == "organ" and not name.startswith("lung_")
    ]
    name = draw.one_of(soft, "organ")
    share = draw.strength((0.8, 1.6), (0.3, 0.6), (0.08, 0.2))
    volume_ml = share * subject.volumes_ml[name]
    allowed = (subject.labels == 0) & subject.body
    blob = _blob(subject, name, allowed, volume_ml, draw, "something without a label")
    return _with(subject, name, blob, f"{name} leaks into what is no structure")


def _taken_from_neighbour(subject: Subject, draw: Draw) -> Draft:
    """Give part of a structure to the one beside it."""
    share = draw.strength((0.5, 0.8), (0.25, 0.45), (0.08, 0.18))
    touching = {
        name: [n for n in subject.class_map[name].neighbours if n in subject.boxes]
        for name in subject.present(_SMALLEST_ML)
    }
    fitting = [name for name, others in touching.items() if others]
    loser = draw.one_of(fitting, "structure with a neighbour")
    winner = str(draw.rng.choice(touching[loser]))
    box, crop = subject.boxes[loser], subject.crop(loser)
    towards = (_middle(subject, winner) - _middle(subject, loser)) * subject.spacing_mm
    away = -along(crop.shape, towards, subject.spacing_mm)
    count = max(1, round(share * np.count_nonzero(crop)))
    given = lowest(away, crop, count, draw.rng)
    labels = subject.labels.copy(order="F")
    labels[box][given] = subject.value(winner)
    volume = count * subject.grid.voxel_ml
    words = f"{share:.0%} of {loser} bears the name {winner}"
    return Draft(labels, (winner, loser), {"moved_ml": volume, "lost_share": share}, words)


def _middle(subject: Subject, name: str) -> np.ndarray:
    points = np.argwhere(subject.crop(name))
    return np.asarray(points.mean(axis=0) + [side.start for side in subject.boxes[name]])


def _fat_brush(subject: Subject, draw: Draw) -> Draft:
    """Grow by a thickness over everything, as a drawing with a fat brush does."""
    thickness_mm = draw.strength((12.0, 20.0), (6.0, 10.0), (3.0, 4.5))
    name = draw.one_of(subject.present(_SMALLEST_ML), f"structure of {_SMALLEST_ML:g} ml or more")
    box = subject.box(name, int(np.ceil(thickness_mm / subject.spacing_mm.min())) + 1)
    near = distance_mm(subject.crop(name, box), subject.spacing_mm)
    grown = (near > 0) & (near <= max(thickness_mm, subject.spacing_mm.min() * 1.01))
    if not grown.any():
        raise CannotPlant(f"{draw.kind}: {name} fills the field of view")
    added = np.zeros(subject.labels.shape, np.bool_, order="F")
    added[box] = grown
    draft = _with(subject, name, added, f"{name} is drawn {thickness_mm:.0f} mm too wide")
    figures = {**draft.figures, "thickness_mm": thickness_mm}
    return Draft(draft.labels, draft.targets, figures, draft.words)


KINDS = (
    ErrorKind("dilated", "a mask too large all round, up to its neighbours", _dilated),
    ErrorKind("fat_brush", "a mask too large all round, over its neighbours", _fat_brush),
    ErrorKind("leak_into_lung", "a soft structure that spills into the lung", _leak_into_lung),
    ErrorKind("leak_into_bone", "a soft structure that spills into bone", _leak_into_bone),
    ErrorKind("leak_into_fat", "an organ that spills into what is no structure", _leak_into_fat),
    ErrorKind("taken_from_neighbour", "part of a structure named as the one beside it",
              _taken_from_neighbour),
)  # fmt: skip
