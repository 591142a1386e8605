"""A binary rib mask -> 24 ribs, each with its side and number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import vertebra_number
from pipeline.bootstrap.ribs.cervical import bone_at_c7
from pipeline.bootstrap.ribs.chains import chain_strands
from pipeline.bootstrap.ribs.findings import (
    ambiguity_findings,
    contact_findings,
    extra_findings,
    left_out,
)
from pipeline.bootstrap.ribs.joints import Chain, unfold
from pipeline.bootstrap.ribs.naming import NAMES, rib_value, side_of
from pipeline.bootstrap.ribs.numbering import FIRST, NumberedBy, Seen, number_ribs
from pipeline.bootstrap.ribs.strands import Bones, Points, find_strands
from pipeline.bootstrap.ribs.thorax import (
    Thorax,
    find_thorax,
    levels,
    sides,
    spine_of,
)
from pipeline.volume import Box, Grid, bounding_box, from_canonical, to_canonical
from pipeline.workspace import Finding

FRAGMENT_MM = 45.0
CRUMB_MM = 12.0  # shorter than this and below its cube: as short as ribs are thick
FRAGMENT_SHARE = 0.5  # of the usual distance of ribs: a fragment is nearer to a longer one
NEAR_DEG = 15.0  # round the chest: over so little a rib hardly falls
FAR_MM = 25.0
HEAD_DEG = 70.0
HEAD_ASIDE_MM = 70.0
USUAL_RISE_MM = 50.0  # from a rib's level at the side of the chest to its head
BORDER_MM = 6.0
CLEAR_MM = 10.0
PART_SHARE = 0.35  # of the usual vertebra: less is but a part of one


@dataclass(frozen=True, slots=True)
class RibSplit:
    """Ribs told apart.

    Attributes
    ----------
    label_map : ndarray of uint8, shape (I, J, K)
        Values of `names`; 0 where there is no rib.
    names : mapping of int to str
        1..12 are rib_left_1..12, 13..24 rib_right_1..12.
    findings : tuple of Finding
        What a person should look at.
    numbered_by : {"vertebrae", "first_rib", "last_rib", "order"}
    """

    label_map: NDArray[np.uint8]
    names: Mapping[int, str]
    findings: tuple[Finding, ...]
    numbered_by: NumberedBy


def split_ribs(
    ribs: NDArray[np.bool_],
    grid: Grid,
    vertebrae: Mapping[str, tuple[NDArray[np.bool_], Box]] | None = None,
) -> RibSplit:
    """Tell the ribs of a binary mask apart and number them.

    A 13th rib is named rib 12 and a cervical one rib 1, as in the TotalSegmentator dataset, with
    a finding. Broken ribs are joined again, touching ones separated.

    Parameters
    ----------
    ribs : ndarray of bool, shape (I, J, K)
        All ribs, in any orientation.
    grid : Grid
    vertebrae : mapping of str to (ndarray of bool, box), optional
        Crops of vertebrae on the same grid by structure name (vertebrae_T1 ...).

    Returns
    -------
    RibSplit
    """
    turned, canonical = to_canonical(ribs, grid)
    box = bounding_box(turned)
    if box is None:
        return RibSplit(np.zeros(grid.shape, np.uint8, order="F"), NAMES, (), "order")
    spacing = np.array(canonical.spacing_mm)
    corner = np.array([part.start for part in box])
    bones = find_strands(np.ascontiguousarray(turned[box]), spacing)
    spine = _spine(vertebrae or {}, grid, canonical, corner * spacing)
    view = _View(spacing, corner, np.array(canonical.shape))
    labels, findings, by = _label(bones, spine, view)
    whole = np.zeros(canonical.shape, np.uint8)
    whole[tuple((bones.index + corner).T)] = labels
    return RibSplit(from_canonical(whole, grid), NAMES, findings, by)


@dataclass(frozen=True, slots=True)
class _View:
    """Where the cropped ribs lie in the field of view."""

    spacing_mm: Points
    corner: NDArray[np.int64]
    shape: NDArray[np.int64]

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel."""
        return float(np.prod(self.spacing_mm)) / 1000

    def room_mm(self, points: Points) -> tuple[Points, Points]:
        """Give the distances (n, 3) of points to the lower and upper faces of the field of view."""
        low = points + self.corner * self.spacing_mm
        return low, (self.shape - 1) * self.spacing_mm - low

    def is_cut(self, line: Points) -> bool:
        """Tell whether a line ends at the border of the field of view."""
        low, high = self.room_mm(line[[0, -1]])
        return bool((np.minimum(low, high) < BORDER_MM).any())


