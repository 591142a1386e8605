"""What people did, one item for each mask they saved and each verdict they gave.

Words
-----
proposal
    The mask that was given out and then corrected or accepted: a mask's parent.
corrected
    A person saved a mask made from a proposal.
drawn
    A person saved a mask that was made from none.
accepted
    A person accepted a mask that no person made, and the acceptance stands.
absent
    A person said that the structure is not there.
checked
    Any other verdict: a person's own mask accepted, a mask sent back, a case excluded. It takes
    time and gives no mask.

A mask drawn a second time, blind, is none of these: it measures agreement and no proposal is
done with by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from annotation.revision_marks import is_blind
from pipeline.workspace import Mask, Origin, Verdict, Workspace
from pipeline.workspace.in_force import (
    accepted_ids,
    is_excluded,
    mask_in_force,
    verdicts_by_structure,
)
from pipeline.workspace.ledger_pass import cases_with_masks
from pipeline.workspace.structure_state import case_structures

What = Literal["corrected", "drawn", "accepted", "absent", "checked"]
PERSONS: tuple[Origin, ...] = ("human", "rough")
BOOTSTRAP, NOTHING, UNKNOWN = "bootstrap", "nothing", "unknown"


@dataclass(frozen=True, slots=True)
class EffortItem:
    """One thing that a person did.

    Attributes
    ----------
    structure : str
        Empty for a verdict about a whole case.
    basis : str
        What the person began with: ``round N``, ``bootstrap``, ``nothing``, or ``unknown`` where
        the ledger lacks it. A correction of a correction has the basis of the first one.
    seconds : float or None
        None: nobody noted it.
    mask, proposal : Mask or None
        `proposal` is None where there was none or the ledger lacks it.
    """

    case_id: str
    structure: str
    what: What
    basis: str
    by: str
    created: str
    seconds: float | None
    mask: Mask | None = None
    proposal: Mask | None = None


@dataclass(frozen=True, slots=True)
class Undecided:
    """How many structures nobody has decided, over cases that are not excluded.

    Attributes
    ----------
    begun : int
        In cases in which somebody decided something.
    all : int
    cases, begun_cases : int
        Cases with something undecided.
    """

    all: int = 0
    begun: int = 0
    cases: int = 0
    begun_cases: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """Everything people did in a workspace, oldest first, and what is left."""

    items: tuple[EffortItem, ...]
    undecided: Undecided
    lost: tuple[str, ...] = ()


def read_work(workspace: Workspace, structures: Sequence[str] = ()) -> Work:
    """Collect what people did; only the ledger is read.

    Parameters
    ----------
    workspace : Workspace
    structures : sequence of str
        Only these; none: all of the class map, and what is about whole cases.

    Raises
    ------
    ClassMapError
        When there is no such structure.
    """
    asked = {workspace.class_map[name].name for name in structures}
    names = [name for name in workspace.class_map.names if not asked or name in asked]
    saved = {mask.id: mask for mask in workspace.ledger.masks_of(PERSONS)}
    reader = _Reader(saved, names, whole_cases=not asked)
    verdicts: dict[str, list[Verdict]] = {}
    for verdict in workspace.ledger.verdicts():
        verdicts.setdefault(verdict.case_id, []).append(verdict)
    for case, masks in cases_with_masks(workspace.cases(), workspace.ledger):
        reader.add(case.id, masks, verdicts.get(case.id, []))
    items = sorted(reader.items, key=lambda i: (i.created, i.case_id, i.structure, i.what))
    return Work(tuple(items), reader.undecided, tuple(reader.lost))


class _Reader:
    """Items and counts while the cases pass by."""

    def __init__(self, saved: Mapping[str, Mask], names: Sequence[str], *, whole_cases: bool):
        self.saved, self.names, self.whole_cases = saved, names, whole_cases
        self.items: list[EffortItem] = []
        self.lost: list[str] = []
        self.undecided = Undecided()

    def add(self, case_id: str, masks: Sequence[Mask], verdicts: Sequence[Verdict]) -> None:
        names = set(self.names)
        known = {mask.id: mask for mask in masks}
        for mask in masks:
            if mask.origin not in PERSONS or mask.structure not in names:
                continue
            if not is_blind(self.saved[mask.id]):
                self.items.append(self._saved(self.saved[mask.id]))
        accepted = map(accepted_ids, verdicts_by_structure(verdicts).values())
        standing = {mask_ids[-1] for mask_ids in accepted if mask_ids}
        counted: set[str] = set()
        for verdict in verdicts:
            if verdict.structure in names or (verdict.structure is None and self.whole_cases):
                self.items.append(self._said(verdict, known, standing - counted))
                if self.items[-1].what == "accepted" and verdict.mask_id is not None:
                    counted.add(verdict.mask_id)
        if not is_excluded(verdicts):
            self._count(masks, verdicts)

    def _saved(self, mask: Mask) -> EffortItem:
        made = mask.provenance
        parents = self._parents(mask)
        if made.parents and not parents:
            self.lost.append(
                f"{mask.case_id}/{mask.structure}/{mask.id[:12]}: the mask it was made from is "
                "not in the ledger"
            )
        return EffortItem(
            mask.case_id,
            mask.structure,
            "corrected" if made.parents else "drawn",
            self._basis(mask),
            made.maker.removeprefix("person:"),
            made.created,
            seconds_of(made.about),
            mask,
            parents[0] if parents else None,
        )

    def _parents(self, mask: Mask) -> list[Mask]:
        found = (self.saved.get(parent) for parent in mask.provenance.parents)
        return [p for p in found if p is not None and p.structure == mask.structure]

    def _basis(self, mask: Mask) -> str:
        """Follow the parents down to what no person made."""
        seen: set[str] = set()
        while mask.origin in PERSONS and mask.id not in seen:
            seen.add(mask.id)
            parents = self._parents(mask)
            if not parents:
                return UNKNOWN if mask.provenance.parents else NOTHING
            mask = parents[0]
        return basis_of(mask)

    def _said(
        self, verdict: Verdict, known: Mapping[str, Mask], standing: Iterable[str]
    ) -> EffortItem:
        mask = known.get(verdict.mask_id or "")
        what: What = "checked"
        if verdict.decision.startswith("absent"):
            what = "absent"
        elif verdict.decision == "accept" and mask is not None and mask.origin not in PERSONS:
            what = "accepted" if mask.id in standing else "checked"
        mask = mask or _proposed(verdict, known.values())
        basis = NOTHING if mask is None else self._basis(self.saved.get(mask.id, mask))
        judged = mask if what == "accepted" else None
        return EffortItem(
            verdict.case_id,
            verdict.structure or "",
            what,
            basis,
            verdict.by,
            verdict.created,
            verdict.seconds,
            judged,
            judged,
        )

    def _count(self, masks: Sequence[Mask], verdicts: Sequence[Verdict]) -> None:
        states = case_structures(self.names, masks, verdicts)
        left = sum(not s.accepted and not s.presence.startswith("absent") for s in states)
        if left:
            begun = left < len(states)
            before = self.undecided
            self.undecided = Undecided(
                before.all + left,
                before.begun + left * begun,
                before.cases + 1,
                before.begun_cases + begun,
            )


def _proposed(verdict: Verdict, masks: Iterable[Mask]) -> Mask | None:
    """Give the proposal of a structure that counted when a verdict without a mask was given."""
    then = [
        mask
        for mask in masks
        if mask.structure == verdict.structure
        and mask.origin not in PERSONS
        and mask.provenance.created <= verdict.created
    ]
    return mask_in_force(then, ())


def basis_of(mask: Mask) -> str:
    """Name what a mask that no person made stands for: its round, or bootstrap."""
    number = mask.provenance.round
    return BOOTSTRAP if mask.origin != "round" or number is None else f"round {number}"


def basis_order(bases: Iterable[str]) -> Iterator[str]:
    """Order bases as they come in a dataset's life: nothing, bootstrap, round 1, round 2, ..."""
    first = (UNKNOWN, NOTHING, BOOTSTRAP)

    def place(basis: str) -> int:
        if basis in first:
            return first.index(basis)
        return len(first) + int(basis.removeprefix("round "))

    yield from sorted(set(bases), key=place)


def seconds_of(about: Mapping[str, str]) -> float | None:
    """Read the seconds a mask took; None for one that changed only as another was drawn over it.

    The workbench notes no strokes and no seconds for such a neighbour: the time is the other's.
    """
    seconds = _seconds(about.get("seconds"))
    return None if seconds == 0 and about.get("strokes") == "0" else seconds


def _seconds(text: str | None) -> float | None:
    """Read the seconds a mask says it took; what cannot be read is unknown, never 0."""
    import math

    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
