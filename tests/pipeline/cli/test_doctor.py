"""`masksmith doctor`: findings, exit code, rebuilding."""

import json

import pytest

from pipeline.cli.main import main
from pipeline.workspace import Provenance


@pytest.fixture
def masksmith(workspace, add_case, add_masks):
    for case_id in ("s0001", "s0002"):
        add_masks(add_case(case_id), Provenance("model", "model:x"))
    workspace.ledger.close()

    def call(*words):
        return main(["doctor", "--workspace", str(workspace.path), *words])

    return call


@pytest.mark.parametrize("jobs", [[], ["-j", "2"]])
def test_a_sound_workspace_is_0(masksmith, jobs, capsys):
    assert masksmith(*jobs) == 0
    assert capsys.readouterr().out == "files and ledger agree\n"


@pytest.mark.parametrize("jobs", [[], ["-j", "2"]])
def test_a_changed_mask_is_1_and_named(masksmith, workspace, jobs, capsys):
    mask = workspace.in_force("s0002")["liver"]
    path = workspace.layout.mask("s0002", "liver", mask.id)
    path.write_bytes(path.read_bytes()[:-9])
    assert masksmith(*jobs) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"error digest: {path}: ")
    assert out.endswith("1 errors, 0 notes\n")


def test_a_note_is_harmless(masksmith, workspace, capsys):
    (workspace.layout.cases_dir / "s0003").mkdir()
    assert masksmith() == 0
    out = capsys.readouterr().out
    assert "note  orphan: " in out
    assert "0 errors, 1 notes (harmless)" in out


def test_rebuild_takes_everything_in_again(masksmith, workspace, capsys):
    before = {mask.id for mask in workspace.masks("s0001")}
    workspace.ledger.close()
    workspace.layout.ledger_file.unlink()
    assert masksmith("--rebuild", "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"errors": 0, "rebuilt": True, "findings": []}
    assert err == "rebuilt from the files: 2 cases, 6 masks, 0 verdicts, 0 rounds\n"
    assert {mask.id for mask in workspace.masks("s0001")} == before