def _spine(
    vertebrae: Mapping[str, tuple[NDArray[np.bool_], Box]],
    grid: Grid,
    canonical: Grid,
    corner_mm: Points,
) -> dict[int, Points]:
    """Centres of the vertebrae by number (T1 is 1, L1 is 13), in the mm of the cropped ribs."""
    inverse = np.linalg.inv(np.array(canonical.affine))
    spacing = np.array(canonical.spacing_mm)
    found = {}
    # The centre of half a vertebra is not the vertebra's.
    least = PART_SHARE * float(np.median([crop.sum() for crop, _ in vertebrae.values()] or [0]))
    whole = {
        name: (crop, box)
        for name, (crop, box) in vertebrae.items()
        if crop.sum() >= least and not _is_cut(box, grid)
    }
    known = whole if len(whole) >= 2 else vertebrae
    for name, centre in spine_of(known, np.array(grid.affine)).items():
        number = vertebra_number(name)
        if number is not None:
            index = inverse[:3, :3] @ centre + inverse[:3, 3]
            found[number] = index * spacing - corner_mm
    return found


def _is_cut(box: Box, grid: Grid) -> bool:
    """Tell whether a box touches the upper or lower end of the field of view."""
    axis = int(np.argmax(np.asarray(grid.world_axes()[0]) == 2))
    return bool(box[axis].start == 0 or box[axis].stop == grid.shape[axis])


def _label(
    bones: Bones, spine: Mapping[int, Points], view: _View
) -> tuple[NDArray[np.uint8], tuple[Finding, ...], NumberedBy]:
    """Give every voxel of the bones a value 0..24."""
    none = np.zeros(len(bones.points), np.uint8)
    if not bones.strands:
        return none, (left_out(len(bones.points), view.voxel_ml),), "order"
    centres = np.array(list(spine.values())).reshape(-1, 3)
    thorax = find_thorax(bones.points, centres)
    bones = unfold(bones, thorax)
    side = sides(thorax, [strand.line for strand in bones.strands])
    chains = chain_strands(bones, side, thorax)
    crumbs = _crumbs(bones, chains, view)
    whole = _whole_ribs(chains, side, thorax, view, crumbs)
    seen = _seen([chains[n] for n in whole], side, thorax, view)
    low, high = view.room_mm(bones.points)
    numbers = number_ribs(
        seen,
        {number: float(centre[2]) for number, centre in spine.items()},
        top_seen=bool(high[:, 2].min() > CLEAR_MM),
        bottom_seen=bool(low[:, 2].min() > CLEAR_MM),
    )
    owner = _owners(bones, [chains[n] for n in whole])
    values = np.array(
        [rib_value(rib.side, n) for rib, n in zip(seen, numbers.numbers, strict=True)]
    )
    labels = np.where(owner >= 0, values[owner], 0).astype(np.uint8)
    cervical = _add_cervical(labels, bones.points, thorax, spine, view)
    findings = [
        *extra_findings(numbers, seen, cervical),
        *ambiguity_findings(numbers, seen),
        *contact_findings(bones, labels),
    ]
    if (labels == 0).any():
        findings.append(left_out(int((labels == 0).sum()), view.voxel_ml))
    return labels, tuple(findings), numbers.by


def _add_cervical(
    labels: NDArray[np.uint8],
    points: Points,
    thorax: Thorax,
    spine: Mapping[int, Points],
    view: _View,
) -> tuple[int, ...] | None:
    """Give what bone at C7 lies at no rib to rib 1, in place; tell on which sides there is any."""
    beside = np.where(points[:, 0] < thorax.middle(points[:, 2]), -1, 1)
    side = np.where(labels > 0, side_of(labels), beside)
    found = bone_at_c7(points, side, thorax, spine, view.voxel_ml)
    if found is None:
        return None
    for one in (-1, 1):
        labels[(found == one) & (labels == 0)] = rib_value(one, FIRST)
    return tuple(one for one in (-1, 1) if (found == one).any())


def _crumbs(bones: Bones, chains: Sequence[Chain], view: _View) -> frozenset[int]:
    """Name the chains too short and small to be ribs; a lump that is large may be more."""
    sizes = [sum(len(bones.strands[n].voxels) for n in chain.strands) for chain in chains]
    return frozenset(
        n
        for n, chain in enumerate(chains)
        if chain.length_mm < CRUMB_MM and sizes[n] * view.voxel_ml * 1000 < CRUMB_MM**3
    )


def _whole_ribs(
    chains: Sequence[Chain],
    side: NDArray[np.int64],
    thorax: Thorax,
    view: _View,
    crumbs: frozenset[int],
) -> list[int]:
    """Choose the chains that are ribs, not fragments lying on the way of a longer one."""
    level = levels(thorax, [chain.line for chain in chains])
    usual = _usual_distance(level, chains, side)
    chosen = []
    for n, chain in enumerate(chains):
        apart = [
            _apart_mm(thorax, chain, other, float(level[n] - level[m]))
            for m, other in enumerate(chains)
            if side[other.strands[0]] == side[chain.strands[0]]
            and other.length_mm > chain.length_mm
        ]
        whole = view.is_cut(chain.line) or chain.length_mm >= FRAGMENT_MM
        own = n not in crumbs and min(apart, default=0.0) > FRAGMENT_SHARE * usual
        if whole or not apart or own:
            chosen.append(n)
    return chosen


