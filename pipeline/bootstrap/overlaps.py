"""Voxels that two masks claim: between two structures, and between two models of one structure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.volume import Box
from pipeline.workspace import Finding, Mask


@dataclass(frozen=True, slots=True)
class OverlapLimits:
    """Above which a pair of structures is put up for review: both have to be passed.

    Attributes
    ----------
    share : float
        Of the smaller structure, 0..1.
    ml : float
        Millilitres.
    """

    share: float = 0.05
    ml: float = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class ReadMask:
    """A mask with its voxels.

    Attributes
    ----------
    crop : ndarray of bool, shape of ``mask.box``
    """

    mask: Mask
    crop: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two structures that claim the same voxels.

    Attributes
    ----------
    first, second : str
        In alphabetical order.
    first_maker, second_maker : str
    voxels : int
    ml : float
    share_of_smaller : float
        0..1.
    kept_by : str
        The one that gets these voxels in a label map.
    flagged : bool
        Whether the pair is put up for review.
    """

    first: str
    second: str
    first_maker: str
    second_maker: str
    voxels: int
    ml: float
    share_of_smaller: float
    kept_by: str
    flagged: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two models' masks of one structure lie on each other.

    Attributes
    ----------
    dice : float
        1 if both are empty.
    """

    structure: str
    first_maker: str
    second_maker: str
    first_voxels: int
    second_voxels: int
    shared_voxels: int
    dice: float


def find_overlaps(
    painted: Sequence[ReadMask], voxel_ml: float, limits: OverlapLimits
) -> tuple[Overlap, ...]:
    """Find the pairs of structures that claim the same voxels.

    Parameters
    ----------
    painted : sequence of ReadMask
        One mask per structure, in the order in which they are painted: the later one keeps a
        contested voxel.
    voxel_ml : float
    limits : OverlapLimits
    """
    found = []
    filled = [read for read in painted if read.mask.voxels]
    for below, above in combinations(filled, 2):
        voxels = shared_voxels(below, above)
        if not voxels:
            continue
        first, second = sorted((below.mask, above.mask), key=lambda mask: mask.structure)
        share = voxels / min(first.voxels, second.voxels)
        ml = voxels * voxel_ml
        found.append(
            Overlap(
                first.structure,
                second.structure,
                first.provenance.maker,
                second.provenance.maker,
                voxels,
                round(ml, 4),
                round(share, 4),
                above.mask.structure,
                share > limits.share and ml > limits.ml,
            )
        )
    return tuple(sorted(found, key=lambda pair: (pair.first, pair.second)))


def find_agreements(seen: Mapping[str, Sequence[ReadMask]]) -> tuple[Agreement, ...]:
    """Compare the masks of all models that see a structure, pair by pair.

    Parameters
    ----------
    seen : mapping of str to sequence of ReadMask
        The models' masks by structure.
    """
    return tuple(
        _agreement(name, *sorted(pair, key=lambda read: read.mask.provenance.maker))
        for name in sorted(seen)
        for pair in combinations(seen[name], 2)
    )


def shared_voxels(one: ReadMask, other: ReadMask) -> int:
    """Count the voxels that two masks of one case have in common."""
    inner = _common(one.mask.box, other.mask.box)
    if inner is None:
        return 0
    return int(np.count_nonzero(_within(one, inner) & _within(other, inner)))


def overlap_findings(overlaps: Sequence[Overlap]) -> tuple[Finding, ...]:
    """Give a finding for every pair that is put up for review."""
    return tuple(
        Finding(
            "overlap",
            f"{pair.first} ({pair.first_maker}) and {pair.second} ({pair.second_maker}) both claim "
            f"{pair.voxels} voxels ({pair.ml:.1f} ml, {pair.share_of_smaller:.0%} of the smaller); "
            f"a label map gives them to {pair.kept_by}",
            (pair.first, pair.second),
            {"voxels": pair.voxels, "ml": pair.ml, "share_of_smaller": pair.share_of_smaller},
        )
        for pair in overlaps
        if pair.flagged
    )


def overlap_report(overlaps: Sequence[Overlap], agreements: Sequence[Agreement]) -> dict[str, Any]:
    """Give the report of a case as JSON values."""
    return {
        "pairs": len(overlaps),
        "voxels": sum(pair.voxels for pair in overlaps),
        "flagged": sum(pair.flagged for pair in overlaps),
        "structures": [asdict(pair) for pair in overlaps],
        "models": [asdict(pair) for pair in agreements],
    }


def _agreement(name: str, one: ReadMask, other: ReadMask) -> Agreement:
    shared = shared_voxels(one, other)
    total = one.mask.voxels + other.mask.voxels
    return Agreement(
        name,
        one.mask.provenance.maker,
        other.mask.provenance.maker,
        one.mask.voxels,
        other.mask.voxels,
        shared,
        round(2 * shared / total, 4) if total else 1.0,
    )


def _common(one: Box, other: Box) -> Box | None:
    i, j, k = (
        slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, other, strict=True)
    )
    return (i, j, k) if all(side.start < side.stop for side in (i, j, k)) else None


def _within(read: ReadMask, box: Box) -> NDArray[np.bool_]:
    i, j, k = (
        slice(side.start - own.start, side.stop - own.start)
        for side, own in zip(box, read.mask.box, strict=True)
    )
    part: NDArray[np.bool_] = read.crop[i, j, k]
    return part
