"""Effort from round to round as a picture: time, correction and agreement beside the paper."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from annotation.effort import EffortReport
from annotation.effort_figures import EffortGroup
from annotation.paper_effort import BY_HAND, ROUGH, SOURCE, spoken_time
from pipeline.errors import NothingToDo, UsageError
from pipeline.volume import write_output_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HERE, _HAND, _ROUGH, _REMOVED = "#2a7f93", "#8a5a44", "#b8860b", "#c0584b"
_PATCH = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}
_DPI = 120
_KINDS = (
    ("accepted", "accepted unchanged", "#5fbf7a"),
    ("corrected", "corrected", "#2a7f93"),
    ("drawn", "drawn", "#8a5a44"),
)


def write_effort_plot(report: EffortReport, path: Path) -> None:
    """Draw a report by round and write it as PNG, atomically.

    Parameters
    ----------
    report : EffortReport
        One made with ``by="round"``.
    path : Path
        Its folder must be there.

    Raises
    ------
    NothingToDo
        When nobody has saved or accepted a mask.
    UsageError
        When the path does not end in .png.
    BadInput
        When it cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"{path}: the plot is a PNG, name a file that ends in .png")
    groups = [group for group in report.groups if group.masks]
    if not groups:
        raise NothingToDo("nobody has saved or accepted a mask: there is nothing to draw")
    write_output_file(path, _drawn(report, groups))


def _drawn(report: EffortReport, groups: Sequence[EffortGroup]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    (time, masks), (change, agreement) = figure.subplots(2, 2)
    _draw_time(time, groups)
    _draw_masks(masks, groups)
    _draw_change(change, groups)
    _draw_agreement(agreement, groups)
    names = [_label(group) for group in groups]
    for axes in (time, masks, change, agreement):
        axes.set_xticks(range(len(groups)), names)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlim(-0.6, len(groups) - 0.4)
    figure.suptitle(_title(report), fontsize=11)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _draw_time(axes: Axes, groups: Sequence[EffortGroup]) -> None:
    """Seconds per mask, on a logarithmic axis beside the paper's two."""
    axes.set_title("seconds per mask", loc="left", fontsize=10)
    for effort, colour, what in ((BY_HAND, _HAND, "by hand"), (ROUGH, _ROUGH, "rough")):
        axes.axhline(effort.seconds, color=colour, linestyle="--", linewidth=1)
        label = f"paper, {what}: {spoken_time(effort.seconds)}"
        axes.annotate(
            label, (1, effort.seconds), xycoords=("axes fraction", "data"), ha="right",
            va="bottom", fontsize=8, color=colour,
        )  # fmt: skip
    known = [(i, g.mean_s, g.median_s) for i, g in enumerate(groups) if g.mean_s is not None]
    if known:
        places, means, medians = zip(*known, strict=True)
        axes.plot(places, means, "o-", color=_HERE, label="mean")
        axes.plot(places, medians, "s:", color=_HERE, alpha=0.6, label="median")
        for place, value, _ in known:
            axes.annotate(
                spoken_time(value or 0), (place, value or 0), xytext=(0, -15), ha="center",
                textcoords="offset points", fontsize=8, color=_HERE, bbox=_PATCH,
            )  # fmt: skip
        axes.legend(fontsize=8, frameon=False, loc="lower left")
    else:
        axes.text(0.5, 0.5, "nobody noted seconds", transform=axes.transAxes, ha="center")
    axes.set_yscale("log")
    axes.set_ylim(top=BY_HAND.seconds * 2)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _draw_masks(axes: Axes, groups: Sequence[EffortGroup]) -> None:
    axes.set_title("masks people decided", loc="left", fontsize=10)
    base = [0] * len(groups)
    for name, words, colour in _KINDS:
        heights = [getattr(group, name) for group in groups]
        axes.bar(range(len(groups)), heights, 0.6, bottom=base, color=colour, label=words)
        base = [low + height for low, height in zip(base, heights, strict=True)]
    for place, group in enumerate(groups):
        if group.accepted_share is not None:
            text = f"{group.accepted_share:.0%} unchanged"
            axes.annotate(
                text, (place, base[place]), xytext=(0, 2), textcoords="offset points",
                ha="center", va="bottom", fontsize=8,
            )  # fmt: skip
    axes.set_ylim(top=max(base) * 1.35)
    axes.legend(fontsize=8, frameon=False, ncols=3, loc="upper right")


def _draw_change(axes: Axes, groups: Sequence[EffortGroup]) -> None:
    axes.set_title("changed per proposal, ml", loc="left", fontsize=10)
    known = [(i, g.added_ml, g.removed_ml) for i, g in enumerate(groups) if g.added_ml is not None]
    for place, added, removed in known:
        axes.bar(place - 0.15, added or 0, 0.3, color=_HERE)
        axes.bar(place + 0.15, removed or 0, 0.3, color=_REMOVED)
    axes.bar(0, 0, color=_HERE, label="added")
    axes.bar(0, 0, color=_REMOVED, label="removed")
    axes.legend(fontsize=8, frameon=False)
    _say_if_nothing(axes, bool(known))


def _draw_agreement(axes: Axes, groups: Sequence[EffortGroup]) -> None:
    axes.set_title("proposal against result", loc="left", fontsize=10)
    for name, style, words in (("dice", "o-", "Dice"), ("nsd", "s:", "NSD at 3 mm")):
        known = [(i, v) for i, g in enumerate(groups) if (v := getattr(g, name)) is not None]
        if known:
            places, values = zip(*known, strict=True)
            axes.plot(places, values, style, color=_HERE, label=words)
    axes.set_ylim(0, 1.05)
    if axes.lines:
        axes.legend(fontsize=8, frameon=False, loc="lower right")
    _say_if_nothing(axes, bool(axes.lines))


def _say_if_nothing(axes: Axes, is_drawn: bool) -> None:
    if not is_drawn:
        axes.text(0.5, 0.5, "no proposal was looked at", transform=axes.transAxes, ha="center")


def _label(group: EffortGroup) -> str:
    return "from nothing" if group.name == "nothing" else f"from {group.name}"


def _title(report: EffortReport) -> str:
    total, left = report.total, report.left
    words = f"{spoken_time(total.hours * 3600)} spent on {total.masks} masks"
    if total.untimed:
        words += f" (time of {total.untimed} unknown)"
    if left.hours is not None and report.pace is not None:
        words += (
            f"; {spoken_time(left.hours * 3600)} left for {left.undecided.all} undecided at "
            f"{spoken_time(report.pace.mean_s)} each, as from {' and '.join(report.pace.bases)}"
        )
    return f"{words}\npaper: {SOURCE}"
