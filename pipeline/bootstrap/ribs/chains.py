"""Strands -> ribs: pieces of one bone joined again across fractures and contacts.

Ribs lie some 20 mm apart and run side by side, so a joint may bridge a wide gap along the bone
but little across it. Joined are, in this order: what meets where a bone is thick or ribs touch;
ends that point at each other, the best fit first; and pieces that follow each other round the
chest at one level.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from pipeline.bootstrap.ribs.joints import Chain, End, Joints, new_joints
from pipeline.bootstrap.ribs.places import find_bridges, join_at
from pipeline.bootstrap.ribs.strands import Bones, Points, Strand
from pipeline.bootstrap.ribs.thorax import Thorax, common_fall

WIDEST_GAP_MM = 60.0
ACROSS_MM = 5.0
ACROSS_SHARE = 0.30  # of the gap: ribs bend
NEAR_MM = 9.0  # ends this near need not point at each other
SAME_LEVEL_MM = 11.0
OVERLAP_DEG = 6.0
WIDEST_GAP_DEG = 75.0
SLOPE_DEG = 30.0


def chain_strands(bones: Bones, side: NDArray[np.int64], thorax: Thorax) -> list[Chain]:
    """Join the strands of each side into ribs.

    Parameters
    ----------
    bones : Bones
    side : ndarray of int, shape (number of strands,)
        -1 left, 1 right.
    thorax : Thorax
    """
    joints = new_joints(bones.strands, side, thorax)
    joints.bridges = find_bridges(joints, bones.places)
    for place in sorted(bones.places, key=lambda place: len(place.strands)):
        join_at(joints, place)
    for _, one, other in sorted(_fitting(bones.strands, side)):
        joints.join(one, other)
    _join_by_level(joints, thorax)
    return joints.chains()


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


def _join_by_level(joints: Joints, thorax: Thorax) -> None:
    """Join chains that follow each other round the chest where one would go on.

    For bones whose middle is out of the field of view, or broken and displaced.
    """
    while True:
        chains = joints.chains()
        best = min(_followers(chains, joints, thorax), default=None)
        if best is None:
            return
        joints.join(best[1], best[2])


def _followers(
    chains: Sequence[Chain], joints: Joints, thorax: Thorax
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
        if off <= SAME_LEVEL_MM and joints.may_join(one.front, other.back):
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


def _arc(chain: Chain, joints: Joints, thorax: Thorax) -> _Arc:
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
