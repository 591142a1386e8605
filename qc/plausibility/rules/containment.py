"""What lies inside something else stays there: ventricles in the heart, bladder in the pelvis."""

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.workspace import Finding
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.scene_measures import EDGES, Measured
from qc.plausibility.thresholds import Inside, Thresholds
from qc.plausibility.wording import listed, place_of, spoken

_DIRECTIONS = (("left", "right"), ("back", "front"), ("below", "above"))


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Compare boxes: an inner one with the one around all its outer structures."""
    for row in thresholds.inside:
        inner = scene.get(row.inner)
        outer = [scene.get(name) for name in row.outer]
        whole = [measured for measured in outer if measured is not None]
        # With one of several outer structures missing, the box around them is too small.
        if inner is not None and whole and len(whole) == len(outer):
            yield from _outside(row, inner, whole, thresholds)


def _outside(
    row: Inside, inner: Measured, outer: Sequence[Measured], thresholds: Thresholds
) -> Iterator[Finding]:
    low = np.min([measured.low_mm for measured in outer], axis=0)
    high = np.max([measured.high_mm for measured in outer], axis=0)
    cut = frozenset[str]().union(*(measured.edges for measured in outer))
    worst, direction = 0.0, ""
    for axis, (below, above) in enumerate(_DIRECTIONS):
        for at_high, word in ((False, below), (True, above)):
            beyond = inner.high_mm[axis] - high[axis] if at_high else low[axis] - inner.low_mm[axis]
            if EDGES[axis][at_high] not in cut and beyond > worst:
                worst, direction = float(beyond), word
    if worst <= row.margin_mm:
        return
    far = row.margin_mm + thresholds["outside_high_mm"]
    around = listed([measured.name for measured in outer])
    yield Finding(
        "outside",
        f"{spoken(inner.name)} reaches {worst:.0f} mm beyond {around} ({direction})",
        (inner.name,),
        {"beyond_mm": round(worst, 1), "margin_mm": row.margin_mm},
        severity="high" if worst > far else "medium",
        place_mm=place_of(inner.place_mm),
    )


RULE = Rule(
    "containment",
    "What lies inside something else stays there: ventricles in the heart, bladder in the pelvis.",
    check,
    ("outside",),
)
