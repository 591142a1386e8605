"""`masksmith status --lineage`: what a person and a program read."""

import json
import shutil

import pytest

from pipeline.cli.main import main
from pipeline.workspace import Workspace
from tests.fixtures.lineage_workspaces import FIRST, SECOND, LineageLab, make_lineage_lab


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    lab = make_lineage_lab(tmp_path_factory.mktemp("made") / "ws")
    lab.workspace.ledger.close()
    return lab


@pytest.fixture
def lab(made, tmp_path):
    """Give a copy that a test may change."""
    shutil.copytree(made.workspace.path, tmp_path / "ws")
    return LineageLab(Workspace.open(tmp_path / "ws"), made.cards)


@pytest.fixture
def status(capsys):
    def call(lab, *words):
        lab.workspace.ledger.close()
        code = main(["status", "--workspace", str(lab.workspace.path), *words])
        return code, *capsys.readouterr()

    return call


def test_it_says_how_much_by_structure_and_which_masks(made, status):
    code, out, err = status(made, "--lineage", "ribfrac")
    assert (code, err) == (0, "")
    summary, structures, masks = (part.splitlines() for part in out.split("\n\n"))
    assert summary == [
        "source ribfrac: the masks of model:everything (its card names ribfrac), model:ribfrac",
        "uncorrected: 9 of 14 masks in force in 11 cases (excluded ones left out), in 8 cases; "
        "2 of them accepted unchanged",
        "  5 direct: the model's own mask is in force",
        "  3 merged: made from such a mask by merging or transfer",
        "  1 learned: predicted by a model that such masks of the same structure taught",
    ]
    assert [line.split() for line in structures[1:]] == [
        [FIRST, "4", "3", "1", "2", "10"],
        [SECOND, "1", "0", "0", "0", "4"],
    ]
    assert len(masks) == 10
    id_ = made.workspace.in_force("round_1")[FIRST].id[:12]
    row = ["round_1", FIRST, "learned", "accepted", "unchanged", "round:1", "5", id_]
    assert row in [line.split() for line in masks]
    assert ["sent", "back"] in [line.split()[3:5] for line in masks]


def test_json_is_one_document_with_every_mask(made, status):
    code, out, _ = status(made, "--lineage", "ribfrac", "--json")
    said = json.loads(out)
    assert code == 0
    assert said["source"] == "ribfrac"
    assert said["counts"] == {
        "direct": 5, "merged": 3, "learned": 1, "unknown": 0, "accepted": 2, "in_force": 14,
    }  # fmt: skip
    assert [item["name"] for item in said["structures"]] == [FIRST, SECOND]
    assert said["models"][1] == {"maker": "model:ribfrac", "card": made.cards["ribfrac"]}
    assert said["masks"][0] == {
        "case_id": "accepted",
        "structure": FIRST,
        "kind": "direct",
        "accepted": True,
        "sent_back": False,
        "maker": "model:ribfrac",
        "voxels": 5,
        "mask_id": made.workspace.in_force("accepted")[FIRST].id,
    }
    assert len(said["masks"]) == 9


def test_a_long_list_is_shortened_until_it_is_asked_for(lab, status):
    for number in range(30):
        lab.mask(f"more_{number:02}", SECOND, lab.model("ribfrac"))
    _, out, _ = status(lab, "--lineage", "ribfrac")
    assert out.endswith(
        "\n39 masks: --cases lists them all, --structure NAME those of one structure\n"
    )
    assert "more_07" not in out
    _, out, _ = status(lab, "--lineage", "ribfrac", "--cases")
    assert out.count("more_") == 30
    _, out, _ = status(lab, "--lineage", "ribfrac", "--structure", SECOND)
    assert out.endswith("\n31 masks: --cases lists them all\n")
    _, out, _ = status(lab, "--lineage", "ribfrac", "--structure", FIRST)
    assert SECOND not in out


def test_a_source_that_is_corrected_everywhere_is_good_news(made, status):
    code, out, _ = status(made, "--lineage", "everything", "--structure", SECOND)
    assert code == 0
    assert out.splitlines() == [
        "source everything: the masks of model:everything",
        "none of 4 masks in force in 11 cases (excluded ones left out) carries it uncorrected",
    ]


def test_what_cannot_be_followed_is_unknown_and_said(lab, status):
    path = lab.workspace.layout.manifest(1)
    path.unlink()
    code, out, _ = status(lab, "--lineage", "ribfrac")
    assert code == 0
    assert "uncorrected: 8 of 14 masks in force" in out
    assert "  2 unknown: not to be told, as something its chain leads to is gone\n" in out
    assert out.splitlines()[-1].startswith(f"not followed: {path}: is missing or was changed; ")
    (head,) = [line.split() for line in out.splitlines() if line.startswith("structure ")]
    assert head[:5] == ["structure", "direct", "merged", "learned", "unknown"]


def test_a_word_that_names_nothing_is_3(made, status):
    code, out, err = status(made, "--lineage", "ribfrax")
    assert (code, out) == (3, "")
    assert err == (
        "masksmith: error: no mask here comes from a source 'ribfrax', did you mean ribfrac? "
        "Known sources: everything, own data, ribfrac, RibSeg v2, verse\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--case", "direct"], "--lineage does not go with --case"),
        (["--findings", "--state", "new"], "--lineage does not go with --state, --findings"),
        (["--structures"], "--lineage does not go with --structures"),
        (["--structure", "rib"], "no structure 'rib' in the class map"),
    ],
)
def test_words_that_do_not_fit_are_2(made, status, words, message):
    code, out, err = status(made, "--lineage", "ribfrac", *words)
    assert (code, out) == (2, "")
    assert message in err