def _apart_mm(thorax: Thorax, one: Chain, other: Chain, level_mm: float) -> float:
    """How far one of two chains lies above the other: where they are near, else overall."""
    angle, others = thorax.round_deg(one.line), thorax.round_deg(other.line)
    beside = (angle >= others.min()) & (angle <= others.max())
    if beside.any():
        order = np.argsort(others)
        height = np.interp(angle[beside], others[order], other.line[order, 2])
        return float(np.abs(np.median(one.line[beside, 2] - height)))
    if angle.max() < others.min():
        ends, gap_deg = (int(angle.argmax()), int(others.argmin())), others.min() - angle.max()
    else:
        ends, gap_deg = (int(angle.argmin()), int(others.argmax())), angle.min() - others.max()
    if gap_deg > NEAR_DEG:
        return abs(level_mm)
    return abs(float(one.line[ends[0], 2] - other.line[ends[1], 2]))


def _usual_distance(level: Points, chains: Sequence[Chain], side: NDArray[np.int64]) -> float:
    falls = []
    for one in (-1, 1):
        heights = sorted(
            level[n]
            for n, chain in enumerate(chains)
            if side[chain.strands[0]] == one and chain.length_mm >= FRAGMENT_MM
        )
        falls += np.diff(heights).tolist()
    return float(np.median(falls)) if falls else 25.0


def _seen(
    ribs: Sequence[Chain], side: NDArray[np.int64], thorax: Thorax, view: _View
) -> list[Seen]:
    level = levels(thorax, [rib.line for rib in ribs])
    own = [int(side[rib.strands[0]]) for rib in ribs]
    angles = [thorax.round_deg(rib.line) for rib in ribs]
    heads = [_head(rib.line, angle, thorax) for rib, angle in zip(ribs, angles, strict=True)]
    found = []
    for n, rib in enumerate(ribs):
        length = None if view.is_cut(rib.line) else rib.length_mm
        around = float(angles[n].min()), float(angles[n].max())
        head = heads[n]
        root = np.nan if head is None else head
        found.append(Seen(own[n], float(level[n]), head, root, length, around))
    return [rib if rib.head_mm is not None else _rooted(rib, found) for rib in found]


def _head(line: Points, angle: Points, thorax: Thorax) -> float | None:
    """Height of a rib's end at the spine; None if that is not seen."""
    back = int(angle.argmin())
    aside = abs(line[back, 0] - thorax.middle(line[back, 2:3])[0])
    seen = angle[back] < HEAD_DEG and aside < HEAD_ASIDE_MM
    return float(thorax.along_spine(line[back])) if seen else None


def _rooted(rib: Seen, ribs: Sequence[Seen]) -> Seen:
    """Estimate the height of a rib's end at the spine from ribs of its side that show theirs."""
    known = sorted(
        (other.level_mm, other.head_mm)
        for other in ribs
        if other.head_mm is not None and other.side == rib.side and not other.is_stub
    )
    if not known:
        return replace(rib, root_mm=rib.level_mm + USUAL_RISE_MM)
    at, rise = np.array([(height, head - height) for height, head in known]).T
    return replace(rib, root_mm=float(rib.level_mm + np.interp(rib.level_mm, at, rise)))


def _owners(bones: Bones, ribs: Sequence[Chain]) -> NDArray[np.int64]:
    """Tell for every voxel which rib it belongs to; -1 where all are far."""
    from scipy.spatial import KDTree

    owner = np.full(len(bones.points), -1, np.int64)
    for number, rib in enumerate(ribs):
        for strand in rib.strands:
            owner[bones.strands[strand].voxels] = number
    open_voxels = np.flatnonzero(owner < 0)
    lines = [_dense(rib.line) for rib in ribs]
    tree = KDTree(np.concatenate(lines))
    row_owner = np.repeat(np.arange(len(ribs)), [len(line) for line in lines])
    distance, row = tree.query(bones.points[open_voxels])
    owner[open_voxels] = np.where(distance <= FAR_MM, row_owner[row], -1)
    return owner


def _dense(line: Points, step_mm: float = 2.0) -> Points:
    """Fill a line with points every 2 mm, across the gaps too."""
    along = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))))
    places = np.arange(0.0, along[-1] + step_mm, step_mm)
    return np.stack([np.interp(places, along, line[:, axis]) for axis in range(3)], axis=1)
