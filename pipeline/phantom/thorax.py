"""Lungs with lobes, airways, heart with chambers, great vessels and esophagus."""

from functools import lru_cache

import numpy as np

from pipeline.phantom.canvas import Part
from pipeline.phantom.combine import Grown, Intersection, Kept, Minus, Union
from pipeline.phantom.intensities import LOBES
from pipeline.phantom.landmarks import CAVITY, GROOVE, LEVELS
from pipeline.phantom.shapes import EVERYWHERE, Ellipsoid, HalfSpace, Shape, Tube, along, tube

_RIGHT_BOX = ((0.0, -400.0, 200.0), (400.0, 400.0, 700.0))
_LEFT_BOX = ((-400.0, -400.0, 200.0), (0.0, 400.0, 700.0))

# Long axis of the left ventricle, from its base to the apex.
_AXIS = np.array([-0.62, 0.62, -0.48]) / np.linalg.norm([0.62, 0.62, 0.48])
_LEFT_VENTRICLE = np.array([-44.0, 38.0, 411.0])


def domes(grow_mm: float = 0.0) -> Shape:
    """Return what lies under the diaphragm: two domes, the right one higher."""
    return Grown(_domes(), grow_mm)


@lru_cache(maxsize=1)
def _domes() -> Kept:
    both = Union(
        (
            Ellipsoid((64.0, -4.0, 292.0), (80.0, 112.0, 106.0)),
            Ellipsoid((-64.0, -6.0, 288.0), (82.0, 112.0, 96.0)),
            HalfSpace((0, 0, 292), (0, 0, 1), ((-400, -400, -400), (400, 400, 293))),
        ),
        blend_mm=20,
    )
    return Kept(both)


def left_ventricle() -> Shape:
    """Return the cavity of the left ventricle."""
    base = HalfSpace(_place(-30), tuple(-_AXIS), EVERYWHERE)
    return Intersection((Ellipsoid(tuple(_LEFT_VENTRICLE), (22.0, 24.0, 43.0), along(_AXIS)), base))


def _place(along_mm: float) -> tuple[float, float, float]:
    x, y, z = _LEFT_VENTRICLE + along_mm * _AXIS
    return float(x), float(y), float(z)


def _myocardium() -> Shape:
    base = HalfSpace(_place(-27), tuple(-_AXIS), EVERYWHERE)
    outer = Ellipsoid(_place(1), (32.5, 34.0, 54.0), along(_AXIS))
    return Intersection((outer, base))


def _right_ventricle() -> Shape:
    chamber = tube([(20, 42, 412), (-6, 60, 398), (-34, 72, 386), (-60, 78, 378)], [19, 23, 18, 9])
    outflow = tube([(-10, 58, 412), (-22, 58, 436), (-24, 52, 454)], [22, 17, 13])
    return Union((chamber, outflow), blend_mm=12)


def _right_atrium() -> Shape:
    return Union(
        (
            Ellipsoid((36.0, 22.0, 420.0), (24.0, 25.0, 31.0)),
            tube([(32, 14, 442), (22, 36, 446)], [14, 9]),
        ),
        blend_mm=8,
    )


def _left_atrium() -> Shape:
    body = Ellipsoid((-4.0, -14.0, 440.0), (33.0, 20.0, 24.0))
    mitral = tube([(-8, -4, 436), _place(-27)], [18, 17], pieces=1)
    appendage = tube([(-30, -2, 446), (-46, 16, 454)], [10, 7])
    veins = [
        tube([(s * 24, -16, z), (s * 46, -24, z + lift)], [8, 5.5])
        for s in (1, -1)
        for z, lift in ((448, 6), (430, -6))
    ]
    return Union((body, mitral, appendage, *veins), blend_mm=8)


@lru_cache(maxsize=1)
def aorta() -> Tube:
    """Return the aorta from the left ventricle over the arch to its fork at L4."""
    return tube(
        [
            (-26, 24, 420),
            (-14, 24, 434),
            (2, 24, 462),
            (5, 16, 490),
            (-3, -4, 511),
            (-15, -28, 511),
            (-24, -46, 492),
            (-26, -52, 460),
            (-25, -50, 410),
            (-20, -40, 350),
            (-10, -20, 295),
            (-5, -2, 250),
            (-4, 7, 200),
            (-3, 5, 156),
        ],
        [11, 15, 14.5, 14, 13, 12.5, 12, 11.5, 11, 10.5, 10, 9.5, 9, 9],
        pieces=5,
    )


