"""`masksmith effort`: what a person and a program read."""

import csv
import json
import shutil

import pytest

from pipeline.cli.main import main
from pipeline.workspace import Workspace
from tests.fixtures.effort_workspaces import make_effort_lab
from tests.fixtures.round_workspaces import RoundLab


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    lab = make_effort_lab(tmp_path_factory.mktemp("made"))
    lab.workspace.ledger.close()
    return lab


@pytest.fixture
def lab(made, tmp_path):
    """Give a copy that a test may change."""
    shutil.copytree(made.workspace.path, tmp_path / "copy")
    return RoundLab(Workspace.open(tmp_path / "copy"))


@pytest.fixture
def effort(capsys):
    def call(lab, *words):
        lab.workspace.ledger.close()
        code = main(["effort", "--workspace", str(lab.workspace.path), "-j", "1", *words])
        return code, *capsys.readouterr()

    return call


def test_it_says_what_was_done_what_it_took_and_what_is_left(lab, effort):
    code, out, err = effort(lab)
    assert (code, err) == (0, "")
    summary, table = (part.splitlines() for part in out.split("\n\n"))
    assert summary == [
        "5 masks by 2 people: 1 accepted unchanged, 2 corrected, 2 drawn; 1 structure called "
        "absent",
        "time: 12 min 56 s for 5 masks and absences; the time of 1 more is unknown",
        "beside the paper: 4 masks took 12 min 44 s (3 min 11 s each) here; at its pace by hand "
        "43 min (10 min 45 s each), roughly drawn 6 min 48 s (1 min 42 s each)",
        "left: 5 structures undecided in 3 cases, 5 of them in the 3 begun",
        "at this pace: 12 min 56 s for all, 12 min 56 s for those begun, at 2 min 35 s each (mean "
        "of 5 timed from round 1 and bootstrap and nothing; 6 worked on so far; half of them took "
        "40 s or less)",
    ]
    rows = {line.split("  ")[0]: line.split() for line in table}
    assert list(rows) == ["began with", "nothing", "bootstrap", "round 1", "all"]
    assert rows["bootstrap"][1:6] == ["0", "1", "0", "0", "0"]
    assert rows["bootstrap"][-2] == "0.68"
    assert rows["nothing"][-2:] == ["–", "–"]


def test_a_line_per_annotator(lab, effort):
    _, out, _ = effort(lab, "--by", "annotator")
    assert [line.split()[0] for line in out.split("\n\n")[1].splitlines()] == [
        "by", "anna", "ben", "all",
    ]  # fmt: skip


def test_json_is_one_document_with_the_papers_seconds(lab, effort):
    code, out, _ = effort(lab, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["paper"]["by_hand_s"] == 645
    assert document["paper"]["rough_s"] == 102
    assert [group["name"] for group in document["groups"]] == ["nothing", "bootstrap", "round 1"]
    assert document["left"]["undecided"]["all"] == 5
    assert document["pace"]["structures"] == 5


def test_the_table_has_a_line_for_each_item(lab, effort, tmp_path):
    path = tmp_path / "effort.csv"
    code, out, _ = effort(lab, "--csv", str(path))
    assert code == 0
    assert out.endswith(f"written: {path}\n")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    fixed = next(r for r in rows if (r["case"], r["what"]) == ("s2", "corrected"))
    assert (fixed["by"], fixed["seconds"], fixed["added_voxels"], fixed["removed_voxels"]) == (
        "ben", "120.0", "61", "0",
    )  # fmt: skip
    rough = next(r for r in rows if r["structure"] == "colon" and r["what"] == "drawn")
    assert (rough["seconds"], rough["dice"]) == ("", "")


def test_the_plot_is_by_round_whatever_the_table_is(lab, effort, tmp_path):
    paths = tmp_path / "a.png", tmp_path / "b.png"
    effort(lab, "--plot", str(paths[0]))
    code, out, _ = effort(lab, "--by", "case", "--plot", str(paths[1]))
    assert code == 0
    assert "written:" in out
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_where_nobody_did_anything_it_says_how_to_begin(round_lab, effort):
    code, out, err = effort(round_lab)
    assert (code, out) == (3, "")
    assert "nobody has saved a mask or given a verdict" in err


def test_a_file_that_cannot_be_written_is_one_line(lab, effort, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = effort(lab, "--csv", str(tmp_path / "file" / "e.csv"))
    assert code == 4
    assert err.count("\n") == 1
    assert "e.csv: cannot be written" in err


def test_what_could_not_be_compared_is_named_in_few_lines(lab, effort):
    for case_id in ("s2", "s3"):
        for mask in lab.workspace.masks(case_id, "liver"):
            lab.workspace.layout.mask(case_id, "liver", mask.id).unlink(missing_ok=True)
    code, out, _ = effort(lab)
    assert code == 0
    assert out.count("not compared: s") == 2
