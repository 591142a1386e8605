"""The figure of a dataset: four panels as in figure 2 of the paper, with what is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qc.cohort import Cohort, Panel
from qc.figure_style import (
    BAR,
    DIM,
    SEX_COLOURS,
    SEX_WORDS,
    TEXT,
    UNKNOWN,
    new_figure,
    plain_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_BARS = 14
_LONGEST_WORD = 34


def draw_cohort(cohort: Cohort) -> Figure:
    """Draw age, sex, site and image type; a hatched bar for cases of which it is not known."""
    figure = new_figure(9.2, 6.6)
    (top, bottom) = figure.subplots(2, 2, width_ratios=(1.25, 1))
    for axes, panel in zip((*top, *bottom), cohort.panels, strict=True):
        upright = panel.name == "age"
        plain_axes(axes, panel.title, "y" if upright else "x")
        (_columns if upright else _lines)(axes, panel)
    figure.suptitle(heading(cohort), fontsize=9.5, color=TEXT, x=0.01, ha="left")
    return figure


def heading(cohort: Cohort) -> str:
    """Say in a line how many cases of how many patients there are."""
    words = f"{_number(cohort.cases, 'case')} of {_number(cohort.patients, 'patient')}"
    asides = []
    if cohort.without_patient:
        asides.append(f"{cohort.without_patient} without a patient's pseudonym, counted singly")
    if cohort.excluded:
        asides.append(f"{cohort.excluded} excluded, not shown")
    return f"{words} ({'; '.join(asides)})" if asides else words


def shown_bars(panel: Panel) -> list[tuple[str, int, str]]:
    """Give the bars of a panel: words, cases, and known, others or unknown.

    The commonest values have a bar of their own, what is left shares one.
    """
    counts = panel.counts
    bars = [(word, count, "known") for word, count in counts[:MOST_BARS]]
    rest = counts[MOST_BARS:]
    if rest:
        bars.append((f"{len(rest)} others", sum(count for _, count in rest), "others"))
    if panel.unknown:
        bars.append(("not known", panel.unknown, "unknown"))
    return bars


def _columns(axes: Axes, panel: Panel) -> None:
    bars = shown_bars(panel)
    for place, (word, count, kind) in enumerate(bars):
        axes.bar(place, count, 0.86, **_look(word, kind))
        axes.annotate(str(count), (place, count), ha="center", va="bottom", fontsize=7, color=DIM)
    axes.set_xticks(range(len(bars)), [word for word, _, _ in bars], rotation=45, ha="right")
    axes.set_ylabel("cases")


def _lines(axes: Axes, panel: Panel) -> None:
    bars = shown_bars(panel)
    for place, (word, count, kind) in enumerate(bars):
        axes.barh(place, count, 0.78, **_look(word, kind))
        axes.annotate(f" {count}", (count, place), va="center", fontsize=7, color=DIM)
    axes.set_yticks(range(len(bars)), [_short(word) for word, _, _ in bars])
    axes.set_ylim(max(len(bars), 3) - 0.4, -0.6)
    axes.margins(x=0.12)
    axes.set_xlabel("cases")


def _look(word: str, kind: str) -> dict[str, Any]:
    if kind == "unknown":
        return {"facecolor": "white", "edgecolor": UNKNOWN, "hatch": "////"}
    if kind == "others":
        return {"facecolor": UNKNOWN}
    sexes = {words: SEX_COLOURS[sex] for sex, words in SEX_WORDS.items()}
    return {"facecolor": sexes.get(word, BAR)}


def _short(word: str) -> str:
    return word if len(word) <= _LONGEST_WORD else f"{word[: _LONGEST_WORD - 1]}…"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
