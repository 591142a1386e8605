"""The choice of cases kept with a round: which, by which strategy, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import BadInput
from pipeline.volume import write_file_atomically
from pipeline.workspace import Layout, now_utc
from training.choice_settings import CaseChoiceSettings, Strategy

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class ChosenCase:
    """A case to correct next.

    Attributes
    ----------
    strategy : str
        Which chose it.
    score : float
        By which that strategy ranked it; scores of two strategies are not to be compared.
    reason : str
        In words.
    scores : mapping
        What every strategy in use gave it, where it had something to go by.
    """

    case_id: str
    strategy: Strategy
    score: float
    reason: str
    scores: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return {
            "case": self.case_id,
            "strategy": self.strategy,
            "score": self.score,
            "reason": self.reason,
            "scores": dict(self.scores),
        }


@dataclass(frozen=True, slots=True)
class CaseChoice:
    """The cases to correct after a round, in the order in which they were chosen.

    Attributes
    ----------
    round : int
        0 before the first one.
    count : int
        How many were asked for.
    settings : mapping
        As JSON values, the seed among them.
    candidates : int
        Among how many was chosen.
    quotas : mapping
        How many cases each strategy was to choose.
    notes : tuple of str
        What a strategy could not do.
    """

    round: int
    count: int
    settings: Mapping[str, Any]
    candidates: int
    quotas: Mapping[str, int]
    chosen: tuple[ChosenCase, ...]
    notes: tuple[str, ...] = ()
    created: str = field(default_factory=now_utc)

    def made_with(self, settings: CaseChoiceSettings, count: int) -> bool:
        """Tell whether a choice with these settings would be this one, if nothing was decided."""
        return self.count == count and dict(self.settings) == settings.model_dump(mode="json")

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return {
            "format": _FORMAT,
            "round": self.round,
            "count": self.count,
            "settings": dict(self.settings),
            "candidates": self.candidates,
            "quotas": dict(self.quotas),
            "chosen": [case.to_dict() for case in self.chosen],
            "notes": list(self.notes),
            "created": self.created,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CaseChoice:
        """Read what :meth:`to_dict` gave."""
        kept = ("round", "count", "settings", "candidates", "quotas", "created")
        chosen = (dict(each) for each in values["chosen"])
        return cls(
            **{name: values[name] for name in kept},
            chosen=tuple(ChosenCase(case_id=each.pop("case"), **each) for each in chosen),
            notes=tuple(values["notes"]),
        )


def write_choice(layout: Layout, choice: CaseChoice) -> Path:
    """Keep a choice with its round, atomically, in place of an earlier one."""
    path = layout.next_cases(choice.round)
    text = json.dumps(choice.to_dict(), indent=1, ensure_ascii=False) + "\n"
    write_file_atomically(path, text.encode())
    return path


def recorded_choice(layout: Layout, round_number: int) -> CaseChoice | None:
    """Read the choice kept with a round; None where none was made.

    Raises
    ------
    BadInput
        When the file cannot be read.
    """
    path = layout.next_cases(round_number)
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != _FORMAT:
            raise BadInput(f"{path}: format {values['format']}, expected {_FORMAT}")
        return CaseChoice.from_dict(values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{path}: expected a choice of cases, cannot be read ({error}); move it away and "
            "choose again"
        ) from error
