"""Checking one case as a task for a worker: mask files and CT in, findings out.

A worker reads files and writes none; the driver writes the findings.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap
from pipeline.volume import Box, Grid
from pipeline.volume.claims import Claims, Overlapping
from pipeline.workspace import (
    Case,
    CaseRecord,
    Layout,
    Mask,
    Presence,
    digest_of,
    read_mask,
)
from pipeline.workspace.case_file import read_ct
from pipeline.workspace.in_force import paint_order
from pipeline.workspace.mask_change import mask_change
from qc.measurement_table import age_years
from qc.plausibility.checking import PACK_VERSION, Checked, apply_rules
from qc.plausibility.cohort import Size, size_of
from qc.plausibility.rules import RULES
from qc.plausibility.scene import make_scene
from qc.plausibility.scene_measures import Changed, Context
from qc.plausibility.thresholds import Thresholds

_OF_PEOPLE = ("human", "rough")


@dataclass(frozen=True, slots=True)
class CheckTask:
    """One case to check.

    Attributes
    ----------
    masks : tuple of Mask
        In force, in the order in which they are painted.
    before : mapping of str to Mask
        By structure, the mask that the one in force took the place of, where no person made it.
    context : Context
        What the ledger knows; overlaps and changes are added by the worker.
    rules : tuple of str
    key : str
        Digest of everything the findings depend on.
    """

    layout: Layout
    case: Case
    masks: tuple[Mask, ...]
    before: Mapping[str, Mask]
    class_map: ClassMap
    context: Context
    thresholds: Thresholds
    rules: tuple[str, ...]
    key: str


def task_of(
    layout: Layout,
    class_map: ClassMap,
    record: CaseRecord,
    thresholds: Thresholds,
    rules: tuple[str, ...],
) -> CheckTask:
    """Collect what a worker needs to check a case."""
    in_force = {name: mask for name, mask in record.in_force().items() if name in class_map}
    accepted = record.accepted()
    ids = {mask.id for mask in accepted.values()}
    before = {
        name: earlier
        for name, mask in in_force.items()
        if mask.id not in ids and (earlier := _before(mask, record.masks)) is not None
    }
    context = context_of(record, class_map)
    key = digest_of(
        [
            PACK_VERSION,
            record.case.ct_digest,
            class_map.digest,
            {name: mask.id for name, mask in in_force.items()},
            {name: mask.id for name, mask in before.items()},
            {name: sorted(v) if isinstance(v, frozenset) else v for name, v in _facts(context)},
            thresholds.model_dump(mode="json"),
            list(rules),
        ]
    )
    return CheckTask(
        layout,
        record.case,
        tuple(paint_order(in_force, ids)),
        before,
        class_map,
        context,
        thresholds,
        rules,
        key,
    )


def check_masks(task: CheckTask) -> Checked:
    """Check one case.

    Raises
    ------
    MasksmithError
        If the CT or a mask is missing or damaged.
    """
    ct = read_ct(task.layout.ct(task.case.id), task.case)
    crops = [
        (task.class_map[mask.structure].value, *_crop(task.layout, mask))
        for mask in task.masks
        if mask.voxels
    ]
    labels, overlaps = paint(crops, task.case.grid, task.class_map)
    context = replace(task.context, overlaps=overlaps, changes=tuple(_changes(task)))
    scene = make_scene(labels, task.case.grid, task.class_map, ct, context)
    chosen = [rule for rule in RULES if rule.name in task.rules]
    return apply_rules(chosen, scene, task.thresholds)


def context_of(record: CaseRecord, class_map: ClassMap) -> Context:
    """Collect what the ledger knows of a case."""
    presence = record.presence(class_map.names)
    absent = {n for n, p in presence.items() if p in (Presence.ABSENT_FOV, Presence.ABSENT_ANATOMY)}
    return Context(
        sex=sex_of(record.case),
        phase=record.case.phase,
        age_years=age_years(record.case.meta),
        decided=frozenset(record.in_force()) & frozenset(class_map.names) | absent,
        absent=frozenset(absent),
        accepted=frozenset(record.accepted()),
        outside_fov=frozenset(n for n, p in presence.items() if p is Presence.ABSENT_FOV),
    )


def sex_of(case: Case) -> str | None:
    """Give ``f`` or ``m``; None where it is not known or another."""
    return sex_among(case.meta)


def sex_among(facts: Mapping[str, str]) -> str | None:
    """Give ``f`` or ``m`` from what is known of a person; None where it is not or another."""
    known = facts.get("sex", "").lower()[:1]
    return known if known in ("f", "m") else None


def sizes_of(record: CaseRecord) -> dict[str, Size]:
    """Measure the masks in force of a case without reading one."""
    return {
        name: size_of(mask.voxels, mask.box, record.case.grid)
        for name, mask in record.in_force().items()
        if mask.voxels
    }


def paint(
    crops: Iterable[tuple[int, NDArray[np.bool_], Box]], grid: Grid, class_map: ClassMap
) -> tuple[NDArray[np.unsignedinteger], tuple[Overlapping, ...]]:
    """Put masks into one label map and note which claim the same voxels; later ones win.

    Parameters
    ----------
    crops : iterable of (int, ndarray of bool, box)
        Label value, voxels, and where they lie.
    """
    labels = np.zeros(grid.shape, class_map.dtype, order="F")
    claims = Claims(grid)
    for value, crop, box in crops:
        claims.add(value, crop, box, labels[box])
        np.copyto(labels[box], value, where=crop, casting="unsafe")
    return labels, claims.overlaps(class_map.names_by_value)


def _facts(context: Context) -> list[tuple[str, object]]:
    known = asdict(context)
    return sorted((name, value) for name, value in known.items() if name not in _FROM_VOXELS)


_FROM_VOXELS = ("overlaps", "changes")


def _crop(layout: Layout, mask: Mask) -> tuple[NDArray[np.bool_], Box]:
    stored, crop = read_mask(layout.mask(mask.case_id, mask.structure, mask.id))
    return crop, stored.box


def _before(mask: Mask, masks: Iterable[Mask]) -> Mask | None:
    """Find what a mask took the place of: its parent, or the newest one of an earlier round."""
    if mask.origin in _OF_PEOPLE:
        return None
    own = [other for other in masks if other.structure == mask.structure and other.id != mask.id]
    parents = [other for other in own if other.id in mask.provenance.parents]
    number = mask.provenance.round or 0
    earlier = parents or [other for other in own if (other.provenance.round or 0) < number]
    standing = [other for other in earlier if other.provenance.created <= mask.provenance.created]
    return max(
        standing,
        key=lambda other: (other.provenance.round or 0, other.provenance.created, other.id),
        default=None,
    )


def _changes(task: CheckTask) -> Iterable[Changed]:
    voxel_ml = task.case.grid.voxel_ml
    for mask in task.masks:
        before = task.before.get(mask.structure)
        if before is None or not (before.voxels or mask.voxels):
            continue
        change = mask_change(task.layout, before, mask)
        made = before.provenance
        words = f"round {made.round}" if made.round is not None else made.maker.replace(":", " ")
        yield Changed(
            mask.structure,
            words,
            change.before_voxels * voxel_ml,
            change.after_voxels * voxel_ml,
            change.dice or 0.0,
        )
