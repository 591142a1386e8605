"""Where cases, structures and rounds stand."""

import numpy as np
import pytest

from pipeline.volume import Grid
from pipeline.workspace import Case, Presence, Provenance, Round, Verdict, Workspace, write_mask
from pipeline.workspace.status import workspace_status
from pipeline.workspace.structure_state import case_structures

MAP = "name: three\nstructures: {1: liver, 2: spleen, 3: colon}\n"
GRID = Grid((4, 4, 4), np.diag([6.0, 6.0, 6.0, 1.0]))


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "map.yaml").write_text(MAP)
    made = Workspace.create(tmp_path / "ws", tmp_path / "map.yaml")
    for number in range(4):
        made.record_case(Case(f"s{number}", GRID, ct_digest=str(number), phase="native"))
    return made


def add(workspace, case_id, structure, origin="model", voxels=5, maker="x", **more):
    array = np.zeros(GRID.shape, bool)
    array.reshape(-1)[:voxels] = True
    made = Provenance(origin, f"{origin}:{maker}", **more)
    mask = write_mask(workspace.layout, workspace.case(case_id), structure, array, made)
    workspace.record_masks([mask])
    return mask


def say(workspace, case_id, decision, structure=None, mask=None):
    mask_id = None if mask is None else mask.id
    verdict = Verdict(case_id, decision, "anna", structure=structure, mask_id=mask_id)
    workspace.record_verdicts([verdict])


def by_id(workspace):
    return {case.id: case for case in workspace_status(workspace).cases}


def test_an_empty_workspace_has_no_cases(tmp_path):
    status = workspace_status(Workspace.create(tmp_path / "ws"))
    assert (status.case_count, status.structure_count, status.cases) == (0, 104, ())


def test_a_case_goes_from_new_to_complete(workspace):
    assert by_id(workspace)["s0"].state == "new"
    liver = add(workspace, "s0", "liver")
    spleen = add(workspace, "s0", "spleen", "round", round=1)
    assert by_id(workspace)["s0"].state == "proposed"
    say(workspace, "s0", "accept", "liver", liver)
    assert by_id(workspace)["s0"].state == "in review"
    say(workspace, "s0", "accept", "spleen", spleen)
    assert by_id(workspace)["s0"].state == "reviewed"
    say(workspace, "s0", "absent_fov", "colon")
    case = by_id(workspace)["s0"]
    assert case.state == "complete"
    assert (case.counts.present, case.counts.absent_fov, case.counts.accepted) == (2, 1, 2)
    assert case.counts.by_origin == {"model": 1, "round": 1}
    say(workspace, "s0", "exclude_case")
    assert by_id(workspace)["s0"].state == "excluded"


def test_an_empty_mask_is_undecided_and_not_absent(workspace):
    add(workspace, "s1", "liver", voxels=0)
    counts = by_id(workspace)["s1"].counts
    assert (counts.empty, counts.undecided, counts.present, counts.proposed) == (1, 3, 0, 0)


def test_a_mask_sent_back_stays_a_proposal(workspace):
    mask = add(workspace, "s1", "liver")
    say(workspace, "s1", "accept", "liver", mask)
    say(workspace, "s1", "fix", "liver", mask)
    counts = by_id(workspace)["s1"].counts
    assert (counts.accepted, counts.proposed, counts.sent_back) == (0, 1, 1)


def test_structures_are_counted_over_cases_that_are_not_excluded(workspace):
    for case_id in ("s0", "s1", "s2"):
        add(workspace, case_id, "liver")
    say(workspace, "s2", "exclude_case")
    status = workspace_status(workspace)
    liver = next(item for item in status.structures if item.name == "liver")
    assert (liver.counts.present, liver.counts.undecided) == (2, 1)
    assert status.counts.present == 2
    assert status.states == {
        "new": 1, "proposed": 2, "in review": 0, "reviewed": 0, "complete": 0, "excluded": 1,
    }  # fmt: skip


def test_a_round_counts_its_predictions_and_those_in_force(workspace):
    workspace.record_round(Round(1, 5, "ab" * 32))
    add(workspace, "s0", "liver", "round", round=1)
    add(workspace, "s1", "liver", "round", round=1)
    add(workspace, "s1", "liver", "human")
    (only,) = workspace_status(workspace).rounds
    assert (only.number, only.target_cases, only.manifest_digest) == (1, 5, "ab" * 32)
    assert (only.predicted_cases, only.predicted_masks, only.in_force) == (2, 2, 1)


def test_states_agree_with_the_rule_of_what_is_in_force(workspace):
    low = add(workspace, "s3", "liver", priority=1)
    high = add(workspace, "s3", "liver", priority=2, voxels=7)
    record = workspace.record("s3")
    states = case_structures(("liver", "colon"), record.masks, record.verdicts)
    assert [state.structure for state in states] == ["liver", "colon"]
    assert states[0].mask == high != low
    assert record.in_force()["liver"] == high
    assert states[0].proposed
    assert states[1].presence is Presence.UNDECIDED


def test_the_light_pass_sees_the_same_masks_as_the_full_one(workspace):
    add(workspace, "s3", "liver", priority=2)
    add(workspace, "s3", "liver", maker="y", priority=1, voxels=0)
    assert by_id(workspace)["s3"].counts.present == 1
