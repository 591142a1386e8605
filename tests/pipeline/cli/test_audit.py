"""`masksmith audit`: what a person and a program read."""

import json

import pytest

from pipeline.cli.main import main
from pipeline.workspace import Verdict


@pytest.fixture
def audit(abdomens, capsys):
    def call(*words):
        abdomens.ledger.close()
        code = main(["audit", *words, "--workspace", str(abdomens.path)])
        return code, *capsys.readouterr()

    return call


def test_plant_list_report_and_remove(audit, abdomens) -> None:
    words = ("--count", "1", "--kinds", "cut", "--sizes", "gross", "--structures", "liver")
    code, out, err = audit("plant", *words)
    assert (code, err) == (0, "")
    assert out.startswith("1 errors planted; now run masksmith plausibility and masksmith gallery")
    code, out, _ = audit("list")
    [line] = out.splitlines()[1:]
    case_id = line.split()[0]
    assert line.split()[2:4] == ["cut", "gross"]
    assert "liver is cut off by a plane" in line
    code, out, _ = audit("report")
    assert "nobody has decided anything about them yet" in out
    [mask] = abdomens.masks(case_id, "liver")
    abdomens.record_verdicts(
        [
            Verdict(case_id, "fix", "ben", "liver", mask.id),
            Verdict(case_id, "accept", "carl", "liver", mask.id),
        ]
    )
    code, out, _ = audit("report", "--json")
    report = json.loads(out)
    assert code == 0
    assert {each["by"]: each["total"]["share"] for each in report["reviewers"]} == {
        "ben": 1.0,
        "carl": 0.0,
    }
    code, out, _ = audit("remove")
    assert (code, out) == (0, "1 planted cases taken out; now run masksmith gallery\n")
    assert len(abdomens.cases(planted=True)) == 2
    code, out, _ = audit("report")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][:2] == ["0", "cases"]
    assert [word for line in lines if line[:1] == ["liver"] for word in line][:6] == [
        "liver",
        "1",
        "of",
        "1,",
        "100%",
        "(21–100)",
    ]


def test_what_fails_has_its_own_exit_code(audit) -> None:
    code, out, err = audit(
        "plant", "--count", "2", "--sizes", "gross,medium", "--kinds", "front_for_back"
    )
    assert code == 8
    assert "one medium error could not be planted in any case" in err
    assert out.startswith("1 errors planted")
    assert audit("plant", "--sizes", "huge")[0] == 2
    assert audit("plant", "--kinds", "nonsense")[0] == 2
    assert audit("remove", "s0001")[0] == 3
    code, _, err = audit("plant", "--count", "1", "--structures", "brain")
    assert code == 3
    assert "no error could be planted" in err


def test_nothing_planted_is_said(audit) -> None:
    for words in (("list",), ("report",), ("remove",)):
        code, _, err = audit(*words)
        assert code == 3
        assert "nothing" in err
    code, out, _ = audit("kinds", "--json")
    assert code == 0
    assert len(json.loads(out)["kinds"]) >= 20
