"""The simulated annotator at a workspace: proposals in, masks and verdicts out, as a person's.

Masks are stored by the function that stores any correction (`annotation.revisions.store`), so
effort, lineage and the rounds cannot tell it from a person but by its name.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from annotation.effort_items import read_work
from annotation.patches import NOTHING, Patch
from annotation.revisions import Correction, Making, collected_before, store
from pipeline.simulation.annotator import Action, Annotator, Handling, annotate
from pipeline.volume import bounding_box
from pipeline.workspace import CaseRecord, Decision, Mask, Verdict, Workspace, digest_of

WHO = "simulated"


@dataclass(frozen=True, slots=True)
class Task:
    """One case on the simulated person's desk.

    Attributes
    ----------
    truth : mapping
        Structure to true mask (I, J, K).
    round : int
        In which the case is labelled; round 1 has no proposals.
    seed : sequence of int
        Of the strokes.
    """

    case_id: str
    truth: Mapping[str, NDArray[np.bool_]]
    round: int
    seed: Sequence[int]


def is_annotated(record: CaseRecord) -> bool:
    """Tell whether the simulated person has been through a case: its verdicts come last."""
    return any(verdict.by == WHO for verdict in record.verdicts)


def annotate_case(workspace: Workspace, task: Task, annotator: Annotator) -> list[Handling]:
    """Label one case and record it; the caller holds the driver's lock.

    Killed before the verdicts stand, the same call stores the same masks again, once.
    """
    record = workspace.record(task.case_id)
    proposed = _proposals(record)
    handled = annotate(
        {name: workspace.mask_array(mask) for name, mask in proposed.items()},
        task.truth,
        record.case.grid.spacing_mm,
        annotator,
        task.seed,
    )
    made = {
        each.structure: _store(workspace, record, task, each, proposed.get(each.structure))
        for each in handled
        if each.mask is not None
    }
    workspace.record_masks(made.values())
    workspace.record_verdicts(
        [
            verdict
            for each in handled
            if (verdict := _verdict(record, each, {**proposed, **made})) is not None
        ]
    )
    return handled


def _proposals(record: CaseRecord) -> dict[str, Mask]:
    """Give the newest round's masks, even where an interrupted call has drawn over them."""
    rounds = replace(record, masks=tuple(m for m in record.masks if m.origin == "round"))
    return {name: mask for name, mask in rounds.in_force().items() if mask.voxels}


def _store(
    workspace: Workspace, record: CaseRecord, task: Task, handling: Handling, given: Mask | None
) -> Mask:
    assert handling.mask is not None
    correction = Correction(
        structure=handling.structure,
        patch=_patch(handling.mask),
        given_id="" if given is None else given.id,
        given=NOTHING if given is None else Patch(workspace.mask_crop(given), given.box),
        session=digest_of({"simulation": list(task.seed), "round": task.round}),
        file_name=digest_of({"case": task.case_id}),
    )
    before = collected_before(record, correction)
    if before is not None:
        return before
    about = {"drawn_from": "the truth of a synthetic body, roughly"}
    # The looking goes with the verdict: effort adds both up.
    return store(workspace, record, correction, Making(WHO, handling.drawing_s, about)).mask


def _patch(mask: NDArray[np.bool_]) -> Patch:
    box = bounding_box(mask)
    return NOTHING if box is None else Patch(np.asfortranarray(mask[box]), box)


def _verdict(record: CaseRecord, handling: Handling, masks: Mapping[str, Mask]) -> Verdict | None:
    """Accept what is right now, call absent what is not there, send back what was left.

    What was not proposed and not drawn either cannot be sent back: it has no verdict.
    """
    name, case = handling.structure, record.case.id
    if handling.action == "absent":
        return Verdict(case, "absent_fov", WHO, name, seconds=handling.looking_s)
    if name not in masks:
        return None
    decision: Decision = "fix" if handling.action == "left" else "accept"
    return Verdict(case, decision, WHO, name, masks[name].id, seconds=handling.looking_s)


def work_on(
    workspace: Workspace, cases: Collection[str], structures: Sequence[str]
) -> tuple[float, Counter[Action]]:
    """Read back, as `masksmith effort` does, how long cases took and what was done.

    Returns
    -------
    minutes : float
        Of one case, on average.
    actions : Counter
        Of all structures of the cases; what is not decided was left.
    """
    items = [
        item
        for item in read_work(workspace, structures).items
        if item.case_id in cases and item.by == WHO
    ]
    actions = Counter[Action](item.what for item in items if item.what != "checked")
    actions["left"] = len(cases) * len(structures) - actions.total()
    seconds = sum(item.seconds or 0.0 for item in items)
    return seconds / 60 / len(cases), actions
