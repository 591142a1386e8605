"""Strands -> ribs: pieces of one bone joined again across fractures and contacts.

Ribs lie some 20 mm apart and run side by side, so a joint may bridge a wide gap along the bone
but little across it. Joined are, in this order: strands with only a thick place of one bone
between them; ends that point at each other, the best fit first; the two that are left over where
ribs touch; and pieces that follow each other round the chest at one level.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise, product

import numpy as np
from numpy.typing import NDArray

from pipeline.bootstrap.ribs.strands import Bones, Place, Points, Strand, length_mm
from pipeline.bootstrap.ribs.thorax import Thorax, common_fall

WIDEST_GAP_MM = 60.0
ACROSS_MM = 5.0
ACROSS_SHARE = 0.30  # of the gap: ribs bend
NEAR_MM = 9.0  # ends this near need not point at each other
PLACE_MM = 30.0
LONGEST_RIB_MM = 450.0
SAME_LEVEL_MM = 11.0
LONGEST_BRIDGE_MM = 35.0
BRIDGE_ALONG = 0.75
OVERLAP_DEG = 6.0
WIDEST_GAP_DEG = 75.0
SLOPE_DEG = 30.0

End = tuple[int, bool]


@dataclass(frozen=True, slots=True)
class Chain:
    """The strands of one rib.

    Attributes
    ----------
    strands : tuple of int
        Their numbers, in order from one end.
    line : ndarray, shape (m, 3)
        Through all of them, in mm.
    gaps_mm : tuple of float
        Between one strand and the next.
    """

    strands: tuple[int, ...]
    line: Points
    gaps_mm: tuple[float, ...]

    @property
    def length_mm(self) -> float:
        """Length of the line, gaps included."""
        return length_mm(self.line)


def chain_strands(bones: Bones, side: NDArray[np.int64], thorax: Thorax) -> list[Chain]:
    """Join the strands of each side into ribs.

    Parameters
    ----------
    bones : Bones
    side : ndarray of int, shape (number of strands,)
        -1 left, 1 right.
    thorax : Thorax
    """
    bridges = _bridges(bones)
    joints = _Joints(bones.strands, side, bridges)
    for place in bones.places:
        if len(place.strands) == 2:
            joints.join(*_ends_at(bones.strands, place, place.strands))
    for _, one, other in sorted(_fitting(bones.strands, side)):
        joints.join(one, other)
    for place in bones.places:
        _join_the_rest(joints, place)
    _join_by_level(joints, thorax)
    return joints.chains()


def _bridges(bones: Bones) -> frozenset[int]:
    """Find the short strands that run across from one rib to another."""
    ends: dict[int, list[Points]] = {}
    for place in bones.places:
        if len(place.strands) < 3:
            continue
        for number in place.strands:
            own = bones.strands[number].end(_end_at(bones.strands[number], number, place)[1])[1]
            along = [
                abs(float(own @ bones.strands[m].end(_end_at(bones.strands[m], m, place)[1])[1]))
                for m in place.strands
                if m != number
            ]
            ends.setdefault(number, []).append(np.array(along))
    return frozenset(
        number
        for number, both in ends.items()
        if len(both) == 2
        and bones.strands[number].length_mm < LONGEST_BRIDGE_MM
        and max(float(along.max()) for along in both) < BRIDGE_ALONG
    )


@dataclass(slots=True)
class _Joints:
    """Which end of which strand is joined with which."""

    strands: Sequence[Strand]
    side: NDArray[np.int64]
    bridges: frozenset[int]
    across: dict[End, End] = field(default_factory=dict)

    def is_free(self, end: End) -> bool:
        return end not in self.across and end[0] not in self.bridges

    def members(self, number: int) -> list[End]:
        """Follow a strand's chain: strands in order, each with the end it is entered by."""
        start = (number, False)
        while start in self.across:
            number, last = self.across[start]
            start = (number, not last)
        members = [start]
        while (out := (members[-1][0], not members[-1][1])) in self.across:
            members.append(self.across[out])
        return members

    def join(self, one: End, other: End) -> None:
        """Join two ends, unless that would make a ring, a third arm or too long a rib."""
        if not (self.is_free(one) and self.is_free(other)):
            return
        chain = {number for number, _ in self.members(one[0])}
        more = {number for number, _ in self.members(other[0])}
        whole = sum(self.strands[number].length_mm for number in chain | more)
        if other[0] in chain or self.side[one[0]] != self.side[other[0]]:
            return
        if whole + _gap(self.strands, one, other) <= LONGEST_RIB_MM:
            self.across[one], self.across[other] = other, one

    def chains(self) -> list[Chain]:
        """Give every chain, in the order of its lowest strand."""
        found, seen = [], set[int]()
        for number in range(len(self.strands)):
            if number not in seen and number not in self.bridges:
                members = self.members(number)
                seen.update(strand for strand, _ in members)
                found.append(self._chain(members))
        return found

    def _chain(self, members: list[End]) -> Chain:
        lines = [
            self.strands[number].line[::-1] if last else self.strands[number].line
            for number, last in members
        ]
        gaps = tuple(float(np.linalg.norm(there[0] - here[-1])) for here, there in pairwise(lines))
        return Chain(tuple(number for number, _ in members), np.concatenate(lines), gaps)


