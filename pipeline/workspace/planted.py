"""Planted cases: kept from whatever leaves the house, and known after they were taken out again."""

from pipeline.errors import UsageError
from pipeline.workspace.layout import Layout
from pipeline.workspace.words import Case


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
    return frozenset(path.stem for path in layout.removed_plants_dir.glob("*.json"))
