"""One mask of several models' masks of one structure, by that structure's policy.

A merged mask is a revision of its own (origin ``merged``); its parents are the masks it was made
from, so that each model stays findable in it. Only masks of model cards are merged.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from pipeline.bootstrap.known_masks import REPLACES, KnownMasks, made_from_digest
from pipeline.bootstrap.policies import Policies, Policy
from pipeline.volume import Box
from pipeline.workspace import (
    Case,
    Layout,
    Mask,
    Provenance,
    digest_of,
    read_mask,
    settings_digest,
    write_mask,
)

MAKER = "merge:bootstrap"


@dataclass(frozen=True, slots=True)
class Merge:
    """A merged mask that is to be made.

    Attributes
    ----------
    masks : tuple of Mask
        What it is made from, the highest priority first.
    """

    structure: str
    policy: Policy
    masks: tuple[Mask, ...]
    provenance: Provenance


def masks_of_cards(masks: Iterable[Mask]) -> dict[str, tuple[Mask, ...]]:
    """Give the newest mask of every model card, by structure, the highest priority first.

    Parameters
    ----------
    masks : iterable of Mask
        Every revision of one case.
    """
    newest: dict[tuple[str, str], Mask] = {}
    for mask in sorted(masks, key=lambda mask: (mask.provenance.created, mask.id)):
        if mask.origin == "model" and "model_card" in mask.provenance.sources:
            newest[mask.structure, mask.provenance.maker] = mask
    found: dict[str, list[Mask]] = {}
    for mask in newest.values():
        found.setdefault(mask.structure, []).append(mask)
    return {name: tuple(sorted(found[name], key=_first)) for name in sorted(found)}


def plan_merges(masks: Sequence[Mask], policies: Policies) -> tuple[Merge, ...]:
    """Say which merged masks of a case are missing.

    A structure whose policy was changed to ``priority`` gets a copy of the mask that counts now,
    since the merged one stands above it.

    Parameters
    ----------
    masks : sequence of Mask
        Every revision of one case.
    policies : Policies
    """
    merges = []
    for structure, seen in masks_of_cards(masks).items():
        policy = policies.among(structure, len(seen))
        earlier = [m for m in masks if m.structure == structure and m.provenance.maker == MAKER]
        if policy == "priority" and not earlier:
            continue
        merge = _merge(structure, policy, seen[:1] if policy == "priority" else seen)
        known = KnownMasks.of(earlier, MAKER)
        made_from = made_from_digest(merge.provenance.sources)
        if known.holds(made_from, [structure]):
            continue
        replaced = known.replaced_by(made_from)
        if replaced is not None:
            merge = replace(merge, provenance=merge.provenance.with_sources(**{REPLACES: replaced}))
        merges.append(merge)
    return tuple(merges)


def write_merge(layout: Layout, case: Case, merge: Merge) -> Mask:
    """Make a merged mask and store it.

    Raises
    ------
    MaskFileError
        If a mask it is made from is missing or damaged.
    """
    crops = [
        (read_mask(layout.mask(case.id, mask.structure, mask.id))[1], mask.box)
        for mask in merge.masks
    ]
    crop, box = merge_crops(crops, merge.policy)
    return write_mask(layout, case, merge.structure, crop, merge.provenance, box=box)


def merge_crops(
    crops: Sequence[tuple[NDArray[np.bool_], Box]], policy: Policy
) -> tuple[NDArray[np.bool_], Box]:
    """Merge masks, given as crops with their boxes, into one crop.

    Parameters
    ----------
    crops : sequence of (ndarray of bool, box)
        The highest priority first; it decides where a vote is tied.
    policy : {"priority", "union", "vote"}

    Returns
    -------
    crop : ndarray of bool, Fortran-ordered
    box : tuple of slice
    """
    box = _around([box for _, box in crops])
    votes = np.zeros([side.stop - side.start for side in box], np.uint16, order="F")
    first = np.zeros(votes.shape, np.bool_, order="F")
    for number, (crop, own) in enumerate(crops):
        i, j, k = (
            slice(side.start - outer.start, side.stop - outer.start)
            for side, outer in zip(own, box, strict=True)
        )
        votes[i, j, k] += crop
        if number == 0:
            first[i, j, k] = crop
    if policy == "priority":
        return first, box
    if policy == "union":
        return votes > 0, box
    return (2 * votes > len(crops)) | ((2 * votes == len(crops)) & first), box


def _merge(structure: str, policy: Policy, masks: tuple[Mask, ...]) -> Merge:
    parents = tuple(sorted(mask.id for mask in masks))
    # For a vote the order of the models matters, for its ties.
    said = [mask.id for mask in masks] if policy == "vote" else parents
    provenance = Provenance(
        origin="merged",
        maker=MAKER,
        parents=parents,
        priority=max(mask.provenance.priority for mask in masks),
        settings_digest=settings_digest({"policy": policy}),
        software={"masksmith": version("masksmith")},
        sources={"policy": policy, "merged": digest_of(said)},
    )
    return Merge(structure, policy, masks, provenance)


def _first(mask: Mask) -> tuple[int, str]:
    return -mask.provenance.priority, mask.provenance.maker


def _around(boxes: Sequence[Box]) -> Box:
    i, j, k = (
        slice(min(box[axis].start for box in boxes), max(box[axis].stop for box in boxes))
        for axis in range(3)
    )
    return i, j, k


def merged_words(merges: Iterable[Merge]) -> Mapping[str, int]:
    """Count merges by policy, for a note."""
    counts: dict[str, int] = {}
    for merge in merges:
        counts[merge.policy] = counts.get(merge.policy, 0) + 1
    return dict(sorted(counts.items()))