def _gap(strands: Sequence[Strand], one: End, other: End) -> float:
    p, q = strands[one[0]].end(one[1])[0], strands[other[0]].end(other[1])[0]
    return float(np.linalg.norm(p - q))


def _end_at(strand: Strand, number: int, place: Place) -> End:
    """Name the end of a strand that lies at a place."""
    far = [float(np.linalg.norm(strand.end(last)[0] - place.centre)) for last in (False, True)]
    return number, far[1] < far[0]


def _ends_at(strands: Sequence[Strand], place: Place, pair: Sequence[int]) -> tuple[End, End]:
    one, other = (_end_at(strands[number], number, place) for number in pair)
    if _gap(strands, one, other) <= PLACE_MM:
        return one, other
    nearest = min(
        product((False, True), repeat=2),
        key=lambda last: _gap(strands, (pair[0], last[0]), (pair[1], last[1])),
    )
    return (pair[0], nearest[0]), (pair[1], nearest[1])


def _join_the_rest(joints: _Joints, place: Place) -> None:
    """Pair the ends left over where ribs touch: necks kink, so they need not point at each other.

    Of all ways to pair them the one with the smallest sum of gaps and turns.
    """
    ends = [_end_at(joints.strands[number], number, place) for number in place.strands]
    free = [end for end in ends if joints.is_free(end)]
    if len(ends) > 2 and len(free) in (2, 4, 6):
        costs = {
            (one, other): _turn_cost(joints.strands, one, other)
            for one, other in combinations(free, 2)
        }
        best = min(_pairings(free), key=lambda pairs: sum(costs[pair] for pair in pairs))
        for one, other in best:
            if _gap(joints.strands, one, other) <= PLACE_MM:
                joints.join(one, other)


def _pairings(ends: list[End]) -> Iterator[tuple[tuple[End, End], ...]]:
    if not ends:
        yield ()
        return
    first, *rest = ends
    for other in rest:
        for more in _pairings([end for end in rest if end != other]):
            yield ((first, other), *more)


def _turn_cost(strands: Sequence[Strand], one: End, other: End) -> float:
    (p, out), (q, back) = strands[one[0]].end(one[1]), strands[other[0]].end(other[1])
    return float(np.linalg.norm(q - p) + 20 * (1 + out @ back))


def _fitting(
    strands: Sequence[Strand], side: NDArray[np.int64]
) -> Iterator[tuple[float, End, End]]:
    ends = [(number, last) for number in range(len(strands)) for last in (False, True)]
    for one, other in combinations(ends, 2):
        if one[0] != other[0] and side[one[0]] == side[other[0]]:
            cost = _fit(strands[one[0]].end(one[1]), strands[other[0]].end(other[1]))
            if cost is not None:
                yield cost, one, other


