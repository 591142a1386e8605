"""The one rule that says which revision of a mask counts. Computed, never stored.

A verdict *absent* means none. Else the revision accepted last; else the newest human or
rough one; else the newest round's prediction; else a transferred one; else what bootstrap
merged of several models; else the bootstrap one of highest priority, each model (and each
merger) standing with its newest revision. *fix* takes an acceptance back and keeps the
revision as the proposal to correct.
"""

from collections.abc import Iterable, Mapping, Sequence

from pipeline.workspace.words import Mask, Presence, Verdict

_RANK = {"human": 4, "rough": 4, "round": 3, "transfer": 2, "merged": 1, "model": 0}
_RENEWED = ("model", "merged")


def mask_in_force(masks: Sequence[Mask], verdicts: Sequence[Verdict]) -> Mask | None:
    """Choose the mask in force of one structure in one case.

    Parameters
    ----------
    masks : sequence of Mask
        Every revision of the structure.
    verdicts : sequence of Verdict
        Verdicts about the structure, oldest first.
    """
    if absence(verdicts) is not None or not masks:
        return None
    accepted = accepted_ids(verdicts)
    by_id = {mask.id: mask for mask in masks}
    for mask_id in reversed(accepted):
        if mask_id in by_id:
            return by_id[mask_id]
    return max(_without_replaced(masks), key=_standing)


def absence(verdicts: Sequence[Verdict]) -> Presence | None:
    """Tell how the structure is absent, when the last verdict about it says so."""
    if verdicts and verdicts[-1].decision.startswith("absent"):
        return Presence(verdicts[-1].decision)
    return None


def accepted_ids(verdicts: Iterable[Verdict]) -> list[str]:
    """List the mask ids whose last verdict is *accept*, in the order of acceptance."""
    accepted: dict[str, None] = {}
    for verdict in verdicts:
        if verdict.decision.startswith("absent"):
            accepted.clear()
        if verdict.mask_id is None:
            continue
        accepted.pop(verdict.mask_id, None)
        if verdict.decision == "accept":
            accepted[verdict.mask_id] = None
    return list(accepted)


def masks_in_force(masks: Iterable[Mask], verdicts: Iterable[Verdict]) -> dict[str, Mask]:
    """Choose the masks in force of one case, by structure, in alphabetical order.

    Parameters
    ----------
    masks : iterable of Mask
        Every revision of every structure of one case.
    verdicts : iterable of Verdict
        Every verdict about the case, oldest first.
    """
    by_structure: dict[str, list[Mask]] = {}
    for mask in masks:
        by_structure.setdefault(mask.structure, []).append(mask)
    grouped = verdicts_by_structure(verdicts)
    chosen = {
        structure: mask_in_force(by_structure[structure], grouped.get(structure, ()))
        for structure in sorted(by_structure)
    }
    return {structure: mask for structure, mask in chosen.items() if mask is not None}


def verdicts_by_structure(verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    """Group the verdicts that speak of a structure, keeping their order."""
    grouped: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.structure is not None:
            grouped.setdefault(verdict.structure, []).append(verdict)
    return grouped


def is_excluded(verdicts: Iterable[Verdict]) -> bool:
    """Tell whether the last verdict about the whole case excludes it."""
    last = [v.decision for v in verdicts if v.structure is None]
    return bool(last) and last[-1] == "exclude_case"


def presence_of(mask: Mask | None, verdicts: Sequence[Verdict]) -> Presence:
    """Tell whether a structure is there, from its mask in force and its verdicts."""
    absent = absence(verdicts)
    if absent is not None:
        return absent
    if mask is not None and mask.voxels > 0:
        return Presence.PRESENT
    return Presence.UNDECIDED


def paint_order(masks: Mapping[str, Mask], accepted: set[str]) -> list[Mask]:
    """Order masks for a label map: where two claim a voxel, the later one here gets it.

    Accepted masks win over others, then the order of the rule above, then the smaller
    structure (a vessel inside an organ), then the name; never the order of files.
    """

    def claim(mask: Mask) -> tuple[object, ...]:
        return (
            mask.id in accepted,
            # Merged of models: between two structures it claims no more than they did.
            0 if mask.origin == "merged" else _RANK[mask.origin],
            mask.provenance.round or 0,
            mask.provenance.priority,
            -mask.voxels,
            mask.structure,
        )

    return sorted(masks.values(), key=claim)


def _without_replaced(masks: Sequence[Mask]) -> list[Mask]:
    """Leave out what a bootstrap model or merger has itself replaced, whatever its priority."""
    newest: dict[tuple[str, str], Mask] = {}
    for mask in sorted(masks, key=lambda mask: (mask.provenance.created, mask.id)):
        made_by = mask.provenance.maker if mask.origin in _RENEWED else mask.id
        newest[mask.origin, made_by] = mask
    return list(newest.values())


def _standing(mask: Mask) -> tuple[int, int, int, str, str]:
    made = mask.provenance
    return (_RANK[made.origin], made.round or 0, made.priority, made.created, mask.id)
