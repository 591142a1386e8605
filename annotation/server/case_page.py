"""What the editor shows of a case: its grid in RAS, its structures, who draws where."""

from __future__ import annotations

from typing import Any

from annotation.server.case_cards import state_word
from annotation.server.commits import STOOD_BACK
from annotation.server.people import Person
from annotation.server.voxel_order import VoxelOrder, box_numbers
from annotation.server.workbench import Workbench
from annotation.server.worklist import newest_choice, next_case
from pipeline.anatomy import Structure
from pipeline.workspace import Case, CaseRecord, Finding, Mask, Presence
from pipeline.workspace.case_findings import case_findings
from pipeline.workspace.in_force import accepted_ids, is_excluded, verdicts_by_structure
from pipeline.workspace.structure_state import StructureState, case_structures


def case_document(bench: Workbench, person: Person, case: Case) -> dict[str, Any]:
    """Describe a case as the editor needs it."""
    record = bench.workspace.record(case.id)
    order = VoxelOrder(case.grid)
    leases = bench.leases.standing()
    return {
        **_grid_words(case, order),
        "excluded": is_excluded(record.verdicts),
        "editable": bench.may_edit(person, case.id),
        "assigned": bench.assignments.of(case.id),
        "structures": _structures(bench, record, order, leases.get(case.id, [])),
        "next_case": _next(bench, person, case.id),
    }


def _next(bench: Workbench, person: Person, case_id: str) -> str | None:
    cards, assigned = bench.cards.all(), bench.assignments.all()
    leases = bench.leases.standing()
    free = {
        i: (assigned.get(i, person.name) == person.name)
        and all(lease.name == person.name for lease in leases.get(i, ()))
        for i in cards
    }
    return next_case(cards, newest_choice(bench.workspace), case_id, free)


def _structures(
    bench: Workbench, record: CaseRecord, order: VoxelOrder, leases: list[Any]
) -> list[dict[str, Any]]:
    class_map = bench.workspace.class_map
    said = verdicts_by_structure(record.verdicts)
    found = case_findings(bench.workspace.layout, [record.case.id]).found
    states = case_structures(class_map.names, record.masks, record.verdicts)
    held = {lease.structure: lease.to_dict() for lease in leases}
    return [
        _structure(bench, class_map[state.structure], state, order)
        | {
            "state": state_word(state, said.get(state.structure, ())),
            "findings": [
                _finding(each.finding, each.maker, order)
                for each in found
                if state.structure in each.finding.structures
            ],
            "reason": said[state.structure][-1].reason if state.structure in said else "",
            "lease": held.get(state.structure),
        }
        for state in states
    ]


def _structure(
    bench: Workbench, structure: Structure, state: StructureState, order: VoxelOrder
) -> dict[str, Any]:
    mask, window = state.mask, bench.windows.of(structure)
    has_voxels = mask is not None and mask.voxels > 0
    low, high = window.range_hu
    return {
        "name": structure.name,
        "value": structure.value,
        "colour": "#{:02x}{:02x}{:02x}".format(*structure.colour),
        "mask_id": mask.id if mask else None,
        "made_by": mask.provenance.maker if mask else None,
        "voxels": mask.voxels if mask else 0,
        "volume_ml": round(mask.voxels * order.grid.voxel_ml, 3) if mask else 0.0,
        "box": box_numbers(order.shown_box(mask.box)) if mask and has_voxels else None,
        "locked": state.accepted,
        "absent": state.presence.removeprefix("absent_")
        if state.presence.startswith("absent")
        else None,
        "window": {"low_hu": low, "high_hu": high, "name": window.name},
        "neighbours": list(structure.neighbours),
        "mirror": structure.mirror,
    }


def _finding(finding: Finding, maker: str, order: VoxelOrder) -> dict[str, Any]:
    """Give a finding, its place also in voxels of the browser's grid."""
    import numpy as np

    document = {"maker": maker, **finding.to_dict(), "place_voxel": None}
    place = finding.place_mm
    if place is not None:
        voxel = np.linalg.solve(order.canonical.affine, [*place, 1.0])[:3]
        document["place_voxel"] = [round(float(v)) for v in voxel]
    return document


def blind_document(
    bench: Workbench, case: Case, structure: Structure, base: Mask
) -> dict[str, Any]:
    """Describe a case to whom draws one mask once more: the proposal, and nothing made of it.

    The other masks are left out as well: where they were moved for this one, their borders would
    give the first answer away.
    """
    order = VoxelOrder(case.grid)
    presence = Presence.PRESENT if base.voxels else Presence.UNDECIDED
    proposed = StructureState(structure.name, presence, base, accepted=False, sent_back=False)
    begun: dict[str, Any] = {"state": "proposed", "findings": [], "reason": "", "lease": None}
    return {
        **_grid_words(case, order),
        "excluded": False,
        "editable": True,
        "assigned": None,
        "structures": [_structure(bench, structure, proposed, order) | begun],
        "next_case": None,
        "blind": base.id,
    }


def _grid_words(case: Case, order: VoxelOrder) -> dict[str, Any]:
    grid = order.canonical
    return {
        "id": case.id,
        "phase": case.phase,
        "dims": list(grid.shape),
        "spacing_mm": list(grid.spacing_mm),
        "affine": grid.affine.ravel().tolist(),
    }


def revision_list(record: CaseRecord, structure: str) -> list[dict[str, Any]]:
    """List the revisions of a mask, newest first."""
    said = verdicts_by_structure(record.verdicts).get(structure, [])
    accepted, now = set(accepted_ids(said)), record.in_force().get(structure)
    revisions = [mask for mask in record.masks if mask.structure == structure]
    return [
        {
            "id": mask.id,
            "origin": mask.origin,
            "maker": mask.provenance.maker,
            "round": mask.provenance.round,
            "created": mask.provenance.created,
            "voxels": mask.voxels,
            "parents": list(mask.provenance.parents),
            "accepted": mask.id in accepted,
            "in_force": now is not None and now.id == mask.id,
            "stood_back": mask.provenance.priority == STOOD_BACK,
        }
        for mask in reversed(revisions)
    ]
