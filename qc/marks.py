"""Marks on the views: around the suspicious, at places of findings, where masks are cut off."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipeline.anatomy import ClassMap
from qc.flags import Flag, Suspicion
from qc.look import BACKGROUND, CUT, Colour, font
from qc.pick_map import PixelBox
from qc.picture_layout import Projection
from qc.sheet import Sheet
from qc.surfaces import Body

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

_LINE_PX = 3
_HALO_PX = 2
_RING_PX = 11
_BADGE_PX = 11
_EDGE_PX = 4
_MOST_BADGES = 30


@dataclass
class Badges:
    """Numbers in small discs that keep off each other."""

    pen: "ImageDraw"
    _taken: list[tuple[float, float]] = field(default_factory=list)

    def draw(self, place: tuple[float, float], number: int, colour: Colour, room: PixelBox) -> None:
        """Draw one at a place, or beside it where another stands; none beyond the view."""
        size = 2 * _BADGE_PX + 2
        left, top, right, bottom = room
        x = min(max(place[0], left + size / 2), right - size / 2)
        y = min(max(place[1], top + size / 2), bottom - size / 2)
        while any(abs(x - a) < size and abs(y - b) < size for a, b in self._taken):
            x += size
            if x > right - size / 2:
                x, y = left + size / 2, y + size
        if y > bottom - size / 2 or len(self._taken) >= _MOST_BADGES:
            return
        self._taken.append((x, y))
        draw_badge(self.pen, (x, y), number, colour)


def draw_badge(pen: "ImageDraw", middle: tuple[float, float], number: int, colour: Colour) -> None:
    """Draw a disc with a finding's number."""
    x, y = middle
    box = (x - _BADGE_PX, y - _BADGE_PX, x + _BADGE_PX, y + _BADGE_PX)
    pen.ellipse(box, fill=colour, outline=BACKGROUND)
    lettering = font(16 if number < 10 else 14 if number < 100 else 11)
    pen.text(middle, str(number), BACKGROUND, lettering, anchor="mm")


def outline_suspicious(
    sheet: Sheet,
    class_map: ClassMap,
    suspicions: Mapping[str, Suspicion],
    views: Sequence[PixelBox],
) -> None:
    """Draw a line around every suspicious structure in every view that shows it."""
    for name, suspicion in suspicions.items():
        if name not in class_map:
            continue
        for view in views:
            _outline(sheet, class_map[name].value, suspicion.colour, view)


def _outline(sheet: Sheet, value: int, colour: Colour, view: PixelBox) -> None:
    from scipy import ndimage

    left, top, right, bottom = view
    found = sheet.picks[top:bottom, left:right] == value
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    if not rows.size:
        return
    margin = _LINE_PX + _HALO_PX
    first_row, first_column = max(rows[0] - margin, 0), max(columns[0] - margin, 0)
    part = found[first_row : rows[-1] + margin + 1, first_column : columns[-1] + margin + 1]
    # Distance is cheaper than repeated dilation, and gives a line of one width all around.
    away = ndimage.distance_transform_edt(~part)
    at = (left + int(first_column), top + int(first_row))
    sheet.paint(*at, (away > _LINE_PX) & (away <= margin), BACKGROUND)
    sheet.paint(*at, (away > 0) & (away <= _LINE_PX), colour)


def draw_places(
    sheet: Sheet,
    flags: Sequence[Flag],
    values: Mapping[str, int],
    projections: Mapping[int, tuple[Projection, Projection]],
    seen: tuple[Mapping[int, PixelBox], Body],
) -> None:
    """Put each finding's number where it is: at its place, else at its first structure in sight.

    Parameters
    ----------
    sheet : Sheet
    flags : sequence of Flag
    values : mapping
        Structure name to value.
    projections : mapping
        Structure value to the two views of its panel.
    seen : tuple of (mapping, Body)
        Where each value is seen largest, and the body that is drawn.
    """
    places, body = seen
    badges = Badges(sheet.pen)
    for flag in flags:
        about = [values[name] for name in flag.finding.structures if name in values]
        value = next((v for v in about if v in places), next(iter(about), None))
        if value is None or value not in projections:
            continue
        front, back = projections[value]
        box = places.get(value)
        view = back if box is not None and box[1] >= back.box[1] else front
        if flag.finding.place_mm is not None:
            x, y = view.place_px(_in_the_body(flag.finding.place_mm, body))
            ring = (x - _RING_PX, y - _RING_PX, x + _RING_PX, y + _RING_PX)
            sheet.pen.ellipse(ring, outline=flag.colour, width=2)
            badges.draw((x + 2 * _RING_PX, y - 2 * _RING_PX), flag.number, flag.colour, view.box)
        elif box is not None:
            badges.draw(
                (box[0] - _BADGE_PX, box[1] - _BADGE_PX), flag.number, flag.colour, view.box
            )


def mark_cuts(sheet: Sheet, cut: Collection[int], frame: PixelBox, view: PixelBox) -> None:
    """Draw a bright line where a mask runs into the edge of the CT.

    Parameters
    ----------
    sheet : Sheet
    cut : collection of int
        Values that touch the edge.
    frame : tuple of int
        Where the CT ends, in the picture.
    view : tuple of int
    """
    for strip, (across, down) in _strips(frame, view):
        left, top, right, bottom = strip
        touching = np.isin(sheet.picks[top:bottom, left:right], list(cut)).any(axis=1 - across)
        lines = np.repeat(np.expand_dims(touching, 1 - across), 2, axis=1 - across)
        sheet.paint(*down, lines, CUT)


def _strips(
    frame: PixelBox, view: PixelBox
) -> Iterator[tuple[PixelBox, tuple[int, tuple[int, int]]]]:
    """Go through the visible edges: a strip inside each, its axis (1: across), where lines go."""
    left, top = max(frame[0], view[0]), max(frame[1], view[1])
    right, bottom = min(frame[2], view[2]), min(frame[3], view[3])
    if right <= left or bottom <= top:
        return
    yield (left, top, right, min(top + _EDGE_PX, bottom)), (1, (left, top))
    yield (left, max(bottom - _EDGE_PX, top), right, bottom), (1, (left, bottom - 2))
    if frame[0] >= view[0]:
        yield (left, top, min(left + _EDGE_PX, right), bottom), (0, (left, top))
    if frame[2] <= view[2]:
        yield (max(right - _EDGE_PX, left), top, right, bottom), (0, (right - 2, top))


def _in_the_body(place_mm: tuple[float, float, float], body: Body) -> list[float]:
    """Turn world millimetres into the frame of the surfaces."""
    index = np.linalg.inv(body.grid.affine) @ (*place_mm, 1.0)
    return [float(at) for at in index[:3] * body.grid.spacing_mm]