def _fit(one: tuple[Points, Points], other: tuple[Points, Points]) -> float | None:
    """Cost of joining two ends; None if they do not point at each other."""
    (p, out), (q, back) = one, other
    way = q - p
    gap = float(np.linalg.norm(way))
    if gap > WIDEST_GAP_MM:
        return None
    ahead, behind = float(way @ out), float(-way @ back)
    across = max(_across(way, out), _across(-way, back))
    facing = -float(out @ back)
    if gap > NEAR_MM and (min(ahead, behind) < 0.5 * gap or facing < 0.2):
        return None
    if facing < -0.2 or across > ACROSS_MM + ACROSS_SHARE * gap:
        return None
    return gap + 3 * across + 10 * (1 - facing)


def _across(way: Points, direction: Points) -> float:
    return float(np.linalg.norm(way - (way @ direction) * direction))


def _join_by_level(joints: _Joints, thorax: Thorax) -> None:
    """Join chains that follow each other round the chest where one would go on.

    For bones whose middle is out of the field of view, or broken and displaced.
    """
    while True:
        chains = joints.chains()
        best = min(_followers(chains, joints, thorax), default=None)
        if best is None:
            return
        before = len(joints.across)
        joints.join(best[1], best[2])
        if len(joints.across) == before:
            return


def _followers(
    chains: Sequence[Chain], joints: _Joints, thorax: Thorax
) -> Iterator[tuple[float, End, End]]:
    fall = common_fall(thorax, [chain.line for chain in chains])
    arcs = [_arc(chain, joints, thorax) for chain in chains]
    for one, other in product(arcs, repeat=2):
        gap_deg = other.first_deg - one.last_deg
        if one is other or one.side != other.side or not -OVERLAP_DEG < gap_deg < WIDEST_GAP_DEG:
            continue
        slopes = [slope for slope in (one.front_slope, other.back_slope) if slope is not None]
        drop = fall(other.first_deg) - fall(one.last_deg)
        if slopes:
            drop = (drop + gap_deg * sum(slopes) / len(slopes)) / 2
        off = abs(one.last_mm[2] + drop - other.first_mm[2])
        if off <= SAME_LEVEL_MM:
            yield off + 0.1 * max(gap_deg, 0.0), one.front, other.back


@dataclass(frozen=True, slots=True, eq=False)
class _Arc:
    """A chain from back to front: its two free ends, where they are, how far round."""

    side: int
    back: End
    front: End
    first_deg: float
    last_deg: float
    first_mm: Points
    last_mm: Points
    back_slope: float | None
    front_slope: float | None


def _slope(angles: Points, z_mm: Points, at_deg: float) -> float | None:
    """Fall of a line per degree (mm) near one of its ends; None if too little is seen."""
    near = np.abs(angles - at_deg) <= SLOPE_DEG
    if np.ptp(angles[near]) < SLOPE_DEG / 2:
        return None
    return float(np.polyfit(angles[near], z_mm[near], 1)[0])


def _arc(chain: Chain, joints: _Joints, thorax: Thorax) -> _Arc:
    members = joints.members(chain.strands[0])
    first, last = members[0], (members[-1][0], not members[-1][1])
    ends = chain.line[[0, -1]]
    angles = thorax.round_deg(ends)
    if angles[0] > angles[1]:
        first, last, ends, angles = last, first, ends[::-1], angles[::-1]
    side = int(joints.side[chain.strands[0]])
    back_deg, front_deg = float(angles[0]), float(angles[1])
    every, z_mm = thorax.round_deg(chain.line), chain.line[:, 2]
    slopes = _slope(every, z_mm, back_deg), _slope(every, z_mm, front_deg)
    return _Arc(side, first, last, back_deg, front_deg, ends[0], ends[1], *slopes)
