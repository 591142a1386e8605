"""Which end of which strand goes on in which: the bookkeeping of joints, and what they must keep.

A rib runs from the spine round the chest to the front: a chain that turns back on its way, is a
ring, changes sides or is longer than any rib is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.bootstrap.ribs.strands import Points, Strand, length_mm
from pipeline.bootstrap.ribs.thorax import Thorax

LONGEST_RIB_MM = 450.0
TURN_BACK_DEG = 32.0  # round the chest; first ribs, round an axis known but roughly, reach 28

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
    bridges : frozenset of int
        Strands that belong to no rib of their own.
    angles : sequence of ndarray
        Of the points of each strand, round the chest.
    across : dict of End to End
    """

    strands: Sequence[Strand]
    side: NDArray[np.int64]
    bridges: frozenset[int]
    angles: Sequence[Points]
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
        return turn_back_deg(way) <= TURN_BACK_DEG

    def _round(self, members: Sequence[End]) -> Points:
        return np.concatenate(
            [self.angles[n][::-1] if last else self.angles[n] for n, last in members]
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
        lines = [
            self.strands[number].line[::-1] if last else self.strands[number].line
            for number, last in members
        ]
        gaps = tuple(float(np.linalg.norm(there[0] - here[-1])) for here, there in pairwise(lines))
        return Chain(tuple(number for number, _ in members), np.concatenate(lines), gaps)


def new_joints(
    strands: Sequence[Strand], side: NDArray[np.int64], thorax: Thorax, bridges: frozenset[int]
) -> Joints:
    """Give joints in which every end is still free."""
    return Joints(strands, side, bridges, [thorax.round_deg(strand.line) for strand in strands])


def turn_back_deg(angles: Points) -> float:
    """Tell how far a way goes back round the chest, against the direction of the whole."""
    onward = angles if angles[-1] >= angles[0] else angles[::-1]
    return float((np.maximum.accumulate(onward) - onward).max())
