"""Slice contact sheet: for each flagged structure, three CT slices with the outlines of the masks.

The second picture of a case: where the composite shows that something is odd, the sheet shows what
the CT looks like there.
"""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap, Structure
from pipeline.anatomy.windows import WINDOWS, Window, window_for
from pipeline.volume import Box, Grid, canonical_view, label_boxes
from pipeline.workspace import Finding
from qc.look import BACKGROUND, DIM, TEXT, WARN, Colour, font
from qc.slice_tiles import PLANES, Pixels, TileView, colours_of, draw_tile

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

SHEET_VERSION = 1
"""Raise it when sheets of the same case look different: all are then drawn anew."""

MOST_ITEMS = 24

_TILE_PX, _GAP_PX, _MARGIN_PX, _BETWEEN_PX = 300, 6, 20, 32
_HEADER_PX, _WORDS_PX, _LINE_PX = 48, 76, 19
_ITEM_PX = 3 * _TILE_PX + 2 * _GAP_PX
_MOST_WORD_LINES, _LETTERS_A_LINE = 2, 128
_SMALLEST_SIDE_MM, _MARGIN_MM, _MARGIN_SHARE = 110.0, 30.0, 1.2
_BARS_MM = (200, 100, 50, 20, 10, 5, 2, 1)
_BAR_SHARE = 0.3
_OBLIQUE_DEGREES = 3.0
_HIGH: Colour = (224, 96, 76)
_SEVERITY_COLOURS = {"high": _HIGH, "medium": WARN, "low": DIM}
_SEVERITY_ORDER = ("high", "medium", "low")


