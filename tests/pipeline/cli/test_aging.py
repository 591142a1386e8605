"""`masksmith aging`: what a person and a program read of it."""

import json

import pytest

from pipeline.cli.main import main
from tests.fixtures.aging_workspaces import Scan, make_aging_workspace


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    scans = [Scan(str(30 + 5 * n), "fm"[n % 2], f"p{n}") for n in range(9)]
    scans += [Scan("", "f"), Scan("50", "m", cut=True)]
    path = tmp_path_factory.mktemp("aging") / "w"
    workspace = make_aging_workspace(path, scans, lambda age: 500 + 10 * age, lambda age: 60)
    workspace.ledger.close()
    return path


def test_it_says_what_was_fitted_and_what_was_left_out(folder, tmp_path, capsys):
    words = ["aging", "--workspace", str(folder), "--out", str(tmp_path), "--structures", "liver"]
    assert main(words) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1].split()[:6] == ["liver", "volume_ml", "all", "9", "9", "1.00"]
    assert said[2].split()[:6] == ["liver", "volume_ml", "f", "5", "–", "–"]
    assert said[7:9] == [
        "left out: age not known: 1 (s0009)",
        "left out: liver: cut by the border of the CT: 1 (s0010)",
    ]
    assert main([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["fits"][0]["b"] == pytest.approx(1.25, abs=0.02)
    assert document["left_out"][0]["cases"] == ["s0009"]
    assert (tmp_path / "aging.png").is_file()


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["--structures", "spleen"], 3, "no scan counts for spleen"),
        (["--structures", "liver", "--phase", "arterial"], 3, "another phase: 10"),
        (["--structures", "livr"], 4, "close: liver"),
        (["--structures", ","], 2, "name at least one structure"),
    ],
)
def test_what_cannot_be_drawn_is_said(folder, tmp_path, capsys, words, code, expected):
    found = main(["aging", "--workspace", str(folder), "--out", str(tmp_path), *words])
    assert found == code
    assert expected in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_said(folder, tmp_path, capsys):
    (tmp_path / "file").touch()
    words = ["--structures", "liver", "--out", str(tmp_path / "file" / "out")]
    assert main(["aging", "--workspace", str(folder), *words]) == 4
    assert "points.csv: cannot be written" in capsys.readouterr().err
