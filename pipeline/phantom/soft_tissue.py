"""Skin, fat under it, and the muscle wall that everything else is painted into."""

from pipeline.phantom.canvas import Part
from pipeline.phantom.combine import Grown, Intersection, Kept, Union
from pipeline.phantom.head import head_surface
from pipeline.phantom.landmarks import CAVITY, GROOVE, SKIN_ROWS
from pipeline.phantom.settings import Sex
from pipeline.phantom.shapes import Ellipsoid, HalfSpace, Shape, Trunk, Tube, along, tube

_BOTH = (1.0, -1.0)


def _arm(s: float) -> Tube:
    way = [
        (s * 160, -34, 534),
        (s * 188, -32, 506),
        (s * 203, -30, 400),
        (s * 214, -28, 250),
        (s * 217, -10, 100),
        (s * 217, 6, -40),
    ]
    return tube(way, [44, 46, 41, 37, 30, 24], pieces=2)


def _shoulder(s: float) -> Tube:
    """Return the slope from the neck over the collar bone to the upper arm."""
    way = [(s * 22, -44, 622), (s * 62, -44, 556), (s * 112, -42, 542), (s * 160, -38, 536)]
    return tube(way, [40, 58, 57, 48], pieces=2)


def _limbs() -> list[Shape]:
    limbs: list[Shape] = []
    for s in _BOTH:
        way = [(s * 96, -14, 20), (s * 96, -10, -60), (s * 92, -8, -240)]
        thigh = tube(way, [72, 82, 76], pieces=2)
        limbs += [Kept(thigh), Kept(_arm(s)), Kept(_shoulder(s))]
    return limbs


def _flesh(trunk: Shape, limbs: list[Shape]) -> Shape:
    """Return the muscle of trunk wall, back, chest, shoulders, arms and thighs."""
    back = HalfSpace((0, -62, 0), (0, 1, 0), ((-200, -200, 36), (200, -62, 560)))
    shapes: list[Shape] = [
        Grown(CAVITY, 15.0),
        *(Grown(limb, -9.0) for limb in limbs),
        Intersection((Grown(trunk, -13.0), back)),
    ]
    for s in _BOTH:
        # Pectoral muscle, and the muscles on both faces of the shoulder blade.
        shapes += [
            Ellipsoid((s * 80, 76, 474), (66.0, 14.0, 46.0), along((0, 0.35, 1))),
            Ellipsoid((s * 104, -98, 468), (56.0, 38.0, 84.0)),
        ]
    return Union(tuple(shapes), blend_mm=14)


def wrapping(sex: Sex, girth: float) -> list[Part]:
    """Return skin, fat and muscle from outside to inside, and the fat of the belly."""
    trunk, limbs = Kept(Trunk(SKIN_ROWS, grow_mm=16 * (girth - 1))), _limbs()
    outside: list[Shape] = [trunk, head_surface(), *limbs]
    outside += [Ellipsoid((s * 68, -62, 4), (72.0, 78.0, 92.0)) for s in _BOTH]
    if sex == "female":
        outside += [Ellipsoid((s * 78, 92, 446), (54.0, 48.0, 52.0)) for s in _BOTH]
    parts = [Part("fat", Union(tuple(outside), blend_mm=14), rim_mm=2.0)]
    if sex == "female":
        lean = along((0, 0.3, 1))
        glands = [Ellipsoid((s * 78, 104, 444), (30.0, 24.0, 28.0), lean) for s in _BOTH]
        parts.append(Part("breast_gland", Union(tuple(glands)), over=("fat",)))
    return [
        *parts,
        Part("muscle", _flesh(trunk, limbs), over=("fat",)),
        Part("visceral_fat", CAVITY, over=("muscle", "fat", "breast_gland")),
        Part("muscle", GROOVE, over=("visceral_fat",)),
    ]
