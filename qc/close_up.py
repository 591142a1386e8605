"""Close-ups: one structure large, from four sides; before and after when a person corrected it.

Only the files of the masks are read, and of a case only the box around them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.volume import Box, grow_box, write_file_atomically
from pipeline.workspace import Case, read_mask
from qc.look import BACKGROUND, DIM, LINE, TEXT, WARN, Colour, font
from qc.png_encoding import digest_inside, encode_png
from qc.scene import Framing, Side, Tile, Views
from qc.surfaces import Body, Surface, make_body

if TYPE_CHECKING:
    from qc.scene import TileRenderer

ADDED: Colour = (86, 180, 233)
REMOVED: Colour = (230, 120, 30)
UNCHANGED: Colour = (150, 158, 166)
"""Blue and orange: the pair that all eyes tell apart."""

_MARGIN_MM = 12.0
_FINEST_MM = 0.8
_LARGEST_SCALE = 10.0
_INSET_PX = 12
_HEADER_PX = 76
_LINE_PX = 30
_MUTED = 0.35
_PAIRS: tuple[tuple[Side, Side], ...] = (("front", "back"), ("right", "left"))
_SIDES: tuple[Side, ...] = ("front", "back", "right", "left")
_ENDS: Mapping[Side, tuple[str, str]] = {
    "front": ("R", "L"),
    "back": ("L", "R"),
    "right": ("P", "A"),
    "left": ("A", "P"),
}


@dataclass(frozen=True, slots=True)
class Part:
    """A mask and how it is drawn."""

    path: Path
    colour: Colour


@dataclass(frozen=True, slots=True)
class CloseUpTask:
    """A close-up for a worker to draw.

    Attributes
    ----------
    kind : {"closeup", "change"}
    parts : tuple of Part
        For a close-up the structure, then its neighbours; for a change the mask before, then the
        one after.
    words : tuple of str
        Title, then further lines.
    file : Path
    digest : str
        Of everything it shows.
    """

    kind: Literal["closeup", "change"]
    case: Case
    structure: str
    parts: tuple[Part, ...]
    words: tuple[str, ...]
    file: Path
    digest: str
    tile: Tile
    driver: str | None = None

    @property
    def subject(self) -> str:
        """What it shows, in a word or three."""
        return self.structure if self.kind == "closeup" else f"{self.structure} before and after"

    def is_drawn(self) -> bool:
        """Tell whether the file shows just this already."""
        return digest_inside(self.file) == self.digest


@dataclass(frozen=True, slots=True)
class Group:
    """Surfaces that are drawn together, under a heading."""

    heading: str
    bodies: Sequence[tuple[Surface, Colour]]


def draw_close_up(task: CloseUpTask) -> Path:
    """Draw a close-up or a change and write it.

    Raises
    ------
    MaskFileError
        If a mask is missing or damaged.
    """
    from qc.picture import warm_renderer

    body, groups, lines = _close_up(task) if task.kind == "closeup" else _change(task)
    renderer = warm_renderer(task.tile, task.driver)
    pixels = compose(groups, body, renderer, (*task.words, *lines))
    said = {"case": task.case.id, "structure": task.structure, "digest": task.digest}
    write_file_atomically(task.file, encode_png(pixels, said))
    return task.file


def _close_up(task: CloseUpTask) -> tuple[Body, list[Group], list[str]]:
    masks = [read_mask(part.path) for part in task.parts]
    box = _around([masks[0][0].box] if masks[0][0].voxels else [], task.case)
    labels = np.zeros([side.stop - side.start for side in box], np.uint8, order="F")
    for number, (mask, crop) in reversed(list(enumerate(masks, start=1))):
        if mask.voxels:
            _paint(labels, box, (mask.box, crop), number)
    body = make_body(labels, task.case.grid.crop(box), finest_mm=_FINEST_MM)
    surfaces = {value: body.surface(value) for value in sorted(body.values)}
    own = [(surfaces[1], task.parts[0].colour)] if 1 in surfaces else []
    around = [
        (surface, _muted(task.parts[value - 1].colour))
        for value, surface in surfaces.items()
        if value != 1
    ]
    groups = [Group("alone", own), Group("with its neighbours", [*own, *around])]
    return body, groups, [] if own else ["the mask is empty"]


def _change(task: CloseUpTask) -> tuple[Body, list[Group], list[str]]:
    before, after = (read_mask(part.path) for part in task.parts)
    boxes = [mask.box for mask, _ in (before, after) if mask.voxels]
    box = _around(boxes, task.case)
    was, now = (np.zeros([s.stop - s.start for s in box], np.bool_, order="F") for _ in range(2))
    for whole, (mask, crop) in ((was, before), (now, after)):
        if mask.voxels:
            _paint(whole, box, (mask.box, crop), True)
    grid = task.case.grid.crop(box)
    changed = np.asfortranarray(was & now, np.uint8)
    changed[now & ~was] = 2
    changed[was & ~now] = 3
    bodies = [make_body(each.astype(np.uint8), grid, finest_mm=_FINEST_MM) for each in (was, now)]
    difference = make_body(changed, grid, finest_mm=_FINEST_MM)
    colours = {1: UNCHANGED, 2: ADDED, 3: REMOVED}
    groups = [
        Group(heading, [(body.surface(1), task.parts[1].colour)] if body.values else [])
        for heading, body in zip(("before", "after"), bodies, strict=True)
    ]
    changes = [(difference.surface(v), colours[v]) for v in sorted(difference.values)]
    groups.append(Group("added blue, removed orange", changes))
    added, removed = (np.count_nonzero(changed == v) * grid.voxel_ml for v in (2, 3))
    return difference, groups, [f"added {added:.3g} ml, removed {removed:.3g} ml"]


def compose(
    groups: Sequence[Group], body: Body, renderer: "TileRenderer", words: Sequence[str]
) -> NDArray[np.uint8]:
    """Put groups side by side below a title, each seen from the front, back, right and left.

    Parameters
    ----------
    groups : sequence of Group
    body : Body
        Says how large a part of the body is shown.
    renderer : TileRenderer
    words : sequence of str
        Title, then further lines.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    from PIL import Image, ImageDraw

    tile = renderer.tile
    i, j, k = body.grid.extent_mm
    across, high = tile.width_px - 2 * _INSET_PX, tile.height_px - 2 * _INSET_PX
    scale = min(across / max(i, j), high / k, _LARGEST_SCALE)
    height = min(int(k * scale) + 2 * _INSET_PX, tile.height_px)
    centre = [(n - 1) / 2 * s for n, s in zip(body.grid.shape, body.grid.spacing_mm, strict=True)]
    framing = Framing((centre[0], centre[1], centre[2]), scale)
    top = _HEADER_PX + _LINE_PX * max(len(words) - 1, 0)
    size = (tile.width_px * 2 * len(groups), top + 2 * (height + _LINE_PX))
    image = Image.new("RGB", size, BACKGROUND)
    pen = ImageDraw.Draw(image)
    for place, group in enumerate(groups):
        left = 2 * tile.width_px * place
        pen.text((left + 10, top - 12), group.heading, TEXT, font(20), anchor="ls")
        for row, pair in enumerate(_PAIRS):
            views = renderer.draw(group.bodies, framing, pair)
            box = (left, top + row * (height + _LINE_PX), tile.width_px, height)
            _paste_pair(image, pen, views, box, pair)
        if place:
            pen.line((left - 1, top - _LINE_PX, left - 1, size[1]), fill=LINE)
    _write_words(pen, words, (size[1], scale))
    return np.asarray(image)


