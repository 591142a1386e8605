"""Planted cases: kept from whatever leaves the house, and known after they were taken out again."""

import json

from pipeline.errors import BadInput, UsageError
from pipeline.workspace.layout import Layout
from pipeline.workspace.words import Case, Verdict


def require_real(case: Case) -> None:
    """Refuse a planted case where somebody named it and its masks would go out.

    Raises
    ------
    UsageError
    """
    if case.is_planted:
        raise UsageError(
            f"case {case.id!r} holds an error that 'masksmith audit plant' put there; it is for "
            "looking at only and goes into no training and to nobody else: leave it out"
        )


def removed_plants(layout: Layout) -> frozenset[str]:
    """List the ids of the planted cases that `masksmith audit remove` took out.

    Their verdicts stay in files, their cases do not.
    """
    return frozenset(path.stem for path in layout.removed_plants_dir.glob("[!.]*.json"))


def removed_verdicts(layout: Layout) -> frozenset[str]:
    """List the ids of verdicts about planted cases that were taken out.

    By the id of the case alone they cannot be told: a real case may have come in under it since.
    What is damaged is passed over.
    """
    found: set[str] = set()
    for path in layout.removed_plants_dir.glob("[!.]*.json"):
        try:
            said = json.loads(path.read_text(encoding="utf-8"))["verdicts"]
            found |= {Verdict.from_dict(each).id for each in said}
        except (OSError, ValueError, KeyError, TypeError, BadInput):
            continue
    return frozenset(found)
