"""Agreement between people, and of a person with themselves.

Two masks that people made from one proposal, neither seeing the other, are two readings of the same
thing. Such pairs come from blind re-presentation (a share of corrected masks is shown once more, as
it was before) and from two people who drew at the same time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import mean
from typing import Any, Literal

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


def is_blind(mask: Mask) -> bool:
    """Tell whether a mask was drawn without the first answer in sight."""
    return "blind" in mask.provenance.about


def is_aside(mask: Mask) -> bool:
    """Tell whether a mask changed as a neighbour was drawn, while somebody else drew on it."""
    return "aside" in mask.provenance.about


def readings(masks: Iterable[Mask]) -> Iterator[Reading]:
    """Pair what people made of one proposal; of several by one person the last one counts.

    Parameters
    ----------
    masks : iterable of Mask
        Those of people, oldest first.
    """
    last: dict[tuple[str, str, str], dict[tuple[str, bool], Mask]] = {}
    for mask in masks:
        if len(mask.provenance.parents) == 1 and not is_aside(mask):
            thing = (mask.case_id, mask.structure, mask.provenance.parents[0])
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


def next_blind(
    masks: Sequence[Mask], in_force: Iterable[str], person: str, share: float
) -> BlindTask | None:
    """Choose what a person shall correct once more; None where nothing is left.

    Which masks are chosen depends on their ids alone, so that it is the same for everybody and
    after every start.

    Parameters
    ----------
    masks : sequence of Mask
        Those of people, oldest first.
    in_force : iterable of str
        Ids of masks in force.
    person : str
    share : float
        Of corrected masks, 0 to 1.
    """
    maker, now = f"person:{person}", set(in_force)
    done = {(m.case_id, m.structure) for m in masks if is_blind(m) and m.provenance.maker == maker}
    for mask in masks:
        thing = (mask.case_id, mask.structure)
        one_parent = len(mask.provenance.parents) == 1
        if mask.id in now and one_parent and thing not in done and _is_drawn(mask, share):
            return BlindTask(*thing, mask.provenance.parents[0])
    return None


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
