"""The border of a mask lies on the border in the CT: not beyond it, not short of it."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.workspace import Finding
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.scene_measures import Density, Measured
from qc.plausibility.surroundings import Shells, shells
from qc.plausibility.thresholds import Border, Thresholds
from qc.plausibility.wording import place_of, spoken


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Look at the outermost layer of each mask, and at the unlabelled layer around it."""
    if scene.ct is None:
        return
    for measured in scene.present():
        row = thresholds.border_of(measured.name)
        if row is None or measured.voxels < thresholds["border_fewest_voxels"]:
            continue
        found, density = shells(scene, measured.name), scene.density(measured.name)
        if found is not None and density is not None:
            yield from _too_large(measured, found, row, thresholds)
            yield from _too_small(measured, found, density, row, thresholds)


def _too_large(
    measured: Measured, found: Shells, row: Border, thresholds: Thresholds
) -> Iterator[Finding]:
    share = _share(found.inside_hu, row.foreign_low_hu, row.foreign_high_hu)
    if share <= row.foreign_share:
        return
    high = share > row.foreign_share + thresholds["border_high_share"]
    yield Finding(
        "too_large",
        f"{share:.0%} of the outermost layer of {spoken(measured.name)} lies on other tissue: the "
        "mask reaches beyond its border in the CT",
        (measured.name,),
        {"foreign_share": round(share, 3), "at_most_share": row.foreign_share},
        severity="high" if high else "medium",
        place_mm=place_of(measured.place_mm),
    )


def _too_small(
    measured: Measured, found: Shells, density: Density, row: Border, thresholds: Thresholds
) -> Iterator[Finding]:
    free = found.outside_hu.size / max(1, found.outside_voxels)
    if free < thresholds["border_free_share"] or row.own_share is None:
        return
    margin = thresholds["border_like_margin_hu"]
    low, high = row.own_low_hu, row.own_high_hu
    if row.own_denser and found.inside_hu.size:
        low = float(np.median(found.inside_hu))
    elif low is None and high is None:
        low, high = density.p25_hu - margin, density.p75_hu + margin
    share = _share(found.outside_hu, low, high)
    if share <= row.own_share:
        return
    far = share > row.own_share + thresholds["border_high_share"]
    yield Finding(
        "too_small",
        f"{share:.0%} of the unlabelled layer around {spoken(measured.name)} looks like it: the "
        "mask stops short of its border in the CT",
        (measured.name,),
        {"own_share": round(share, 3), "at_most_share": row.own_share},
        severity="high" if far else "medium",
        place_mm=place_of(measured.place_mm),
    )


def _share(values_hu: NDArray[np.int16], low: float | None, high: float | None) -> float:
    """Give the share of values in a range that may be open on one side; 0 if on both."""
    if not values_hu.size or (low is None and high is None):
        return 0.0
    within = np.ones(values_hu.shape, bool)
    if low is not None:
        within &= values_hu >= low
    if high is not None:
        within &= values_hu <= high
    return float(within.mean())


RULE = Rule(
    "borders",
    "The border of a mask lies on the border in the CT: not beyond it, not short of it.",
    check,
    ("too_large", "too_small"),
    needs_ct=True,
)
