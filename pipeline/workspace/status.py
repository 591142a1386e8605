"""Where every case, structure and round stands, computed from the ledger in one pass.

Words: a mask in force is *accepted* by a person, or *proposed* and waits for one, or *empty*
(its maker looked and found nothing). A case is *new* (no masks), *proposed* (nobody looked
yet), *in review*, *reviewed* (nothing proposed is left to look at), *complete* (every structure
is decided) or *excluded*.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from pipeline.workspace.in_force import is_excluded
from pipeline.workspace.ledger_pass import cases_with_masks
from pipeline.workspace.structure_state import StructureState, case_structures
from pipeline.workspace.words import Case, Mask, Origin, Presence, Verdict

if TYPE_CHECKING:
    from pipeline.workspace.workspace import Workspace

CaseState = Literal["new", "proposed", "in review", "reviewed", "complete", "excluded"]
CASE_STATES: tuple[CaseState, ...] = get_args(CaseState)

_Kind = tuple[Presence, Origin | None, bool, bool, bool, bool]
_FLAGS = ("accepted", "proposed", "empty", "sent_back")


@dataclass(frozen=True)
class Counts:
    """Structures of a case, or cases of a structure, by how they stand."""

    present: int = 0
    absent_fov: int = 0
    absent_anatomy: int = 0
    undecided: int = 0
    accepted: int = 0
    proposed: int = 0
    empty: int = 0
    sent_back: int = 0
    by_origin: Mapping[Origin, int] = field(default_factory=dict)
    """Masks in force by the origin of each, accepted or not."""


@dataclass(frozen=True)
class CaseStatus:
    """How one case stands."""

    id: str
    state: CaseState
    phase: str | None
    counts: Counts


@dataclass(frozen=True)
class StructureStatus:
    """How one structure stands over all cases that are not excluded."""

    name: str
    part: str | None
    counts: Counts


@dataclass(frozen=True)
class RoundStatus:
    """How one round stands: when it began, on what it trains, what it has predicted."""

    number: int
    target_cases: int
    created: str
    manifest: str
    manifest_digest: str
    predicted_cases: int
    predicted_masks: int
    in_force: int
    not_promoted: tuple[str, ...] = ()
    """Structures that fell behind the rounds before, so that their masks were not stored."""


@dataclass(frozen=True)
class WorkspaceStatus:
    """How a whole workspace stands."""

    workspace: str
    class_map: str
    structure_count: int
    case_count: int
    states: Mapping[CaseState, int]
    counts: Counts
    rounds: tuple[RoundStatus, ...]
    structures: tuple[StructureStatus, ...]
    cases: tuple[CaseStatus, ...]


def workspace_status(workspace: Workspace) -> WorkspaceStatus:
    """Compute how a workspace stands.

    Parameters
    ----------
    workspace : Workspace
        Only its ledger and class map are read, no voxels.
    """
    tally = _Tally(workspace.class_map.names)
    verdicts = _by_case(workspace.ledger.verdicts())
    cases = [
        tally.add(case, masks, verdicts.get(case.id, []))
        for case, masks in cases_with_masks(workspace.cases(), workspace.ledger)
    ]
    parts = {structure.name: structure.part for structure in workspace.class_map}
    states = Counter(case.state for case in cases)
    return WorkspaceStatus(
        workspace=str(workspace.path),
        class_map=workspace.class_map.name,
        structure_count=len(workspace.class_map),
        case_count=len(cases),
        states={state: states[state] for state in CASE_STATES},
        counts=_counts(tally.total),
        rounds=_rounds(workspace, tally.in_force_by_round),
        structures=tuple(
            StructureStatus(name, parts[name], _counts(tally.by_structure[name])) for name in parts
        ),
        cases=tuple(cases),
    )


def case_status(
    names: Sequence[str], case: Case, masks: list[Mask], verdicts: list[Verdict]
) -> CaseStatus:
    """Compute how one case stands, from all its masks and verdicts, oldest first."""
    return _Tally(names).add(case, masks, verdicts)


class _Tally:
    """Counts over cases while they pass by, one at a time."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.total: Counter[_Kind] = Counter()
        self.by_structure: dict[str, Counter[_Kind]] = {name: Counter() for name in names}
        self.in_force_by_round: Counter[int] = Counter()

    def add(self, case: Case, masks: list[Mask], verdicts: list[Verdict]) -> CaseStatus:
        """Count a case in and return how it stands; an excluded one counts nowhere else."""
        states = case_structures(self.names, masks, verdicts)
        kinds = [_kind(state) for state in states]
        counts = _counts(Counter(kinds))
        if is_excluded(verdicts):
            return CaseStatus(case.id, "excluded", case.phase, counts)
        self.total.update(kinds)
        for state, kind in zip(states, kinds, strict=True):
            self.by_structure[state.structure][kind] += 1
            if state.mask is not None and state.mask.provenance.round is not None:
                self.in_force_by_round[state.mask.provenance.round] += 1
        return CaseStatus(case.id, _case_state(counts), case.phase, counts)


