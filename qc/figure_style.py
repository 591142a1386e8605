"""How figures for papers look: dark on white, no frames, the same colours for the same things."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.volume import write_output_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TEXT, DIM, GRID, BAR, UNKNOWN = "#20262c", "#5b646d", "#dfe3e7", "#1f6fb4", "#aab2ba"
# From the palette of Okabe and Ito, told apart by colour-blind eyes too.
SEX_COLOURS = {"f": "#d55e00", "m": "#0072b2", "o": "#009e73"}
SEX_WORDS = {"f": "female", "m": "male", "o": "other"}
_DPI = 150


def new_figure(width_in: float, height_in: float) -> Figure:
    """Make an empty figure that needs no screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def plain_axes(axes: Axes, title: str, grid_axis: str) -> None:
    """Take the frame away, write the title at the left and draw thin lines behind the data."""
    axes.set_title(title, loc="left", fontsize=9.5, color=TEXT, weight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(DIM)
    axes.tick_params(labelsize=8, colors=DIM, labelcolor=TEXT, length=2.5)
    axes.grid(axis="both" if grid_axis == "both" else "x" if grid_axis == "x" else "y",
              color=GRID, lw=0.6)  # fmt: skip
    axes.set_axisbelow(True)
    axes.xaxis.label.set(color=DIM, fontsize=8.5)
    axes.yaxis.label.set(color=DIM, fontsize=8.5)


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically.

    Raises
    ------
    BadInput
        If the file cannot be written.
    """
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    write_output_file(path, buffer.getvalue())
