"""The cases among which is chosen, as arrays: one pass over the ledger, no voxels.

Words
-----
candidate
    A case that nobody excluded and in which something asked for is undecided.
decided
    Accepted by a person, or said to be absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.workspace import Case, Confidence, Mask, Presence, Verdict, Workspace
from pipeline.workspace.in_force import is_excluded, mask_in_force
from pipeline.workspace.ledger_pass import cases_with_masks
from pipeline.workspace.structure_state import StructureState, case_structures

Floats = NDArray[np.float64]
_UNKNOWN = (np.nan, np.nan, np.nan)
_PERSONS = ("human", "rough")


@dataclass(frozen=True, eq=False)
class Cohort:
    """Candidates and what is known of them; N cases by id, S structures.

    Attributes
    ----------
    structures : tuple of str
        Asked for, in the order of the class map.
    cases : tuple of Case
        The candidates.
    undecided : ndarray of bool, shape (N, S)
    there : ndarray of float, shape (N, S)
        1 where the mask in force has voxels, 0 where its maker found nothing or a person said
        that the structure is absent, NaN where nobody looked.
    confidence : ndarray of float, shape (N, S, 3)
        Mean probability, mean entropy (bits), uncertain volume (ml) of the mask in force; NaN
        where no model said.
    pair_voxels : ndarray of float, shape (N, S, 2)
        Voxels of the two masks of :func:`proposal_pair`; NaN where there are not two.
    decided : ndarray of int, shape (S,)
        In how many cases, candidates or not, each structure is decided.
    decided_cases : tuple of Case
        Those in which at least one structure is decided.
    """

    structures: tuple[str, ...]
    cases: tuple[Case, ...]
    undecided: NDArray[np.bool_]
    there: Floats
    confidence: Floats
    pair_voxels: Floats
    decided: NDArray[np.int64]
    decided_cases: tuple[Case, ...]

    def __len__(self) -> int:
        """Count the candidates."""
        return len(self.cases)

    @property
    def patients(self) -> tuple[str, ...]:
        """The patient of each candidate; a case without one is its own."""
        return tuple(case.patient_id or f"case {case.id}" for case in self.cases)

    def names(self, chosen: Sequence[int] | NDArray[np.int64]) -> list[str]:
        """Name structures by their places."""
        return [self.structures[place] for place in chosen]


def read_cohort(workspace: Workspace, structures: Sequence[str] = ()) -> Cohort:
    """Read the candidates of a workspace and what is known of them.

    Parameters
    ----------
    workspace : Workspace
        Only its ledger is read.
    structures : sequence of str
        Those to be corrected; none: all of the class map.

    Raises
    ------
    ClassMapError
        When there is no such structure.
    """
    asked = {workspace.class_map[name].name for name in structures}
    names = tuple(name for name in workspace.class_map.names if not asked or name in asked)
    rows = _Rows(names)
    verdicts: dict[str, list[Verdict]] = {}
    for verdict in workspace.ledger.verdicts():
        verdicts.setdefault(verdict.case_id, []).append(verdict)
    every = cases_with_masks(workspace.cases(), workspace.ledger, about=True)
    for case, masks in every:
        said = verdicts.get(case.id, [])
        if not is_excluded(said):
            rows.add(case, masks, said)
    return rows.cohort()


def proposal_pair(revisions: Sequence[Mask]) -> tuple[Mask, Mask] | None:
    """Give the two newest proposals of different rounds, or of a round and of bootstrap.

    Parameters
    ----------
    revisions : sequence of Mask
        Of one structure in one case. What people drew is left out.

    Returns
    -------
    tuple of Mask or None
        The older and the newer one.
    """
    newest: dict[int, Mask] = {}
    for mask in sorted(revisions, key=lambda mask: (mask.provenance.created, mask.id)):
        if mask.origin == "round" and mask.provenance.round is not None:
            newest[mask.provenance.round] = mask
    rounds = [newest[number] for number in sorted(newest)]
    if len(rounds) >= 2:
        return rounds[-2], rounds[-1]
    first = mask_in_force([m for m in revisions if m.origin not in (*_PERSONS, "round")], ())
    return (first, rounds[0]) if rounds and first is not None else None


@dataclass
class _Rows:
    """Arrays in the making, one row for each candidate."""

    structures: tuple[str, ...]
    cases: list[Case] = field(default_factory=list)
    undecided: list[NDArray[np.bool_]] = field(default_factory=list)
    there: list[Floats] = field(default_factory=list)
    confidence: list[Floats] = field(default_factory=list)
    pair_voxels: list[Floats] = field(default_factory=list)
    decided: dict[str, int] = field(default_factory=dict)
    decided_cases: list[Case] = field(default_factory=list)

    def add(self, case: Case, masks: Sequence[Mask], verdicts: Sequence[Verdict]) -> None:
        states = case_structures(self.structures, masks, verdicts)
        undecided = np.array([_is_undecided(state) for state in states], bool)
        for state, is_open in zip(states, undecided, strict=True):
            if not is_open:
                self.decided[state.structure] = self.decided.get(state.structure, 0) + 1
        if not undecided.all():
            self.decided_cases.append(case)
        if undecided.any():
            self.cases.append(case)
            self.undecided.append(undecided)
            self.there.append(np.array([_there(state) for state in states]))
            self.confidence.append(np.array([_confidence(state) for state in states]))
            self.pair_voxels.append(np.array(list(self._pairs(states, masks))))

    def _pairs(
        self, states: Sequence[StructureState], masks: Sequence[Mask]
    ) -> Iterator[tuple[float, float]]:
        revisions: dict[str, list[Mask]] = {}
        for mask in masks:
            revisions.setdefault(mask.structure, []).append(mask)
        for state in states:
            found = revisions.get(state.structure, ())
            pair = proposal_pair(found) if len(found) > 1 and _is_undecided(state) else None
            yield (np.nan, np.nan) if pair is None else (pair[0].voxels, pair[1].voxels)

    def cohort(self) -> Cohort:
        order = sorted(range(len(self.cases)), key=lambda place: self.cases[place].id)
        size = (len(order), len(self.structures))
        return Cohort(
            self.structures,
            tuple(self.cases[place] for place in order),
            np.array([self.undecided[place] for place in order], bool).reshape(size),
            np.array([self.there[place] for place in order], float).reshape(size),
            np.array([self.confidence[place] for place in order], float).reshape(*size, 3),
            np.array([self.pair_voxels[place] for place in order], float).reshape(*size, 2),
            np.array([self.decided.get(name, 0) for name in self.structures], np.int64),
            tuple(sorted(self.decided_cases, key=lambda case: case.id)),
        )


def _is_undecided(state: StructureState) -> bool:
    return not state.accepted and state.presence in (Presence.PRESENT, Presence.UNDECIDED)


def _there(state: StructureState) -> float:
    if state.presence is Presence.PRESENT:
        return 1.0
    return np.nan if state.presence is Presence.UNDECIDED and state.mask is None else 0.0


def _confidence(state: StructureState) -> tuple[float, float, float]:
    if state.mask is None or not _is_undecided(state):
        return _UNKNOWN
    said = Confidence.of(state.mask)
    return _UNKNOWN if said is None else (
        said.mean_probability, said.mean_entropy, said.uncertain_ml,
    )  # fmt: skip
