"""All findings of some cases; damaged files are set aside and named."""

import pytest

from pipeline.errors import BadInput
from pipeline.workspace import Finding, write_findings
from pipeline.workspace.case_findings import case_findings, read_case_findings
from pipeline.workspace.layout import Layout

TOUCH = Finding("rib_touching", "two ribs touch", ("rib_left_1",))
GAP = Finding("vertebra_gap", "no T7")


@pytest.fixture
def layout(tmp_path):
    layout = Layout(tmp_path)
    write_findings(layout, "s1", "model:verse", [GAP, GAP])
    write_findings(layout, "s1", "model:ribfrac", [TOUCH])
    write_findings(layout, "s2", "model:verse", [])
    return layout


def test_they_come_by_case_and_maker(layout):
    findings = case_findings(layout, ["s1", "s2", "s3"])
    assert [(f.case_id, f.maker, f.finding) for f in findings.found] == [
        ("s1", "model:ribfrac", TOUCH), ("s1", "model:verse", GAP), ("s1", "model:verse", GAP),
    ]  # fmt: skip
    assert findings.damaged == ()


def test_kinds_are_counted_the_commonest_first(layout):
    assert list(case_findings(layout, ["s1"]).by_kind.items()) == [
        ("vertebra_gap", 2), ("rib_touching", 1),
    ]  # fmt: skip


def test_those_about_a_structure_can_be_kept(layout):
    kept = case_findings(layout, ["s1"]).about("rib_left_1")
    assert [each.finding for each in kept.found] == [TOUCH]


def test_files_beside_them_do_not_matter(layout):
    folder = layout.findings_dir("s1")
    (folder / "model-verse-T13.nii.gz").write_bytes(b"no JSON")
    (folder / ".model-verse.json.1-ab.part").write_bytes(b"{")
    assert len(case_findings(layout, ["s1"]).found) == 3


@pytest.mark.parametrize("text", ["{", "[]", '{"maker": "model:verse"}', "\udcff"])
def test_a_damaged_file_hides_no_other(layout, text):
    path = layout.findings_dir("s1") / "model-verse.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    findings = case_findings(layout, ["s1"])
    assert [each.finding for each in findings.found] == [TOUCH]
    (line,) = findings.damaged
    assert line.startswith(f"{path}: ")
    assert line.endswith("move the file away and run the stage again")


def test_a_file_under_another_makers_name_is_refused(layout):
    path = layout.findings_dir("s1") / "copy.json"
    path.write_bytes((layout.findings_dir("s1") / "model-verse.json").read_bytes())
    with pytest.raises(BadInput, match=r"copy\.json: holds the findings of model:verse, expected"):
        read_case_findings(layout, "s1", path)


def test_a_folder_in_its_place_cannot_be_read(layout):
    path = layout.findings_dir("s1") / "model-x.json"
    path.mkdir()
    with pytest.raises(BadInput, match=r"model-x\.json: cannot be read \(Is a directory\); move"):
        read_case_findings(layout, "s1", path)
