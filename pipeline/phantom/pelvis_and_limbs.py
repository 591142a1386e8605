"""Hips, thighs, shoulders, arms: their bones and muscles, the bladder and the iliac vessels."""

import numpy as np

from pipeline.phantom.canvas import Part
from pipeline.phantom.combine import Grown, Intersection, Minus, Union
from pipeline.phantom.landmarks import CAVITY, FEMORAL_HEAD, on_cage
from pipeline.phantom.settings import Sex
from pipeline.phantom.shapes import Ellipsoid, HalfSpace, Shape, Tube, along, tube

SIDES = (("right", 1.0), ("left", -1.0))
_X, _Y, _Z = FEMORAL_HEAD


def _hip(s: float) -> Shape:
    # The wing of the ilium: a plate from the sacrum out to the front, flaring upwards.
    normal = (s * 0.80, 0.0 - 0.52, -0.30)
    wing = Ellipsoid((s * 84, -22, 88), (66.0, 64.0, 6.5), along(normal))
    crest = tube(
        [
            (s * 48, -78, 112),
            (s * 80, -56, 142),
            (s * 112, -16, 148),
            (s * 124, 22, 124),
            (s * 116, 40, 92),
        ],
        [8, 8, 8, 7.5, 7],
    )
    joint = tube([(s * 48, -70, 100), (s * 58, -54, 66), (s * 76, -26, 34)], [10, 12, 14])
    socket = Minus(
        Ellipsoid((s * (_X - 4), _Y, _Z + 4), (33.0, 32.0, 33.0)),
        HalfSpace((s * (_X + 10), 0, -6), (-s * 0.8, -0.25, 0.55)),
        blend_mm=6,
    )
    front = tube(
        [(s * 76, 8, 10), (s * 46, 30, 4), (s * 16, 40, -12), (s * 9, 40, -30)], [12, 8.5, 9, 9]
    )
    seat = tube(
        [
            (s * 76, -34, -4),
            (s * 62, -46, -38),
            (s * 54, -42, -62),
            (s * 36, -10, -58),
            (s * 14, 30, -38),
        ],
        [14, 13, 13, 8, 7],
    )
    return Minus(
        Union((wing, crest, joint, socket, front, seat), blend_mm=10),
        Ellipsoid((s * _X, _Y, _Z), (27.0, 27.0, 27.0)),
        blend_mm=4,
    )


def _femur(s: float) -> Shape:
    head = Ellipsoid((s * _X, _Y, _Z), (24.0, 24.0, 24.0))
    neck = tube([(s * (_X + 6), -16, -4), (s * 122, -22, -26)], [15, 17], pieces=1)
    trochanter = tube([(s * 134, -32, -8), (s * 132, -24, -44)], [13, 18], pieces=1)
    lesser = Ellipsoid((s * 112, -28, -62), (11.0, 10.0, 12.0))
    shaft = tube([(s * 130, -22, -40), (s * 124, -14, -90), (s * 114, -8, -200)], [17, 15, 14])
    return Union((head, neck, trochanter, lesser, shaft), blend_mm=8)


def _iliopsoas(s: float) -> Shape:
    psoas = tube(
        [
            (s * 30, -34, 272),
            (s * 38, -28, 230),
            (s * 46, -22, 180),
            (s * 54, -8, 120),
            (s * 70, 16, 60),
            (s * 84, 26, 20),
            (s * 98, 8, -30),
            (s * 110, -20, -62),
        ],
        [9, 16, 20, 22, 22, 20, 17, 11],
    )
    iliacus = Ellipsoid((s * 82, -4, 86), (52.0, 46.0, 17.0), along((s * 0.80, -0.52, -0.30)))
    # The wing of the hip keeps the muscle inside the pelvis until it passes below its rim.
    wing = HalfSpace((s * 81.6, -20.4, 88.9), (s * 0.80, -0.52, -0.30))
    inside = Union((wing, HalfSpace((0, 0, 36), (0, 0, 1))))
    return Intersection((Union((psoas, iliacus), blend_mm=14), inside))


