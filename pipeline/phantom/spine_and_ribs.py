"""Vertebrae with arches and processes, sacrum, discs, cord, ribs, cartilages and sternum."""

from functools import lru_cache

import numpy as np

from pipeline.phantom.canvas import Part
from pipeline.phantom.combine import Minus, Union
from pipeline.phantom.intensities import TISSUES
from pipeline.phantom.landmarks import LEVELS, Level, Point, on_cage
from pipeline.phantom.shapes import Ellipsoid, Shape, Tube, tube, vector

RIGHT_AND_LEFT = (("right", 1.0), ("left", -1.0))
NAMES = tuple(LEVELS)


def _bar(a: Point, b: Point, first: float, last: float | None = None) -> Tube:
    return Tube(np.stack([a, b]), np.array([first, first if last is None else last]))


def _body(level: Level) -> Shape:
    return Ellipsoid(
        vector(level.centre),
        (level.half_width * 1.04, level.half_depth * 1.04, level.half_height * 1.04),
        level.frame,
        boxy=True,
    )


def _arch(level: Level) -> list[Shape]:
    w, d, h = level.half_width, level.half_depth, level.half_height
    region = level.name[-2] if level.name[-2].isalpha() else level.name[-3]
    thick = {"L": 4.6, "T": 3.9, "C": 3.6}[region]
    reach, back, drop = {"L": (42, 45, 0.5), "T": (34, 46, 1.9), "C": (22, 38, 0.8)}[region]
    out = w * (0.75 if region != "C" else 1.0)
    shapes: list[Shape] = []
    for _, s in RIGHT_AND_LEFT:
        pillar = level.place(s * out, -d - 9, h * 0.35)
        shapes += [
            _bar(level.place(s * w * 0.62, -d * 0.7, h * 0.4), pillar, thick),
            _bar(pillar, level.place(0, -d - 21, -h * 0.4), thick),
            _bar(level.place(s * out, -d - 9, h * 1.0), level.place(s * out, -d - 13, -h), thick),
            _bar(pillar, level.place(s * reach, -d - (23 if region == "T" else 11), h * 0.4), 3.9),
        ]
    tip = level.place(0, -d - back, -h * drop)
    shapes.append(_bar(level.place(0, -d - 21, -h * 0.4), tip, thick, thick))
    return shapes


def _atlas(level: Level) -> Shape:
    way = [
        level.place(19 * np.cos(a), 3 + 19 * np.sin(a) - 12, 0)
        for a in np.linspace(0, 2 * np.pi, 17)
    ]
    shapes: list[Shape] = [tube(way, 3.8, pieces=1)]
    for _, s in RIGHT_AND_LEFT:
        shapes.append(Ellipsoid(vector(level.place(s * 20, -8, 0)), (8, 10, 6)))
        shapes.append(_bar(level.place(s * 22, -10, 0), level.place(s * 36, -12, -1), 4))
    return Union(tuple(shapes))


def vertebra(level: Level) -> Shape:
    """Return one vertebra: body, pedicles, laminae, joints, transverse and spinous processes."""
    if level.name.endswith("C1"):
        return _atlas(level)
    shapes = [_body(level), *_arch(level)]
    if level.name.endswith("C2"):
        shapes.append(_bar(level.place(0, 0, 5), level.place(0, 1, 24), 5.5, 4.2))
    return Union(tuple(shapes))


def sacrum() -> Shape:
    """Return the sacrum with its wings and the coccyx."""
    middle = tube(
        [(0, -42, 94), (0, -58, 72), (0, -74, 46), (0, -82, 20), (0, -76, -4), (0, -66, -16)],
        [17, 16, 13, 9.5, 6, 4],
        stretch=(1.6, 1.0, 1.0),
    )
    wings: list[Shape] = [
        Ellipsoid((s * 33, -62, 76), (21, 17, 27), boxy=True) for _, s in RIGHT_AND_LEFT
    ]
    crest = tube([(0, -78, 88), (0, -90, 60), (0, -94, 34)], [6, 6, 5])
    return Union((middle, crest, *wings), blend_mm=10)


def rib_head(number: int, side: float) -> Point:
    """Return where a rib meets its vertebra (Tn, upper part of the body's side)."""
    level = LEVELS[f"T{number}"]
    return level.place(
        side * (level.half_width + 3.5), -level.half_depth * 0.75, level.half_height * 0.55
    )


# Rib: angle (degrees round the cage, -90 back, 0 side, 90 front) where its bone ends, and the
# drop in mm from head to end.
_RIB_ENDS = {
    1: (60, 22),
    2: (62, 38),
    3: (62, 54),
    4: (61, 66),
    5: (59, 78),
    6: (55, 88),
    7: (50, 95),
    8: (43, 98),
    9: (34, 95),
    10: (22, 86),
    11: (-22, 58),
    12: (-48, 40),
}


