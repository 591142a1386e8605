"""The rules, one a file, in the order in which their findings are listed."""

from qc.plausibility.rule import Rule
from qc.plausibility.rules import vertebra_numbering

RULES: tuple[Rule, ...] = (vertebra_numbering.RULE,)
