"""Whether a person, or the rules, caught what is wrong in a planted case."""

import re
from collections.abc import Iterable, Sequence

from pipeline.errors import BadInput
from pipeline.workspace import Layout, Verdict, read_findings
from qc.audit.truth import PlantTruth
from qc.planting.given_away import given_away

RULES_MAKER = "plausibility"
_ABSENT = ("absent_fov", "absent_anatomy")
_WORD = re.compile(r"[^\W_]+")


def is_caught(truth: PlantTruth, verdicts: Sequence[Verdict]) -> bool:
    """Say whether one person's verdicts about a planted case catch its error.

    Caught: the case excluded; a structure that is wrong sent back to be fixed, or called absent
    although it has a mask; or something sent back with a reason that names such a structure. Of
    what a person said twice about the same, the last counts.

    Parameters
    ----------
    truth : PlantTruth
    verdicts : sequence of Verdict
        Of one person about this case, oldest first.
    """
    last = {verdict.structure: verdict for verdict in verdicts}
    return any(_catches(truth, verdict) for verdict in last.values())


def _catches(truth: PlantTruth, verdict: Verdict) -> bool:
    if verdict.structure is None:
        return verdict.decision == "exclude_case"
    if verdict.decision in _ABSENT:
        return verdict.structure in truth.wrong and _has_mask(truth, verdict.structure)
    if verdict.decision != "fix":
        return False
    return verdict.structure in truth.wrong or _named(truth.wrong, verdict.reason)


def _has_mask(truth: PlantTruth, structure: str) -> bool:
    change = truth.details.get("changes", {}).get(structure, {})
    return float(change.get("after_ml", 0.0)) > 0


def _named(names: Iterable[str], reason: str) -> bool:
    return any(_words_of(name) in _words_of(reason) for name in names)


def _words_of(text: str) -> str:
    return f" {' '.join(_WORD.findall(text.lower()))} "


def rules_caught(layout: Layout, truth: PlantTruth) -> bool | None:
    """Say whether the plausibility rules gave the error away; None where they did not look."""
    if "rules_caught" in truth.details:
        stored = truth.details["rules_caught"]
        return None if stored is None else bool(stored)
    try:
        after = read_findings(layout, truth.case_id).get(RULES_MAKER)
        before = read_findings(layout, truth.copy_of).get(RULES_MAKER)
    except BadInput:
        return None
    if after is None or before is None:
        return None
    return bool(given_away(before, after, truth.wrong))
