"""The page names every rule, kind of finding and threshold; every threshold has its source."""

from pathlib import Path

from qc.plausibility.rules import RULES
from qc.plausibility.thresholds import shipped_thresholds

PAGE = (Path(__file__).parents[3] / "docs" / "plausibility.md").read_text(encoding="utf-8")


def test_rules_kinds_and_thresholds_are_on_the_page():
    thresholds = shipped_thresholds()
    named = [rule.name for rule in RULES] + [kind for rule in RULES for kind in rule.kinds]
    named += [*thresholds.numbers, *(n for n in type(thresholds).model_fields if n != "numbers")]
    assert [name for name in named if f"`{name}`" not in PAGE] == []


def test_each_rule_stands_in_a_file_of_its_name():
    assert [rule.check.__module__.rpartition(".")[2] for rule in RULES] == [r.name for r in RULES]


def test_every_row_has_a_source():
    for name, rows in shipped_thresholds():
        for row in rows.values() if name == "numbers" else rows:
            assert len(row.source) > 10, (name, row)
