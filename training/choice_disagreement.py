"""The strategy that looks where two rounds drew a structure differently.

A structure that changes from one model to the next is one that neither has learned. The masks
are compared as crops. Two masks of v and w voxels have a Dice of at most 2 min(v, w) / (v + w),
so the ledger alone says below which disagreement a case cannot be; only the cases that come first
by this bound are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from pipeline.engine import Engine
from pipeline.workspace import Layout, Mask, Workspace
from pipeline.workspace.mask_change import mask_change
from training.choice_cohort import Cohort, Floats, proposal_pair

_SHOWN = 3
Pair = tuple[Mask, Mask]


@dataclass(frozen=True, slots=True)
class _Task:
    """The pairs of one case, to be compared by a worker."""

    layout: Layout
    place: int
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, eq=False)
class Disagreement:
    """Cases in which the two newest proposals of a structure differ most: mean of 1 - Dice.

    Structures of which both masks are empty do not count. See
    :func:`training.choice_cohort.proposal_pair` for which two.

    Attributes
    ----------
    draws : ndarray, shape (N,)
        Decide between cases with equal bounds.
    most : int
        Cases whose masks are read.
    notes : list of str
        What could not be compared.
    """

    workspace: Workspace
    cohort: Cohort
    draws: Floats
    engine: Engine
    most: int
    notes: list[str] = field(default_factory=list)

    @property
    def nothing(self) -> str:
        """What is missing where no candidate has a score."""
        if self.notes:
            return "no masks could be compared"
        return "no undecided structure was proposed by two rounds, or by bootstrap and a round"

    @cached_property
    def bound(self) -> Floats:
        """The least disagreement each case can have, by voxel counts: shape (N,); NaN unknown."""
        before, after = np.moveaxis(self.cohort.pair_voxels, -1, 0)
        both = before + after
        counted = both > 0
        least = np.where(counted, np.abs(before - after) / np.where(counted, both, 1), 0)
        number = counted.sum(axis=1)
        return np.where(number > 0, least.sum(axis=1) / np.maximum(number, 1), np.nan)

    @cached_property
    def dice(self) -> Mapping[int, Mapping[str, float]]:
        """Dice by candidate and structure, of the candidates that were read."""
        known = np.flatnonzero(~np.isnan(self.bound))
        order = sorted(known, key=lambda place: (-self.bound[place], -self.draws[place]))
        tasks = [self._task(int(place)) for place in sorted(order[: self.most])]
        found = {}
        for result in self.engine.map(_dice_of, tasks):
            if result.value is None:
                case_id = self.cohort.cases[result.item.place].id
                self.notes.append(f"{case_id}: {result.error}")
            elif result.value:
                found[result.item.place] = result.value
        return found

    def _task(self, place: int) -> _Task:
        revisions: dict[str, list[Mask]] = {}
        for mask in self.workspace.masks(self.cohort.cases[place].id):
            revisions.setdefault(mask.structure, []).append(mask)
        names = self.cohort.names(np.flatnonzero(self.cohort.undecided[place]))
        pairs = (proposal_pair(revisions.get(name, ())) for name in names)
        return _Task(self.workspace.layout, place, tuple(p for p in pairs if p is not None))

    @cached_property
    def _scores(self) -> Floats:
        scores = np.full(len(self.cohort), np.nan)
        for place, by_structure in self.dice.items():
            scores[place] = 1 - float(np.mean(list(by_structure.values())))
        return scores

    def scores(self, chosen: Sequence[int]) -> Floats:
        """Give the disagreement of every candidate that was read."""
        return self._scores

    def reason(self, place: int) -> str:
        """Name the structures with the lowest Dice."""
        found = self.dice[place]
        worst = sorted(found, key=lambda name: (found[name], name))[:_SHOWN]
        named = ", ".join(f"{name} (Dice {found[name]:.2f})" for name in worst)
        return f"the two newest proposals agree least on {named}"


def _dice_of(task: _Task) -> dict[str, float]:
    found = {}
    for before, after in task.pairs:
        dice = mask_change(task.layout, before, after).dice
        if dice is not None:
            found[after.structure] = dice
    return found