def _paste_pair(
    image: Any, pen: Any, views: Views, box: tuple[int, int, int, int], pair: tuple[Side, Side]
) -> None:
    from PIL import Image

    left, top, width, height = box
    for column, (side, view) in enumerate(zip(pair, (views.front, views.back), strict=True)):
        above = (view.pixels.shape[0] - height) // 2
        at = left + column * width
        image.paste(Image.fromarray(view.pixels[above : above + height]), (at, top))
        start, end = _ENDS[side]
        below = top + height - 6
        pen.text((at + 8, below), start, WARN, font(20), "ls")
        pen.text((at + width - 8, below), end, WARN, font(20), "rs")
        pen.text((at + 8, top + 4), f"from the {side}", DIM, font(16), "la")


def _write_words(pen: Any, words: Sequence[str], sheet: tuple[int, float]) -> None:
    height, scale = sheet
    for place, line in enumerate(words):
        size, colour = (28, TEXT) if place == 0 else (19, DIM)
        pen.text((12, 36 + place * _LINE_PX), line, colour, font(size), anchor="ls")
    bar_mm = next((mm for mm in (100, 50, 20, 10, 5) if mm * scale <= 260), 2)
    pen.line((12, height - 12, 12 + bar_mm * scale, height - 12), fill=DIM, width=3)
    pen.text((20 + bar_mm * scale, height - 6), f"{bar_mm} mm", DIM, font(16), "ls")


def _around(boxes: Sequence[Box], case: Case) -> Box:
    """Give the box around boxes, with a margin; the whole volume around none."""
    if not boxes:
        i, j, k = (slice(0, size) for size in case.grid.shape)
        return i, j, k
    i, j, k = (
        slice(min(box[axis].start for box in boxes), max(box[axis].stop for box in boxes))
        for axis in range(3)
    )
    margin = int(np.ceil(_MARGIN_MM / min(case.grid.spacing_mm)))
    return grow_box((i, j, k), margin, case.grid.shape)


def _paint(whole: NDArray[Any], box: Box, mask: tuple[Box, NDArray[np.bool_]], value: int) -> None:
    """Paint the part of a mask that lies inside a box."""
    own, crop = mask
    inside, cut = [], []
    for outer, side in zip(box, own, strict=True):
        start, stop = max(outer.start, side.start), min(outer.stop, side.stop)
        if stop <= start:
            return
        inside.append(slice(start - outer.start, stop - outer.start))
        cut.append(slice(start - side.start, stop - side.start))
    whole[tuple(inside)][crop[tuple(cut)]] = value


def _muted(colour: Colour) -> Colour:
    grey = sum(colour) / 3
    r, g, b = (int(_MUTED * (0.5 * channel + 0.5 * grey) + 24) for channel in colour)
    return r, g, b
