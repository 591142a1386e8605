"""All rules on one case."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.engine import describe_error
from pipeline.workspace import Finding
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.rules import RULES
from qc.plausibility.scene import CaseScene
from qc.plausibility.thresholds import Thresholds

log = logging.getLogger(__name__)

PACK_VERSION = 4
"""Raise it when a rule finds something else on the same masks: all cases are then checked anew."""

_ORDER = {"high": 0, "medium": 1, "low": 2}


@dataclass(frozen=True, slots=True)
class Checked:
    """What the rules said of a case.

    Attributes
    ----------
    findings : tuple of Finding
        The most severe first, else in the order of the rules.
    failures : mapping of str to str
        Rules that could not be applied, by name, and why.
    """

    findings: tuple[Finding, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)


def check_case(
    scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None = None
) -> tuple[Finding, ...]:
    """Apply all rules to a case; a rule that fails is logged and the others go on."""
    return apply_rules(RULES, scene, thresholds, cohort).findings


def apply_rules(
    rules: Sequence[Rule],
    scene: CaseScene,
    thresholds: Thresholds,
    cohort: Cohort | None = None,
) -> Checked:
    """Apply some rules to a case.

    Parameters
    ----------
    rules : sequence of Rule
    scene : CaseScene
    thresholds : Thresholds
    cohort : Cohort, optional
        Sizes of the other cases.
    """
    found: list[Finding] = []
    failures: dict[str, str] = {}
    for rule in rules:
        try:
            found += list(rule.check(scene, thresholds, cohort))
        except Exception as error:  # noqa: BLE001 - one rule never stops the others
            failures[rule.name] = describe_error(error)
            log.warning("rule %s could not be applied: %s", rule.name, failures[rule.name])
    return Checked(most_severe_first(found), failures)


def most_severe_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Order findings by severity, keeping their order within one."""
    return tuple(sorted(findings, key=lambda finding: _ORDER[finding.severity]))
