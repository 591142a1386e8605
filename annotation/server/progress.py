"""Figures of the progress page: pace, hours left, what changes from round to round."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from threading import Lock
from typing import Any

from annotation.effort import EffortReport, effort_report
from annotation.effort_figures import Effort, group_of
from annotation.effort_items import PERSONS, basis_order
from annotation.server.agreement import KnownChanges, agreement
from annotation.server.case_cards import CaseCard, CaseCards
from annotation.server.worklist import newest_choice, round_progress
from pipeline.workspace import Mask, Workspace

_LOOK_AGAIN_S = 20.0
_DAY = len("2026-03-01")


class Progress:
    """The figures, computed at most every 20 seconds, by one thread at a time."""

    def __init__(self, workspace: Workspace, cards: CaseCards) -> None:
        self._workspace, self._cards = workspace, cards
        self._document: dict[str, Any] = {}
        self._compared: KnownChanges = {}
        self._made = float("-inf")
        self._lock = Lock()

    def document(self) -> dict[str, Any]:
        """Give the figures as plain JSON values."""
        with self._lock:
            if time.monotonic() - self._made > _LOOK_AGAIN_S:
                self._document = progress_document(
                    self._workspace, self._cards.all(), self._compared
                )
                self._made = time.monotonic()
            return self._document


def progress_document(
    workspace: Workspace, cards: Mapping[str, CaseCard], compared: KnownChanges
) -> dict[str, Any]:
    """Compute the figures of a workspace; what was compared is added to what was before."""
    report = effort_report(workspace, by="round")
    total = report.total
    return {
        "round": round_progress(cards, newest_choice(workspace)),
        "cases": _cases(cards),
        "structures": _structure_states(cards),
        "masks": total.masks,
        "hours": total.hours,
        "masks_per_hour": total.timed / total.hours if total.hours and total.timed else None,
        "mean_s": total.mean_s,
        "median_s": total.median_s,
        "by_structure": _worst_first(_grouped(report.efforts, lambda e: e.item.structure)),
        "by_round": _grouped(report.efforts, lambda e: e.item.basis, rounds=True),
        "by_annotator": _grouped(report.efforts, lambda e: e.item.by),
        "by_day": _days(report),
        "pace": asdict(report.pace) if report.pace else None,
        "left": asdict(report.left),
        "paper": asdict(report.paper),
        "agreement": agreement(workspace, persons_masks(workspace), compared),
        "problems": list(report.problems),
    }


def persons_masks(workspace: Workspace) -> list[Mask]:
    """List the masks that people made, oldest first."""
    masks = [mask for mask in workspace.ledger.masks_of(PERSONS) if mask.origin in PERSONS]
    return sorted(masks, key=lambda mask: (mask.provenance.created, mask.id))


def _grouped(
    efforts: Sequence[Effort], key: Callable[[Effort], str], *, rounds: bool = False
) -> list[dict[str, Any]]:
    groups: dict[str, list[Effort]] = {}
    for effort in efforts:
        groups.setdefault(key(effort), []).append(effort)
    groups.pop("", None)
    order = basis_order(groups) if rounds else sorted(groups)
    made = [group_of(name, groups[name]) for name in order]
    return [asdict(group) | {"masks": group.masks} for group in made]


def _worst_first(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Order structures by how far proposals were from what people made of them."""
    return sorted(groups, key=lambda g: (g["dice"] is None, g["dice"] or 0.0, g["name"]))


def _days(report: EffortReport) -> list[dict[str, Any]]:
    """Add up what was done on each day (UTC)."""
    days: dict[str, list[Effort]] = {}
    for effort in report.efforts:
        days.setdefault(effort.item.created[:_DAY], []).append(effort)
    return [
        {
            "day": day,
            "cases": len({effort.item.case_id for effort in days[day]}),
            "masks": group_of(day, days[day]).masks,
            "hours": group_of(day, days[day]).hours,
        }
        for day in sorted(days)
    ]


def _cases(cards: Mapping[str, CaseCard]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for card in cards.values():
        counts[card.state] = counts.get(card.state, 0) + 1
    return {"total": len(cards), **counts}


def _structure_states(cards: Mapping[str, CaseCard]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for card in cards.values():
        if card.state != "excluded":
            for state, number in card.counts.items():
                counts[state] = counts.get(state, 0) + number
    return counts