def _gluteus(s: float) -> tuple[Shape, Shape, Shape]:
    normal = along((s * 0.80, -0.52, -0.30))
    big = Union(
        (
            tube(
                [(s * 42, -84, 88), (s * 70, -84, 40), (s * 104, -70, -10), (s * 136, -44, -64)],
                [24, 34, 32, 16],
                stretch=(1.1, 0.82, 1.0),
            ),
            tube(
                [(s * 40, -92, 60), (s * 62, -90, 10), (s * 90, -70, -40)],
                [20, 32, 22],
                stretch=(1.1, 0.8, 1.0),
            ),
            tube([(s * 55, -86, 104), (s * 86, -78, 62)], [10, 24]),
        ),
        blend_mm=20,
    )
    middle = Union(
        (
            Ellipsoid((s * 112, -24, 94), (54.0, 50.0, 26.0), normal),
            tube([(s * 126, -22, 66), (s * 137, -28, 4)], [24, 11]),
        ),
        blend_mm=16,
    )
    small = Union(
        (
            Ellipsoid((s * 104, 0, 66), (36.0, 40.0, 15.0), normal),
            tube([(s * 116, 4, 50), (s * 132, -10, 2)], [15, 8]),
        ),
        blend_mm=12,
    )
    return big, middle, small


def _autochthon(s: float) -> Shape:
    rows = [
        (18, -93, 52, 13),
        (26, -88, 96, 19),
        (30, -76, 140, 24),
        (34, -70, 190, 26),
        (34, -75, 240, 25),
        (30, -88, 290, 21),
        (27, -99, 350, 18.5),
        (26, -106, 420, 18),
        (24, -102, 480, 17),
        (21, -94, 530, 15),
        (20, -80, 570, 15),
        (18, -66, 620, 17),
        (17, -62, 672, 14),
    ]
    column = tube(
        [(s * x, y, z) for x, y, z, _ in rows],
        [r for *_, r in rows],
        stretch=(1.15, 1.0, 1.0),
        pieces=3,
    )
    middle = HalfSpace((s * 1.5, 0, 0), (-s, 0, 0))
    return Intersection((column, middle))


def _iliac_artery(s: float) -> Tube:
    return tube(
        [
            (s * 4 - 3, 5, 157),
            (s * 18, 4, 138),
            (s * 36, -2, 106),
            (s * 50, 12, 70),
            (s * 57, 38, 36),
            (s * 62, 53, 6),
        ],
        [6.5, 6.5, 6.5, 6, 5.5, 5.5],
    )


def _inner_iliac_artery(s: float) -> Tube:
    return tube([(s * 36, -2, 106), (s * 42, -30, 78), (s * 40, -48, 50)], [5.5, 5, 4.5])


def _iliac_vein(s: float) -> Tube:
    return tube(
        [
            (12 + s * 2, -1, 140),
            (s * 20 + 5, -7, 120),
            (s * 38, -16, 92),
            (s * 46, 0, 62),
            (s * 45, 30, 34),
            (s * 49, 48, 7),
        ],
        [7.5, 7.5, 7.5, 7, 7, 7],
    )


def _humerus(s: float) -> Shape:
    return Union(
        (
            Ellipsoid((s * 170, -34, 532), (23.0, 23.0, 23.0)),
            tube(
                [
                    (s * 178, -30, 526),
                    (s * 188, -30, 490),
                    (s * 203, -30, 380),
                    (s * 213, -28, 262),
                    (s * 214, -28, 240),
                ],
                [19, 13, 11.5, 12, 17],
            ),
        ),
        blend_mm=8,
    )


