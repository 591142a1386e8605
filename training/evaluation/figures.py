"""The figures of an evaluation: what the paper shows in its figures 5, 6, 7 and 11.

Each line is a group, each dot a mean over its rows, each bar the 95 % interval by patient.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.volume import atomic_path
from training.evaluation.groups import FAMILY, STRUCTURE
from training.evaluation.patient_bootstrap import Interval
from training.evaluation.plan import COMPARE, PREDICTIONS
from training.evaluation.results import GroupResult, PairedResult

if TYPE_CHECKING:
    from training.evaluation.report import Evaluated

OVERALL, FAMILIES, STRUCTURES, COMPARISON = FIGURES = (
    "figure_overall.png",
    "figure_families.png",
    "figure_structures.png",
    "figure_comparison.png",
)

_DICE, _NSD = "#1f6fb4", "#e8862a"  # blue and orange, as in figure 11 of the paper
_OTHER, _TEXT, _DIM, _BAND = "#8a949e", "#20262c", "#6b747d", "#f3f5f7"
_METRICS = (("dice", _DICE), ("nsd", _NSD))
_DPI = 150
_ROW_IN = 0.21
_GAP_IN = 3.75  # between two columns: remarks of one, labels of the next
_MOST_ROWS = 44
_MOST_COMPARED = 40
_LONGEST_NAME = 32


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a dot plot: intervals with their colour and mark, or a heading without any."""

    label: str
    dots: tuple[tuple[Interval, str, bool], ...] = ()
    remark: str = ""


def draw_figures(evaluated: Evaluated, out: Path) -> list[str]:
    """Draw what there is to draw into a folder; give the names of the files."""
    groups = [group for group in evaluated.groups if group.rows or group.false_positives]
    whole = [group for group in groups if group.kind in ("all", "part", "category")]
    families = [group for group in groups if group.kind == FAMILY]
    structures = [group for group in groups if group.kind == STRUCTURE]
    title = f"{_short(evaluated.plan.names[PREDICTIONS])}: mean and 95 % interval by patient"
    drawn = {
        OVERALL: _columns([_of_groups(whole, with_kind=True)], title),
        FAMILIES: _columns([_of_groups(families)], f"{title}; similar structures together"),
        STRUCTURES: _columns(_by_part(structures, evaluated), f"{title}; every structure"),
    }
    if evaluated.pairs:
        drawn[COMPARISON] = _comparison(evaluated)
    for name, figure in drawn.items():
        with atomic_path(out / name) as partial:
            figure.savefig(partial, dpi=_DPI, format="png")
    return list(drawn)


def _of_groups(groups: Iterable[GroupResult], *, with_kind: bool = False) -> list[Line]:
    lines = []
    kind = ""
    for group in groups:
        if with_kind and group.kind not in ("all", kind):
            kind = group.kind
            lines.append(Line(f"by {kind}"))
        lines.append(_line(group))
    return lines


def _line(group: GroupResult) -> Line:
    label = "all structures" if group.kind == "all" else group.name
    dots = ((group.dice, _DICE, True), (group.nsd, _NSD, True)) if group.rows else ()
    remarks = []
    if group.missed:
        remarks.append(f"missed {group.missed} of {group.rows}")
    if group.false_positives:
        remarks.append(f"false {group.false_positives} ({group.false_positive_ml:.3g} ml)")
    return Line(
        label, dots or ((Interval(math.nan, math.nan, math.nan), _DICE, True),), ", ".join(remarks)
    )


def _by_part(structures: Sequence[GroupResult], evaluated: Evaluated) -> list[list[Line]]:
    """Put the structures into columns, a body part together where it fits."""
    class_map = evaluated.plan.class_map
    parts: dict[str | None, list[Line]] = {}
    for group in structures:
        parts.setdefault(class_map[group.name].part, []).append(_line(group))
    columns: list[list[Line]] = [[]]
    for part, lines in parts.items():
        heading = [Line(part)] if part else []
        if columns[-1] and len(columns[-1]) + len(heading) + len(lines) > _MOST_ROWS:
            columns.append([])
        for line in heading + lines:
            if len(columns[-1]) >= _MOST_ROWS:
                columns.append([])
            columns[-1].append(line)
    return columns


def _columns(columns: Sequence[Sequence[Line]], title: str) -> Any:
    """Draw columns of lines that share one axis of values."""
    figure, axes = _sheet(max(map(len, columns)), len(columns), title)
    low = _lowest(line for lines in columns for line in lines)
    rows = max(map(len, columns))
    for axis, lines in zip(axes, columns, strict=True):
        _draw(axis, lines, low, rows)
    _legend(figure, [("Dice", _DICE, True), ("NSD", _NSD, True)])
    return figure


def _comparison(evaluated: Evaluated) -> Any:
    """Draw both predictions side by side, Dice and NSD in a column each."""
    names = evaluated.plan.names
    compared = [pair for pair in evaluated.pairs if pair.kind == STRUCTURE]
    kind = STRUCTURE if len(compared) <= _MOST_COMPARED else FAMILY
    pairs = [pair for pair in evaluated.pairs if pair.kind in ("all", kind)]
    columns = [_paired_lines(pairs, metric, colour) for metric, colour in _METRICS]
    title = f"{len(compared)} common structures; at the right the difference, paired by patient"
    figure, axes = _sheet(len(pairs), 2, title)
    low = _lowest(line for lines in columns for line in lines)
    for axis, lines, metric in zip(axes, columns, ("Dice", "NSD"), strict=True):
        _draw(axis, lines, low, len(pairs))
        axis.set_title(metric, fontsize=9, color=_TEXT, loc="left")
    ours, other = _short(names[PREDICTIONS]), _short(names[COMPARE])
    _legend(figure, [(ours, _TEXT, True), (other, _OTHER, False)])
    return figure


