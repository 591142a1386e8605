"""Liver, spleen, stomach, pancreas, kidneys, bowel and the vessels between them."""

from functools import lru_cache

import numpy as np

from pipeline.phantom.canvas import Part
from pipeline.phantom.combine import Grown, Intersection, Minus, Union
from pipeline.phantom.landmarks import CAVITY
from pipeline.phantom.shapes import Ellipsoid, Shape, Tube, along, tube
from pipeline.phantom.thorax import domes, inferior_vena_cava

_KIDNEYS = (("right", 1.0, (62.0, -47.0, 236.0)), ("left", -1.0, (-62.0, -49.0, 249.0)))


@lru_cache(maxsize=1)
def _under_diaphragm() -> Shape:
    return Intersection((Grown(CAVITY, -3.0), domes(-3.0)))


def _liver() -> Shape:
    blob = Union(
        (
            Ellipsoid((74.0, -2.0, 322.0), (66.0, 94.0, 84.0)),
            Ellipsoid((78.0, 0.0, 278.0), (50.0, 70.0, 62.0)),
            Ellipsoid((0.0, 44.0, 350.0), (74.0, 44.0, 31.0), along((0.25, 0, 1))),
        ),
        blend_mm=30,
    )
    hilum = tube([(30, 0, 275), (42, 12, 296)], [22, 10])
    bed = Grown(_gallbladder(), 1.0)
    return Minus(Minus(Minus(Intersection((_under_diaphragm(), blob)), hilum), bed), _liver_back())


def _liver_back() -> Shape:
    column = tube([(6, -40, 230), (0, -46, 310), (0, -60, 400)], [48, 40, 34], pieces=1)
    kidney = Grown(_kidney(_KIDNEYS[0][2], 1.0), 6.0)
    return Union((column, kidney), blend_mm=10)


def _gallbladder() -> Shape:
    return tube([(50, 66, 254), (48, 48, 270), (42, 28, 284)], [15, 12, 5])


def _spleen() -> Shape:
    lens = Ellipsoid((-108.0, -44.0, 322.0), (32.0, 46.0, 56.0), along((-0.2, -0.45, 1)))
    hollow = Ellipsoid((-58.0, -20.0, 312.0), (34.0, 40.0, 46.0))
    return Intersection((Grown(CAVITY, -2.5), Minus(lens, hollow), domes(-2.5)))


def _stomach() -> Shape:
    return Intersection(
        (
            tube(
                [
                    (-52, -18, 366),
                    (-58, -6, 346),
                    (-62, 22, 312),
                    (-54, 46, 278),
                    (-28, 56, 256),
                    (2, 52, 256),
                    (24, 42, 264),
                ],
                [22, 33, 34, 29, 23, 17, 8],
            ),
            _under_diaphragm(),
        )
    )


@lru_cache(maxsize=1)
def _duodenum() -> Tube:
    return tube(
        [
            (24, 42, 264),
            (38, 32, 268),
            (50, 16, 256),
            (54, 10, 230),
            (50, 10, 200),
            (36, 22, 184),
            (4, 29, 186),
            (-22, 24, 200),
            (-32, 26, 218),
        ],
        [11, 12, 12, 12, 12, 11.5, 11, 11, 11],
    )


def _pancreas() -> Shape:
    return tube(
        [
            (38, 18, 214),
            (36, 22, 236),
            (14, 34, 250),
            (-14, 32, 262),
            (-46, 6, 276),
            (-76, -22, 292),
        ],
        [11, 13.5, 11, 11.5, 11, 9],
    )


def _kidney(centre: tuple[float, float, float], side: float) -> Shape:
    # The upper pole leans inwards and back; the hilum faces inwards and forwards.
    lean = along((-side * 0.22, -0.16, 1))
    bean = Ellipsoid(centre, (25.0, 27.0, 54.0), lean)
    x, y, z = centre
    return Minus(bean, Ellipsoid((x - side * 24, y + 12, z), (15.0, 11.0, 16.0)))


def _kidney_parts() -> list[Part]:
    parts: list[Part] = []
    for name, side, centre in _KIDNEYS:
        x, y, z = centre
        shape = _kidney(centre, side)
        pelvis = Union(
            (
                Ellipsoid((x - side * 5, y + 3, z), (9.0, 8.0, 18.0)),
                tube([(x - side * 8, y + 6, z), (x - side * 24, y + 12, z - 6)], [7, 4]),
            )
        )
        ureter = tube(
            [
                (x - side * 24, y + 12, z - 6),
                (side * 36, 6, 180),
                (side * 36, 4, 110),
                (side * 48, -38, 50),
                (side * 22, -18, 10),
            ],
            2.6,
        )
        parts += [
            Part("visceral_fat", Grown(shape, 6.0), over=("muscle", "liver", "spleen")),
            Part(f"kidney_{name}", shape, rim_mm=8.0),
            Part("renal_pelvis", pelvis, over=(f"kidney_{name}", "visceral_fat"), content=True),
            Part("renal_pelvis", ureter, over=("visceral_fat",)),
            Part(
                "visceral_fat",
                Grown(_adrenal(side, centre), 4.0),
                over=("liver", "spleen", "muscle"),
            ),
            Part(f"adrenal_gland_{name}", _adrenal(side, centre)),
        ]
    return parts


def _adrenal(side: float, kidney: tuple[float, float, float]) -> Shape:
    x, y, z = kidney
    top = (x - side * 17, y - 4, z + 60)
    body = tube([top, (top[0] - side * 4, top[1] + 14, top[2] + 2)], [4.6, 4.6], pieces=1)
    limbs = [
        Tube(
            np.array([top, (top[0] + reach, top[1] - 14, top[2] - 4)]),
            np.array([4.4, 3.6]),
            (1.0, 1.0, 1.9),
        )
        for reach in (side * 8, -side * 7)
    ]
    return Union((body, *limbs))


