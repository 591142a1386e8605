"""The paper a picture is put together on: views are pasted first, words come last.

Beside the colours it keeps which structure each pixel shows.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qc.ct_views import FlatView
from qc.legend import draw_marks
from qc.look import BACKGROUND, DIM, FRAME, LINE, Colour, font
from qc.pick_map import PixelBox
from qc.picture_layout import Column, PictureLayout
from qc.scene import Views

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Pixels = NDArray[np.uint8]

_MASK_OVER_CT = 0.45
_MARKS = ((("R", "L"), "from the front"), (("L", "R"), "from the back"))
_CT_MARKS = ((("R", "L"), "CT, looked through"), (("A", "P"), "CT slice with masks"))


class Sheet:
    """A picture in the making.

    Parameters
    ----------
    layout : PictureLayout
    pick_dtype : dtype
        What holds every structure value.

    Attributes
    ----------
    picks : ndarray of unsigned integer, shape (height, width)
        Structure value of each pixel, 0 where none is shown.
    """

    def __init__(
        self, layout: PictureLayout, pick_dtype: np.dtype[np.unsignedinteger[Any]]
    ) -> None:
        from PIL import Image

        self.layout = layout
        self.picks = np.zeros((layout.height_px, layout.width_px), pick_dtype)
        self._image = Image.new("RGB", (layout.width_px, layout.height_px), BACKGROUND)

    @cached_property
    def pen(self) -> "ImageDraw":
        """What words and lines are drawn with."""
        from PIL import ImageDraw

        return ImageDraw.Draw(self._image)

    def paste_views(
        self, views: Views, column: Column, values: NDArray[np.unsignedinteger[Any]]
    ) -> None:
        """Put a panel's two views into its column.

        Parameters
        ----------
        views : Views
        column : Column
        values : ndarray of unsigned integer, shape (n + 1,)
            The structure value of each surface's number; 0 for number 0.
        """
        from PIL import Image

        for row, view in enumerate((views.front, views.back)):
            height, width = self.layout.view_height_px, column.width_px
            above = (view.pixels.shape[0] - height) // 2
            aside = (view.pixels.shape[1] - width) // 2
            part = (slice(above, above + height), slice(aside, aside + width))
            left, top = column.left_px, self.layout.view_top_px(row)
            self._image.paste(Image.fromarray(view.pixels[part]), (left, top))
            self.picks[top : top + height, left : left + width] = values[view.numbers[part]]

    def paste_ct(self, flat: FlatView, row: int, overlay: "Overlay | None" = None) -> None:
        """Put a view of the CT into the first column, framed where the scan ends.

        Parameters
        ----------
        flat : FlatView
        row : int
            0 for the upper one, 1 for the lower one.
        overlay : Overlay, optional
            Masks over the same field of view.
        """
        from PIL import Image

        height_px, width_px = self._size_px(flat)
        grey = Image.fromarray(flat.grey).resize((width_px, height_px), Image.Resampling.BILINEAR)
        shown = grey.convert("RGB")
        column = self.layout.columns[0]
        middle_px = (flat.middle_column + 0.5) * width_px / flat.grey.shape[1]
        left = int(min(max(middle_px - column.width_px / 2, 0), max(width_px - column.width_px, 0)))
        right = min(left + column.width_px, width_px)
        aside = column.left_px + (column.width_px - (right - left)) // 2
        top = self.layout.view_top_px(row) + (self.layout.view_height_px - height_px) // 2
        if overlay is not None:
            masks = Image.fromarray(overlay.colours).resize(shown.size, Image.Resampling.NEAREST)
            shown.paste(masks, (0, 0), masks)
            picks = Image.fromarray(overlay.values.astype(np.int32))
            picks = picks.resize(shown.size, Image.Resampling.NEAREST)
            place = (slice(top, top + height_px), slice(aside, aside + right - left))
            self.picks[place] = np.asarray(picks)[:, left:right]
        self._image.paste(shown.crop((left, 0, right, height_px)), (aside, top))
        box = (aside - left, top, aside - left + width_px, top + height_px)
        self.frame(box, (column.left_px, column.width_px), row)

    def frame(self, box: PixelBox, room: tuple[int, int], row: int) -> None:
        """Draw where the CT ends, as far as it is in sight.

        Parameters
        ----------
        box : tuple of int
            The field of view in the picture.
        room : tuple of int
            Left edge and width of the column.
        row : int
            Of the view.
        """
        left, right = room[0], room[0] + room[1] - 1
        top = self.layout.view_top_px(row)
        bottom = top + self.layout.view_height_px - 1
        x0, y0, x1, y1 = box[0], max(box[1], top), box[2] - 1, min(box[3] - 1, bottom)
        across = (max(x0, left), min(x1, right))
        for y in (y0, y1):
            self.pen.line((across[0], y, across[1], y), fill=FRAME)
        for x in (x0, x1):
            if left <= x <= right:
                self.pen.line((x, y0, x, y1), fill=FRAME)

    def paint(self, left_px: int, top_px: int, where: NDArray[np.bool_], colour: Colour) -> None:
        """Colour single pixels.

        Parameters
        ----------
        left_px, top_px : int
            Where the mask begins.
        where : ndarray of bool, shape (rows, columns)
        colour : tuple of int
        """
        from PIL import Image

        self._image.paste(colour, (left_px, top_px), Image.fromarray(where))

    def overview(self) -> Pixels:
        """Give the row of views from the front, as far as it is put together."""
        top = self.layout.view_top_px(0)
        box = (0, top, self.layout.width_px, top + self.layout.view_height_px)
        return np.asarray(self._image.crop(box))

    def write_marks(self) -> None:
        """Write sides and views into the corners, and part the columns by lines."""
        for place, column in enumerate(self.layout.columns):
            for row, (words, view) in enumerate(_MARKS if place else _CT_MARKS):
                top = self.layout.view_top_px(row)
                box = (column.left_px, top, column.width_px, self.layout.view_height_px)
                draw_marks(self.pen, box, words, view if place <= 1 else "")
        bottom = self.layout.view_top_px(2)
        for column in self.layout.columns[1:]:
            across = column.left_px - 3
            self.pen.line((across, self.layout.view_top_px(0), across, bottom), fill=LINE)
        self.pen.line((0, bottom + 2, self.layout.width_px, bottom + 2), fill=LINE)

    def write_empty(self, column: Column, words: str) -> None:
        """Say why a column shows nothing."""
        across = column.left_px + column.width_px // 2
        middle = self.layout.view_top_px(0) + self.layout.view_height_px // 2
        self.pen.text((across, middle), words, DIM, font(18), anchor="mm")

    def pixels(self) -> Pixels:
        """Give the picture as it is now: uint8, shape (height, width, 3)."""
        return np.asarray(self._image)

    def _size_px(self, flat: FlatView) -> tuple[int, int]:
        scale = self.layout.px_per_mm
        rows, columns = flat.grey.shape
        height = round(rows * flat.step_mm[0] * scale)
        return (
            max(1, min(height, self.layout.view_height_px)),
            max(1, round(columns * flat.step_mm[1] * scale)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """Masks over a slice: rows from the head down, the patient's front on the left.

    Attributes
    ----------
    colours : ndarray of uint8, shape (rows, columns, 4)
        With opacity.
    values : ndarray of unsigned integer, shape (rows, columns)
        Of the structures that are drawn.
    """

    colours: Pixels
    values: NDArray[np.unsignedinteger[Any]]


def mask_overlay(plane: NDArray[np.integer[Any]], colours: NDArray[np.uint8]) -> Overlay:
    """Colour a plane of labels.

    Parameters
    ----------
    plane : ndarray of integer, shape (J, K)
        Canonical labels at one index of the first axis.
    colours : ndarray of uint8, shape (n, 3)
        Colour of each label value; black is background or not known.
    """
    rows = plane.T[::-1, ::-1]
    rgb = colours[rows]
    drawn = rgb.any(axis=2)
    opacity = np.where(drawn, int(255 * _MASK_OVER_CT), 0).astype(np.uint8)
    values = np.where(drawn, rows, 0).astype(np.uint32)
    return Overlay(np.ascontiguousarray(np.dstack([rgb, opacity])), values)
