"""Twice, corrected, accepted, superseded, interrupted: nothing is lost, nothing replaced."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.workspace import Case, Mask, Provenance, Verdict, Workspace
from pipeline.workspace.doctor import examine
from tests.fixtures.import_runs import LIVER, SMALLER, blob, files_of, only, run, save
from tests.fixtures.workspaces import BLOBS

AddCase = Callable[..., Case]
AddMasks = Callable[..., dict[str, Mask]]


@pytest.fixture
def case(add_case: AddCase) -> Case:
    return add_case("s1")


@pytest.fixture
def liver(tmp_path: Path, case: Case) -> Path:
    return save(tmp_path / "in" / "liver.nii.gz", blob(LIVER))


def test_importing_twice_changes_nothing(workspace: Workspace, liver: Path) -> None:
    run(workspace, liver)
    before = files_of(workspace)
    outcome = only(run(workspace, liver))
    mask = workspace.in_force("s1")["liver"]
    assert (outcome.status, outcome.note) == ("kept", f"s1; liver already in as {mask.id[:12]}")
    assert files_of(workspace) == before
    assert len(workspace.masks("s1")) == 1
    other_person = only(run(workspace, liver, by="berta", origin="human"))
    assert other_person.status == "kept"
    assert files_of(workspace) == before


def test_a_corrected_file_is_a_revision_of_the_first(workspace: Workspace, liver: Path) -> None:
    run(workspace, liver)
    first = workspace.in_force("s1")["liver"]
    save(liver, blob(LIVER, (slice(18, 22), slice(10, 14), slice(10, 22))))
    outcome = only(run(workspace, liver))
    second = workspace.in_force("s1")["liver"]
    assert outcome.note == f"s1; liver a revision of {first.id[:12]}"
    assert second.provenance.parents == (first.id,)
    assert {mask.id for mask in workspace.masks("s1")} == {first.id, second.id}
    # The old file once more is in already, and the correction stays in force.
    save(liver, blob(LIVER))
    again = only(run(workspace, liver))
    assert again.status == "kept"
    assert f"already in as {first.id[:12]}, not in force: {second.id[:12]}" in again.note
    assert workspace.in_force("s1")["liver"].id == second.id


def test_a_file_saved_anew_without_a_change_is_no_revision(
    workspace: Workspace, liver: Path
) -> None:
    run(workspace, liver)
    first = workspace.in_force("s1")["liver"]
    save(liver.with_name("liver.nii"), blob(LIVER).astype(np.int16))
    outcome = only(run(workspace, liver.with_name("liver.nii")))
    assert (outcome.status, outcome.note) == ("kept", f"s1; liver unchanged since {first.id[:12]}")


def test_a_models_mask_that_only_travelled_stays_the_models(
    workspace: Workspace, case: Case, liver: Path, add_masks: AddMasks
) -> None:
    made = add_masks(case, Provenance("model", "model:x"))
    outcome = only(run(workspace, liver))
    assert outcome.status == "kept"
    assert f"the same voxels as {made['liver'].id[:12]} by model:x, which stays" in outcome.note
    assert workspace.in_force("s1")["liver"].origin == "model"


def accepted(workspace: Workspace, mask: Mask) -> None:
    workspace.record_verdicts([Verdict("s1", "accept", "berta", mask.structure, mask.id)])


def test_an_accepted_mask_stays_in_force_until_it_is_superseded(
    workspace: Workspace, case: Case, tmp_path: Path, add_masks: AddMasks
) -> None:
    old = add_masks(case, Provenance("model", "model:x"))["liver"]
    accepted(workspace, old)
    path = save(tmp_path / "liver.nii.gz", SMALLER)
    outcome = only(run(workspace, path))
    assert outcome.status == "done"
    assert f"not in force: {old.id[:12]} by model:x is accepted (--supersede" in outcome.note
    assert workspace.accepted("s1")["liver"].id == old.id
    new = next(mask for mask in workspace.masks("s1", "liver") if mask.origin == "rough")

    dry = only(run(workspace, path, supersede=True, dry_run=True))
    assert "would be" in dry.note
    assert workspace.accepted("s1")["liver"].id == old.id

    run(workspace, path, supersede=True, by="carla")
    assert workspace.in_force("s1")["liver"].id == new.id
    assert "liver" not in workspace.accepted("s1")
    last = workspace.verdicts("s1")[-1]
    assert (last.decision, last.mask_id, last.by) == ("fix", old.id, "carla")
    assert new.id[:12] in last.reason
    state = (workspace.masks("s1"), workspace.verdicts("s1"))
    assert only(run(workspace, path, supersede=True)).status == "kept"
    assert (workspace.masks("s1"), workspace.verdicts("s1")) == state


def test_superseding_at_once_and_against_a_newer_human_mask(
    workspace: Workspace, case: Case, tmp_path: Path, add_masks: AddMasks
) -> None:
    path = save(tmp_path / "liver.nii.gz", SMALLER)
    run(workspace, path)
    human = add_masks(case, Provenance("human", "person:dora"))["liver"]
    accepted(workspace, human)
    report = run(workspace, path, supersede=True)
    now = workspace.in_force("s1")["liver"]
    assert np.array_equal(workspace.mask_array(now), SMALLER > 0)
    assert now.provenance.about["supersedes"] == human.id
    assert only(report).status == "done"
    assert only(run(workspace, path, supersede=True)).status == "kept"
    assert len(workspace.masks("s1", "liver")) == 3


def test_what_a_person_called_absent_stays_absent_without_supersede(
    workspace: Workspace, liver: Path
) -> None:
    workspace.record_verdicts([Verdict("s1", "absent_anatomy", "berta", "liver")])
    outcome = only(run(workspace, liver))
    assert "not in force: berta called it absent_anatomy" in outcome.note
    assert "liver" not in workspace.in_force("s1")
    run(workspace, liver, supersede=True)
    assert workspace.in_force("s1")["liver"].origin == "rough"


def test_stopped_between_file_and_ledger_the_next_run_finishes(
    workspace: Workspace, liver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Workspace, "record_masks", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(workspace, liver)
    before = files_of(workspace)
    assert workspace.masks("s1") == ()
    assert only(run(workspace, liver)).status == "done"
    assert files_of(workspace) == before
    assert len(workspace.masks("s1")) == 1
    assert [finding for finding in examine(workspace) if finding.severity == "error"] == []


def test_stopped_between_mask_and_verdict_the_next_run_supersedes(
    workspace: Workspace,
    case: Case,
    tmp_path: Path,
    add_masks: AddMasks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = add_masks(case, Provenance("human", "person:dora"))["liver"]
    accepted(workspace, old)
    path = save(tmp_path / "liver.nii.gz", SMALLER)

    def stopped(*given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Workspace, "record_verdicts", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(workspace, path, supersede=True)
    assert workspace.in_force("s1")["liver"].id == old.id
    run(workspace, path, supersede=True)
    assert np.array_equal(workspace.mask_array(workspace.in_force("s1")["liver"]), SMALLER > 0)
    assert len(workspace.masks("s1", "liver")) == 2


def test_a_damaged_mask_in_the_workspace_stops_only_its_own_structure(
    workspace: Workspace, liver: Path
) -> None:
    run(workspace, liver)
    mask = workspace.in_force("s1")["liver"]
    workspace.layout.mask("s1", "liver", mask.id).write_bytes(b"broken")
    save(liver.parent / "spleen.nii.gz", blob(BLOBS["spleen"]))
    report = run(workspace, liver.parent)
    assert [outcome.status for outcome in report.outcomes] == ["failed", "done"]
    assert report.outcomes[0].figures["kinds"] == {"not_stored": 1}
