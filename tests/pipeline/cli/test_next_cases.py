"""`masksmith next-cases`: what a person and a program read, and what is kept."""

import json

import pytest

from pipeline.cli.main import main
from pipeline.workspace import Confidence, Round
from tests.fixtures.round_workspaces import cube


@pytest.fixture
def lab(round_lab):
    for number in range(6):
        round_lab.case(f"s{number}")
        entropy = number / 10
        sure = Confidence(1 - entropy, entropy, entropy)
        round_lab.mask(f"s{number}", "liver", cube(4), sure=sure)
    return round_lab


@pytest.fixture
def next_cases(lab, capsys):
    def call(*words):
        lab.workspace.ledger.close()
        path = str(lab.workspace.path)
        code = main(["next-cases", "--workspace", path, "-j", "1", *words])
        return code, *capsys.readouterr()

    return call


def test_it_lists_case_strategy_score_and_reason(next_cases):
    code, out, err = next_cases("--count", "2", "--weights", "random=1,uncertainty=1")
    assert (code, err) == (0, "")
    first, heading, uncertain, drawn = out.splitlines()
    assert first == (
        "before the first round: 2 of 6 cases with something undecided (asked for: 1 random, "
        "1 uncertainty; seed 1234)"
    )
    assert heading.split() == ["case", "strategy", "score", "undecided", "why"]
    assert uncertain.split()[:4] == ["s5", "uncertainty", "1.00", "3"]
    assert uncertain.endswith("least sure of liver (entropy 0.50 bit)")
    assert drawn.split()[1] == "random"


def test_the_choice_stays_until_it_is_asked_for_again(lab, next_cases):
    _, first, _ = next_cases()
    chosen = json.loads(lab.workspace.layout.next_cases(0).read_text())["chosen"]
    for each in chosen[:3]:
        lab.say(each["case"], "accept", lab.workspace.in_force(each["case"])["liver"])
    code, second, _ = next_cases()
    assert code == 0
    assert "kept; --again" in second
    assert "--again" not in first

    def shown(out: str) -> dict[str, str]:
        return {line.split()[0]: line.split()[3] for line in out.splitlines() if line[0] == "s"}

    assert list(shown(second)) == list(shown(first)) == [each["case"] for each in chosen]
    assert list(shown(second).values())[:3] == ["2", "2", "2"]
    _, again, _ = next_cases("--again", "--structures", "liver")
    assert set(shown(again)) == set(shown(first)) - {each["case"] for each in chosen[:3]}


def test_after_a_round_it_is_kept_with_that_round(lab, next_cases):
    for number in (1, 2):
        lab.workspace.record_round(Round(number, 5, "digest"))
    assert next_cases("--count", "1")[1].startswith("after round 2: 1 of 6 cases")
    assert lab.workspace.layout.next_cases(2).is_file()
    assert next_cases("--round", "1", "--count", "1")[1].startswith("after round 1: ")
    code, _, err = next_cases("--round", "7")
    assert code == 3
    assert "round 7 was not begun; begun so far: 1, 2" in err


def test_json_is_the_record_with_what_is_undecided_now(lab, next_cases):
    code, out, _ = next_cases("--json", "--count", "2", "--seed", "9")
    document = json.loads(out)
    assert code == 0
    undecided = document.pop("undecided_now")
    assert document == json.loads(lab.workspace.layout.next_cases(0).read_text())
    assert document["settings"]["seed"] == 9
    assert undecided == {each["case"]: 3 for each in document["chosen"]}


def test_the_settings_of_retrain_say_how_many_and_by_what(next_cases, tmp_path):
    (tmp_path / "retrain.yaml").write_text("next_cases: {count: 3, weights: {uncertainty: 1}}\n")
    _, out, _ = next_cases("--configs", str(tmp_path))
    assert "(asked for: 3 uncertainty; seed 1234)" in out
    assert [line.split()[0] for line in out.splitlines()[2:]] == ["s5", "s4", "s3"]


def test_what_a_strategy_lacks_is_a_note(next_cases):
    _, out, _ = next_cases("--weights", "rarity=1", "--count", "1")
    assert out.splitlines()[-1] == (
        "note: rarity: no case is decided yet, or no candidate differs from the others; 1 case "
        "was drawn at random instead"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--weights", "random"), "expected such as random=0.6,uncertainty=0.4"),
        (("--weights", "luck=1"), "--weights luck=1: no strategy luck; there are random"),
        (("--weights", "random=much"), "--weights random=much: "),
        (("--weights", "random=0"), "every strategy weighs 0"),
        (("--count", "0"), "0 is not in the range"),
    ],
)
def test_options_that_make_no_sense_are_one_line(next_cases, words, said):
    code, out, err = next_cases(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_where_everything_is_decided_there_is_nothing_to_do(lab, next_cases):
    for number in range(6):
        lab.say(f"s{number}", "exclude_case", reason="metal")
    code, out, err = next_cases()
    assert (code, out) == (3, "")
    assert "no case has anything undecided" in err
