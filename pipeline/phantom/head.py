"""Skull, brain, face, airways of the head, eyes, teeth and the neck."""

from pipeline.phantom.canvas import Part
from pipeline.phantom.combine import Grown, Intersection, Minus, Union
from pipeline.phantom.shapes import Ellipsoid, HalfSpace, Shape, Tube, tube


def _vault(shrink_mm: float) -> Ellipsoid:
    return Ellipsoid((0.0, -6.0, 766.0), (71.0 - shrink_mm, 90.0 - shrink_mm, 70.0 - shrink_mm))


def _brain() -> Shape:
    """Return the brain: what fills the vault above a sloping skull base, with its stem."""
    floor = HalfSpace((0, -10, 722), (0, 0.33, -1))
    hemispheres = Intersection((_vault(8.5), floor))
    cerebellum = Intersection((Ellipsoid((0, -48, 722), (48.0, 34.0, 27.0)), _vault(8.5)))
    stem = tube([(0, -26, 738), (0, -32, 712), (0, -36, 701)], [15, 11, 9])
    return Union((hemispheres, cerebellum, stem), blend_mm=8)


def head_surface() -> Shape:
    """Return the skin of the head, with nose, jaw and ears."""
    jaw = tube([(0, -10, 700), (0, 24, 678), (0, 54, 656)], [56, 46, 29])
    front = Ellipsoid((0.0, 34.0, 716.0), (60.0, 60.0, 66.0))
    chin = Ellipsoid((0.0, 44.0, 660.0), (42.0, 42.0, 26.0))
    cheeks = [Ellipsoid((s * 30, 56, 700), (26.0, 30.0, 34.0)) for s in (1.0, -1.0)]
    nose = tube([(0, 91, 734), (0, 104, 712), (0, 102, 704)], [6, 9, 10])
    ears = [Ellipsoid((s * 76, -20, 725), (6.0, 12.0, 24.0)) for s in (1.0, -1.0)]
    skull = Union((_vault(-7.0), front, jaw, chin, *cheeks), blend_mm=24)
    return Union((skull, nose, *ears), blend_mm=7)


def _face() -> Shape:
    """Return the face: the front of the head from chin to brow, skin to about 30 mm deep."""
    back = HalfSpace((0, 60, 700), (0, -1, 0.18))
    brow = HalfSpace((0, 0, 764), (0, 0, 1))
    chin = HalfSpace((0, 0, 634), (0, 0, -1))
    return Minus(Intersection((head_surface(), back, brow, chin)), _vault(1.0))


def _skull() -> Shape:
    shell = Minus(_vault(0.0), _vault(6.5))
    above = Minus(shell, HalfSpace((0, 0, 704), (0, 0, 1)))
    base = Intersection(
        (
            _vault(0.0),
            HalfSpace((0, -10, 722), (0, -0.33, 1)),
            HalfSpace((0, -10, 712), (0, 0.33, -1)),
        )
    )
    rear = Minus(
        Intersection((Grown(Ellipsoid((0, -48, 722), (48.0, 34.0, 27.0)), 7.0), _vault(0.0))),
        _brain(),
    )
    cheeks = [
        tube([(s * 62, 6, 722), (s * 60, 46, 712), (s * 36, 72, 706)], [4.5, 5, 7])
        for s in (1.0, -1.0)
    ]
    upper_jaw = Ellipsoid((0.0, 62.0, 694.0), (28.0, 26.0, 18.0), boxy=False)
    return Union((above, base, rear, *cheeks, upper_jaw))


def _jaw() -> Shape:
    half = [(52, -2, 708), (50, 4, 680), (44, 32, 662), (28, 60, 653)]
    way = [*half, (0, 74, 651), *((-x, y, z) for x, y, z in reversed(half))]
    return tube(way, [6, 7, 7, 7, 7.5, 7, 7, 7, 6], stretch=(1, 1, 1.5))


