"""Agreement between people, and of a person with themselves.

Two masks that people made from one proposal, neither seeing the other, are two readings of the same
thing. Such pairs come from blind re-presentation (a share of corrected masks is shown once more, as
it was before) and from two people who drew at the same time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import mean
from typing import Any, Literal

from annotation.revision_marks import is_aside, is_blind
from pipeline.errors import MasksmithError
from pipeline.workspace import Mask, Workspace
from pipeline.workspace.mask_change import MaskChange, mask_change

Kind = Literal["intra", "inter"]
_SHARES = 10_000
KnownChanges = dict[tuple[str, str], MaskChange]
"""Ids of the first and the second mask, and how they differ."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Two masks of one thing.

    Attributes
    ----------
    kind : {"intra", "inter"}
        By one person, or by two.
    """

    kind: Kind
    first: Mask
    second: Mask


@dataclass(frozen=True, slots=True)
class BlindTask:
    """A mask to be corrected once more, from what it was before anybody did."""

    case_id: str
    structure: str
    base: str


def readings(masks: Iterable[Mask]) -> Iterator[Reading]:
    """Pair what people made of one proposal; of several by one person the last one counts.

    What a person drew on after their own drawing was made of the same proposal.

    Parameters
    ----------
    masks : iterable of Mask
        Those of people, oldest first.
    """
    last: dict[tuple[str, str, str], dict[tuple[str, bool], Mask]] = {}
    known: dict[str, Mask] = {}
    for mask in masks:
        known[mask.id] = mask
        proposal = None if is_aside(mask) else _proposal(mask, known)
        if proposal:
            thing = (mask.case_id, mask.structure, proposal)
            last.setdefault(thing, {})[mask.provenance.maker, is_blind(mask)] = mask
    for made in last.values():
        for one, other in combinations(made, 2):
            kind: Kind = "intra" if one[0] == other[0] else "inter"
            yield Reading(kind, made[one], made[other])


def agreement(workspace: Workspace, masks: Sequence[Mask], known: KnownChanges) -> dict[str, Any]:
    """Compare every pair: Dice, and surface Dice at 3 mm.

    Parameters
    ----------
    workspace : Workspace
    masks : sequence of Mask
        Those of people, oldest first.
    known : dict
        What was compared before; new pairs are added. Surfaces take seconds, masks never change.
    """
    rows = []
    for pair in readings(masks):
        spacing = workspace.case(pair.first.case_id).grid.spacing_mm
        ids = (pair.first.id, pair.second.id)
        try:
            if ids not in known:
                known[ids] = mask_change(workspace.layout, pair.first, pair.second, spacing)
        except MasksmithError:
            continue
        change = known[ids]
        rows.append((pair.kind, pair.first.structure, change.dice, change.nsd))
    return {
        kind: {
            **_means([row for row in rows if row[0] == kind]),
            "structures": {
                name: _means([row for row in rows if row[:2] == (kind, name)])
                for name in sorted({row[1] for row in rows if row[0] == kind})
            },
        }
        for kind in ("intra", "inter")
    }


def blind_tasks(
    masks: Sequence[Mask], person: str, share: float, is_in_force: Callable[[Mask], bool]
) -> Iterator[BlindTask]:
    """Choose what a person shall correct once more.

    Which masks are chosen depends on their ids alone, so that it is the same for everybody and
    after every start. A mask that was made of somebody else's drawing is left out: to show that
    would be to show an answer.

    Parameters
    ----------
    masks : sequence of Mask
        Those of people, oldest first.
    person : str
    share : float
        Of corrected masks, 0 to 1.
    is_in_force : callable
        Whether a mask is in force and may be drawn anew by this person; asked last.
    """
    maker, by_id = f"person:{person}", {mask.id: mask for mask in masks}
    done = {(m.case_id, m.structure) for m in masks if is_blind(m) and m.provenance.maker == maker}
    for mask in masks:
        thing = (mask.case_id, mask.structure)
        if is_blind(mask) or thing in done or not _is_drawn(mask, share):
            continue
        base = _proposal(mask, by_id)
        shows_an_answer = base in by_id and by_id[base].origin == "human"
        if base and not shows_an_answer and is_in_force(mask):
            yield BlindTask(*thing, base)


def _proposal(mask: Mask, by_id: Mapping[str, Mask]) -> str:
    """Give the id of what a person began from, however often they went on; empty without one."""
    while len(mask.provenance.parents) == 1:
        (parent,) = mask.provenance.parents
        before = by_id.get(parent)
        own = before is not None and before.provenance.maker == mask.provenance.maker
        if before is None or not own or before.origin != "human" or is_blind(before):
            return parent
        mask = before
    return ""


def _is_drawn(mask: Mask, share: float) -> bool:
    digest = hashlib.sha256(f"blind {mask.id}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % _SHARES < share * _SHARES


def _means(rows: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    dice = [row[2] for row in rows if row[2] is not None]
    nsd = [row[3] for row in rows if row[3] is not None]
    return {
        "pairs": len(rows),
        "dice": mean(dice) if dice else None,
        "nsd": mean(nsd) if nsd else None,
    }
