"""A person as a model: looks at proposals, accepts, corrects the worst first, runs out of time.

Pure functions on arrays; the truth of a synthetic body takes the place of what a person sees.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.simulation.pace import BY_HAND, ROUGHLY, Pace
from pipeline.simulation.rough_strokes import RoughStrokes, draw_roughly

Bools = NDArray[np.bool_]
Spacing = tuple[float, float, float]
Action = Literal["accepted", "corrected", "drawn", "absent", "left"]


@dataclass(frozen=True, slots=True)
class Annotator:
    """How a person works.

    Attributes
    ----------
    look_s : float
        To judge one structure. In the paper (2.2.5) 104 masks in one picture take "several
        seconds"; two seconds each is what closer looking costs.
    good_enough_dice : float
        A proposal, or a slice of it, that agrees with the truth at least so well is accepted.
    budget_s : float or None
        After so long with one case, what is not corrected yet stays undecided.
    pace : Pace
    strokes : RoughStrokes
    """

    look_s: float = 2.0
    good_enough_dice: float = 0.9
    budget_s: float | None = None
    pace: Pace = ROUGHLY
    strokes: RoughStrokes = field(default_factory=RoughStrokes)


@dataclass(frozen=True, slots=True, eq=False)
class Handling:
    """What became of one structure.

    Attributes
    ----------
    action : str
        ``accepted`` as proposed, ``corrected``: wrong slices of it or all of it drawn again,
        ``drawn`` where nothing was proposed, ``absent``: it is not in the field of view,
        ``left`` undecided for want of time.
    mask : ndarray of bool or None
        What was drawn, for ``corrected`` and ``drawn``.
    looking_s, drawing_s : float
        What it took; a structure that nobody came to took nothing.
    dice_before : float
        Of the proposal with the truth; 0 where there was none.
    """

    structure: str
    action: Action
    looking_s: float
    drawing_s: float = 0.0
    dice_before: float = 0.0
    mask: Bools | None = None

    @property
    def seconds(self) -> float:
        """Looking and drawing."""
        return self.looking_s + self.drawing_s


def annotate(
    proposals: Mapping[str, Bools],
    truth: Mapping[str, Bools],
    spacing_mm: Spacing,
    annotator: Annotator,
    seed: Sequence[int],
) -> list[Handling]:
    """Work through one case.

    Parameters
    ----------
    proposals : mapping
        Structure to mask (I, J, K); missing or empty where nothing is proposed.
    truth : mapping
        Of every structure that is asked for; empty where the body does not show it.
    seed : sequence of int
        The same seed draws the same strokes, whatever the order of the structures.

    Returns
    -------
    list of Handling
        In the order of `truth`.
    """
    done: dict[str, Handling] = {}
    wrong: list[Handling] = []
    for number, (name, true) in enumerate(truth.items()):
        rng = np.random.default_rng([*seed, number])
        seen = _judge(name, proposals.get(name), true, annotator)
        if seen is not None:
            done[name] = seen
        else:
            wrong.append(_correct(name, proposals.get(name), true, spacing_mm, annotator, rng))
    spent = len(truth) * annotator.look_s  # first everything is looked at
    for each in sorted(wrong, key=lambda each: (each.dice_before, each.structure)):
        if annotator.budget_s is not None and spent + each.drawing_s > annotator.budget_s:
            done[each.structure] = _leave(each, proposals, annotator)
        else:
            spent += each.drawing_s
            done[each.structure] = each
    return [done[name] for name in truth]


def _leave(wrong: Handling, proposals: Mapping[str, Bools], annotator: Annotator) -> Handling:
    """Leave a structure as it is; only what was proposed has been looked at."""
    looking_s = annotator.look_s if wrong.structure in proposals else 0.0
    return Handling(wrong.structure, "left", looking_s, 0.0, wrong.dice_before)


def _judge(name: str, proposal: Bools | None, true: Bools, annotator: Annotator) -> Handling | None:
    """Decide by looking alone; None where something must be drawn."""
    if not true.any():
        return Handling(name, "absent", annotator.look_s)
    if proposal is None or not proposal.any():
        return None
    agreement = dice(proposal, true)
    if agreement >= annotator.good_enough_dice:
        return Handling(name, "accepted", annotator.look_s, 0.0, agreement)
    return None


def _correct(
    name: str,
    proposal: Bools | None,
    true: Bools,
    spacing_mm: Spacing,
    annotator: Annotator,
    rng: np.random.Generator,
) -> Handling:
    """Redraw the slices that are wrong, or everything where that is quicker."""
    look_s, pace = annotator.look_s, annotator.pace
    drawn = draw_roughly(true, spacing_mm, annotator.strokes, rng)
    from_nothing = _drawing_s(drawn, spacing_mm, pace)
    if proposal is None or not proposal.any():
        return Handling(name, "drawn", look_s, from_nothing, 0.0, drawn)
    before = dice(proposal, true)
    slices = wrong_slices(proposal, true, annotator.good_enough_dice)
    fixed = np.asfortranarray(np.where(slices, drawn, proposal))
    drawing_s = _drawing_s(fixed != proposal, spacing_mm, pace)
    if from_nothing < drawing_s:
        return Handling(name, "corrected", look_s, from_nothing, before, drawn)
    return Handling(name, "corrected", look_s, drawing_s, before, fixed)


def wrong_slices(proposal: Bools, true: Bools, good_enough: float) -> Bools:
    """Tell of each slice (K) along the last axis whether it agrees too little with the truth.

    A slice that is empty in both agrees.
    """
    both = np.count_nonzero(proposal & true, axis=(0, 1))
    sizes = np.count_nonzero(proposal, axis=(0, 1)) + np.count_nonzero(true, axis=(0, 1))
    return np.asarray(2 * both < good_enough * sizes)


def _drawing_s(changed: Bools, spacing_mm: Spacing, pace: Pace) -> float:
    height_mm = float(np.count_nonzero(changed.any(axis=(0, 1)))) * spacing_mm[2]
    return pace.seconds(height_mm, _ml(changed, spacing_mm))


def dice(first: Bools, second: Bools) -> float:
    """Give the Dice coefficient of two masks; 1 for two empty ones."""
    total = int(np.count_nonzero(first)) + int(np.count_nonzero(second))
    return 1.0 if total == 0 else 2 * int(np.count_nonzero(first & second)) / total


def seconds_without_proposals(
    masks: Iterable[Bools], spacing_mm: Spacing, pace: Pace = BY_HAND
) -> float:
    """Give the time to draw every structure of a case from nothing; absent ones cost nothing."""
    return sum(_drawing_s(mask, spacing_mm, pace) for mask in masks if mask.any())


def _ml(mask: Bools, spacing_mm: Spacing) -> float:
    return int(np.count_nonzero(mask)) * float(np.prod(spacing_mm)) / 1000