@dataclass(frozen=True, slots=True)
class SheetItem:
    """One row of three slices.

    Attributes
    ----------
    structure : Structure or None
        None where a finding names only a place.
    words : str
        What was found; empty where a person asked for the structure.
    severity : str
        low, medium, high, or empty.
    place_mm : tuple of float, or None
        Where the slices cut, RAS+ millimetres; None: where the structure is largest.
    """

    structure: Structure | None
    words: str = ""
    severity: str = ""
    place_mm: tuple[float, float, float] | None = None

    @property
    def window(self) -> Window:
        """The window in which the structure is seen best."""
        return WINDOWS["soft"] if self.structure is None else window_for([self.structure])

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values, for a digest."""
        name = None if self.structure is None else self.structure.name
        place = None if self.place_mm is None else list(self.place_mm)
        return {"structure": name, "words": self.words, "severity": self.severity, "place": place}


@dataclass(frozen=True, eq=False)
class SheetScan:
    """What a sheet is drawn of, in any orientation; neither array is copied.

    Attributes
    ----------
    name : str
        As the header says it.
    ct : ndarray of int16, shape (I, J, K)
    labels : ndarray of unsigned integer, shape (I, J, K)
    grid : Grid
        Of both.
    """

    name: str
    ct: NDArray[np.int16]
    labels: NDArray[np.unsignedinteger[Any]]
    grid: Grid

    @cached_property
    def turned(self) -> tuple[NDArray[np.int16], NDArray[np.unsignedinteger[Any]], Grid]:
        """CT, labels and grid, canonical."""
        ct, grid = canonical_view(self.ct, self.grid)
        return ct, canonical_view(self.labels, self.grid)[0], grid

    @cached_property
    def boxes(self) -> dict[int, Box]:
        """Label value to its canonical box."""
        return label_boxes(self.turned[1])


def items_of_findings(findings: Iterable[Finding], class_map: ClassMap) -> list[SheetItem]:
    """Make an item of each structure that findings name, and of each place that names none.

    The severest come first, then the order of the class map; a structure with several findings
    stands once, with the words of all.
    """
    by_name: dict[str, list[Finding]] = {}
    places: list[SheetItem] = []
    for finding in findings:
        known = [name for name in finding.structures if name in class_map]
        for name in known:
            by_name.setdefault(name, []).append(finding)
        if not known and finding.place_mm is not None:
            places.append(SheetItem(None, finding.words, finding.severity, finding.place_mm))
    found = [_item(class_map[name], by_name[name]) for name in class_map.names if name in by_name]
    return sorted([*found, *places], key=lambda item: _SEVERITY_ORDER.index(item.severity))


def _item(structure: Structure, findings: Sequence[Finding]) -> SheetItem:
    ordered = sorted(findings, key=lambda finding: _SEVERITY_ORDER.index(finding.severity))
    places = [finding.place_mm for finding in ordered if finding.place_mm is not None]
    words = "; ".join(dict.fromkeys(finding.words for finding in ordered))
    return SheetItem(structure, words, ordered[0].severity, places[0] if places else None)


def draw_contact_sheet(scan: SheetScan, items: Sequence[SheetItem], class_map: ClassMap) -> Pixels:
    """Draw the sheet of one case.

    Parameters
    ----------
    scan : SheetScan
    items : sequence of SheetItem
        At most :data:`MOST_ITEMS` are drawn; the header says how many more there are.
    class_map : ClassMap
        Gives the outlines their colours.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    from PIL import Image, ImageDraw

    shown = items[:MOST_ITEMS]
    columns = 2 if len(shown) > 1 else 1
    rows = max(1, -(-len(shown) // columns))
    width = 2 * _MARGIN_PX + columns * _ITEM_PX + (columns - 1) * _BETWEEN_PX
    height = _HEADER_PX + rows * (_WORDS_PX + _TILE_PX) + _MARGIN_PX
    image = Image.new("RGB", (width, height), BACKGROUND)
    pen = ImageDraw.Draw(image)
    _write_header(pen, scan, len(items))
    colours = colours_of(class_map)
    for number, item in enumerate(shown):
        left = _MARGIN_PX + (number % columns) * (_ITEM_PX + _BETWEEN_PX)
        top = _HEADER_PX + 8 + (number // columns) * (_WORDS_PX + _TILE_PX)
        _write_words(pen, scan, item, (left, top))
        for place, view in enumerate(views_of(scan, item)):
            corner = (left + place * (_TILE_PX + _GAP_PX), top + _WORDS_PX - 12)
            ct, labels, _ = scan.turned
            value = item.structure.value if item.structure else 0
            tile = draw_tile(ct, labels, view, item.window, colours, value)
            image.paste(Image.fromarray(tile), corner)
            _write_on_tile(pen, scan, item, view, corner)
    return np.asarray(image)


def views_of(scan: SheetScan, item: SheetItem) -> list[TileView]:
    """Choose three slices and one square around the structure, of the same scale in all planes."""
    _, labels, grid = scan.turned
    spacing = grid.spacing_mm
    box = scan.boxes.get(item.structure.value) if item.structure else None
    at = _cut(scan, item, box)
    low, high = _span(box, at, item, grid)
    middle = (low + high) / 2
    side_mm = float(((high - low + 1) * spacing).max()) * _MARGIN_SHARE + _MARGIN_MM
    side_mm = min(max(side_mm, _SMALLEST_SIDE_MM), max(grid.extent_mm))
    return [
        TileView(
            plane=plane,
            index=int(np.clip(np.rint(at[plane.normal]), 0, labels.shape[plane.normal] - 1)),
            middle=(float(middle[plane.across]), float(middle[plane.up])),
            spacing_mm=(spacing[plane.across], spacing[plane.up]),
            side_mm=side_mm,
            size_px=_TILE_PX,
        )
        for plane in PLANES
    ]


def _cut(scan: SheetScan, item: SheetItem, box: Box | None) -> NDArray[np.float64]:
    """Give the voxel through which the slices go."""
    _, labels, grid = scan.turned
    if item.place_mm is not None:
        return _voxel_of(item.place_mm, grid)
    if box is None or item.structure is None:
        return (np.array(grid.shape) - 1) / 2
    inside = labels[box] == item.structure.value
    largest = [
        int(np.argmax(inside.sum(axis=tuple(other for other in range(3) if other != axis))))
        for axis in range(3)
    ]
    return np.array([side.start + here for side, here in zip(box, largest, strict=True)], float)


def _span(
    box: Box | None, at: NDArray[np.float64], item: SheetItem, grid: Grid
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the lowest and highest voxel to be seen: the structure, and the place of the finding."""
    if box is None:
        if item.place_mm is not None:
            return at, at
        return np.zeros(3), np.array(grid.shape) - 1.0
    low = np.array([side.start for side in box], float)
    high = np.array([side.stop - 1 for side in box], float)
    return np.minimum(low, at), np.maximum(high, at)


def _voxel_of(place_mm: tuple[float, float, float], grid: Grid) -> NDArray[np.float64]:
    homogeneous = np.linalg.solve(grid.affine, np.array([*place_mm, 1.0]))
    return np.asarray(np.clip(homogeneous[:3], 0, np.array(grid.shape) - 1))


def _write_header(pen: "ImageDraw", scan: SheetScan, items: int) -> None:
    number = "1 structure or place" if items == 1 else f"{items} structures or places"
    more = f", the first {MOST_ITEMS} shown" if items > MOST_ITEMS else ""
    pen.text((_MARGIN_PX, 12), scan.name, TEXT, font(20))
    right = _MARGIN_PX + pen.textlength(scan.name, font(20)) + 16
    said = f"{number}{more}    {scan.grid}" if items else f"nothing to look at    {scan.grid}"
    pen.text((right, 18), said, DIM, font(14))


def _write_words(
    pen: "ImageDraw", scan: SheetScan, item: SheetItem, corner: tuple[int, int]
) -> None:
    left, top = corner
    structure, window = item.structure, item.window
    if structure is not None:
        pen.rectangle((left, top + 4, left + 12, top + 16), fill=structure.colour)
        left += 20
    name = "place" if structure is None else structure.name
    pen.text((left, top), name, TEXT, font(15))
    aside = f"{_amount(scan, item)}    window {window.name} {window.level_hu:g}/{window.width_hu:g}"
    pen.text((left + pen.textlength(name, font(15)) + 14, top + 2), aside, DIM, font(13))
    colour = _SEVERITY_COLOURS.get(item.severity, DIM)
    lines = textwrap.wrap(item.words, _LETTERS_A_LINE, max_lines=_MOST_WORD_LINES, placeholder=" …")
    for number, line in enumerate(lines):
        pen.text((corner[0], top + 21 + number * _LINE_PX), line, colour, font(13))


def _amount(scan: SheetScan, item: SheetItem) -> str:
    if item.structure is None:
        return "no structure named"
    box = scan.boxes.get(item.structure.value)
    if box is None:
        return "no voxel in this case"
    voxels = np.count_nonzero(scan.turned[1][box] == item.structure.value)
    volume_ml = voxels * scan.grid.voxel_ml
    return f"{volume_ml:,.0f} ml" if volume_ml >= 100 else f"{volume_ml:.3g} ml"


def _write_on_tile(
    pen: "ImageDraw",
    scan: SheetScan,
    item: SheetItem,
    view: TileView,
    corner: tuple[int, int],
) -> None:
    left, top = corner
    grid = scan.turned[2]
    for mark, across, anchor in zip(view.plane.marks, (5, _TILE_PX - 6), ("lm", "rm"), strict=True):
        _legible(pen, (left + across, top + _TILE_PX // 2), mark, 15, anchor)
    _legible(pen, (left + 6, top + _TILE_PX - 6), _position(view, grid), 13, "ls")
    _draw_scale(pen, view, (left + _TILE_PX - 8, top + _TILE_PX - 8))
    if item.place_mm is not None:
        at = _voxel_of(item.place_mm, grid)
        column, row = view.pixel_of(at[view.plane.across], at[view.plane.up])
        x, y = left + column, top + row
        if 0 <= column < _TILE_PX and 0 <= row < _TILE_PX:
            colour = _SEVERITY_COLOURS.get(item.severity, WARN)
            pen.ellipse((x - 11, y - 11, x + 11, y + 11), outline=colour, width=2)


def _position(view: TileView, grid: Grid) -> str:
    """Name the slice: plane, world position of its middle, and the tilt of an oblique scan."""
    index = np.zeros(3)
    index[view.plane.normal] = view.index
    index[view.plane.across], index[view.plane.up] = view.middle
    place = grid.affine[:3, :3] @ index + grid.affine[:3, 3]
    axis = view.plane.normal
    normal = grid.affine[:3, axis] / grid.spacing_mm[axis]
    tilt = float(np.degrees(np.arccos(np.clip(abs(normal[axis]), 0, 1))))
    oblique = f", tilted {tilt:.0f}°" if tilt > _OBLIQUE_DEGREES else ""
    return f"{view.plane.name} {'xyz'[axis]} {place[axis]:.1f} mm{oblique}"


def _draw_scale(pen: "ImageDraw", view: TileView, corner: tuple[int, int]) -> None:
    right, bottom = corner
    length_mm = next((each for each in _BARS_MM if each <= _BAR_SHARE * view.side_mm), _BARS_MM[-1])
    left = right - round(length_mm * view.px_per_mm)
    pen.line((left, bottom, right, bottom), fill=TEXT, width=3)
    _legible(pen, (right, bottom - 6), f"{length_mm} mm", 12, "rs")


def _legible(pen: "ImageDraw", at: tuple[int, int], words: str, size_px: int, anchor: str) -> None:
    pen.text(at, words, TEXT, font(size_px), anchor=anchor, stroke_width=2, stroke_fill=BACKGROUND)