def _teeth() -> Shape:
    arcs = [
        tube([(26, 42, z), (18, 66, z), (0, 76, z), (-18, 66, z), (-26, 42, z)], 4.2)
        for z in (680.0, 669.0)
    ]
    return Union(tuple(arcs))


def _airway() -> Shape:
    throat = tube(
        [(0, -2, 604), (0, 0, 640), (0, 2, 670), (0, 10, 694), (0, 40, 704)],
        [8.5, 8, 8, 8, 7],
        stretch=(1.3, 1, 1),
    )
    noses = [
        tube([(s * 6, 38, 706), (s * 6, 76, 708), (s * 7, 108, 698)], [5.5, 6, 4])
        for s in (1.0, -1.0)
    ]
    return Union((throat, *noses))


def _sinuses() -> Shape:
    return Union(
        (
            *(Ellipsoid((s * 28, 58, 706), (12.0, 14.0, 13.0)) for s in (1.0, -1.0)),
            Ellipsoid((0.0, 78.0, 756.0), (20.0, 5.0, 10.0)),
            Ellipsoid((0.0, 26.0, 716.0), (11.0, 11.0, 8.0)),
        )
    )


def _ventricles() -> Shape:
    horns: list[Tube] = [
        tube(
            [(s * 9, 28, 776), (s * 11, 0, 786), (s * 16, -34, 778), (s * 24, -44, 760)],
            [5.5, 5.5, 6, 4],
        )
        for s in (1.0, -1.0)
    ]
    return Union(tuple(horns))


def neck_parts() -> list[Part]:
    """Return muscle and thyroid of the neck."""
    flesh = tube(
        [(0, -34, 545), (0, -32, 600), (0, -30, 650), (0, -34, 700)],
        [58, 50, 49, 48],
        stretch=(1.0, 0.98, 1.0),
    )
    larynx = tube([(0, 6, 604), (0, 8, 634)], [14, 12])
    lobes = tuple(
        tube([(s * 13, 2, 574), (s * 15, 0, 592), (s * 14, 0, 608)], [7, 8, 5]) for s in (1.0, -1.0)
    )
    return [
        Part("muscle", flesh, over=("fat",)),
        Part("cartilage", larynx, over=("muscle", "fat")),
        Part("thyroid", Union(lobes), over=("muscle", "fat")),
    ]


def head_parts() -> list[Part]:
    """Return everything in the head, in painting order."""
    eyes = Union(tuple(Ellipsoid((s * 31, 72, 734), (12.0, 12.0, 12.0)) for s in (1.0, -1.0)))
    orbits = Union(
        tuple(tube([(s * 31, 76, 734), (s * 18, 36, 734)], [19, 8]) for s in (1.0, -1.0))
    )
    chew = Union(tuple(tube([(s * 50, 16, 730), (s * 52, 14, 680)], [10, 9]) for s in (1.0, -1.0)))
    return [
        Part("muscle", Grown(head_surface(), -9.0), over=("fat",)),
        Part("face", _face(), over=("muscle", "fat")),
        Part("muscle", chew, over=("fat", "muscle")),
        Part("brain_fluid", _vault(6.0), over=("muscle", "fat")),
        Part("skull", _skull(), rim_mm=1.8),
        Part("fat", orbits, over=("muscle", "skull", "brain_fluid")),
        Part("fat", orbits, over=("face",), content=True),
        Part("eye", eyes, over=("face",), content=True),
        Part("skull", _jaw(), rim_mm=2.0),
        Part("tooth", _teeth(), over=("skull", "muscle")),
        Part("tooth", _teeth(), over=("face",), content=True),
        Part("brain", _brain()),
        Part("brain_fluid", _ventricles(), over=("brain",), content=True),
        Part("air", _airway(), over=("muscle", "skull", "fat", "cartilage")),
        Part("gas", Union((_airway(), _sinuses())), over=("face",), content=True),
        Part("air", _sinuses(), over=("skull", "muscle")),
    ]
