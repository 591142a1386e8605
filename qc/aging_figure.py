"""The figure of an aging study: volume and density over age, as in figure 10 of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qc.aging import CUT, GROUPS, MEASURES, AgingStudy, Curve
from qc.figure_style import (
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

_ROW_IN = 2.75
_WIDTH_IN = 9.2


def draw_aging(study: AgingStudy, curves: Sequence[Curve], quantities: Sequence[str]) -> Figure:
    """Draw a row per quantity, volume at the left and density at the right."""
    figure = new_figure(_WIDTH_IN, _ROW_IN * len(quantities) + 0.4)
    grid = figure.subplots(len(quantities), len(MEASURES), squeeze=False)
    fitted = {(curve.quantity, curve.measure, curve.group): curve for curve in curves}
    for row, quantity in zip(grid, quantities, strict=True):
        for axes, (measure, words) in zip(row, MEASURES.items(), strict=True):
            lines = [fitted[quantity, measure, group] for group in GROUPS]
            _draw(axes, study, lines)
            title = quantity.replace("_", " ").replace("+", " + ")
            plain_axes(axes, title if measure == "volume_ml" else "", "both")
            axes.set_ylabel(words, color=DIM, fontsize=8.5)
            axes.set_xlabel("age (years)", color=DIM, fontsize=8.5)
        row[-1].set_title(_aside(study, quantity), loc="right", fontsize=7, color=DIM)
    figure.suptitle(
        "Quadratic fit by least squares; band: 95 % interval, jackknife over patients",
        fontsize=8, color=DIM, x=0.01, ha="left",
    )  # fmt: skip
    return figure


def _draw(axes: Axes, study: AgingStudy, lines: Sequence[Curve]) -> None:
    points = study.of(lines[0].quantity)
    measure = lines[0].measure
    size = 14 if len(points) < 500 else 5
    axes.scatter(
        [point.age for point in points],
        [getattr(point, measure) for point in points],
        c=[SEX_COLOURS.get(point.sex, UNKNOWN) for point in points],
        s=size, alpha=0.55 if len(points) < 500 else 0.3, linewidths=0,
    )  # fmt: skip
    for curve in lines:
        _draw_curve(axes, curve)
    unknown = sum(point.sex not in GROUPS for point in points)
    if unknown:
        axes.plot([], [], "o", ms=4, color=UNKNOWN, label=f"sex other or not known, n={unknown}")
    if not points:
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "no scan", transform=axes.transAxes, ha="center", color=DIM)
        return
    axes.legend(fontsize=7, frameon=False, labelcolor=TEXT, loc="best", handlelength=1.6)


def _draw_curve(axes: Axes, curve: Curve) -> None:
    colour = SEX_COLOURS.get(curve.group, TEXT)
    words = SEX_WORDS.get(curve.group, "all")
    fit = curve.fit
    if fit is None:
        if curve.scans:
            mark = "o" if curve.group != "all" else ""
            label = f"{words}, n={curve.scans}: too few for a fit"
            axes.plot([], [], marker=mark, ls="", ms=4, color=colour, label=label)
        return
    style = "--" if curve.group == "all" else "-"
    r2 = "" if fit.r2 is None else f", r²={fit.r2:.2f}"
    axes.plot(
        fit.ages, fit.curve, style, color=colour, lw=1.6, label=f"{words}, n={curve.scans}{r2}"
    )
    if curve.group != "all":
        axes.fill_between(fit.ages, fit.low, fit.high, color=colour, alpha=0.16, lw=0)


def _aside(study: AgingStudy, quantity: str) -> str:
    phases = study.phases(quantity)
    words = [f"{phase} {count}" for phase, count in phases.items()]
    cut = len(study.left_out.get((quantity, CUT), ()))
    return ", ".join(words) + (f"; {cut} cut by the border left out" if cut else "")