@lru_cache(maxsize=32)
def _rib_way(number: int, side: float) -> tuple[Point, ...]:
    level = LEVELS[f"T{number}"]
    head = rib_head(number, side)
    end, drop = _RIB_ENDS[number]
    tubercle = level.place(side * 30, -level.half_depth - 8, level.half_height * 0.9)
    start = -66.0 if number > 2 else -55.0
    share = np.linspace(0, 1, 9)
    heights = head[2] - 4 - drop * (0.25 * share + 0.75 * share**1.5)
    sweep = [
        on_cage(start + (end - start) * t, z, side, 6.0)
        for t, z in zip(share, heights, strict=True)
    ]
    return (head, tubercle, *sweep)


def rib(number: int, side: float) -> Tube:
    """Return one rib from its vertebra round the chest to where its cartilage begins."""
    thick = 3.9 if number in (1, 11, 12) else 4.2
    return tube(_rib_way(number, side), thick, stretch=(1, 1, 1.45), pieces=2)


def _cartilages(side: float) -> list[Shape]:
    shapes: list[Shape] = []
    margin = np.array([side * 20.0, 92.0, 392.0])
    for number in range(1, 11):
        end = _rib_way(number, side)[-1]
        if number <= 6:
            sternal = np.array([side * 16.0, 0, 0]) + _sternum_point(528 - 22 * (number - 1))
            ahead = (end + sternal) / 2 + np.array([0.0, 6.0, -4.0])
        else:
            sternal = margin + (number - 7) * np.array([side * 13.0, 0.0, -14.0])
            ahead = (end + sternal) / 2 + np.array([0.0, 8.0, -6.0])
        shapes.append(tube([end, ahead, sternal], 4.2, pieces=3, stretch=(1, 1, 1.3)))
    return shapes


def _sternum_point(z_mm: float) -> Point:
    return np.array([0.0, np.interp(z_mm, [360, 400, 470, 530], [104, 101, 84, 52]), z_mm])


def _sternum() -> Shape:
    points = [_sternum_point(z) for z in (366, 390, 420, 450, 480, 505, 526)]
    return tube(points, [3.5, 6, 7, 6.5, 6.5, 8, 8], stretch=(2.6, 1, 1))


def _canal(radius: float) -> Tube:
    points = [level.place(0, -level.half_depth - 10, 0) for level in LEVELS.values()]
    points = [np.array([0, -80.0, 60.0]), np.array([0, -68.0, 92.0]), *points]
    points.append(np.array([0, -40.0, 700.0]))
    return tube(points, radius, pieces=2)


def _canal_at(level: Level, radius: float) -> Tube:
    reach = level.half_height + 14
    return _bar(
        level.place(0, -level.half_depth - 10, -reach),
        level.place(0, -level.half_depth - 10, reach),
        radius,
    )


_NOT_SPINE = tuple(t for t in TISSUES if not t.startswith("vertebrae"))
_AROUND_CANAL = (
    "visceral_fat",
    "muscle",
    "fat",
    "sheath",
    "mediastinum",
    "autochthon_left",
    "autochthon_right",
    "disc",
)


def bones() -> list[Part]:
    """Return discs, spine, ribs, cartilages, sternum, canal and cord, in painting order."""
    parts = [Part("disc", _discs())]
    parts += [Part("cartilage", Union(tuple(_cartilages(s)))) for _, s in RIGHT_AND_LEFT]
    parts.append(Part("sternum", _sternum(), rim_mm=1.8))
    parts.append(Part("sacrum", Minus(sacrum(), _canal(5)), rim_mm=1.8))
    for level in reversed(LEVELS.values()):
        hollow = Minus(vertebra(level), _canal_at(level, 7.5))
        parts.append(Part(level.name, hollow, rim_mm=1.6))
    for side, s in RIGHT_AND_LEFT:
        for number in range(1, 13):
            parts.append(Part(f"rib_{side}_{number}", rib(number, s), over=_NOT_SPINE, rim_mm=1.6))
    parts.append(Part("brain_fluid", _canal(7.5), over=_AROUND_CANAL))
    parts.append(Part("cord", _canal(5.0), over=("brain_fluid",)))
    return parts


def _discs() -> Tube:
    levels = [v for v in LEVELS.values() if not v.name.endswith("C1")]
    return tube(
        [v.centre for v in levels],
        [v.half_width * 0.66 for v in levels],
        stretch=(1.35, 1.0, 1.0),
        pieces=2,
    )