@lru_cache(maxsize=1)
def inferior_vena_cava() -> Tube:
    """Return the inferior vena cava from the fork of the iliac veins to the right atrium."""
    return tube(
        [
            (12, -1, 140),
            (16, 3, 170),
            (18, 4, 210),
            (19, 0, 255),
            (23, -6, 300),
            (28, -6, 345),
            (31, 6, 378),
            (33, 16, 400),
        ],
        [6, 10, 10.5, 11, 11.5, 12.5, 12, 11],
    )


def _pulmonary_artery() -> Shape:
    trunk = tube([(-24, 52, 450), (-25, 40, 470), (-20, 18, 485), (-16, 8, 488)], [12, 13, 13, 12])
    right = tube([(-16, 8, 488), (8, -5, 484), (34, -11, 478), (56, -16, 470)], [10, 9, 8.5, 6])
    left = tube([(-16, 8, 488), (-40, -8, 489), (-58, -28, 480)], [11, 10, 6.5])
    return Union((trunk, right, left), blend_mm=6)


def _superior_vessels() -> list[Part]:
    veins = [
        tube([(33, 14, 440), (32, 8, 470), (29, 8, 500), (26, 10, 520)], [10, 9, 9, 8]),
        tube([(26, 10, 518), (0, 24, 528), (-32, 12, 540), (-62, 8, 548)], [8, 7, 7, 6]),
        tube([(26, 10, 518), (32, 4, 542), (62, 6, 550)], [8, 7, 6]),
        *(
            tube([(s * 33, 4, 544), (s * 34, -4, 590), (s * 30, -12, 650)], [7, 6.5, 6])
            for s in (1, -1)
        ),
    ]
    arteries = [
        tube([(5, -2, 510), (12, -4, 530), (20, -8, 546), (58, -4, 560)], [7, 6, 5.5, 4]),
        tube([(20, -8, 546), (24, -10, 590), (24, -16, 650)], [4.5, 4, 4]),
        tube([(-6, -10, 512), (-14, -12, 540), (-24, -10, 590), (-24, -16, 650)], [5, 4.5, 4, 4]),
        tube([(-16, -26, 512), (-24, -26, 540), (-58, -8, 560)], [5.5, 5, 4]),
    ]
    return [Part("vein", Union(tuple(veins))), Part("artery", Union(tuple(arteries)))]


def _airways() -> tuple[Shape, ...]:
    windpipe = tube([(0, -2, 603), (0, -6, 570), (1, -18, 530), (2, -28, 490)], [8.5, 8.5, 8.5, 9])
    right = tube([(2, -28, 488), (20, -31, 474), (38, -33, 464), (50, -36, 450)], [8, 7, 6.5, 4.5])
    left = tube([(2, -28, 488), (-22, -33, 472), (-46, -37, 462), (-58, -42, 448)], [8, 6, 6, 4.5])
    upper = tube([(30, -32, 470), (48, -30, 482)], [5, 3.5])
    return windpipe, right, left, upper


@lru_cache(maxsize=1)
def esophagus() -> Tube:
    """Return the esophagus from the throat to the stomach."""
    return tube(
        [
            (0, -18, 602),
            (-3, -25, 570),
            (-5, -36, 530),
            (-4, -45, 480),
            (-4, -43, 440),
            (-8, -38, 400),
            (-14, -24, 372),
            (-22, -8, 352),
            (-32, 0, 345),
        ],
        [7, 7, 7, 6.5, 6.5, 7.5, 8, 8, 8],
        stretch=(1.2, 1, 1),
    )


def _mediastinum() -> Shape:
    spine = [v for v in LEVELS.values() if 280 < v.centre[2] < 600]
    column = tube(
        [v.centre - [0, 6, 0] for v in spine], [v.half_width + 7 for v in spine], pieces=2
    )
    middle = tube(
        [(2, -14, 345), (4, -8, 400), (2, -12, 450), (4, -10, 490), (2, -2, 530), (0, -12, 575)],
        [22, 26, 26, 27, 28, 27],
    )
    front = tube(
        [(0, 80, 338), (0, 86, 400), (0, 78, 450), (0, 60, 490), (0, 34, 530)], [27, 10, 9, 9, 9]
    )
    heart = Grown(
        Union(
            (
                _myocardium(),
                _right_ventricle(),
                _right_atrium(),
                _left_atrium(),
                _pulmonary_artery(),
            ),
            blend_mm=16,
        ),
        5,
    )
    front_fat = tube([(0, 30, 480), (0, 60, 450), (-20, 80, 380)], [22, 18, 20])
    fat_pads = Ellipsoid((-4.0, 74.0, 340.0), (56.0, 42.0, 36.0))
    below = tube([(36, 26, 380), (6, 42, 374), (-44, 62, 362)], [22, 28, 20])
    behind = tube(
        [(-12, -44, 330), (-12, -46, 380), (-8, -48, 440), (-6, -48, 492)], [17, 17, 15, 13]
    )
    vessels = Grown(aorta(), 2.5)
    hila = Union(
        (
            tube([(2, -28, 488), (20, -31, 474), (37, -33, 464)], 12),
            tube([(2, -28, 488), (-22, -33, 472), (-44, -37, 462)], 12),
        )
    )
    fat = (middle, front, front_fat, fat_pads, below, behind)
    return Union((column, heart, vessels, hila, *fat), blend_mm=8)


