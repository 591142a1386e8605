"""What a simulation finds: one row per strategy and round, as table, CSV and JSON."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args

from pipeline.simulation.annotator import Action
from pipeline.volume import write_file_atomically

ACTIONS: tuple[Action, ...] = get_args(Action)


@dataclass(frozen=True, slots=True)
class RoundResult:
    """One round of one strategy.

    Attributes
    ----------
    cases : int
        Labelled since the beginning: what this round's model learned from.
    labelled : int
        In this round.
    minutes_per_case : float
        That the person spent on those, correcting the proposals of the round before.
    hand_minutes_per_case, rough_minutes_per_case : float
        That the very same cases take from nothing: in the traditional way, and roughly.
    dice : float
        Of this round's model on bodies that nobody labels; what it misses counts 0.
    minutes_per_new_case : float
        That such a body would take with this round's proposals, corrected to the end.
    accepted, corrected, drawn, absent, left : int
        Structures of the cases labelled in this round.
    dice_of_structures : mapping
        The parts of `dice`.
    """

    strategy: str
    round: int
    cases: int
    labelled: int
    minutes_per_case: float
    hand_minutes_per_case: float
    rough_minutes_per_case: float
    dice: float
    minutes_per_new_case: float
    accepted: int
    corrected: int
    drawn: int
    absent: int
    left: int
    dice_of_structures: Mapping[str, float] = field(default_factory=dict)

    def of(self, strategy: str) -> "RoundResult":
        """Give the same round as one of another strategy: all share the first."""
        return replace(self, strategy=strategy)

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return asdict(self)


COLUMNS = tuple(item.name for item in fields(RoundResult) if item.name != "dice_of_structures")


@dataclass(frozen=True, slots=True)
class ByHand:
    """The bodies that nobody labels, drawn from nothing.

    Attributes
    ----------
    minutes, rough_minutes : float
        For one case, in the traditional way and roughly.
    rough_dice : float
        How well rough drawings agree with the truth.
    """

    minutes: float
    rough_minutes: float
    rough_dice: float

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Simulation:
    """Everything that was found."""

    settings: Mapping[str, Any]
    by_hand: ByHand
    rounds: Sequence[RoundResult]

    @property
    def strategies(self) -> tuple[str, ...]:
        """In the order in which they were asked for."""
        return tuple(dict.fromkeys(each.strategy for each in self.rounds))

    def of(self, strategy: str) -> list[RoundResult]:
        """Give the rounds of a strategy."""
        return [each for each in self.rounds if each.strategy == strategy]

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return {
            "settings": dict(self.settings),
            "by_hand": self.by_hand.to_dict(),
            "rounds": [each.to_dict() for each in self.rounds],
        }


def write_results(folder: Path, simulation: Simulation) -> tuple[Path, Path]:
    """Write ``simulation.csv`` and ``simulation.json``, each in one piece."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in simulation.rounds:
        writer.writerow([_short(getattr(each, name)) for name in COLUMNS])
    table, document = folder / "simulation.csv", folder / "simulation.json"
    write_file_atomically(table, text.getvalue().encode())
    write_json(document, simulation.to_dict())
    return table, document


def read_results(folder: Path) -> Simulation:
    """Read what :func:`write_results` wrote."""
    values = json.loads((folder / "simulation.json").read_text(encoding="utf-8"))
    rounds = tuple(RoundResult(**each) for each in values["rounds"])
    return Simulation(values["settings"], ByHand(**values["by_hand"]), rounds)


def write_json(path: Path, value: object) -> None:
    """Write a JSON document in one piece."""
    write_file_atomically(path, (json.dumps(value, indent=2) + "\n").encode())


def _short(value: object) -> object:
    return f"{value:.4f}" if isinstance(value, float) else value
