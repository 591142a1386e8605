"""The list of findings below a picture: number, severity, words."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qc.flags import Flag
from qc.legend import fit
from qc.look import DIM, TEXT, font
from qc.marks import draw_badge
from qc.picture_layout import FLAG_LINE_PX, MARGIN_PX, PictureLayout, flag_columns

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

_TEXT_PX = 17


def draw_flag_list(pen: "ImageDraw", layout: PictureLayout, flags: Sequence[Flag]) -> None:
    """List the findings, down the columns; the last place counts those that found no room.

    Parameters
    ----------
    pen : ImageDraw
    layout : PictureLayout
        With room for some lines.
    flags : sequence of Flag
    """
    across = flag_columns(layout.width_px)
    width = (layout.width_px - 2 * MARGIN_PX) // across
    places = across * layout.flag_lines
    shown = flags if len(flags) <= places else flags[: max(places - 1, 0)]
    for place, flag in enumerate(shown):
        left, middle = _place(layout, place, width)
        draw_badge(pen, (left + 12, middle), flag.number, flag.colour)
        words = f"{flag.finding.severity}: {' '.join(flag.finding.words.split())}"
        pen.text((left + 32, middle), fit(words, width - 44, _TEXT_PX), TEXT, font(_TEXT_PX), "lm")
    if len(shown) < len(flags) and places:
        left, middle = _place(layout, places - 1, width)
        more = f"and {len(flags) - len(shown)} more findings"
        pen.text((left + 32, middle), more, DIM, font(_TEXT_PX), "lm")


def _place(layout: PictureLayout, place: int, width: int) -> tuple[int, int]:
    column, line = divmod(place, layout.flag_lines)
    top = layout.flags_top_px + line * FLAG_LINE_PX
    return MARGIN_PX + column * width, top + FLAG_LINE_PX // 2