def _paired_lines(pairs: Iterable[PairedResult], metric: str, colour: str) -> list[Line]:
    lines = []
    for pair in pairs:
        ours, other = getattr(pair, metric), getattr(pair, f"other_{metric}")
        gap = getattr(pair, f"{metric}_difference")
        remark = f"{gap.mean:+.3f}"
        if not math.isnan(gap.low):
            remark += f" [{gap.low:+.3f}, {gap.high:+.3f}]"
        label = "all common structures" if pair.kind == "all" else pair.name
        lines.append(Line(label, ((ours, colour, True), (other, _OTHER, False)), remark))
    return lines


def _sheet(rows: int, columns: int, title: str) -> tuple[Any, list[Any]]:
    """Make a figure with room for so many lines; give its axes."""
    from matplotlib.figure import Figure

    height = rows * _ROW_IN + 1.25
    wide = 1.2 + 5.6 * columns
    figure = Figure(figsize=(wide, height), facecolor="white")
    axes = figure.subplots(1, columns, squeeze=False)[0]
    figure.subplots_adjust(
        left=2.1 / wide,
        right=1 - 1.75 / wide,
        top=1 - 0.75 / height,
        bottom=0.42 / height,
        wspace=_GAP_IN * columns / (wide - 2.1 - 1.75 - _GAP_IN * (columns - 1)),
    )
    figure.text(
        0.15 / wide, 1 - 0.16 / height, title, fontsize=10.5, color=_TEXT, va="top", weight="bold"
    )
    return figure, list(axes)


def _draw(axis: Any, lines: Sequence[Line], low: float, rows: int) -> None:
    """Draw lines from the top down."""
    for number, line in enumerate(lines):
        if number % 2 and line.dots:
            axis.axhspan(number - 0.5, number + 0.5, color=_BAND, lw=0, zorder=0)
        shift = 0.17 if len(line.dots) > 1 else 0.0
        for (interval, colour, filled), offset in zip(line.dots, (-shift, shift), strict=False):
            _dot(axis, interval, number + offset, colour, filled=filled)
        axis.text(
            1.015, number, line.remark, fontsize=5.6, color=_DIM, va="center",
            transform=axis.get_yaxis_transform(),
        )  # fmt: skip
    axis.set_ylim(rows - 0.5, -0.5)
    axis.set_xlim(low, 1.0 + (1.0 - low) * 0.015)
    axis.set_yticks(range(len(lines)), [line.label for line in lines], fontsize=7)
    for text, line in zip(axis.get_yticklabels(), lines, strict=True):
        text.set_color(_TEXT)
        text.set_weight("normal" if line.dots else "bold")
    axis.tick_params(axis="y", length=0)
    axis.tick_params(axis="x", labelsize=7, colors=_DIM, length=2)
    axis.grid(axis="x", color="#dfe3e7", lw=0.6)
    axis.set_axisbelow(True)
    for side in ("top", "right", "left", "bottom"):
        axis.spines[side].set_visible(False)


def _dot(axis: Any, interval: Interval, height: float, colour: str, *, filled: bool) -> None:
    if math.isnan(interval.mean):
        return
    if not math.isnan(interval.low):
        axis.plot([interval.low, interval.high], [height, height], color=colour, lw=1.4, zorder=2)
    axis.plot(
        [interval.mean], [height], "o", ms=3.6, color=colour, zorder=3, mew=1.0,
        mfc=colour if filled else "white",
    )  # fmt: skip


def _lowest(lines: Iterable[Line]) -> float:
    """Give where the axis of values begins: a tenth below everything drawn, 0.9 at most."""
    values = [
        value
        for line in lines
        for interval, _, _ in line.dots
        for value in (interval.mean, interval.low)
        if not math.isnan(value)
    ]
    return max(0.0, min(0.9, math.floor(min(values, default=0.0) * 10) / 10))


def _short(named: str) -> str:
    """Give the end of a path or a maker's name, as a title can hold it."""
    name = Path(named).name.removesuffix(".gz").removesuffix(".nii") or named
    return (
        name
        if len(name) <= _LONGEST_NAME
        else f"{name[: _LONGEST_NAME - 1]}\N{HORIZONTAL ELLIPSIS}"
    )


def _legend(figure: Any, marks: Sequence[tuple[str, str, bool]]) -> None:
    from matplotlib.lines import Line2D

    wide, height = figure.get_size_inches()
    handles = [
        Line2D([], [], marker="o", ms=4.5, color=colour, lw=1.4, label=label,
               mfc=colour if filled else "white")
        for label, colour, filled in marks
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.05 / wide, 1 - 0.30 / height),
        ncols=len(marks), fontsize=8, frameon=False, labelcolor=_TEXT,
    )  # fmt: skip