def _scapula(s: float) -> Shape:
    # The blade lies on the ribs: a shell at a fixed distance outside the chest wall.
    shell = Minus(Grown(CAVITY, 19), Grown(CAVITY, 14))
    blade = Intersection(
        (
            shell,
            HalfSpace((s * 64, 0, 0), (-s, 0, -0.08)),
            HalfSpace((0, -40, 536), (0, 0.25, 1)),
            HalfSpace((s * 74, 0, 396), (s * 0.72, 0, -0.55)),
            Ellipsoid((s * 98, -88, 470), (70.0, 66.0, 110.0)),
        )
    )
    spine = tube(
        [
            on_cage(-57, 500, s, 17),
            on_cage(-47, 512, s, 22) + np.array([0, 0, 4.0]),
            (s * 138, -77, 546),
            (s * 164, -54, 561),
        ],
        [6, 7, 7, 7.5],
    )
    neck = tube([on_cage(-40, 500, s, 17), (s * 128, -62, 522), (s * 143, -42, 530)], [9, 11, 15])
    beak = tube([(s * 136, -44, 540), (s * 138, -18, 548), (s * 146, -2, 538)], [8, 7, 6])
    edge = tube(
        [on_cage(-58, 402, s, 17), on_cage(-48, 452, s, 17), (s * 128, -62, 516)], [6, 6, 8]
    )
    whole = Union((blade, spine, neck, beak, edge), blend_mm=6)
    return Minus(whole, Ellipsoid((s * 170, -34, 532), (26.0, 26.0, 26.0)))


def _clavicula(s: float) -> Tube:
    way = [
        (s * 21, 40, 534),
        (s * 50, 36, 545),
        (s * 90, 4, 556),
        (s * 126, -24, 562),
        (s * 157, -44, 561),
    ]
    return tube(way, [8.5, 6.5, 6, 6, 6.5])


def muscles() -> list[Part]:
    """Return iliopsoas, gluteal and back muscles, each in a thin sheath of fat."""
    parts: list[Part] = []
    for side, s in SIDES:
        big, middle, small = _gluteus(s)
        inner = ("muscle", "sheath", "visceral_fat", "mediastinum")
        outer = ("muscle", "sheath", "fat", f"gluteus_maximus_{side}", f"gluteus_medius_{side}")
        for name, shape, over in (
            ("autochthon", _autochthon(s), inner),
            ("iliopsoas", _iliopsoas(s), inner),
            ("gluteus_maximus", big, outer),
            ("gluteus_medius", middle, outer),
            ("gluteus_minimus", small, outer),
        ):
            parts.append(Part("sheath", Grown(shape, 1.8), over=("muscle", *outer[3:])))
            parts.append(Part(f"{name}_{side}", shape, over=over))
    return parts


def pelvic_organs(sex: Sex) -> list[Part]:
    """Return bladder, what lies behind it, and the iliac vessels."""
    bladder = Ellipsoid((0.0, 14.0, 24.0), (42.0, 30.0, 32.0))
    if sex == "female":
        behind: Shape = Ellipsoid((0.0, -14.0, 58.0), (26.0, 17.0, 30.0), along((0, 0.6, 1)))
    else:
        behind = Ellipsoid((0.0, 4.0, -18.0), (24.0, 19.0, 20.0))
    parts = [
        Part("prostate_uterus", behind, over=("visceral_fat", "muscle", "small_bowel")),
        Part("visceral_fat", Grown(bladder, 2.0), over=("small_bowel", "colon")),
        Part("urinary_bladder", bladder),
    ]
    for side, s in SIDES:
        parts.append(Part(f"iliac_vena_{side}", _iliac_vein(s)))
    for side, s in SIDES:
        artery = Union((_iliac_artery(s), _inner_iliac_artery(s)))
        parts.append(Part(f"iliac_artery_{side}", artery))
    return parts


def limb_bones() -> list[Part]:
    """Return hips, femurs, shoulder girdle and arms, in painting order."""
    parts: list[Part] = []
    for side, s in SIDES:
        radius = [(s * 208, -22, 232), (s * 211, -4, 100), (s * 211, 6, -20)]
        ulna = [(s * 223, -34, 236), (s * 223, -16, 100), (s * 222, 0, -20)]
        parts += [
            Part(f"hip_{side}", _hip(s), rim_mm=2.2),
            Part(f"femur_{side}", _femur(s), rim_mm=3.5),
            Part(f"clavicula_{side}", _clavicula(s), rim_mm=2.0),
            Part(f"scapula_{side}", _scapula(s), rim_mm=2.0),
            Part(f"humerus_{side}", _humerus(s), rim_mm=3.2),
            Part(
                "forearm_bone",
                Union((tube(radius, 7.5), tube(ulna, 7.0))),
                rim_mm=3.0,
                over=("muscle", "fat"),
            ),
        ]
    return parts
