"""Which strands go on in which where ribs touch or a bone is thick.

All ways to pair the ends that meet at a place are weighed: the gap and the turn of each pair, the
ends left free, and ribs that would cross, which ribs never do: the upper one stays above.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations, product

import numpy as np

from pipeline.bootstrap.ribs.joints import End, Joints
from pipeline.bootstrap.ribs.strands import END_NODES, Place, Points, Strand

PLACE_MM = 40.0
TURN_MM = 8.0  # what a right angle costs, as a gap: little, for first ribs turn back at the neck
FREE_MM = 25.0  # what an end left free costs
LONG_MM = 40.0  # of a strand: an end of a shorter one costs less
STEEPEST = 2.0
CROSSING = 3.0  # per mm that ribs would change places
MOST_ENDS = 8
LONGEST_BRIDGE_MM = 35.0
BRIDGE_SHARE = 0.5  # what calling a strand a bridge costs, of its length

Pair = tuple[End, End]


def find_bridges(joints: Joints, places: Sequence[Place]) -> frozenset[int]:
    """Find the short strands that run across from one rib to another, shortest first.

    A strand between two places is a bridge if the ends that meet at both go on in one another more
    cheaply without it.
    """
    at: dict[int, list[Place]] = {}
    for place in places:
        for number in place.strands:
            at.setdefault(number, []).append(place)
    found: set[int] = set()
    for number in sorted(at, key=lambda number: joints.strands[number].length_mm):
        both, length = at[number], joints.strands[number].length_mm
        if len(both) == 2 and length < LONGEST_BRIDGE_MM:
            bone = sum(_cheapest(joints, place, frozenset(found))[1] for place in both)
            without = frozenset(found | {number})
            bridge = sum(_cheapest(joints, place, without)[1] for place in both)
            if bridge + BRIDGE_SHARE * length < bone:
                found.add(number)
    return frozenset(found)


def end_at(strands: Sequence[Strand], number: int, place: Place) -> End:
    """Name the end of a strand that lies at a place."""
    far = [
        float(np.linalg.norm(strands[number].end(last)[0] - place.centre)) for last in (False, True)
    ]
    return number, far[1] < far[0]


def join_at(joints: Joints, place: Place) -> None:
    """Join the ends that meet at a place in the cheapest way."""
    for one, other in _cheapest(joints, place, joints.bridges)[0]:
        joints.join(one, other)


def _cheapest(
    joints: Joints, place: Place, bridges: frozenset[int]
) -> tuple[tuple[Pair, ...], float]:
    """Give the cheapest pairs of a place's ends, and their cost with that of the ends left free."""
    ends = _ends(joints, place)
    free = [end for end in ends if end not in joints.across and end[0] not in bridges][:MOST_ENDS]
    costs = {
        (one, other): _cost(joints, one, other)
        for one, other in combinations(free, 2)
        if joints.gap_mm(one, other) <= PLACE_MM and joints.may_join(one, other)
    }
    alone = {end: _free_cost(joints, end) for end in free}
    every = sum(alone.values())

    def total(pairs: tuple[Pair, ...]) -> float:
        gain = sum(costs[pair] - alone[pair[0]] - alone[pair[1]] for pair in pairs)
        return every + gain + sum(_crossing(joints, *two) for two in combinations(pairs, 2))

    if len(ends) == 2 and costs:
        (pair,) = costs
        return (pair,), total((pair,))
    best = min(_pairings(free, costs), key=total)
    return best, total(best)


def _free_cost(joints: Joints, end: End) -> float:
    """Cost of leaving an end free: less for a short strand, which may be but debris."""
    return FREE_MM * min(joints.strands[end[0]].length_mm / LONG_MM, 1.0)


def _ends(joints: Joints, place: Place) -> list[End]:
    """Name the ends at a place; of two strands that lie side by side the ends next each other."""
    ends = [end_at(joints.strands, number, place) for number in place.strands]
    if len(ends) == 2 and joints.gap_mm(*ends) > PLACE_MM:
        one, other = place.strands
        lasts = min(
            product((False, True), repeat=2),
            key=lambda last: joints.gap_mm((one, last[0]), (other, last[1])),
        )
        return [(one, lasts[0]), (other, lasts[1])]
    return ends


def _pairings(ends: Sequence[End], possible: dict[Pair, float]) -> Iterator[tuple[Pair, ...]]:
    """Give every way to pair some of the ends, none at all included."""
    if not ends:
        yield ()
        return
    first, *rest = ends
    yield from _pairings(rest, possible)
    for other in rest:
        if (first, other) in possible:
            for more in _pairings([end for end in rest if end != other], possible):
                yield ((first, other), *more)


def _cost(joints: Joints, one: End, other: End) -> float:
    out = joints.strands[one[0]].end(one[1])[1]
    back = joints.strands[other[0]].end(other[1])[1]
    turn = TURN_MM * float(1 + out @ back)
    return joints.gap_mm(one, other) + turn + _step_mm(joints, one, other)


def _step_mm(joints: Joints, one: End, other: End) -> float:
    """Height by which two ends miss each other, each led on half the way between them."""
    (p, p_slope), (q, q_slope) = _tip(joints, one), _tip(joints, other)
    half = float(np.hypot(*(p - q)[:2])) / 2
    return abs(float(p[2] - q[2]) + half * (p_slope - q_slope))


def _tip(joints: Joints, end: End) -> tuple[Points, float]:
    """Place (mm) of an end, and how much the strand rises towards it per mm seen from above."""
    number, last = end
    line = joints.strands[number].line if last else joints.strands[number].line[::-1]
    near = line[-END_NODES:]
    way = float(np.hypot(*np.diff(near, axis=0)[:, :2].T).sum())
    rise = float(near[-1, 2] - near[0, 2])
    return near[-1], float(np.clip(rise / max(way, 1e-6), -STEEPEST, STEEPEST))


def _crossing(joints: Joints, one: Pair, other: Pair) -> float:
    """Cost of two joints of which one lies above the other behind and below it in front."""
    (a, b), (c, d) = (sorted(pair, key=lambda end: _near(joints, end)[0]) for pair in (one, other))
    behind = _near(joints, a)[1] - _near(joints, c)[1]
    in_front = _near(joints, b)[1] - _near(joints, d)[1]
    return CROSSING * min(abs(behind), abs(in_front)) if behind * in_front < 0 else 0.0


def _near(joints: Joints, end: End) -> tuple[float, float]:
    """Angle round the chest and height (mm) of a strand near one of its ends."""
    number, last = end
    part = slice(-END_NODES, None) if last else slice(None, END_NODES)
    line: Points = joints.strands[number].line[part]
    return float(joints.angles[number][part].mean()), float(line[:, 2].mean())
