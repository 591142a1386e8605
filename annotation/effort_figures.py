"""Sums and means of effort: pure functions of what people did and changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

from annotation.effort_items import EffortItem, Undecided, basis_order
from annotation.paper_effort import BY_HAND, ROUGH

RECENT = 200
"""On how many of the newest timed structures the pace rests at most."""

FEWEST = 10
"""With fewer timed structures of the newest round, those of the round before count too."""

_MASKS = ("corrected", "drawn", "accepted")
_DECISIONS = (*_MASKS, "absent")
_PER_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Effort:
    """One thing a person did, with what it changed.

    Attributes
    ----------
    added_ml, removed_ml : float or None
        None where nothing could be compared.
    dice, nsd : float or None
        Between proposal and result, at 3 mm; 1 for a mask accepted as it was, None for one that
        was drawn from nothing.
    """

    item: EffortItem
    added_voxels: int | None = None
    removed_voxels: int | None = None
    added_ml: float | None = None
    removed_ml: float | None = None
    dice: float | None = None
    nsd: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give one line of a table."""
        item = self.item
        return {
            "case": item.case_id,
            "structure": item.structure,
            "what": item.what,
            "basis": item.basis,
            "by": item.by,
            "created": item.created,
            "seconds": item.seconds,
            "added_voxels": self.added_voxels,
            "removed_voxels": self.removed_voxels,
            "added_ml": self.added_ml,
            "removed_ml": self.removed_ml,
            "dice": self.dice,
            "nsd": self.nsd,
            "mask": item.mask.id if item.mask else None,
            "proposal": item.proposal.id if item.proposal else None,
        }


COLUMNS = (
    "case", "structure", "what", "basis", "by", "created", "seconds", "added_voxels",
    "removed_voxels", "added_ml", "removed_ml", "dice", "nsd", "mask", "proposal",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class EffortGroup:
    """Sums and means of what belongs together.

    Attributes
    ----------
    corrected, drawn, accepted, absent, checked : int
    accepted_share : float or None
        Accepted as they were, of the proposals that were accepted or corrected.
    hours : float
        Of everything whose seconds are known.
    timed, untimed : int
        Masks and absences with and without known seconds.
    mean_s, median_s : float or None
        Per mask or absence, of those timed.
    added_ml, removed_ml, dice, nsd : float or None
        Means over the proposals that were accepted or corrected.
    """

    name: str
    corrected: int
    drawn: int
    accepted: int
    absent: int
    checked: int
    accepted_share: float | None
    hours: float
    timed: int
    untimed: int
    mean_s: float | None
    median_s: float | None
    added_ml: float | None
    removed_ml: float | None
    dice: float | None
    nsd: float | None

    @property
    def masks(self) -> int:
        """Masks that were drawn, corrected or accepted."""
        return self.corrected + self.drawn + self.accepted


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds a structure of a case takes now, everything done to it added up.

    Attributes
    ----------
    bases : tuple of str
        What people began with in them: the newest round, and earlier ones only while there are
        fewer than :data:`FEWEST`.
    structures : int
        On how many timed ones this rests, at most :data:`RECENT`.
    of_structures : int
        How many people worked on in all, timed or not.
    """

    bases: tuple[str, ...]
    structures: int
    of_structures: int
    mean_s: float
    median_s: float


@dataclass(frozen=True, slots=True)
class Left:
    """Hours left if the pace stays as it is; by the mean, which a sum of many comes to."""

    undecided: Undecided
    hours: float | None
    hours_begun: float | None
    hours_by_median: float | None


@dataclass(frozen=True, slots=True)
class PaperComparison:
    """What the timed masks would have taken at the paper's pace.

    Attributes
    ----------
    masks : int
        Drawn, corrected or accepted, with known seconds.
    """

    masks: int
    hours_here: float
    hours_by_hand: float
    hours_rough: float


def group_of(name: str, efforts: Sequence[Effort]) -> EffortGroup:
    """Add up efforts that belong together."""
    counts = {what: sum(e.item.what == what for e in efforts) for what in (*_DECISIONS, "checked")}
    proposals = [e for e in efforts if e.item.what in ("corrected", "accepted")]
    decisions = [e.item.seconds for e in efforts if e.item.what in _DECISIONS]
    known = [seconds for seconds in decisions if seconds is not None]
    return EffortGroup(
        name,
        **counts,
        accepted_share=counts["accepted"] / len(proposals) if proposals else None,
        hours=sum(e.item.seconds or 0.0 for e in efforts) / _PER_HOUR,
        timed=len(known),
        untimed=len(decisions) - len(known),
        mean_s=mean(known) if known else None,
        median_s=median(known) if known else None,
        added_ml=_mean(e.added_ml for e in proposals),
        removed_ml=_mean(e.removed_ml for e in proposals),
        dice=_mean(e.dice for e in proposals),
        nsd=_mean(e.nsd for e in proposals),
    )


def pace_of(items: Iterable[EffortItem], recent: int = RECENT) -> Pace | None:
    """Say what one structure of one case took, over those of the newest round that are timed.

    A structure counts as timed when every mask saved of it is, and anything at all is.
    """
    done: dict[tuple[str, str], list[EffortItem]] = {}
    for item in sorted(items, key=lambda item: item.created):
        if item.structure:
            pair = (item.case_id, item.structure)
            done[pair] = [*done.pop(pair, []), item]
    by_basis: dict[str, list[float]] = {}
    for each in done.values():
        if (seconds := _whole_time(each)) is not None:
            newest = list(basis_order(item.basis for item in each))[-1]
            by_basis.setdefault(newest, []).append(seconds)
    bases: list[str] = []
    taken: list[float] = []
    for basis in reversed(list(basis_order(by_basis))):
        if len(taken) < FEWEST:
            bases.append(basis)
            taken = [*by_basis[basis], *taken]
    taken = taken[-recent:]
    if not taken:
        return None
    return Pace(tuple(bases), len(taken), len(done), mean(taken), median(taken))


def _whole_time(items: Sequence[EffortItem]) -> float | None:
    if any(item.seconds is None for item in items if item.what in ("corrected", "drawn")):
        return None
    known = [item.seconds for item in items if item.seconds is not None]
    return sum(known) if known else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def hours_left(undecided: Undecided, pace: Pace | None) -> Left:
    """Say how long the undecided takes at a pace; None where there is no pace yet."""
    if pace is None:
        return Left(undecided, None, None, None)
    hours, by_median = pace.mean_s / _PER_HOUR, pace.median_s / _PER_HOUR
    return Left(
        undecided, undecided.all * hours, undecided.begun * hours, undecided.all * by_median
    )


def beside_the_paper(items: Iterable[EffortItem]) -> PaperComparison:
    """Compare the masks whose time is known with the same number at the paper's pace."""
    timed = [item.seconds for item in items if item.what in _MASKS and item.seconds is not None]
    return PaperComparison(
        len(timed),
        sum(timed) / _PER_HOUR,
        len(timed) * BY_HAND.seconds / _PER_HOUR,
        len(timed) * ROUGH.seconds / _PER_HOUR,
    )
