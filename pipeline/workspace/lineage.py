"""Bias lineage: which masks in force still carry a source that nobody has corrected.

Words
-----
source
    An existing model, by its name or by a word in the ``lineage`` of its card.
carry
    A mask carries a source if it is the source's own (``direct``), was made from such a mask
    by merging or transfer (``merged``), or was predicted by a model that such masks of the same
    structure taught (``learned``); of several ways the first of these counts. Parents of other
    structures count only where a mask has none of its own. A mask that a person drew or
    corrected carries nothing. Accepting one unchanged corrects nothing.
unknown
    The chain is broken (a manifest, card or mask is gone) before anything was found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from pipeline.workspace.in_force import (
    accepted_ids,
    is_excluded,
    masks_in_force,
    verdicts_by_structure,
)
from pipeline.workspace.lineage_walk import Kind, LineageWalk, light_masks
from pipeline.workspace.source_models import SourceModel, find_source
from pipeline.workspace.words import Mask, Verdict

if TYPE_CHECKING:
    from pipeline.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class CarriedMask:
    """A mask in force that carries the source.

    Attributes
    ----------
    kind : Kind
    accepted : bool
        A person accepted it unchanged.
    sent_back : bool
        The last verdict about it is *fix*.
    voxels : int
        0: its maker looked and found nothing.
    """

    case_id: str
    structure: str
    kind: Kind
    accepted: bool
    sent_back: bool
    maker: str
    voxels: int
    mask_id: str


@dataclass(frozen=True, slots=True)
class LineageCounts:
    """Masks in force by how they carry the source.

    Attributes
    ----------
    in_force : int
        All of them, whether they carry it or not.
    accepted : int
        Of those that carry it (not the unknown), how many a person accepted unchanged.
    """

    direct: int = 0
    merged: int = 0
    learned: int = 0
    unknown: int = 0
    accepted: int = 0
    in_force: int = 0


@dataclass(frozen=True, slots=True)
class StructureLineage:
    """How one structure carries the source, over all cases that are not excluded."""

    name: str
    counts: LineageCounts


@dataclass(frozen=True, slots=True)
class SourceLineage:
    """Where one source is still in force.

    Attributes
    ----------
    source : str
        The word that was asked for.
    models : tuple of SourceModel
        Whose masks are the source's own.
    case_count : int
        Cases that are not excluded.
    structures : tuple of StructureLineage
        Those that carry it in some case, in the order of the class map.
    masks : tuple of CarriedMask
        By case and structure.
    gaps : tuple of str
        What the walk looked for and did not find, and what to do.
    """

    source: str
    models: tuple[SourceModel, ...]
    case_count: int
    counts: LineageCounts
    structures: tuple[StructureLineage, ...]
    masks: tuple[CarriedMask, ...]
    gaps: tuple[str, ...]


def source_lineage(workspace: Workspace, word: str, structure: str | None = None) -> SourceLineage:
    """List the masks in force that carry a source, in cases that are not excluded.

    Parameters
    ----------
    workspace : Workspace
        Only its ledger, manifests and card snapshots are read, no voxels.
    word : str
        A model's name (``ribfrac``) or a word of its card's ``lineage``; case does not matter.
    structure : str, optional
        Look at the masks of this structure only.

    Raises
    ------
    NothingToDo
        If no mask of the ledger comes from such a source, with the sources there are.
    """
    masks = light_masks(workspace.ledger)
    source = find_source(workspace.layout, masks.values(), word)
    walk = LineageWalk(workspace.layout, masks, source)
    verdicts: dict[str, list[Verdict]] = {}
    for verdict in workspace.ledger.verdicts():
        verdicts.setdefault(verdict.case_id, []).append(verdict)
    excluded = {case_id for case_id, said in verdicts.items() if is_excluded(said)}
    carried: list[CarriedMask] = []
    in_force: Counter[str] = Counter()
    for case_id, found in groupby(masks.values(), key=lambda mask: mask.case_id):
        if case_id not in excluded:
            said = verdicts.get(case_id, ())
            chosen = masks_in_force(_only(found, structure), said)
            in_force.update(chosen.keys())
            carried += _carried(chosen, said, walk)
    return SourceLineage(
        source=word,
        models=source.models,
        case_count=sum(case.id not in excluded for case in workspace.cases()),
        counts=_count(carried, sum(in_force.values())),
        structures=_by_structure(carried, in_force, workspace.class_map.names),
        masks=tuple(carried),
        gaps=walk.gaps,
    )


def _only(masks: Iterable[Mask], structure: str | None) -> Iterable[Mask]:
    return (mask for mask in masks if structure in (None, mask.structure))


def _carried(
    chosen: Mapping[str, Mask], verdicts: Sequence[Verdict], walk: LineageWalk
) -> list[CarriedMask]:
    """Give those of one case's masks in force that carry the source."""
    said = verdicts_by_structure(verdicts)
    found = []
    for structure, mask in chosen.items():
        kind = walk.kind_of(mask.id)
        if kind is None:
            continue
        about = said.get(structure, [])
        found.append(
            CarriedMask(
                case_id=mask.case_id,
                structure=structure,
                kind=kind,
                accepted=bool(about) and mask.id in accepted_ids(about),
                sent_back=bool(about) and about[-1].decision == "fix",
                maker=mask.provenance.maker,
                voxels=mask.voxels,
                mask_id=mask.id,
            )
        )
    return found


def _count(carried: Iterable[CarriedMask], in_force: int) -> LineageCounts:
    named: Counter[str] = Counter()
    for mask in carried:
        named[mask.kind] += 1
        named["accepted"] += mask.accepted and mask.kind is not Kind.UNKNOWN
    return LineageCounts(**{**named, "in_force": in_force})


def _by_structure(
    carried: Iterable[CarriedMask], in_force: Mapping[str, int], names: Sequence[str]
) -> tuple[StructureLineage, ...]:
    """Count by structure: first those of the class map in its order, then any others."""
    grouped: dict[str, list[CarriedMask]] = {}
    for mask in carried:
        grouped.setdefault(mask.structure, []).append(mask)
    place = {name: number for number, name in enumerate(names)}
    ordered = sorted(grouped, key=lambda name: (place.get(name, len(place)), name))
    return tuple(StructureLineage(name, _count(grouped[name], in_force[name])) for name in ordered)
