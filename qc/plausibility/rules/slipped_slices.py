"""Slices of a mask lie on each other: none slipped aside."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.workspace import Finding
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.surroundings import world_of
from qc.plausibility.thresholds import Thresholds
from qc.plausibility.wording import place_of, spoken


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Look at the steps from each axial slice of a mask to the next one."""
    for measured in scene.present():
        crop = scene.crop(measured.name)
        if crop is None:
            continue
        voxels, box = crop
        aside = _set_aside(voxels, scene.grid.spacing_mm, thresholds["slip_least_cm2"])
        judged = aside[~np.isnan(aside)]
        if judged.size < thresholds["slip_fewest_steps"]:
            continue
        # A slanting tube moves on from slice to slice: only what goes beyond its usual step counts.
        usual = float(np.median(judged))
        excess = aside - thresholds["slip_usual_times"] * usual
        at = int(np.nanargmax(excess))
        if excess[at] <= thresholds["slip_share"]:
            continue
        outside = np.argwhere(voxels[:, :, at + 1] & ~voxels[:, :, at])
        i, j = outside[len(outside) // 2]
        place = world_of(np.array([i, j, at + 1]), box, scene)
        yield Finding(
            "slipped",
            f"{spoken(measured.name)} jumps aside from one slice to the next: {aside[at]:.0%} of "
            f"the slice, elsewhere {usual:.0%}",
            (measured.name,),
            {"aside_share": round(float(aside[at]), 3), "usual_share": round(usual, 3)},
            severity="high" if excess[at] > thresholds["slip_share_high"] else "medium",
            place_mm=place_of(place),
        )


def _set_aside(
    voxels: NDArray[np.bool_], spacing_mm: tuple[float, float, float], least_cm2: float
) -> NDArray[np.float64]:
    """Give, for each step between slices, which share of the smaller slice was set aside.

    A slice that only grows or shrinks leaves nothing on one of both sides. Nan where a slice is
    smaller than `least_cm2`.
    """
    pixel_cm2 = spacing_mm[0] * spacing_mm[1] / 100
    lower, upper = voxels[:, :, :-1], voxels[:, :, 1:]
    left = np.count_nonzero(lower & ~upper, axis=(0, 1))
    gained = np.count_nonzero(upper & ~lower, axis=(0, 1))
    areas = np.count_nonzero(voxels, axis=(0, 1))
    smaller = np.minimum(areas[:-1], areas[1:])
    judged = smaller * pixel_cm2 >= least_cm2
    shares = np.minimum(left, gained) / np.maximum(smaller, 1)
    return np.where(judged, shares, np.nan)


RULE = Rule(
    "slipped_slices",
    "Slices of a mask lie on each other: none slipped aside.",
    check,
    ("slipped",),
)
