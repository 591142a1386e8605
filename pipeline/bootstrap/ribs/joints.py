"""Which end of which strand goes on in which: the bookkeeping of joints, and what they must keep.

A rib runs from the spine round the chest to the front: a chain that turns back on its way, is a
ring, changes sides or is longer than any rib is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.bootstrap.ribs.strands import Bones, Place, Points, Strand, length_mm
from pipeline.bootstrap.ribs.thorax import Thorax

LONGEST_RIB_MM = 450.0
TURN_BACK_DEG = 30.0  # round the chest; necks of first ribs do turn back, by up to 20
SHORT_TURN_DEG, TURN_BACK_MM = 10.0, 60.0  # necks are short

End = tuple[int, bool]
"""Number of a strand, and whether its last point is meant."""


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


@dataclass(slots=True)
class Joints:
    """Which end of which strand is joined with which.

    Attributes
    ----------
    strands : sequence of Strand
    side : ndarray of int, shape (number of strands,)
        -1 left, 1 right.
    angles : sequence of ndarray
        Of the points of each strand, round the chest.
    bridges : frozenset of int
        Strands that belong to no rib of their own.
    across : dict of End to End
    """

    strands: Sequence[Strand]
    side: NDArray[np.int64]
    angles: Sequence[Points]
    bridges: frozenset[int] = frozenset()
    across: dict[End, End] = field(default_factory=dict)

    def is_free(self, end: End) -> bool:
        """Tell whether nothing is joined to an end."""
        return end not in self.across and end[0] not in self.bridges

    def members(self, number: int) -> list[End]:
        """Follow a strand's chain: strands in order, each with the end it is entered by."""
        start = (number, False)
        while start in self.across:
            number, last = self.across[start]
            start = (number, not last)
        return self._onward(start)

    def _onward(self, start: End) -> list[End]:
        members = [start]
        while (out := (members[-1][0], not members[-1][1])) in self.across:
            members.append(self.across[out])
        return members

    def may_join(self, one: End, other: End) -> bool:
        """Tell whether joining two ends leaves a possible rib."""
        if not (self.is_free(one) and self.is_free(other)):
            return False
        chain, more = self._onward(one), self._onward(other)
        numbers = {number for number, _ in chain}
        if other[0] in numbers or self.side[one[0]] != self.side[other[0]]:
            return False
        whole = sum(self.strands[number].length_mm for number, _ in (*chain, *more))
        if whole + self.gap_mm(one, other) > LONGEST_RIB_MM:
            return False
        way = np.concatenate([self._round(chain)[::-1], self._round(more)])
        line = np.concatenate([self._line(chain)[::-1], self._line(more)])
        return not turns_back(way, line)

    def _round(self, members: Sequence[End]) -> Points:
        return np.concatenate(
            [self.angles[n][::-1] if last else self.angles[n] for n, last in members]
        )

    def _line(self, members: Sequence[End]) -> Points:
        lines = [self.strands[n].line for n, _ in members]
        return np.concatenate(
            [line[::-1] if last else line for line, (_, last) in zip(lines, members, strict=True)]
        )

    def join(self, one: End, other: End) -> bool:
        """Join two ends if that leaves a possible rib; tell whether it did."""
        if not self.may_join(one, other):
            return False
        self.across[one], self.across[other] = other, one
        return True

    def gap_mm(self, one: End, other: End) -> float:
        """Distance of two ends."""
        p, q = self.strands[one[0]].end(one[1])[0], self.strands[other[0]].end(other[1])[0]
        return float(np.linalg.norm(p - q))

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
        lines = [self._line([member]) for member in members]
        gaps = tuple(float(np.linalg.norm(there[0] - here[-1])) for here, there in pairwise(lines))
        return Chain(tuple(number for number, _ in members), np.concatenate(lines), gaps)


def new_joints(strands: Sequence[Strand], side: NDArray[np.int64], thorax: Thorax) -> Joints:
    """Give joints in which every end is still free, and no strand a bridge."""
    return Joints(strands, side, [thorax.round_deg(strand.line) for strand in strands])


def turns_back(angles: Points, line: Points) -> bool:
    """Tell whether a way goes back round the chest, against the direction of the whole.

    Parameters
    ----------
    angles : ndarray, shape (n,)
        Round the chest, of the points of the way.
    line : ndarray, shape (n, 3)
        Those points in mm.
    """
    high, low = _way_back(angles)
    fall = abs(float(angles[high] - angles[low]))
    back_mm = length_mm(line[min(high, low) : max(high, low) + 1])
    return fall > TURN_BACK_DEG or (fall > SHORT_TURN_DEG and back_mm > TURN_BACK_MM)


def _way_back(angles: Points) -> tuple[int, int]:
    """Find the two points between which a way goes farthest back."""
    size = len(angles)
    turned = bool(angles[-1] < angles[0])
    onward = angles[::-1] if turned else angles
    fall = np.maximum.accumulate(onward) - onward
    low = int(fall.argmax())
    high = int(onward[: low + 1].argmax())
    return (size - 1 - high, size - 1 - low) if turned else (high, low)


def unfold(bones: Bones, thorax: Thorax) -> Bones:
    """Cut strands that turn back round the chest: two ribs that touch with their ends."""
    strands: list[Strand] = []
    halves: dict[int, tuple[int, ...]] = {}
    for number, strand in enumerate(bones.strands):
        angles = thorax.round_deg(strand.line)
        parts = _cut(bones, strand, angles) if turns_back(angles, strand.line) else (strand,)
        halves[number] = tuple(range(len(strands), len(strands) + len(parts)))
        strands += parts
    places = [
        replace(place, strands=tuple(_nearest(strands, halves[n], place) for n in place.strands))
        for place in bones.places
    ]
    return replace(bones, strands=tuple(strands), places=tuple(places))


def _cut(bones: Bones, strand: Strand, angles: Points) -> tuple[Strand, ...]:
    """Cut a strand where it turns: at its rearmost or foremost point, whichever is not an end."""
    inner = angles[1:-1]
    ends = angles[[0, -1]]
    behind, in_front = float(ends.min() - inner.min()), float(inner.max() - ends.max())
    at = 1 + int(inner.argmin() if behind >= in_front else inner.argmax())
    lines = strand.line[: at + 1], strand.line[at:]
    if min(len(line) for line in lines) < 2:
        return (strand,)
    gaps = [
        np.linalg.norm(bones.points[strand.voxels][:, None] - line, axis=2).min(axis=1)
        for line in lines
    ]
    first = gaps[0] <= gaps[1]
    return Strand(strand.voxels[first], lines[0]), Strand(strand.voxels[~first], lines[1])


def _nearest(strands: Sequence[Strand], parts: Sequence[int], place: Place) -> int:
    return min(
        parts,
        key=lambda n: min(
            float(np.linalg.norm(strands[n].end(last)[0] - place.centre)) for last in (False, True)
        ),
    )
