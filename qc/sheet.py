"""The paper a picture is put together on: views are pasted first, words come last."""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qc.ct_views import FlatView
from qc.legend import draw_marks
from qc.look import BACKGROUND, DIM, LINE, font
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
    """

    def __init__(self, layout: PictureLayout) -> None:
        from PIL import Image

        self.layout = layout
        self._image = Image.new("RGB", (layout.width_px, layout.height_px), BACKGROUND)

    @cached_property
    def pen(self) -> "ImageDraw":
        """What words and lines are drawn with."""
        from PIL import ImageDraw

        return ImageDraw.Draw(self._image)

    def paste_views(self, views: Views, column: Column) -> None:
        """Put a panel's two views into its column."""
        from PIL import Image

        for row, view in enumerate((views.front, views.back)):
            height, width = self.layout.view_height_px, column.width_px
            top, left = (view.shape[0] - height) // 2, (view.shape[1] - width) // 2
            shown = Image.fromarray(view[top : top + height, left : left + width])
            self._image.paste(shown, (column.left_px, self.layout.view_top_px(row)))

    def paste_ct(self, flat: FlatView, row: int, overlay: Pixels | None = None) -> None:
        """Put a view of the CT into the first column.

        Parameters
        ----------
        flat : FlatView
        row : int
            0 for the upper one, 1 for the lower one.
        overlay : ndarray of uint8, shape (rows, columns, 4), optional
            Coloured masks over the same field of view, with opacity.
        """
        from PIL import Image

        height_px, width_px = self._size_px(flat)
        grey = Image.fromarray(flat.grey).resize((width_px, height_px), Image.Resampling.BILINEAR)
        shown = grey.convert("RGB")
        if overlay is not None:
            masks = Image.fromarray(overlay).resize(shown.size, Image.Resampling.NEAREST)
            shown.paste(masks, (0, 0), masks)
        column = self.layout.columns[0]
        middle_px = (flat.middle_column + 0.5) * width_px / flat.grey.shape[1]
        left = int(min(max(middle_px - column.width_px / 2, 0), max(width_px - column.width_px, 0)))
        visible = shown.crop((left, 0, min(left + column.width_px, width_px), height_px))
        aside = (column.width_px - visible.width) // 2
        below = (self.layout.view_height_px - height_px) // 2
        self._image.paste(visible, (column.left_px + aside, self.layout.view_top_px(row) + below))

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


def mask_overlay(plane: NDArray[np.integer], colours: NDArray[np.uint8]) -> Pixels:
    """Colour a plane of labels: rows from the head down, the patient's front on the left.

    Parameters
    ----------
    plane : ndarray of integer, shape (J, K)
        Canonical labels at one index of the first axis.
    colours : ndarray of uint8, shape (n, 3)
        Colour of each label value; black is background or not known.
    """
    rows = plane.T[::-1, ::-1]
    rgb = colours[rows]
    opacity = np.where(rgb.any(axis=2), int(255 * _MASK_OVER_CT), 0).astype(np.uint8)
    return np.ascontiguousarray(np.dstack([rgb, opacity]))