def _kind(state: StructureState) -> _Kind:
    """Reduce a structure's state to what is counted of it."""
    origin = None if state.mask is None else state.mask.origin
    flags = (state.accepted, state.proposed, state.empty, state.sent_back)
    return (state.presence, origin, *flags)


def _counts(kinds: Counter[_Kind]) -> Counts:
    """Add up how many are present, absent, accepted, ... ."""
    named: Counter[str] = Counter()
    origins: Counter[Origin] = Counter()
    for (presence, origin, *flags), number in kinds.items():
        named[presence] += number
        for flag, holds in zip(_FLAGS, flags, strict=True):
            named[flag] += number * holds
        if origin is not None:
            origins[origin] += number
    return Counts(**{name: named[name] for name in (*Presence, *_FLAGS)}, by_origin=dict(origins))


def _case_state(counts: Counts) -> CaseState:
    decided = counts.accepted + counts.absent_fov + counts.absent_anatomy
    if counts.undecided == 0 and counts.proposed == 0:
        return "complete"
    if not decided and not counts.sent_back:
        return "proposed" if counts.proposed or counts.empty else "new"
    return "in review" if counts.proposed else "reviewed"


def _rounds(workspace: Workspace, in_force: Mapping[int, int]) -> tuple[RoundStatus, ...]:
    """Say how each round stands."""
    from sqlalchemy import func, select

    from pipeline.workspace.tables import mask_table as table

    cases = func.count(func.distinct(table.c.case_id))
    query = select(table.c.round, cases, func.count()).where(table.c.origin == "round")
    with workspace.ledger.engine.connect() as connection:
        rows = connection.execute(query.group_by(table.c.round)).all()
    predicted = {number: (case_count, mask_count) for number, case_count, mask_count in rows}
    return tuple(
        RoundStatus(
            number=begun.number,
            target_cases=begun.target_cases,
            created=begun.created,
            manifest=str(workspace.layout.manifest(begun.number)),
            manifest_digest=begun.manifest_digest,
            predicted_cases=predicted.get(begun.number, (0, 0))[0],
            predicted_masks=predicted.get(begun.number, (0, 0))[1],
            in_force=in_force.get(begun.number, 0),
            not_promoted=_not_promoted(workspace.layout.promotion(begun.number)),
        )
        for begun in workspace.ledger.rounds()
    )


def _not_promoted(path: Path) -> tuple[str, ...]:
    """Read which structures a round was not promoted for; none where nothing is readable."""
    try:
        models = json.loads(path.read_bytes())["models"].values()
        return tuple(
            name
            for model in models
            for name, compared in model["structures"].items()
            if not compared["promoted"]
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()


def _by_case(verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    grouped: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        grouped.setdefault(verdict.case_id, []).append(verdict)
    return grouped
