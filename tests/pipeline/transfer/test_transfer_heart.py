"""The stage on small workspaces: carried, kept, carried again, refused; no model is trained."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.engine import SerialEngine
from pipeline.errors import BadInput, NothingToDo
from pipeline.stage import Outcome, run_stage
from pipeline.transfer.heart_manifest import CARRIER, HEART_STRUCTURES, MAKER
from pipeline.transfer.settings import TransferHeartSettings
from pipeline.transfer.transfer_heart import STAGE
from pipeline.transfer.working_scan import Scan
from pipeline.volume import Grid
from pipeline.workspace import Provenance, Verdict, Workspace, read_findings
from pipeline.workspace.doctor import examine
from tests.fixtures.heart_pairs import QUICK, add_exam, add_heart, add_scan, heart_pair

SHIFT, BENT_MM = (5.0, -4.0, 11.0), 6.0
ATRIUM = "heart_atrium_left"
OTHER = Provenance("human", "person:anna")


def run(workspace: Workspace, **settings: object) -> dict[str, Outcome]:
    """Run the stage as the command does, its outcomes recorded."""
    chosen = TransferHeartSettings.model_validate({**QUICK, **settings})
    report = run_stage(STAGE, workspace, chosen, SerialEngine())
    assert len({outcome.subject for outcome in report.outcomes}) == len(report.outcomes)
    return {outcome.subject: outcome for outcome in report.outcomes}


def masks_of(workspace: Workspace, case_id: str) -> list[str]:
    return sorted(mask.id for mask in workspace.masks(case_id))


def table(folder: Path, *pairs: str) -> Path:
    path = folder / "pairs.csv"
    path.write_text("contrast,native\n" + "\n".join(pairs) + "\n")
    return path


@pytest.fixture(scope="module")
def carried_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Outcome]]:
    workspace = Workspace.create(tmp_path_factory.mktemp("stage") / "workspace")
    add_exam(workspace, "e1", heart_pair(SHIFT, BENT_MM))
    return workspace.path, run(workspace)


@pytest.fixture
def carried(carried_once: tuple[Path, dict[str, Outcome]], tmp_path: Path) -> Workspace:
    """A workspace with one carried pair, to be changed."""
    shutil.copytree(carried_once[0], tmp_path / "copy")
    return Workspace.open(tmp_path / "copy")


def test_a_pair_is_carried_with_its_figures_in_outcome_and_report(carried_once) -> None:
    path, outcomes = carried_once
    (outcome,) = outcomes.values()
    assert (outcome.subject, outcome.status) == ("n-e1", "done")
    assert outcome.note.startswith("6 structures from c-e1 by rigid")
    assert "same exam; contrast by phase arterial, 6 heart masks" in outcome.note
    report = json.loads((path / "models/heart_transfer/pairs/n-e1--c-e1.json").read_text())
    assert report["figures"] == dict(outcome.figures)
    assert report["figures"]["after_lung_dice"] > report["figures"]["before_lung_dice"]
    workspace = Workspace.open(path)
    in_force = workspace.in_force("n-e1")
    assert set(in_force) == set(HEART_STRUCTURES)
    assert {mask.id for mask in in_force.values()} == set(report["masks"])
    assert read_findings(workspace.layout, "n-e1") == {CARRIER: ()}
    assert examine(workspace) == []


def test_a_second_run_keeps_it(carried: Workspace) -> None:
    before = masks_of(carried, "n-e1")
    outcome = run(carried)["n-e1"]
    assert outcome.status == "kept"
    assert outcome.figures["stages_kept"]
    assert masks_of(carried, "n-e1") == before


def test_the_heart_models_own_predictions_change_nothing(carried: Workspace) -> None:
    own = Provenance("model", MAKER, priority=40)
    add_heart(carried, carried.case("c-e1"), heart_pair(SHIFT, BENT_MM).labels, own)
    assert carried.in_force("c-e1")[ATRIUM].provenance.maker == MAKER
    assert run(carried)["n-e1"].status == "kept"


def test_another_mask_in_force_is_carried_and_back_again(carried: Workspace) -> None:
    first = carried.in_force("n-e1")
    drawn = heart_pair(SHIFT, BENT_MM).labels.copy()
    drawn[drawn == 2] = 0
    drawn[20:24, 20:24, 20:24] = 2
    mask = add_heart(carried, carried.case("c-e1"), drawn, OTHER, (ATRIUM,))[ATRIUM]
    assert run(carried)["n-e1"].status == "done"
    second = carried.in_force("n-e1")
    assert mask.id in second[ATRIUM].provenance.parents
    assert not {m.id for m in first.values()} & {m.id for m in second.values()}
    # The drawing is taken back: what was carried first is carried anew, and is in force.
    carried.record_verdicts([Verdict("c-e1", "fix", "anna", ATRIUM, mask.id)])
    old = next(m for m in carried.masks("c-e1", ATRIUM) if m.origin == "model")
    carried.record_verdicts([Verdict("c-e1", "accept", "anna", ATRIUM, old.id)])
    assert run(carried)["n-e1"].status == "done"
    third = carried.in_force("n-e1")
    assert third[ATRIUM].provenance.parents == first[ATRIUM].provenance.parents
    assert third[ATRIUM].box == first[ATRIUM].box
    assert run(carried)["n-e1"].status == "kept"
    assert examine(carried) == []


def test_what_a_person_decided_in_the_native_case_is_not_touched(carried: Workspace) -> None:
    accepted = carried.in_force("n-e1")[ATRIUM]
    gone = "pulmonary_artery"
    carried.record_verdicts(
        [
            Verdict("n-e1", "accept", "anna", ATRIUM, accepted.id),
            Verdict("n-e1", "absent_fov", "anna", gone),
        ]
    )
    before = {name: masks for name in (ATRIUM, gone) if (masks := carried.masks("n-e1", name))}
    assert run(carried, margin_mm=42.0)["n-e1"].note.startswith("4 structures")
    assert {name: carried.masks("n-e1", name) for name in before} == before
    in_force = carried.in_force("n-e1")
    assert in_force[ATRIUM] == accepted
    assert gone not in in_force


def test_what_a_person_opens_again_is_carried(carried: Workspace) -> None:
    mask = carried.in_force("n-e1")[ATRIUM]
    carried.record_verdicts([Verdict("n-e1", "accept", "anna", ATRIUM, mask.id)])
    run(carried, margin_mm=42.0)
    carried.record_verdicts([Verdict("n-e1", "fix", "anna", ATRIUM, mask.id)])
    assert run(carried, margin_mm=42.0)["n-e1"].status == "done"
    assert carried.in_force("n-e1")[ATRIUM].id != mask.id


def test_a_refusal_keeps_what_was_carried_and_is_not_worked_on_again(
    carried: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = masks_of(carried, "n-e1")
    outcome = run(carried, least_lung_dice=1.0)["n-e1"]
    assert outcome.status == "failed"
    assert outcome.note.startswith("c-e1 was not carried: lung Dice 0.9")
    assert "check that both are of one exam" in outcome.note
    assert "masks that were carried before stay" in outcome.note
    assert outcome.figures["after_lung_dice"] > outcome.figures["before_lung_dice"]
    assert masks_of(carried, "n-e1") == before
    (finding,) = read_findings(carried.layout, "n-e1")[CARRIER]
    assert finding.kind == "pair_refused"
    monkeypatch.setattr("pipeline.transfer.transfer_heart.carry_pair", None)
    again = run(carried, least_lung_dice=1.0)["n-e1"]
    assert (again.status, again.note) == ("failed", outcome.note)


def test_bad_pairs_fail_alone_and_each_says_why(carried: Workspace, tmp_path: Path) -> None:
    pair = heart_pair(SHIFT, BENT_MM)
    add_exam(carried, "e2", pair, with_masks=False)
    grid = pair.native.grid
    affine = np.array(grid.affine)
    affine[2, 3] += 2000
    mirrored = np.asfortranarray(pair.native.ct[::-1])
    add_scan(carried, "n-far", Scan(pair.native.ct, Grid(grid.shape, affine)))
    add_scan(carried, "n-mirror", Scan(mirrored, grid))
    add_scan(carried, "n-stranger", Scan(pair.native.ct, grid), patient_id="p-other")
    add_scan(carried, "n-damaged", Scan(pair.native.ct, grid))
    carried.layout.ct("n-damaged").write_bytes(b"no image")
    add_scan(carried, "n-out", Scan(pair.native.ct, grid))
    carried.record_verdicts([Verdict("n-out", "exclude_case", "anna", reason="motion")])
    natives = ("n-far", "n-mirror", "n-stranger", "n-damaged", "n-out")
    rows = [f"c-e1,{name}" for name in natives] + ["c-e2,n-e2", "c-e1,n-e1"]
    outcomes = run(carried, pairs=table(tmp_path, *rows))
    assert outcomes["n-e1"].status == "kept"
    expected = {
        "n-far": "frame of reference",
        "n-mirror": "one scan is mirrored left-right",
        "n-stranger": "of two patients",
        "n-damaged": "n-damaged",
        "n-out": "a person excluded case n-out",
        "n-e2": "c-e2 has no mask of the heart in force",
    }
    assert {name for name, o in outcomes.items() if o.status == "failed"} == set(expected)
    for name, words in expected.items():
        assert words in outcomes[name].note, outcomes[name].note
        assert carried.masks(name) == ()
        assert [f.kind for f in read_findings(carried.layout, name)[CARRIER]] == ["pair_refused"]


def test_a_heart_cut_off_leaves_a_finding_and_no_mask(tmp_path: Path) -> None:
    pair = heart_pair()
    middle = int(np.argwhere(pair.labels == 3)[:, 2].mean())
    whole = slice(None)
    grid = pair.contrast.grid.crop(
        (*(slice(0, n) for n in pair.labels.shape[:2]), slice(middle, pair.labels.shape[2]))
    )
    workspace = Workspace.create(tmp_path / "workspace")
    cut = Scan(pair.contrast.ct[whole, whole, middle:], grid)
    contrast = add_scan(workspace, "c", cut, exam_id="e", phase="arterial")
    add_heart(workspace, contrast, pair.labels[whole, whole, middle:])
    add_scan(workspace, "n", pair.native, exam_id="e", phase="native")
    outcome = run(workspace)["n"]
    assert outcome.status == "done"
    assert "cut off" in outcome.note
    lost = outcome.figures["cut_off"]["heart_ventricle_left"]
    assert (lost["by"], lost["written"]) == ("contrast", False)
    assert "heart_ventricle_left" not in workspace.in_force("n")
    assert "pulmonary_artery" in workspace.in_force("n")
    findings = read_findings(workspace.layout, "n")[CARRIER]
    assert {f.kind for f in findings} == {"heart_cut_off"}
    (words,) = (f.words for f in findings if f.structures == ("heart_ventricle_left",))
    assert "no mask was written" in words


def test_a_damaged_report_is_carried_again(carried: Workspace) -> None:
    (path,) = carried.layout.models_dir.rglob("n-e1--c-e1.json")
    path.write_text('{"key": 3')
    before = {m.structure for m in carried.masks("n-e1")}
    assert run(carried)["n-e1"].status == "done"
    assert {m.structure for m in carried.masks("n-e1")} == before
    assert json.loads(path.read_text())["refusal"] == ""


def test_stopped_before_the_report_was_written_no_mask_is_doubled(
    carried_once: tuple[Path, dict[str, Outcome]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace.create(tmp_path / "workspace")
    add_exam(workspace, "e1", heart_pair(SHIFT, BENT_MM))

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.transfer.transfer_heart.write_file_atomically", stop)
        with pytest.raises(KeyboardInterrupt):
            run(workspace)
    before = masks_of(workspace, "n-e1")
    assert len(before) == 6
    assert run(workspace)["n-e1"].status == "done"
    newest = sorted(mask.id for mask in workspace.in_force("n-e1").values())
    report = json.loads(next(workspace.layout.models_dir.rglob("*--*.json")).read_text())
    assert sorted(report["masks"]) == newest
    assert run(workspace)["n-e1"].status == "kept"
    assert examine(workspace) == []


def test_a_patient_that_intake_assumed_is_not_another_patient(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "workspace")
    pair = heart_pair(SHIFT, BENT_MM)
    assumed = {"patient_assumed": "one per image"}
    contrast = add_scan(workspace, "c", pair.contrast, patient_id="p1", meta=assumed)
    add_heart(workspace, contrast, pair.labels)
    add_scan(workspace, "n", pair.native, patient_id="p2", meta=assumed)
    assert run(workspace, pairs=table(tmp_path, "c,n"))["n"].status == "done"


def test_without_a_pair_there_is_nothing_to_do(workspace: Workspace) -> None:
    with pytest.raises(NothingToDo, match=r"no exam has both .* give the phase at intake"):
        run(workspace)


def test_a_structure_that_is_not_in_the_class_map_is_named(workspace: Workspace) -> None:
    with pytest.raises(BadInput, match=r"has no heart_valve; name structures"):
        run(workspace, structures=("heart_valve",))
