"""Which rib is which: by the vertebrae where they are seen, else by order and length.

Numbers go from 0 to 13: 0 is a cervical rib, 13 a lumbar one. Rib n meets the spine where the
body of Tn begins. Without vertebrae the first or the last rib must be in the field of view, and
whether it is tells the pattern of lengths: ribs 1 and 12 are far shorter than their neighbours.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.bootstrap.ribs.strands import Points

NumberedBy = Literal["vertebrae", "first_rib", "last_rib", "order"]

FIRST, LAST = 0, 13
HEAD_ABOVE_CENTRE = 0.15  # of the way from Tn up to the next: where a mask of rib n ends; its
# head lies higher, but masks of real ribs often lack the neck
HEAD_SPREAD = 0.35  # in vertebrae, of a rib whose head is seen
LEVEL_SPREAD = 1.0  # ... and of one seen only further round
BEYOND_SPREAD = 8.0  # ... beyond all that show their heads: its neighbours number it
STUB_DEG = 12.0
SHARE_COST = 2.0  # two pieces of one rib that nothing joined
OVERLAP_DEG = 8.0  # of two such pieces
OVERLAP_COST = 0.5  # per degree beyond
MOST_OVERLAP_COST = 16.0
SKIP_COST, EXTRA_COST = 3.0, 6.0
LENGTH_MM = (70, 110, 200, 245, 275, 295, 305, 305, 295, 275, 245, 170, 105, 60)
"""Lengths of adult bony ribs from 0 (cervical) to 13: estimates, of which the pattern counts."""
LENGTH_SPREAD = 0.16  # of the logarithm
SCALE_SPREAD = 0.2
END_COST = 8.0  # the first or last rib is in view, but the numbers do not end there
AMBIGUOUS = 3.0  # a second numbering costs hardly more
LEAST_PAIRS = 2
SAME_RIB, DOUBLED_RIB, MISSING_RIB = 0.6, 0.35, 1.7  # times the usual distance between levels
ODD_RIBS = 2  # from the top, whose levels say less


@dataclass(frozen=True, slots=True)
class Seen:
    """One rib as it is seen.

    Attributes
    ----------
    side : int
        -1 left, 1 right.
    level_mm : float
        Its height, see `thorax.levels`.
    head_mm : float or None
        Height (z) of its end at the spine; None if that is not seen.
    root_mm : float
        Height of that end, estimated from the level where it is not seen.
    length_mm : float or None
        None if the field of view cuts it.
    around_deg : (float, float)
        Where it begins and ends round the chest.
    """

    side: int
    level_mm: float
    head_mm: float | None
    root_mm: float
    length_mm: float | None
    around_deg: tuple[float, float]

    @property
    def is_stub(self) -> bool:
        """Tell whether but the head is in the field of view, perhaps the front elsewhere.

        So short a piece says nothing of the rib's level.
        """
        around = self.around_deg[1] - self.around_deg[0]
        return self.head_mm is not None and self.length_mm is None and around < STUB_DEG


@dataclass(frozen=True, slots=True)
class Numbers:
    """The number of every rib, and how it was found.

    Attributes
    ----------
    numbers : tuple of int
        0 to 13, in the order the ribs were given.
    by : {"vertebrae", "first_rib", "last_rib", "order"}
    margin : float
        What the second-best numbering costs more; small: ambiguous.
    whole : bool
        Whether the field of view reaches beyond the ribs above and below.
    """

    numbers: tuple[int, ...]
    by: NumberedBy
    margin: float
    whole: bool = False


def number_ribs(
    ribs: Sequence[Seen], vertebra_z_mm: Mapping[int, float], *, top_seen: bool, bottom_seen: bool
) -> Numbers:
    """Give the ribs of both sides their numbers.

    Parameters
    ----------
    ribs : sequence of Seen
    vertebra_z_mm : mapping of int to float
        Height of each vertebra's centre: 0 is C7, 1 to 12 are T1 to T12, 13 is L1, and so on.
    top_seen, bottom_seen : bool
        Whether the field of view reaches well beyond the highest and the lowest rib.
    """
    if not ribs:
        return Numbers((), "order", np.inf)
    if len(vertebra_z_mm) >= 2:
        return _by_vertebrae(ribs, vertebra_z_mm)
    return _by_order(ribs, top_seen=top_seen, bottom_seen=bottom_seen)


def _by_vertebrae(ribs: Sequence[Seen], vertebra_z_mm: Mapping[int, float]) -> Numbers:
    numbers = np.zeros(len(ribs), int)
    margin = np.inf
    stubs = [row for row, rib in enumerate(ribs) if rib.is_stub]
    for row in stubs:
        place = _place(ribs[row].root_mm, vertebra_z_mm) + HEAD_ABOVE_CENTRE
        numbers[row] = int(np.clip(round(place), 1, 12))
    for side in (-1, 1):
        rows = [row for row in _from_the_top(ribs, side) if row not in stubs]
        if not rows:
            continue
        wanted = [_place(ribs[row].root_mm, vertebra_z_mm) + HEAD_ABOVE_CENTRE for row in rows]
        spread = _spreads([ribs[row] for row in rows])
        shared = [_share_cost(ribs[a], ribs[b]) for a, b in pairwise(rows)]
        chosen, more = _in_order(np.array(wanted), np.array(spread), shared)
        numbers[rows] = chosen
        margin = min(margin, more)
    return Numbers(tuple(int(n) for n in numbers), "vertebrae", float(margin))


def _spreads(ribs: Sequence[Seen]) -> list[float]:
    """How far, in vertebrae, each rib may lie from where it seems to; ribs from the top."""
    seen = [row for row, rib in enumerate(ribs) if rib.head_mm is not None]
    return [
        HEAD_SPREAD
        if rib.head_mm is not None
        else LEVEL_SPREAD
        if seen and seen[0] < row < seen[-1]
        else BEYOND_SPREAD
        for row, rib in enumerate(ribs)
    ]


def _from_the_top(ribs: Sequence[Seen], side: int) -> list[int]:
    rows = [row for row, rib in enumerate(ribs) if rib.side == side]
    return sorted(rows, key=lambda row: -ribs[row].level_mm)


def _place(z_mm: float, vertebra_z_mm: Mapping[int, float]) -> float:
    """Give a height as a fractional vertebra number, beyond the seen ones by their spacing."""
    known = sorted(vertebra_z_mm)
    z = np.array([vertebra_z_mm[number] for number in known])
    at = np.searchsorted(-z, -z_mm)
    low = int(np.clip(at - 1, 0, len(known) - 2))
    step = (z[low + 1] - z[low]) / (known[low + 1] - known[low])
    return float(known[low] + (z_mm - z[low]) / step) if step else float(known[low])


def _share_cost(one: Seen, other: Seen) -> float:
    """Cost of calling two pieces one rib: they should not lie side by side."""
    begin = max(one.around_deg[0], other.around_deg[0])
    overlap = min(one.around_deg[1], other.around_deg[1]) - begin
    shorter = min(rib.around_deg[1] - rib.around_deg[0] for rib in (one, other))
    beyond = OVERLAP_COST * max(overlap - min(OVERLAP_DEG, shorter / 2), 0.0)
    if overlap > shorter / 2:
        return MOST_OVERLAP_COST
    return min(SHARE_COST + beyond, MOST_OVERLAP_COST)


def _in_order(wanted: Points, spread: Points, shared: Sequence[float]) -> tuple[list[int], float]:
    """Choose rising numbers nearest to the wanted ones (dynamic programme).

    Two in a row may get the same number, at the cost given for them.
    """
    values = np.arange(FIRST, LAST + 1)
    own = np.minimum(((wanted[:, None] - values) / spread[:, None]) ** 2, 16.0)
    own += EXTRA_COST * ((values == FIRST) | (values == LAST))
    step = values[None, :] - values[:, None]
    move = np.where(step >= 1, SKIP_COST * (step - 1.0), np.inf)
    cost, back = own[0], []
    for row, same in zip(own[1:], shared, strict=True):
        through = cost[:, None] + np.where(step == 0, same, move)
        back.append(through.argmin(axis=0))
        cost = through.min(axis=0) + row
    last = int(cost.argmin())
    others = np.delete(cost, last)
    way = [last]
    for choices in reversed(back):
        way.append(int(choices[way[-1]]))
    return [int(values[n]) for n in reversed(way)], float(np.min(others) - cost[last])


def _by_order(ribs: Sequence[Seen], *, top_seen: bool, bottom_seen: bool) -> Numbers:
    """Count the ribs in their order, then place the stubs by the heads of the others."""
    whole = [row for row, rib in enumerate(ribs) if not rib.is_stub]
    found = _try_numbers([ribs[row] for row in whole], top_seen=top_seen, bottom_seen=bottom_seen)
    head_mm = _mean_heads([ribs[row] for row in whole], found.numbers)
    if len(head_mm) < 2:
        return _try_numbers(ribs, top_seen=top_seen, bottom_seen=bottom_seen)
    numbers = np.zeros(len(ribs), int)
    numbers[whole] = found.numbers
    for row in set(range(len(ribs))) - set(whole):
        numbers[row] = int(np.clip(round(_place(ribs[row].root_mm, head_mm)), 1, 12))
    return replace(found, numbers=tuple(int(n) for n in numbers))


def _mean_heads(ribs: Sequence[Seen], numbers: Sequence[int]) -> dict[int, float]:
    """Height (mm) of the heads of each number that shows any."""
    heads: dict[int, list[float]] = {}
    for rib, number in zip(ribs, numbers, strict=True):
        if rib.head_mm is not None:
            heads.setdefault(number, []).append(rib.head_mm)
    return {number: float(np.mean(heights)) for number, heights in heads.items()}


def _try_numbers(ribs: Sequence[Seen], *, top_seen: bool, bottom_seen: bool) -> Numbers:
    """Try every first number of each side; lengths, ends in view and the other side decide."""
    rows = {side: _from_the_top(ribs, side) for side in (-1, 1)}
    steps = {side: _steps(ribs, rows[side]) for side in rows}
    options = {
        side: list(_options(ribs, rows[side], steps[side], top_seen, bottom_seen)) for side in rows
    }
    ranked = []
    for left, right in product(options[-1], options[1]):
        apart = _apart(ribs, rows, left[1], right[1])
        ranked.append((left[0] + right[0] + apart, left[1], right[1]))
    ranked.sort(key=lambda option: option[0])
    numbers = np.zeros(len(ribs), int)
    numbers[rows[-1]], numbers[rows[1]] = ranked[0][1], ranked[0][2]
    margin = ranked[1][0] - ranked[0][0] if len(ranked) > 1 else 0.0
    by: NumberedBy = "first_rib" if top_seen else "last_rib" if bottom_seen else "order"
    whole = top_seen and bottom_seen
    return Numbers(tuple(int(n) for n in numbers), by, float(margin), whole)


def _steps(ribs: Sequence[Seen], rows: Sequence[int]) -> NDArray[np.int64]:
    """How many numbers lie between each rib and the first: a wide gap lacks a rib.

    Pieces at one level are one rib, unless they lie side by side. Below the first two ribs, whose
    way round the chest is another, they are one even then if they are hardly apart: no two ribs
    are, but masks of poor quality have doubled stretches.
    """
    falls = np.array([ribs[a].level_mm - ribs[b].level_mm for a, b in pairwise(rows)])
    if not len(falls):
        return np.zeros(len(rows), np.int64)
    usual = float(np.median(falls))
    jumps = np.where(falls > MISSING_RIB * usual, np.round(falls / max(usual, 1.0)), 1)
    two = np.array([_share_cost(ribs[a], ribs[b]) > SHARE_COST for a, b in pairwise(rows)])
    two &= (falls >= DOUBLED_RIB * usual) | (np.arange(len(falls)) < ODD_RIBS)
    jumps = np.where(two | (falls > SAME_RIB * usual), jumps, 0)
    return np.concatenate(([0], np.cumsum(jumps))).astype(np.int64)


def _options(
    ribs: Sequence[Seen],
    rows: Sequence[int],
    steps: NDArray[np.int64],
    top_seen: bool,
    bottom_seen: bool,
) -> Iterator[tuple[float, NDArray[np.int64]]]:
    if not rows:
        yield 0.0, steps
        return
    room = max(LAST - int(steps[-1]), FIRST)
    for start in range(FIRST, room + 1):
        numbers = np.minimum(start + steps, LAST)
        cost = EXTRA_COST * (int(numbers[0] == FIRST) + int(numbers[-1] == LAST))
        cost += END_COST * (top_seen and numbers[0] > 1)
        cost += END_COST * (bottom_seen and numbers[-1] < 12)
        yield cost + _length_cost([ribs[row].length_mm for row in rows], numbers), numbers


def _length_cost(lengths: Sequence[float | None], numbers: NDArray[np.int64]) -> float:
    """How badly the lengths of whole ribs fit their numbers, whatever the person's size."""
    pairs = [(n, mm) for n, mm in zip(numbers, lengths, strict=True) if mm]
    if not pairs:
        return 0.0
    off = np.array([np.log(mm / LENGTH_MM[int(n)]) for n, mm in pairs])
    weight = 1 / LENGTH_SPREAD**2
    scale = off.sum() * weight / (len(off) * weight + 1 / SCALE_SPREAD**2)
    misfit = np.minimum(((off - scale) / LENGTH_SPREAD) ** 2, 16.0)
    return float(misfit.sum() + (scale / SCALE_SPREAD) ** 2)


def _apart(
    ribs: Sequence[Seen],
    rows: Mapping[int, Sequence[int]],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
) -> float:
    """How far the two ribs of each pair lie apart in height, in typical distances.

    Pairs that both show their heads decide, where there are any: an estimate of where a head would
    be errs with a bent spine, by as much as the distance of two ribs.
    """
    other = {int(n): ribs[row] for n, row in zip(right, rows[1], strict=True)}
    pairs = [
        (ribs[row], other[int(n)]) for n, row in zip(left, rows[-1], strict=True) if int(n) in other
    ]
    heads = [(a, b) for a, b in pairs if a.head_mm is not None and b.head_mm is not None]
    chosen = heads if len(heads) >= LEAST_PAIRS else pairs
    gaps = [abs(a.root_mm - b.root_mm) for a, b in chosen]
    return 2.0 * float(np.median(gaps) / 25.0) ** 2 * min(len(gaps), 6) if gaps else 0.0
