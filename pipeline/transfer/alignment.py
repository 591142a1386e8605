"""How well two scans lie on each other: in figures, over the same region before and after.

Mutual information knows all tissue but not which structure is which; the Dice of body and lungs
knows only two contours, but means the same in a contrast and in a native scan. A step of the
registration has to satisfy both.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.transfer.working_scan import WorkingScan

LUNG_BELOW_HU = -500.0
LUNG_ABOVE_AIR_HU = 40.0
BODY_ABOVE_HU = -300.0
AIR_HU = -1000.0
WINDOW_HU = (-1000.0, 600.0)
_BINS = 32
# Where the air around the patient is looked for: scanners are off by some tens of HU.
_AIR_RANGE_HU = (-1100.0, -985.0)
_AIR_BIN_HU = 5.0
_LEAST_AIR_SHARE = 0.01
# Fewer voxels than this (a block of 4 cm at 3 mm) make no contour to compare.
_FEWEST_VOXELS = 2500
_LEAST_SEEN_LEFT = 0.5


@dataclass(frozen=True, slots=True)
class Alignment:
    """Figures of how two scans lie on each other.

    Attributes
    ----------
    mutual_information : float
        In nats, of 32 bins between -1000 and 600 HU.
    body_dice, lung_dice : float or None
        Dice of the bodies and of the lungs; None where neither scan shows enough of it.
    seen_share : float
        Share of the native scan's region (0..1) in which the contrast scan saw something too.
    """

    mutual_information: float
    body_dice: float | None
    lung_dice: float | None
    seen_share: float

    def to_dict(self) -> dict[str, float | None]:
        """Give plain JSON values, rounded to what they mean."""
        return {
            "mutual_information": round(self.mutual_information, 4),
            "body_dice": None if self.body_dice is None else round(self.body_dice, 4),
            "lung_dice": None if self.lung_dice is None else round(self.lung_dice, 4),
            "seen_share": round(self.seen_share, 4),
        }

    def figures(self, prefix: str) -> Mapping[str, float]:
        """Give the figures that are known, each name with a prefix."""
        known = {name: value for name, value in self.to_dict().items() if value is not None}
        return {f"{prefix}_{name}": value for name, value in known.items()}

    def __str__(self) -> str:
        """Say the figures in the words of a message."""
        said = [f"mutual information {self.mutual_information:.3f}"]
        for name, value in (("body", self.body_dice), ("lung", self.lung_dice)):
            said.append(f"{name} Dice " + ("unknown" if value is None else f"{value:.3f}"))
        return ", ".join(said)


def measure(native: WorkingScan, contrast: WorkingScan) -> Alignment:
    """Measure how a contrast scan, brought onto the grid of a native one, lies on it.

    Only voxels that both scans saw are compared.

    Parameters
    ----------
    native, contrast : WorkingScan
        On one grid.
    """
    both = native.inside & contrast.inside
    seen = int(native.inside.sum())
    return Alignment(
        mutual_information(native.hu[both], contrast.hu[both]),
        dice(body_of(native) & both, body_of(contrast) & both),
        dice(lungs_of(native) & both, lungs_of(contrast) & both),
        int(both.sum()) / seen if seen else 0.0,
    )


def improves(before: Alignment, after: Alignment, smallest_gain: float, tolerance: float) -> bool:
    """Tell whether a step made the alignment better.

    Mutual information has to grow by the smallest gain (a share of what it was), neither Dice
    may fall by more than the tolerance, and of what both scans saw half has to be left: a shift
    of 30 mm takes a third of it out of a tight field of view, and rightly so.
    """
    if after.mutual_information < before.mutual_information * (1 + smallest_gain):
        return False
    kept = [(before.body_dice, after.body_dice), (before.lung_dice, after.lung_dice)]
    if any(a is not None and (b is None or b < a - tolerance) for a, b in kept):
        return False
    return after.seen_share >= before.seen_share * _LEAST_SEEN_LEFT


def mutual_information(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Give the mutual information (nats) of two sets of values of one length."""
    if first.size == 0:
        return 0.0
    low, high = WINDOW_HU
    bins = [
        ((np.clip(values, low, high) - low) * ((_BINS - 1e-3) / (high - low))).astype(np.int64)
        for values in (first, second)
    ]
    joint = np.bincount(bins[0] * _BINS + bins[1], minlength=_BINS * _BINS) / first.size
    joint = joint.reshape(_BINS, _BINS)
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    filled = joint > 0
    return float((joint[filled] * np.log(joint[filled] / apart[filled])).sum())


def lungs_of(scan: WorkingScan) -> NDArray[np.bool_]:
    """Find the lungs by their values; the thin seam that skin makes with air is opened away.

    The air around the patient is told from lungs by its own value in this scan: emphysema comes
    within some tens of HU of it.
    """
    from scipy import ndimage

    between = (scan.hu > air_of(scan) + LUNG_ABOVE_AIR_HU) & (scan.hu < LUNG_BELOW_HU)
    # What lies beyond the field of view is unknown: its border opens nothing away.
    opened = ndimage.binary_opening(between | ~scan.inside)
    return np.asarray(opened & scan.inside, np.bool_)


def air_of(scan: WorkingScan) -> float:
    """Give the commonest value of the air around the patient; -1000 HU if there is hardly any."""
    low, high = _AIR_RANGE_HU
    hu = scan.hu[scan.inside]
    counts, edges = np.histogram(hu, round((high - low) / _AIR_BIN_HU), _AIR_RANGE_HU)
    if counts.sum() < _LEAST_AIR_SHARE * hu.size:
        return AIR_HU
    return float(edges[counts.argmax()]) + _AIR_BIN_HU / 2


def body_of(scan: WorkingScan) -> NDArray[np.bool_]:
    """Find the body: what is no air, and the lungs."""
    return ((scan.hu > BODY_ABOVE_HU) & scan.inside) | lungs_of(scan)


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float | None:
    """Give the Dice of two masks; None if neither holds enough voxels to make a contour."""
    sizes = int(first.sum()), int(second.sum())
    if max(sizes) < _FEWEST_VOXELS:
        return None
    return 2 * int((first & second).sum()) / sum(sizes)
