"""Findings in `masksmith status`: counted, listed, and damaged ones named."""

import json

import pytest

from pipeline.cli.main import main
from pipeline.workspace import Finding, Provenance, Verdict, write_findings

TOUCH = Finding("rib_touching", "two ribs\ntouch", ("rib_left_1", "rib_left_2"), {"gap_mm": 1.5})
DOUBT = Finding("rib_number_in_doubt", "taken for rib 1", ("rib_left_1",))
GAP = Finding("vertebra_gap", "no T7")


@pytest.fixture
def filled(workspace, add_case, add_masks):
    for case_id in ("s0001", "s0002", "s0003"):
        add_masks(add_case(case_id), Provenance("model", "model:x"))
    layout = workspace.layout
    write_findings(layout, "s0001", "model:ribfrac", [TOUCH, DOUBT])
    write_findings(layout, "s0001", "model:verse", [GAP])
    write_findings(layout, "s0002", "model:ribfrac", [DOUBT])
    write_findings(layout, "s0003", "model:verse", [GAP])
    (layout.findings_dir("s0001") / "model-verse-T13.nii.gz").write_bytes(b"voxels for review")
    workspace.record_verdicts([Verdict("s0003", "exclude_case", "anna")])
    return workspace


@pytest.fixture
def status(workspace, capsys):
    def call(*words):
        workspace.ledger.close()
        code = main(["status", "--workspace", str(workspace.path), *words])
        return code, *capsys.readouterr()

    return call


def break_one(workspace):
    path = workspace.layout.findings_dir("s0002") / "model-ribfrac.json"
    path.write_text("{")
    return path


def test_the_summary_counts_them_by_kind(filled, status):
    _, out, _ = status()
    assert (
        "\nfindings in 2 cases: 2 rib_number_in_doubt, 1 rib_touching, 1 vertebra_gap; "
        "masksmith status --findings lists them\n"
    ) in out
    said = json.loads(status("--json")[1])
    assert said["findings_by_kind"] == {
        "rib_number_in_doubt": 2, "rib_touching": 1, "vertebra_gap": 1,
    }  # fmt: skip
    assert said["damaged_findings"] == []
    assert said["case_count"] == 3


def test_a_workspace_without_findings_says_nothing_of_them(workspace, add_case, status):
    add_case("s0001")
    assert "finding" not in status()[1]
    assert "finding" not in status("--case", "s0001")[1]
    assert status("--findings") == (0, "findings: none\n", "")
    assert json.loads(status("--findings", "--json")[1]) == {
        "findings": [], "findings_by_kind": {}, "damaged_findings": [],
    }  # fmt: skip


def test_they_are_listed_for_all_cases_that_are_not_excluded(filled, status):
    code, out, _ = status("--findings")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == (
        "findings in 2 cases: 2 rib_number_in_doubt, 1 rib_touching, 1 vertebra_gap"
    )
    assert lines[2].split() == [
        "case", "severity", "found", "by", "kind", "structures", "what",
    ]  # fmt: skip
    assert lines[3].split()[:4] == ["s0001", "medium", "model:ribfrac", "rib_touching"]
    assert lines[3].endswith("rib_left_1, rib_left_2  two ribs touch")
    assert [line.split()[0] for line in lines[3:]] == ["s0001", "s0001", "s0001", "s0002"]


def test_the_most_severe_are_listed_first(filled, status):
    worst = Finding("sides_swapped", "left lies right", ("kidney_left",), severity="high")
    least = Finding("crumbs", "small pieces", ("liver",), severity="low")
    write_findings(filled.layout, "s0001", "a", [least])
    write_findings(filled.layout, "s0002", "plausibility", [worst])
    listed = [line.split()[:2] for line in status("--findings")[1].splitlines()[3:]]
    assert listed[0] == ["s0002", "high"]
    assert listed[-1] == ["s0001", "low"]
    assert [severity for _, severity in listed[1:-1]] == ["medium"] * 4
    said = json.loads(status("--findings", "--json")[1])["findings"]
    assert [said[0]["kind"], said[-1]["kind"]] == ["sides_swapped", "crumbs"]


def test_json_carries_all_that_a_finding_says(filled, status):
    said = json.loads(status("--findings", "--json")[1])
    assert said["findings"][0] == {
        "case": "s0001",
        "maker": "model:ribfrac",
        "kind": "rib_touching",
        "words": "two ribs\ntouch",
        "structures": ["rib_left_1", "rib_left_2"],
        "figures": {"gap_mm": 1.5},
        "severity": "medium",
        "place_mm": None,
    }
    assert len(said["findings"]) == 4


def test_one_structure_or_one_case_can_be_asked_for(filled, status):
    _, out, _ = status("--findings", "--structure", "rib_left_2")
    assert out.startswith("findings in 1 case: 1 rib_touching\n")
    _, out, _ = status("--findings", "--case", "s0003")
    assert out.splitlines()[-1].split()[:4] == ["s0003", "medium", "model:verse", "vertebra_gap"]
    assert status("--findings", "--case", "s0009")[0] == 3


def test_a_case_shows_its_own_below_its_structures(filled, status):
    _, out, _ = status("--case", "s0001")
    structures, findings = out.split("\n\n")
    assert structures.startswith("case s0001: ")
    lines = findings.splitlines()
    assert lines[0] == "findings: 1 rib_number_in_doubt, 1 rib_touching, 1 vertebra_gap"
    assert lines[-1].split(maxsplit=4) == ["medium", "model:verse", "vertebra_gap", "–", "no T7"]
    said = json.loads(status("--case", "s0001", "--structure", "rib_left_2", "--json")[1])
    assert [each["kind"] for each in said["findings"]] == ["rib_touching"]
    assert [state["structure"] for state in said["structures"]] == ["rib_left_2"]


def test_a_long_list_is_shortened_until_it_is_asked_for(filled, status):
    write_findings(filled.layout, "s0002", "model:verse", [GAP] * 30)
    _, out, _ = status("--findings")
    assert out.endswith("\n34 findings: --cases lists them all, --case CASE those of one case\n")
    assert status("--findings", "--cases")[1].count("no T7") == 31
    assert status("--findings", "--case", "s0002")[1].count("no T7") == 30


def test_a_damaged_file_is_named_and_hides_nothing_else(filled, status):
    path = break_one(filled)
    code, out, _ = status("--findings")
    assert code == 0
    assert "1 vertebra_gap, 1 file not readable\n" in out
    assert out.splitlines()[-1].startswith(f"not read: {path}: ")
    assert "findings in 1 case: " in status()[1]
    assert "\nfindings: 1 file not readable\nnot read: " in status("--case", "s0002")[1]
    (line,) = json.loads(status("--json")[1])["damaged_findings"]
    assert "run the stage again" in line


@pytest.mark.parametrize("words", [["--state", "new"], ["--structures"]])
def test_words_that_do_not_fit_are_2(filled, status, words):
    code, _, err = status("--findings", *words)
    assert code == 2
    assert f"--findings does not go with {words[0]}" in err
