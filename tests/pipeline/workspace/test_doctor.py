import json

import numpy as np
import pytest

from pipeline.volume import remove_partial_files, write_file_atomically
from pipeline.workspace import (
    Finding,
    Provenance,
    Round,
    Verdict,
    Workspace,
    digest_of_manifest,
    write_findings,
    write_mask,
)
from pipeline.workspace.doctor import examine
from pipeline.workspace.rebuild import rebuild

MODEL = Provenance("model", "model:old")


@pytest.fixture
def filled(workspace, add_case, add_masks):
    for name in ("s0001", "s0002"):
        masks = add_masks(add_case(name, patient_id="p1"), MODEL)
        accept = Verdict(name, "accept", "anna", "liver", masks["liver"].id)
        workspace.record_verdicts([accept, Verdict(name, "absent_fov", "anna", "brain")])
    manifest = {"round": 1, "target_cases": 5, "created": "2026-01-01T00:00:00+00:00"}
    path = workspace.layout.manifest(1)
    write_file_atomically(path, json.dumps(manifest).encode())
    workspace.record_round(Round(1, 5, digest_of_manifest(path), manifest["created"]))
    return workspace


def kinds(workspace, severity="error"):
    return [f.kind for f in examine(workspace) if f.severity == severity]


def everything(workspace):
    return (
        [case.to_dict() for case in workspace.cases()],
        workspace.ledger.masks(),
        workspace.verdicts(),
        workspace.ledger.rounds(),
    )


def test_a_sound_workspace_has_no_findings(filled):
    assert examine(filled) == []


def test_a_changed_ct_is_found(filled):
    path = filled.layout.ct("s0001")
    path.write_bytes(filled.layout.ct("s0002").read_bytes())
    assert kinds(filled) == ["ct"]


def test_changed_missing_and_renamed_masks_are_found(filled):
    masks = filled.in_force("s0001")
    paths = {n: filled.layout.mask("s0001", n, m.id) for n, m in masks.items()}
    paths["liver"].write_bytes(paths["spleen"].read_bytes())
    paths["kidney_right"].unlink()
    findings = [f for f in examine(filled) if f.severity == "error"]
    assert sorted(f.kind for f in findings) == ["digest", "missing"]
    assert any(str(paths["liver"]) == f.subject for f in findings)


def test_orphans_and_partial_files_are_notes(filled, add_case):
    case = filled.case("s0001")
    write_mask(filled.layout, case, "stomach", np.ones(case.grid.shape), MODEL)
    (filled.layout.case_dir("s0009")).mkdir()
    partial = filled.layout.case_dir("s0002") / ".ct.nii.gz.1-ab.part"
    partial.write_bytes(b"half")
    assert kinds(filled) == []
    assert sorted(kinds(filled, "note")) == ["orphan", "orphan", "partial"]
    assert remove_partial_files(filled.path) == 1
    assert not partial.exists()


def test_damaged_findings_are_errors_and_say_what_to_do(filled):
    touch = Finding("rib_touching", "two ribs touch", ("rib_left_1",))
    path = write_findings(filled.layout, "s0001", "model:ribfrac", [touch])
    write_findings(filled.layout, "s0002", "model:ribfrac", [touch])
    (path.parent / "model-ribfrac-lump.nii.gz").write_bytes(b"voxels for review")
    assert examine(filled) == []
    path.write_text("{")
    copy = path.with_name("model-verse.json")
    copy.write_bytes((filled.layout.findings_dir("s0002") / path.name).read_bytes())
    found = examine(filled)
    assert [(f.kind, f.severity, f.subject) for f in found] == [
        ("finding", "error", str(path)), ("finding", "error", str(copy)),
    ]  # fmt: skip
    assert all("move the file away and run the stage again" in f.message for f in found)


def test_findings_of_an_unknown_case_are_a_note(filled):
    path = write_findings(filled.layout, "s0009", "model:ribfrac", [])
    path.write_text("{")
    found = examine(filled)
    assert {f.severity for f in found} == {"note"}
    assert [f.subject for f in found] == [str(path.parent.parent), str(path.parent)]
    assert found[1].message == "findings of an unknown case are shown nowhere; take it in, or move the folder away"


def test_a_changed_manifest_is_found(filled):
    filled.layout.manifest(1).write_text("{}")
    assert kinds(filled) == ["digest"]


def test_verdicts_of_which_one_side_was_lost_are_found(filled):
    from sqlalchemy import text

    with filled.ledger.engine.begin() as connection:
        connection.execute(text("DELETE FROM verdict WHERE case_id = 's0001'"))
    assert kinds(filled, "note") == ["verdict"]
    for path in filled.layout.verdicts_dir.iterdir():
        path.unlink()
    assert kinds(filled) == ["verdict"]


@pytest.mark.parametrize("damage", ["none", "deleted", "garbage"])
def test_a_rebuild_finds_everything_in_the_files(filled, damage):
    before = everything(filled)
    filled.ledger.begin_run("intake", {}, "x")
    ledger_file = filled.layout.ledger_file
    filled.ledger.close()
    if damage == "deleted":
        ledger_file.unlink()
    if damage == "garbage":
        ledger_file.write_bytes(b"this is no database" * 1000)
    workspace = Workspace.open(filled.path)
    contents = rebuild(workspace)
    assert contents.findings == []
    assert everything(workspace) == before
    assert examine(workspace) == []
    assert len(workspace.ledger.runs()) == (1 if damage == "none" else 0)
    assert len(list(filled.path.glob("ledger.before-*.sqlite"))) == 1


def test_a_rebuild_takes_orphans_in_and_leaves_damaged_files_out_by_name(filled):
    case = filled.case("s0001")
    orphan = write_mask(filled.layout, case, "stomach", np.ones(case.grid.shape), MODEL)
    liver = filled.in_force("s0002")["liver"]
    filled.layout.mask("s0002", "liver", liver.id).write_bytes(b"\x1f\x8bdamaged")
    contents = rebuild(filled)
    assert filled.ledger.mask(orphan.id) == orphan
    assert filled.ledger.mask(liver.id) is None
    assert [(f.kind, liver.id[:12] in f.subject) for f in contents.findings] == [("mask", True)]


def test_a_rebuild_keeps_verdicts_that_had_no_file(filled):
    before = filled.verdicts()
    for path in filled.layout.verdicts_dir.iterdir():
        path.unlink()
    rebuild(filled)
    assert filled.verdicts() == before
    assert examine(filled) == []
