"""Where everything stands in a picture, in pixels; no drawing here."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from qc.panels import Panel
from qc.surfaces import FINEST_MM, Body

MARGIN_PX = 20
GAP_PX = 6
HEADER_PX = 84
TITLE_PX = 34
ROW_GAP_PX = 6
LEGEND_LINE_PX = 21
LEGEND_LINES = 13
FOOTER_PX = 40
FLAG_LINE_PX = 24
FLAG_COLUMN_PX = 1150
MOST_FLAG_LINES = 5

_CT_WIDTH = 1.1
_NARROWEST_PX = 150
_LEGEND_COLUMN_PX = 140
_SMALLEST_VIEW_PX = 220
_LARGEST_SCALE = 4.0
_INSET_PX = 8


class PictureSettings(BaseModel):
    """How pictures are made; see ``configs/gallery.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width_px: int = Field(3600, ge=800, le=12000)
    view_height_px: int = Field(720, ge=_SMALLEST_VIEW_PX, le=4000)
    supersampling: int = Field(2, ge=1, le=4)
    finest_mm: float = Field(FINEST_MM, gt=0, le=20)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: where it begins and how wide it is."""

    left_px: int
    width_px: int


@dataclass(frozen=True, slots=True)
class PictureLayout:
    """Where the parts of a picture stand.

    Attributes
    ----------
    columns : tuple of Column
        The CT's first, then one per panel.
    view_height_px : int
        Of each of the two rows.
    px_per_mm : float
        The same everywhere in the picture.
    legend_lines : int
        Of the longest legend.
    flag_lines : int
        Of the list of findings below the legends.
    """

    columns: tuple[Column, ...]
    view_height_px: int
    px_per_mm: float
    legend_lines: int
    flag_lines: int = 0

    @property
    def width_px(self) -> int:
        """Of the whole picture."""
        last = self.columns[-1]
        return last.left_px + last.width_px + MARGIN_PX

    def view_top_px(self, row: int) -> int:
        """Where a row of views begins: 0 from the front, 1 from the back."""
        return HEADER_PX + TITLE_PX + row * (self.view_height_px + ROW_GAP_PX)

    @property
    def legend_top_px(self) -> int:
        """Where the legends begin."""
        return self.view_top_px(2) + 10

    @property
    def flags_top_px(self) -> int:
        """Where the list of findings begins: the legends end there."""
        return self.legend_top_px + self.legend_lines * LEGEND_LINE_PX

    @property
    def height_px(self) -> int:
        """Of the whole picture."""
        return self.flags_top_px + self.flag_lines * FLAG_LINE_PX + FOOTER_PX

    def view_box(self, column: Column, row: int) -> tuple[int, int, int, int]:
        """Give left, top, right and bottom of one view."""
        top = self.view_top_px(row)
        right = column.left_px + column.width_px
        return column.left_px, top, right, top + self.view_height_px

    def panel_box(self, column: Column) -> tuple[int, int, int, int]:
        """Give left, top, right and bottom of a column from its title to its legend."""
        right = column.left_px + column.width_px
        return column.left_px, HEADER_PX, right, self.flags_top_px


@dataclass(frozen=True, slots=True)
class Projection:
    """How a point of the body gets into one view.

    Attributes
    ----------
    box : tuple of int
        The view: left, top, right, bottom in pixels of the picture.
    centre_mm : tuple of float
        What lies in its middle, in the frame of the surfaces.
    from_behind : bool
    """

    box: tuple[int, int, int, int]
    centre_mm: tuple[float, float, float]
    px_per_mm: float
    from_behind: bool = False

    def place_px(self, point_mm: Sequence[float]) -> tuple[float, float]:
        """Give column and row of a point, in pixels of the picture."""
        left, top, right, bottom = self.box
        across = (point_mm[0] - self.centre_mm[0]) * self.px_per_mm
        up = (point_mm[2] - self.centre_mm[2]) * self.px_per_mm
        middle = left + (right - left) / 2
        return middle + (across if self.from_behind else -across), top + (bottom - top) / 2 - up

    def field_of_view_px(self, body: Body) -> tuple[int, int, int, int]:
        """Give the box in which the CT lies, in pixels of the picture."""
        spacing = body.grid.spacing_mm
        corners = [
            self.place_px(
                [(index - 0.5) * step for index, step in zip(corner, spacing, strict=True)]
            )
            for corner in ((0, 0, 0), body.grid.shape)
        ]
        (x0, y0), (x1, y1) = corners
        left, top, right, bottom = min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
        return round(left), round(top), round(right), round(bottom)


def columns_of(panels: Sequence[Panel], width_px: int) -> tuple[Column, ...]:
    """Share the width of a picture among the CT and the panels; the same for every case."""
    parts = [_CT_WIDTH, *(panel.rule.width for panel in panels)]
    usable = width_px - 2 * MARGIN_PX - GAP_PX * (len(parts) - 1)
    widths = [max(_NARROWEST_PX, int(usable * part / sum(parts))) for part in parts]
    columns, left = [], MARGIN_PX
    for width in widths:
        columns.append(Column(left, width))
        left += width + GAP_PX
    return tuple(columns)


def lay_out(
    panels: Sequence[Panel],
    legend_lines: Sequence[int],
    body: Body,
    settings: PictureSettings,
    *,
    body_width_mm: float | None = None,
    flags: int = 0,
) -> PictureLayout:
    """Find the largest scale at which every panel shows all of its structures.

    Parameters
    ----------
    panels : sequence of Panel
    legend_lines : sequence of int
        How many lines the legend of each panel has.
    body : Body
    settings : PictureSettings
    body_width_mm : float, optional
        What the CT's column must show if there are no structures to go by.
    flags : int
        How many findings are listed.
    """
    columns = columns_of(panels, settings.width_px)
    height_mm = body.grid.extent_mm[2]
    widths = [
        (span[1] - span[0], column)
        for panel, column in zip(panels, columns[1:], strict=True)
        if (span := content_span_mm(panel, body)) is not None
    ]
    if not widths and body_width_mm is not None:
        widths = [(body_width_mm, columns[0])]
    scale = min(
        _LARGEST_SCALE,
        settings.view_height_px / height_mm,
        *((column.width_px - 2 * _INSET_PX) / max(width, 1.0) for width, column in widths),
    )
    height_px = int(min(max(height_mm * scale, _SMALLEST_VIEW_PX), settings.view_height_px))
    lines = [
        -(-count // legend_columns(column, count))
        for count, column in zip(legend_lines, columns[1:], strict=True)
    ]
    flag_lines = min(-(-flags // flag_columns(settings.width_px)), MOST_FLAG_LINES)
    return PictureLayout(columns, height_px, scale, max(lines, default=0), flag_lines)


def flag_columns(width_px: int) -> int:
    """Say in how many columns findings are listed."""
    return max(1, (width_px - 2 * MARGIN_PX) // FLAG_COLUMN_PX)


def legend_columns(column: Column, lines: int) -> int:
    """Say in how many columns a legend is set."""
    room = max(1, column.width_px // _LEGEND_COLUMN_PX)
    return min(room, max(1, -(-lines // LEGEND_LINES)))


def content_span_mm(panel: Panel, body: Body) -> tuple[float, float] | None:
    """Give the lowest and highest x of a panel's structures; None if none is there."""
    spans = [body.span_mm(s.value) for s in panel.structures if s.value in body.values]
    if not spans:
        return None
    return (
        float(min(span[0, 0] for span in spans)),
        float(max(span[1, 0] for span in spans)),
    )
