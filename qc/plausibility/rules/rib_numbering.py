"""Ribs of a side are numbered as they hang: in order, without gaps, each number once."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from pipeline.workspace import Finding
from qc.plausibility.cohort import Cohort
from qc.plausibility.rib_heads import Rib, ribs_of
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.surroundings import surface_mm
from qc.plausibility.thresholds import Thresholds
from qc.plausibility.wording import listed, place_of, spoken

_FLOATING = 12


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Compare each rib with the next number on its side."""
    for side in ("left", "right"):
        ribs = [rib for rib in ribs_of(scene) if rib.side == side]
        for upper, lower in pairwise(ribs):
            yield from _order(scene, upper, lower, thresholds)
            yield from _gap(scene, upper, lower)
        yield from _order_of_cut(scene, ribs, thresholds)
        yield from _uneven(ribs, thresholds)


def _order_of_cut(
    scene: CaseScene, ribs: Sequence[Rib], thresholds: Thresholds
) -> Iterator[Finding]:
    """Compare ribs further apart, where the view shows no end at the spine.

    Next to each other such pieces may nowhere lie one above the other.
    """
    for n, upper in enumerate(ribs):
        for lower in ribs[n + 2 :]:
            if upper.head_mm is None or lower.head_mm is None:
                yield from _order(scene, upper, lower, thresholds)


def _order(scene: CaseScene, upper: Rib, lower: Rib, thresholds: Thresholds) -> Iterator[Finding]:
    fall_mm = _fall_mm(scene, upper, lower, thresholds)
    if fall_mm is None or fall_mm >= -thresholds["rib_rise_mm"]:
        return
    yield Finding(
        "rib_order",
        f"{spoken(lower.name)} lies {-fall_mm:.0f} mm above {spoken(upper.name)}: numbers out of "
        "order",
        (upper.name, lower.name),
        {"rise_mm": round(-fall_mm, 1)},
        severity="high",
        place_mm=place_of(lower.measured.place_mm),
    )


def _gap(scene: CaseScene, upper: Rib, lower: Rib) -> Iterator[Finding]:
    missing = [f"rib_{upper.side}_{n}" for n in range(upper.number + 1, lower.number)]
    missing = [name for name in missing if name in scene.class_map]
    unsaid = [name for name in missing if name not in scene.absent]
    if unsaid:
        middle = (upper.measured.centroid_mm + lower.measured.centroid_mm) / 2
        yield Finding(
            "rib_gap",
            f"{listed(unsaid)} is missing between {spoken(upper.name)} and {spoken(lower.name)}",
            (*unsaid, upper.name, lower.name),
            {"missing": len(unsaid)},
            severity="high",
            place_mm=place_of(middle),
        )


def _uneven(ribs: Sequence[Rib], thresholds: Thresholds) -> Iterator[Finding]:
    """Look for a step between heads that is far from the usual one of this side."""
    pairs = [
        (upper, lower, float(upper.head_mm[2] - lower.head_mm[2]))
        for upper, lower in pairwise(ribs)
        if upper.head_mm is not None and lower.head_mm is not None
        if lower.number == upper.number + 1
    ]
    if len(pairs) < thresholds["rib_fewest_steps"]:
        return
    usual_mm = float(np.median([step for *_, step in pairs]))
    for upper, lower, step_mm in pairs:
        share = step_mm / usual_mm if usual_mm > 0 else 1.0
        # The last ribs float: their ends stand where they like.
        highest = thresholds["rib_step_high"] if lower.number < _FLOATING else float("inf")
        if thresholds["rib_step_low"] <= share <= highest:
            continue
        what = (
            "hang on nearly one height: one number on two ribs, or pieces of another rib"
            if share < 1
            else "leave room for another rib between them"
        )
        yield Finding(
            "rib_spacing",
            f"{spoken(upper.name)} and {spoken(lower.name)} {what} ({step_mm:.0f} mm apart at the "
            f"spine, others {usual_mm:.0f} mm)",
            (upper.name, lower.name),
            {"step_mm": round(step_mm, 1), "usual_mm": round(usual_mm, 1)},
            severity="high",
            place_mm=place_of(lower.measured.place_mm),
        )


def _fall_mm(scene: CaseScene, upper: Rib, lower: Rib, thresholds: Thresholds) -> float | None:
    """Measure how far the lower number hangs below the upper one.

    At the spine where both ends are seen; else where one lies straight above the other.
    """
    if upper.head_mm is not None and lower.head_mm is not None:
        return float(upper.head_mm[2] - lower.head_mm[2])
    from scipy.spatial import cKDTree

    one, other = surface_mm(scene, upper.name), surface_mm(scene, lower.name)
    away, nearest = (np.asarray(each) for each in cKDTree(one[:, :2]).query(other[:, :2]))
    above = away <= thresholds["rib_above_mm"]
    if np.count_nonzero(above) < thresholds["rib_fewest_points"]:
        return None
    return float(np.median(one[nearest[above], 2] - other[above, 2]))


RULE = Rule(
    "rib_numbering",
    "Ribs of a side are numbered as they hang: in order, without gaps, evenly spaced.",
    check,
    ("rib_order", "rib_gap", "rib_spacing"),
)
