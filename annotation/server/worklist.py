"""The worklist: which cases, in which order, whose they are, and how far the round is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from annotation.server.case_cards import CaseCard
from annotation.server.leases import Lease
from pipeline.workspace import Workspace

_WORD = re.compile(r'(?:[^\s"]|"[^"]*"?)+')


@dataclass(frozen=True, slots=True)
class Choice:
    """The cases chosen to be corrected next.

    Attributes
    ----------
    round : int or None
        After which; None where no choice was made.
    reasons : mapping
        Case id to why it was chosen, in the order of the choice.
    """

    round: int | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the page filters by.

    Attributes
    ----------
    q : str
        Parts of case id, phase or structure, ``state:flagged``, or ``assigned:`` with a name, one
        of its words, or ``nobody``; all of them must fit. A name of several words stands in
        ``"``.
    mine : str
        Only cases of this person; empty: of all.
    open_only : bool
    structure : str
        With a ``state:`` in `q`: this structure is in that state.
    """

    q: str = ""
    mine: str = ""
    open_only: bool = False
    structure: str = ""


def newest_choice(workspace: Workspace) -> Choice:
    """Read the newest choice of cases; a file that cannot be read is no choice."""
    begun = [round_.number for round_ in workspace.ledger.rounds()]
    for number in sorted({0, *begun}, reverse=True):
        try:
            chosen = json.loads(workspace.layout.next_cases(number).read_bytes())["chosen"]
            reasons = {str(each["case"]): str(each.get("reason", "")) for each in chosen}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        return Choice(number, reasons)
    return Choice()


def in_order(cards: Iterable[CaseCard], choice: Choice) -> list[CaseCard]:
    """Order cases: open before done, chosen first as they were chosen, then the worst."""
    place = {case_id: number for number, case_id in enumerate(choice.reasons)}

    def rank(card: CaseCard) -> tuple[object, ...]:
        return (
            not card.is_open,
            place.get(card.id, len(place)),
            -card.grave_findings,
            -card.findings,
            -card.to_check,
            card.id,
        )

    return sorted(cards, key=rank)


def fits(card: CaseCard, asked: Asked, assigned: Mapping[str, str]) -> bool:
    """Tell whether a case is among those that were asked for."""
    if asked.open_only and not card.is_open:
        return False
    if asked.mine and assigned.get(card.id) != asked.mine:
        return False
    if asked.structure and asked.structure not in card.states:
        return False
    whose = assigned.get(card.id)
    return all(_has_word(card, word, asked.structure, whose) for word in filter_words(asked.q))


def filter_words(q: str) -> list[str]:
    """Divide a filter into its words, in small letters; ``"`` keeps words together."""
    return [word.replace('"', "").strip() for word in _WORD.findall(q.lower())]


def _has_word(card: CaseCard, word: str, structure: str, whose: str | None) -> bool:
    if word.startswith("assigned:"):
        return _is_name(word.removeprefix("assigned:").strip(), whose)
    if word.startswith("state:"):
        wanted = word.removeprefix("state:")
        states = [card.states[structure]] if structure else [card.state, *card.states.values()]
        return wanted in states
    if word in card.id.lower() or word in (card.phase or "").lower():
        return True
    waiting = ("proposed", "flagged", "corrected")
    return any(word in name and card.states[name] in waiting for name in card.states)


def _is_name(asked: str, whose: str | None) -> bool:
    if whose is None:
        return asked == "nobody"
    return asked in (whose.lower(), *whose.lower().split())


def round_progress(cards: Mapping[str, CaseCard], choice: Choice) -> dict[str, Any]:
    """Say how many of the round's cases are done: "37 of 100 decided"."""
    chosen = [cards[i] for i in choice.reasons if i in cards]
    counted: Sequence[CaseCard] = chosen or list(cards.values())
    return {
        "round": choice.round if chosen else None,
        "decided": sum(not card.is_open for card in counted),
        "total": len(counted),
    }


def next_case(
    cards: Mapping[str, CaseCard],
    choice: Choice,
    after: str,
    free_for: Mapping[str, bool],
) -> str | None:
    """Name the open case that comes after one, going round; None where there is no other.

    Parameters
    ----------
    free_for : mapping
        Case id to whether this person may draw there and nobody else is drawing.
    """
    ordered = [card.id for card in in_order(cards.values(), choice)]
    start = ordered.index(after) + 1 if after in ordered else 0
    for case_id in (*ordered[start:], *ordered[:start]):
        if case_id != after and cards[case_id].is_open and free_for.get(case_id, True):
            return case_id
    return None


def line(
    card: CaseCard,
    choice: Choice,
    leases: Sequence[Lease],
    assigned: str | None,
    *,
    thumbnail: bool,
) -> dict[str, Any]:
    """Give what the page shows of a case."""
    return {
        "id": card.id,
        "phase": card.phase,
        "slices": card.slices,
        "state": card.state,
        "counts": card.counts,
        "to_check": card.to_check,
        "findings": card.findings,
        "grave_findings": card.grave_findings,
        "last_edit": card.last_edit,
        "last_by": card.last_by,
        "seconds": round(card.seconds, 1),
        "thumbnail": f"/gallery/thumbnails/{card.id}.webp" if thumbnail else None,
        "lease": leases[0].to_dict() if leases else None,
        "leases": [lease.to_dict() for lease in leases],
        "assigned": assigned,
        "chosen": choice.reasons.get(card.id),
        "reason": card.reason,
    }