def _portal_vein() -> Shape:
    return Union(
        (
            tube(
                [
                    (-89, -33, 307),
                    (-48, -2, 288),
                    (-14, 18, 270),
                    (14, 20, 256),
                    (28, 14, 276),
                    (40, 12, 298),
                    (58, 6, 316),
                ],
                [5, 5, 5.5, 7.5, 8, 7.5, 6],
            ),
            tube([(14, 20, 256), (13, 26, 232), (12, 36, 210)], [7, 6, 5]),
            tube([(40, 12, 298), (22, 30, 322), (2, 40, 338)], [6.5, 5, 4]),
        )
    )


def _liver_veins() -> Shape:
    end = (29, 0, 362)
    return Union(
        (
            tube([(112, -30, 330), (70, -20, 352), end], [2.5, 4, 5]),
            tube([(80, 50, 318), (55, 24, 346), end], [2.5, 4, 5]),
            tube([(-10, 50, 350), (14, 24, 360), end], [2.5, 3.5, 5]),
            tube([(58, 6, 316), (90, 0, 312), (118, 8, 300)], [5, 3.5, 2]),
            tube([(58, 6, 316), (80, -30, 300), (100, -48, 284)], [4.5, 3, 2]),
        )
    )


@lru_cache(maxsize=1)
def _colon_way() -> Tube:
    return tube(
        [
            (80, 22, 78),
            (92, 14, 108),
            (97, 2, 150),
            (96, 0, 190),
            (88, 18, 222),
            (66, 60, 216),
            (30, 70, 196),
            (-10, 72, 190),
            (-52, 64, 210),
            (-84, 30, 250),
            (-103, -4, 274),
            (-106, -22, 246),
            (-103, -20, 190),
            (-100, -8, 130),
            (-84, 8, 88),
            (-50, 8, 62),
            (-16, -10, 74),
            (4, -38, 62),
            (0, -52, 36),
            (0, -52, 0),
            (0, -42, -28),
            (0, -38, -44),
        ],
        [
            *(23, 24, 22, 20, 19, 18, 18, 17, 17, 16, 16, 15, 14.5, 14.5, 14, 13.5, 14, 15, 17),
            *(18, 13, 9),
        ],
        pieces=4,
    )


def _haustra() -> Tube:
    """Return the colon with its pouches: a radius that swells and narrows along the way."""
    way = _colon_way()
    swell = 1 + 0.09 * np.cos(np.arange(len(way.radii)) * np.pi)
    return Tube(way.points, way.radii * swell)


def _small_bowel_way() -> list[tuple[float, float, float]]:
    """Return the loops: two sheets of wavy rows from side to side, the front sheet last."""
    points: list[tuple[float, float, float]] = [(-42, 33, 201), (-50, 36, 188)]
    rng = np.random.default_rng(3)
    sheets = ((38.0, 0.0, (172, 146, 120, 94, 68)), (64.0, 2.2, (62, 88, 114, 140, 166)))
    turn = -1
    for y, phase, heights in sheets:
        for z in heights:
            half = 66 if z > 80 else 46
            for x in np.linspace(turn * half, -turn * half, 8):
                bend = rng.normal(0, 2.0, 2)
                wave = 8.0 * np.sin(x / 15 + phase)
                points.append((float(x), y - 0.0022 * x * x + bend[0], z + wave + bend[1]))
            turn = -turn
    return points


def _small_bowel() -> Shape:
    loops = tube(_small_bowel_way(), 12.5, pieces=2)
    ileum = tube([(46, 38, 64), (66, 30, 84), (82, 18, 96)], 9)
    return Intersection((Union((loops, ileum)), Grown(CAVITY, -2.0)))


def _gas_in_colon() -> Shape:
    way = _colon_way()
    lifted = way.points + np.array([0, 5.0, 0])
    blobs = [Tube(lifted[i : i + 4], way.radii[i : i + 4] * 0.55) for i in (18, 26, 32, 38, 68)]
    return Union(tuple(blobs))


def abdomen_parts() -> list[Part]:
    """Return the organs and vessels of the belly, in painting order."""
    colon = _haustra()
    stomach = _stomach()
    return [
        Part("visceral_fat", _under_diaphragm(), over=("mediastinum",)),
        Part("liver", _liver()),
        Part("liver_vein", _liver_veins(), over=("liver",), content=True),
        Part("gallbladder", _gallbladder()),
        Part("spleen", _spleen()),
        *_kidney_parts(),
        Part("small_bowel", _small_bowel(), rim_mm=3.0),
        Part("visceral_fat", Grown(colon, 1.5), over=("small_bowel", "liver", "spleen")),
        Part("colon", Intersection((colon, Grown(CAVITY, -1.5))), rim_mm=2.8),
        Part("gas", _gas_in_colon(), over=("colon",), content=True),
        Part("visceral_fat", Grown(stomach, 2.0), over=("liver", "spleen", "colon")),
        Part("stomach", stomach, rim_mm=3.5),
        Part("gas", Ellipsoid((-56, 22, 352), (18.0, 26.0, 12.0)), over=("stomach",), content=True),
        Part("pancreas", _pancreas()),
        Part("duodenum", _duodenum(), rim_mm=2.8),
        Part("inferior_vena_cava", inferior_vena_cava()),
        Part("portal_vein_and_splenic_vein", _portal_vein()),
    ]
