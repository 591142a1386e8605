"""`masksmith import-rough` as people type it: table, JSON, exit codes, one process per file."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from annotation.import_rough import STAGE
from annotation.importing.settings import ImportRoughSettings
from pipeline.cli.main import main
from pipeline.engine import SerialEngine
from pipeline.stage import run_stage
from pipeline.volume import write_nifti
from pipeline.workspace import Case, Workspace
from tests.fixtures.workspaces import BLOBS, small_grid


@pytest.fixture
def drawn(tmp_path: Path, add_case: Callable[..., Case]) -> Path:
    """Two drawings, one of which nobody knows the structure of."""
    add_case("s0001")
    folder = tmp_path / "drawn" / "s0001"
    folder.mkdir(parents=True)
    for name, structure in (("Leber", "liver"), ("Tumor", "spleen")):
        array = np.zeros(small_grid().shape, np.uint8, order="F")
        array[BLOBS[structure]] = 1
        write_nifti(folder / f"{name}.nii.gz", array, small_grid())
    return folder.parent


@pytest.fixture
def call(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setenv("MASKSMITH_IMPORT_ROUGH_ISOLATE", "false")

    def run(*words: object) -> int:
        shared = ["--workspace", str(workspace.path), "-j", "1", "--no-progress"]
        return main(["import-rough", *map(str, words), *shared])

    return run


def test_the_table_comes_first_then_the_import(
    call: Callable[..., int], drawn: Path, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("--from", drawn, "-n") == 8
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0].split() == [
        "file", "drawing", "case", "structure", "voxels", "ml", "slices", "placed", "what",
    ]  # fmt: skip
    assert "would be new" in lines[1]
    assert "no structure of this name" in lines[2]
    assert "Tumor.nii.gz: s0001; not matched: 'Tumor'" in said.err
    assert workspace.masks("s0001") == ()

    assert call("--from", drawn) == 8
    assert workspace.in_force("s0001")["liver"].voxels == 12**3
    names = workspace.path / "import_names.yaml"
    names.write_text("Tumor: ignore\n")
    assert call("--from", drawn, "--mapping", names) == 0


def test_json_is_one_document_with_a_row_for_each_drawing(
    call: Callable[..., int], drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("--from", drawn / "s0001" / "Leber.nii.gz", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    (outcome,) = document["outcomes"]
    assert outcome["subject"].endswith("Leber.nii.gz")
    (row,) = outcome["figures"]["rows"]
    assert (row["structure"], row["voxels"], row["what"]) == ("liver", 12**3, "new")
    assert len(row["mask"]) == 64


def test_exit_codes(
    call: Callable[..., int], drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("--from", tmp_path / "none") == 3
    assert call("--from", drawn, "--case", "s9") == 3
    assert call() == 2
    assert "setting 'paths'" in capsys.readouterr().err
    wrong = tmp_path / "names.yaml"
    wrong.write_text("Tumor: tumour\n")
    assert call("--from", drawn, "--mapping", wrong) == 4
    assert "line 1: structure 'tumour' is not in the class map" in capsys.readouterr().err


def test_each_file_is_parsed_in_a_process_of_its_own(workspace: Workspace, drawn: Path) -> None:
    settings = ImportRoughSettings.model_validate({"paths": (drawn,), "by": "anna"})
    report = run_stage(STAGE, workspace, settings, SerialEngine())
    assert [outcome.status for outcome in report.outcomes] == ["done", "failed"]
    assert workspace.in_force("s0001")["liver"].provenance.maker == "person:anna"
    recorded = workspace.ledger.runs("import-rough")[0].settings
    assert recorded["paths"] == "1 path, not recorded"
