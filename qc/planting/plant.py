"""Plant one known error into a label map, and say what it changed.

>>> subject = Subject.of(labels, grid, class_map, ct)                    # doctest: +SKIP
>>> planted = plant(subject, draw_for("swapped_pair", "gross", seed=1))  # doctest: +SKIP
>>> planted.targets, planted.changes["kidney_left"].dice                 # doctest: +SKIP
>>> planted.labels_on(grid)                                              # doctest: +SKIP
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadInput, UsageError
from pipeline.volume import Grid, from_canonical, label_boxes, label_overlaps
from qc.planting.kind import ErrorKind
from qc.planting.kinds import KINDS
from qc.planting.subject import CannotPlant, Draw, Grade, Labels, Part, Subject

_DISTURBED_DICE = 0.9


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one structure.

    Attributes
    ----------
    before_ml, after_ml : float
    dice : float
        Between before and after.
    moved_mm : float or None
        How far the middle moved; None where one of the two is empty.
    """

    before_ml: float
    after_ml: float
    dice: float
    moved_mm: float | None

    def to_dict(self) -> dict[str, float | None]:
        """Give plain JSON values."""
        moved = None if self.moved_mm is None else round(self.moved_mm, 1)
        return {
            "before_ml": round(self.before_ml, 3),
            "after_ml": round(self.after_ml, 3),
            "dice": round(self.dice, 4),
            "moved_mm": moved,
        }


@dataclass(frozen=True, eq=False)
class Planted:
    """A label map with a known error.

    Attributes
    ----------
    labels : ndarray of integer, shape (I, J, K)
        In canonical orientation, as the subject's.
    kind, grade : str
    targets : tuple of str
        What the error is about.
    changes : mapping of str to Change
        Every structure of which a voxel changed, also those that were only painted over.
    figures : mapping of str to float
        How large the error is, with units in the names.
    words : str
        What was done.
    """

    labels: Labels
    kind: str
    grade: Grade
    targets: tuple[str, ...]
    changes: Mapping[str, Change]
    figures: Mapping[str, float]
    words: str

    @property
    def wrong(self) -> frozenset[str]:
        """Structures that are wrong now: what it is about, and what lost its shape by it."""
        disturbed = {name for name, c in self.changes.items() if c.dice < _DISTURBED_DICE}
        return frozenset(self.targets) | disturbed

    def labels_on(self, grid: Grid) -> Labels:
        """Give the labels in the orientation of the grid that the subject was made of."""
        return from_canonical(self.labels, grid)

    def to_dict(self) -> dict[str, Any]:
        """Give all but the voxels as plain JSON values."""
        return {
            "kind": self.kind,
            "grade": self.grade,
            "targets": list(self.targets),
            "wrong": sorted(self.wrong),
            "changes": {name: change.to_dict() for name, change in self.changes.items()},
            "figures": {name: round(float(value), 3) for name, value in self.figures.items()},
            "words": self.words,
        }


def draw_for(
    kind: str,
    grade: Grade,
    seed: int,
    part: Part = "tuning",
    among: Collection[str] | None = None,
) -> Draw:
    """Give the chances of one error: the same words give the same error."""
    key = [seed, crc32(f"{kind}/{grade}/{part}".encode())]
    return Draw(kind, grade, np.random.default_rng(key), part, among)


def plant(subject: Subject, draw: Draw) -> Planted:
    """Plant an error into a label map in canonical orientation; the map itself stays as it is.

    Raises
    ------
    CannotPlant
        If the structures it needs are absent, cut off or too small, or nothing would change.
    UsageError
        If there is no such kind, or not in this grade.
    """
    kind = kind_named(draw.kind)
    if draw.grade not in kind.grades:
        raise UsageError(f"{kind.name} is only made {', '.join(kind.grades)}, not {draw.grade}")
    try:
        draft = kind.make(subject, draw)
    except CannotPlant as reason:
        named = str(reason) if str(reason).startswith(kind.name) else f"{kind.name}: {reason}"
        raise CannotPlant(named) from reason
    if draw.among is not None and not set(draw.among) & set(draft.targets):
        raise CannotPlant(f"{kind.name} ({draw.grade}): is not about {', '.join(draw.among)} here")
    changes = changes_between(subject, draft.labels)
    if not set(changes) & set(draft.targets):
        raise CannotPlant(f"{kind.name} ({draw.grade}): nothing would change")
    return Planted(
        draft.labels, kind.name, draw.grade, draft.targets, changes, draft.figures, draft.words
    )


def kind_named(name: str) -> ErrorKind:
    """Find a kind of error; raises UsageError with all names if there is none."""
    for kind in KINDS:
        if kind.name == name:
            return kind
    raise UsageError(f"no kind of error {name!r}; there are {', '.join(k.name for k in KINDS)}")


def changes_between(subject: Subject, labels: Labels) -> dict[str, Change]:
    """Measure every structure of which a voxel differs.

    Raises
    ------
    BadInput
        If the shapes differ.
    """
    if labels.shape != subject.labels.shape:
        raise BadInput(f"labels of shape {labels.shape}, expected {subject.labels.shape}")
    after = label_boxes(labels)
    changes = {}
    for value, overlap in label_overlaps(subject.labels, labels).items():
        if overlap.truth_voxels == overlap.prediction_voxels == overlap.both_voxels:
            continue
        name, voxel_ml = subject.class_map.by_value(value).name, subject.grid.voxel_ml
        moved_mm = None
        if name in subject.boxes and value in after:
            old = _middle(subject.labels, value, subject.boxes[name])
            new = _middle(labels, value, after[value])
            moved_mm = float(np.linalg.norm((new - old) * subject.spacing_mm))
        changes[name] = Change(
            overlap.truth_voxels * voxel_ml,
            overlap.prediction_voxels * voxel_ml,
            overlap.dice,
            moved_mm,
        )
    return changes


def _middle(labels: Labels, value: int, box: tuple[slice, slice, slice]) -> NDArray[np.float64]:
    points = np.argwhere(labels[box] == value)
    middle: NDArray[np.float64] = points.mean(axis=0) + [side.start for side in box]
    return middle
