"""One line of the worklist for each case, kept in memory and made anew where the ledger grew.

Planted cases have lines as the others do: whoever looks through them must not tell them apart.

Masks and verdicts are only ever added, so two counts per case tell whether a line is still true,
whoever wrote: this server, a running stage, or another command.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Literal

from annotation.effort_items import PERSONS, seconds_of
from pipeline.errors import BadInput
from pipeline.workspace import Case, Mask, Verdict, Workspace
from pipeline.workspace.case_findings import case_findings
from pipeline.workspace.ledger_pass import cases_with_masks
from pipeline.workspace.status import CaseState, case_status
from pipeline.workspace.structure_state import StructureState, case_structures

State = Literal["undecided", "proposed", "flagged", "corrected", "accepted", "absent"]
TO_CHECK: tuple[State, ...] = ("proposed", "flagged", "corrected")
_LOOK_AGAIN_S = 2.0
_MANY_CHANGED = 50
_Signature = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class CaseCard:
    """How one case stands, as the worklist shows it.

    Attributes
    ----------
    slices : int
        From foot to head.
    states : mapping
        Structure to how it stands.
    findings, grave_findings : int
        All, and those of high severity.
    seconds : float
        People's time so far, as far as it is known.
    reason : str
        Why it is excluded.
    """

    id: str
    phase: str | None
    slices: int
    state: CaseState
    states: Mapping[str, State] = field(default_factory=dict)
    findings: int = 0
    grave_findings: int = 0
    last_edit: str | None = None
    last_by: str | None = None
    seconds: float = 0.0
    reason: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """How many structures are in each state."""
        return dict(Counter(self.states.values()))

    @property
    def to_check(self) -> int:
        """How many structures wait for a person's decision about a mask."""
        return sum(state in TO_CHECK for state in self.states.values())

    @property
    def is_open(self) -> bool:
        """Whether anything is left to decide."""
        return self.state not in ("complete", "excluded")


def state_word(state: StructureState, verdicts: Sequence[Verdict]) -> State:
    """Name how a structure stands, in the workbench's words.

    Parameters
    ----------
    state : StructureState
    verdicts : sequence of Verdict
        About this structure, oldest first.
    """
    if state.presence.startswith("absent"):
        return "absent"
    if state.accepted:
        return "accepted"
    flagged = state.sent_back and (state.mask is None or verdicts[-1].mask_id == state.mask.id)
    if flagged:
        return "flagged"
    if state.mask is None or not state.mask.voxels:
        return "undecided"
    return "corrected" if state.mask.origin in PERSONS else "proposed"


class CaseCards:
    """The cards of all cases."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._cards: dict[str, CaseCard] = {}
        self._signatures: dict[str, _Signature] = {}
        self._looked = float("-inf")
        self._stale: set[str] = set()
        self._lock = Lock()

    def all(self) -> dict[str, CaseCard]:
        """Give every card, by case id, as the ledger is now or was a moment ago."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked > _LOOK_AGAIN_S:
                self._look(self._read_signatures())
                self._looked = now
            elif self._stale:
                self._renew(sorted(self._stale & set(self._signatures)))
            self._stale.clear()
            return dict(self._cards)

    def touch(self, case_id: str) -> None:
        """Say that a case has just changed."""
        self._stale.add(case_id)

    def _look(self, signatures: dict[str, _Signature]) -> None:
        changed = [i for i, s in signatures.items() if self._signatures.get(i) != s]
        changed += [i for i in self._stale if i in signatures and i not in changed]
        for gone in set(self._cards) - set(signatures):
            del self._cards[gone]
        self._signatures = signatures
        if len(changed) > _MANY_CHANGED:
            self._renew_all()
        else:
            self._renew(changed)

    def _read_signatures(self) -> dict[str, _Signature]:
        """Count masks and verdicts of each case, and look when its findings were written."""
        from sqlalchemy import func, select

        from pipeline.workspace.tables import case_table, mask_table, verdict_table

        with self._workspace.ledger.engine.connect() as connection:
            counts: list[dict[str, int]] = [
                dict(
                    connection.execute(
                        select(table.c.case_id, func.count()).group_by(table.c.case_id)
                    ).all()
                )
                for table in (mask_table, verdict_table)
            ]
            ids = [row.id for row in connection.execute(select(case_table.c.id))]
        layout = self._workspace.layout
        return {
            case_id: (
                counts[0].get(case_id, 0),
                counts[1].get(case_id, 0),
                _written_ns(layout.findings_dir(case_id)),
            )
            for case_id in sorted(ids)
        }

    def _renew(self, case_ids: Iterable[str]) -> None:
        for case_id in case_ids:
            record = self._workspace.record(case_id)
            self._cards[case_id] = self._card(record.case, record.masks, record.verdicts)

    def _renew_all(self) -> None:
        verdicts: dict[str, list[Verdict]] = {}
        ledger = self._workspace.ledger
        for verdict in ledger.verdicts(planted=True):
            verdicts.setdefault(verdict.case_id, []).append(verdict)
        cases = ledger.cases(planted=True)
        for case, masks in cases_with_masks(cases, ledger, about=True, planted=True):
            self._cards[case.id] = self._card(case, masks, verdicts.get(case.id, []))

    def _card(self, case: Case, masks: Sequence[Mask], verdicts: Sequence[Verdict]) -> CaseCard:
        names = self._workspace.class_map.names
        said: dict[str | None, list[Verdict]] = {}
        for verdict in verdicts:
            said.setdefault(verdict.structure, []).append(verdict)
        status = case_status(names, case, list(masks), list(verdicts))
        states = case_structures(names, masks, verdicts)
        found = case_findings(self._workspace.layout, [case.id]).found
        shown = case.grid.shape[case.grid.world_axes()[0].index(2)]
        whole = said.get(None, [])
        return CaseCard(
            case.id,
            case.phase,
            shown,
            status.state,
            {s.structure: state_word(s, said.get(s.structure, ())) for s in states},
            len(found),
            sum(each.finding.severity == "high" for each in found),
            *_last_edit(masks, verdicts),
            _seconds(masks, verdicts),
            whole[-1].reason if whole and status.state == "excluded" else "",
        )


def _last_edit(masks: Sequence[Mask], verdicts: Sequence[Verdict]) -> tuple[str | None, str | None]:
    """Say when a person last drew or decided, and who."""
    edits = [(v.created, v.by) for v in verdicts]
    edits += [
        (mask.provenance.created, mask.provenance.maker.removeprefix("person:"))
        for mask in masks
        if mask.origin in PERSONS
    ]
    return max(edits, default=(None, None), key=lambda edit: edit[0] or "")


def _seconds(masks: Sequence[Mask], verdicts: Sequence[Verdict]) -> float:
    drawn = [seconds_of(mask.provenance.about) for mask in masks if mask.origin in PERSONS]
    return sum(seconds or 0.0 for seconds in (*drawn, *(v.seconds for v in verdicts)))


def _written_ns(folder: Path) -> int:
    """Say when a folder or a file in it was written last; 0 where there is none."""
    try:
        return max([folder.stat().st_mtime_ns, *(p.stat().st_mtime_ns for p in folder.iterdir())])
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise BadInput(f"{folder}: cannot be read ({error.strerror}); see to its rights") from None