def lungs_parts() -> list[Part]:
    """Return both lungs cut into lobes along their fissures, with their vessels."""
    floor = HalfSpace((0, 0, 312), (0, 0.22, -1))
    # Rounded edges: a lung ends some mm thick, not in a sliver.
    chest = Minus(
        Minus(Intersection((CAVITY, floor), blend_mm=6), domes(3.0), blend_mm=8),
        Union((_mediastinum(), GROOVE)),
        blend_mm=8,
    )
    above = HalfSpace((0, 0, 350), (0, 0, -1), ((-400, -400, 340), (400, 400, 590)))
    between = Minus(Intersection((CAVITY, above)), domes(3.0))
    parts = [Part("mediastinum", between, over=("visceral_fat",))]
    left_side = HalfSpace((0, 0, 0), (1, 0, 0), _LEFT_BOX)
    parts += [
        Part("lung_lower_lobe_right", chest),
        Part("lung_lower_lobe_left", left_side, over=("lung_lower_lobe_right",)),
    ]
    above_right = HalfSpace((60, -10, 438), (-0.12, -0.72, -0.70), _RIGHT_BOX)
    above_left = HalfSpace((-60, -10, 432), (0.12, -0.72, -0.70), _LEFT_BOX)
    below_minor = HalfSpace((60, 40, 438), (0.10, -0.10, 1), _RIGHT_BOX)
    parts += [
        Part("lung_upper_lobe_right", above_right, over=("lung_lower_lobe_right",)),
        Part("lung_middle_lobe_right", below_minor, over=("lung_upper_lobe_right",)),
        Part("lung_upper_lobe_left", above_left, over=("lung_lower_lobe_left",)),
        Part("lung_vessel", _lung_vessels(), over=LOBES, content=True),
    ]
    return parts


def _lung_vessels() -> Shape:
    """Return the vessels in the lungs: a fixed tree, drawn with a fixed seed."""
    rng = np.random.default_rng(5)
    branches: list[Shape] = []
    for s, hilum in ((1, (48.0, -18.0, 466.0)), (-1, (-54.0, -28.0, 470.0))):
        root = np.array(hilum)
        for up in np.linspace(-1.2, 1.1, 8):
            turn = rng.uniform(-2.0, 1.6)
            way = np.array([s * 0.6, 0.75 * np.sin(turn), up]) + rng.normal(0, 0.12, 3)
            way /= np.linalg.norm(way)
            mid = root + way * 40
            branches.append(Tube(np.stack([root, mid]), np.array([4.2, 2.8])))
            for _ in range(3):
                fork = way + rng.normal(0, 0.45, 3)
                end = mid + fork / np.linalg.norm(fork) * rng.uniform(35, 60)
                branches.append(Tube(np.stack([mid, end]), np.array([2.4, 1.1])))
    return Union(tuple(branches))


def heart_parts() -> list[Part]:
    """Return heart, great vessels, airways and esophagus, in painting order."""
    airways = Union(_airways(), blend_mm=3)
    return [
        *_superior_vessels(),
        Part("esophagus", esophagus()),
        Part("muscle", Grown(airways, 1.5), over=("mediastinum", "muscle", "visceral_fat")),
        Part("trachea", airways),
        Part("pulmonary_artery", _pulmonary_artery()),
        Part("heart_atrium_right", _right_atrium()),
        Part("heart_atrium_left", _left_atrium()),
        Part("heart_ventricle_right", _right_ventricle()),
        Part("heart_myocardium", _myocardium()),
        Part("heart_ventricle_left", left_ventricle()),
        Part("aorta", aorta()),
    ]
