"""A simulation as one picture: Dice, the minutes spent, and the minutes a new case would take."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.simulation.results import RoundResult, Simulation
from pipeline.volume import write_file_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#1f77b4", "#d95f02", "#1b9e77", "#7570b3", "#e7298a", "#66a61e")
_MARKS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
_HAND: dict[str, Any] = {"color": "#444444", "linestyle": "--", "linewidth": 1}
_ROUGH: dict[str, Any] = {"color": "#444444", "linestyle": ":", "linewidth": 1.4}


def draw_curves(path: Path, simulation: Simulation) -> Path:
    """Draw the curves of every strategy as a PNG and give its path."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, middle, right = figure.subplots(1, 3)
    _dice(left, simulation)
    _spent(middle, simulation)
    _needed(right, simulation)
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110, metadata={"Software": None})
    write_file_atomically(path, data.getvalue())
    return path


def _dice(axes: Axes, simulation: Simulation) -> None:
    for strategy, rounds, look in _lines(simulation):
        axes.plot(_cases(rounds), [each.dice for each in rounds], label=strategy, **look)
    axes.axhline(simulation.by_hand.rough_dice, label="drawn roughly by hand", **_ROUGH)
    _dress(axes, "Dice on new bodies", "labelled cases", "Dice with the truth")
    axes.set_xticks(_all_cases(simulation))
    axes.set_ylim(0, 1)


def _spent(axes: Axes, simulation: Simulation) -> None:
    for strategy, rounds, look in _lines(simulation):
        numbers = [each.round for each in rounds]
        axes.plot(numbers, [each.minutes_per_case for each in rounds], label=strategy, **look)
    everything = simulation.rounds
    numbers = sorted({each.round for each in everything})
    for label, field, look in (
        ("by hand", "hand_minutes_per_case", _HAND),
        ("roughly by hand", "rough_minutes_per_case", _ROUGH),
    ):
        means = [
            _mean([getattr(each, field) for each in everything if each.round == number])
            for number in numbers
        ]
        axes.plot(numbers, means, label=label, **look)
    axes.set_xticks(numbers)
    _dress(axes, "What was spent", "round", "minutes per labelled case")
    _minutes(axes)


def _needed(axes: Axes, simulation: Simulation) -> None:
    hand = simulation.by_hand
    for strategy, rounds, look in _lines(simulation):
        minutes = [hand.rough_minutes, *(each.minutes_per_new_case for each in rounds)]
        axes.plot([0, *_cases(rounds)], minutes, label=strategy, **look)
    axes.axhline(hand.minutes, label="by hand", **_HAND)
    axes.axhline(hand.rough_minutes, label="roughly by hand", **_ROUGH)
    axes.set_xticks([0, *_all_cases(simulation)])
    _dress(axes, "What a new case would take", "labelled cases", "minutes per case")
    _minutes(axes)


def _lines(simulation: Simulation) -> list[tuple[str, list[RoundResult], dict[str, Any]]]:
    return [
        (
            strategy,
            simulation.of(strategy),
            {"color": COLOURS[place % len(COLOURS)], "marker": "o", "markersize": 4},
        )
        for place, strategy in enumerate(simulation.strategies)
    ]


def _cases(rounds: Sequence[RoundResult]) -> list[int]:
    return [each.cases for each in rounds]


def _all_cases(simulation: Simulation) -> list[int]:
    return sorted({each.cases for each in simulation.rounds})


def _minutes(axes: Axes) -> None:
    """Make the axis logarithmic: by hand takes many times as long as a late round."""
    from matplotlib.ticker import NullLocator

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    marks = [mark for mark in _MARKS if low <= mark <= high]
    axes.set_yticks(marks, [f"{mark:g}" for mark in marks])
    axes.yaxis.set_minor_locator(NullLocator())


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _dress(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False)
