import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.bootstrap.card import CardLabels
from pipeline.bootstrap.card_file import CardError, card_names, read_card, read_named_card

LABELS = CardLabels({1: "liver"}, ("liver",), ())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"licence": None}, ["licence: expected a value, found none"]),
        ({"prioritaet": 3}, ["prioritaet: unknown key; did you mean priority? known keys: name"]),
        ({"priority": "high"}, ["priority: ", "valid integer", "found 'high'"]),
        ({"runner": "nnunnet"}, ["runner: found 'nnunnet'", "did you mean nnunet?"]),
        ({"labels": {0: "liver"}}, ["labels.0: ", "greater than or equal to 1", "found 0"]),
        ({"labels": {1: "liver", 2: "liver"}}, ["more than one value: liver"]),
        ({"labels": None}, ["give either labels (value: structure) or class_map"]),
        ({"class_map": "btcv"}, ["give either labels (value: structure) or class_map"]),
        ({"spacing_mm": -1}, ["spacing_mm", "between 0 and 100 mm"]),
        ({"options": {"pattern": ["x"]}}, ["options.pattern: unknown key; did you mean patterns?"]),
        ({"weights": {"pth": "x"}}, ["weights.pth: unknown key; did you mean path?"]),
        ({"weights": {"sha256": "abc"}}, ["weights.sha256", "found 'abc'"]),
        (
            {"runner": "command", "options": {"argv": ["x", "{inptu}", "{output}"]}},
            ["options.argv: unknown placeholder {inptu}; known: {input}"],
        ),
        (
            {
                "runner": "command",
                "options": {"argv": ["{input}"], "variables": {"A": "{wieghts}"}},
            },
            ["options.variables: unknown placeholder {wieghts}; known: {input}"],
        ),
        (
            {"enabled": "sometimes"},
            ["enabled: expected true, false or if_found, found 'sometimes'"],
        ),
        ({"postprocess": "split_rib"}, ["postprocess: ", "'split_ribs'", "found 'split_rib'"]),
        ({"lineage": "ribfrac"}, ["lineage: ", "tuple", "found 'ribfrac'"]),
        (
            {"runner": "command", "options": {"argv": ["x", "{input}"]}},
            ["options.argv: expected {output} or {output_folder}"],
        ),
    ],
)
def test_a_fault_names_file_key_found_and_expected(
    write_card: Callable[..., Path], changes: dict[str, object], words: list[str]
) -> None:
    path = write_card(**changes)
    with pytest.raises(CardError) as caught:
        read_card(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    for word in words:
        assert word in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "is not YAML"),
        ("- a\n", "expected keys and values"),
        ("name: x\nlabels:\n  1: liver\n  1: spleen\n", "the key '1' is written twice"),
        ("name: !!python/object/apply:os.getcwd []\n", "is not YAML"),
    ],
)
def test_a_text_that_is_no_card_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(CardError, match=re.escape(words)):
        read_card(path)


def test_the_name_is_the_files_name(write_card: Callable[..., Path]) -> None:
    path = write_card("one")
    path = path.rename(path.with_name("two.yaml"))
    with pytest.raises(CardError, match="name: found 'one', expected 'two'"):
        read_card(path)


def test_a_card_that_is_not_there_is_named_with_those_that_are(
    configs: Path, write_card: Callable[..., Path]
) -> None:
    write_card("btcv")
    write_card("verse")
    with pytest.raises(CardError, match=r"no model card named 'btvc'.*did you mean btcv\?.*verse"):
        read_named_card(configs, "btvc")
    assert card_names(configs) == ("btcv", "verse")


@pytest.mark.parametrize("said", [True, False, "if_found"])
def test_a_card_says_when_it_takes_part(write_card: Callable[..., Path], said: object) -> None:
    assert read_card(write_card(enabled=said)).card.enabled == said


def test_one_spacing_is_isotropic(write_card: Callable[..., Path]) -> None:
    assert read_card(write_card(spacing_mm=1.5)).card.spacing_mm == (1.5, 1.5, 1.5)


def test_the_digest_is_that_of_what_the_card_says(write_card: Callable[..., Path]) -> None:
    before = read_card(write_card()).digest(LABELS)
    moved = write_card(weights={"path": "/elsewhere"}, enabled=False, known_bias="thin ribs")
    moved.write_text("# a comment\n" + moved.read_text())
    assert read_card(moved).digest(LABELS) == before
    for_people = {"lineage": ["ribfrac"], "review": ["liver"], "weights": {"advice": "ask Anna"}}
    assert read_card(write_card(**for_people)).digest(LABELS) == before
    assert read_card(write_card(postprocess="split_ribs")).digest(LABELS) != before
    assert read_card(write_card(priority=11)).digest(LABELS) != before
    assert read_card(write_card()).digest(CardLabels({2: "liver"}, ("liver",), ())) != before


def test_a_snapshot_says_all_but_where_the_files_lie(write_card: Callable[..., Path]) -> None:
    file = read_card(write_card(weights={"path": "/home/anna/w.zip", "url": "https://x.org/w.zip"}))
    snapshot = file.snapshot_yaml(LABELS)
    assert "postprocess" not in snapshot
    assert snapshot.startswith(f"# digest {file.digest(LABELS)}\n")
    assert "anna" not in snapshot
    assert "https://x.org/w.zip" in snapshot
    assert "'1': liver" in snapshot
