"""The page names every rule, kind of finding and threshold; every threshold has its source."""

import sys
from pathlib import Path

from qc.plausibility import rules
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


def test_limits_stand_in_the_settings_file_and_each_is_read() -> None:
    code = "\n".join(path.read_text() for path in Path(rules.__file__).parents[1].rglob("*.py"))
    assert [name for name in shipped_thresholds().numbers if f'"{name}"' not in code] == []
    numbers = {
        name
        for rule in RULES
        for name, value in vars(sys.modules[rule.check.__module__]).items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    assert numbers <= {"_FLOATING", "_T1"}  # a rib and a vertebra


def test_every_row_has_a_source():
    for name, rows in shipped_thresholds():
        for row in rows.values() if name == "numbers" else rows:
            assert len(row.source) > 10, (name, row)
