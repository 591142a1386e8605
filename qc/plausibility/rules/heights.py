"""Organs stand at their usual height: above and below each other, and along the spine."""

from collections.abc import Iterator

from pipeline.anatomy import vertebra_number
from pipeline.workspace import Finding
from qc.plausibility.body_frame import Spine, spine_of
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.scene_measures import Measured
from qc.plausibility.thresholds import HeightOrder, HeightSpan, Thresholds
from qc.plausibility.wording import place_of, spoken


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Compare centres of structures with each other and with the vertebrae."""
    for row in thresholds.height_order:
        upper, lower = scene.get(row.upper), scene.get(row.lower)
        if upper is not None and lower is not None:
            yield from _order(row, upper, lower)
    spine = spine_of(scene)
    if spine is not None:
        for span in thresholds.height_span:
            measured = scene.get(span.structure)
            if measured is not None and not measured.edges & {"top", "bottom"}:
                yield from _span(span, measured, spine, thresholds)


def _order(row: HeightOrder, upper: Measured, lower: Measured) -> Iterator[Finding]:
    above_mm = float(upper.centroid_mm[2] - lower.centroid_mm[2])
    # What is cut above seems to lie too low, what is cut below too high.
    if above_mm >= row.at_least_mm or "top" in upper.edges or "bottom" in lower.edges:
        return
    yield Finding(
        "wrong_height",
        f"{spoken(upper.name)} does not lie above {spoken(lower.name)} as it should "
        f"({-above_mm:.0f} mm below)"
        if above_mm < 0
        else f"{spoken(upper.name)} lies only {above_mm:.0f} mm above {spoken(lower.name)}",
        (upper.name, lower.name),
        {"above_mm": round(above_mm, 1), "at_least_mm": row.at_least_mm},
        severity="high",
        place_mm=place_of(upper.place_mm),
    )


def _span(
    row: HeightSpan, measured: Measured, spine: Spine, thresholds: Thresholds
) -> Iterator[Finding]:
    level = spine.level(float(measured.centroid_mm[2]))
    first, last = vertebra_number(row.upper), vertebra_number(row.lower)
    if level is None or first is None or last is None:
        return
    off = max(first - level, level - last)
    if off <= thresholds["height_span_levels"]:
        return
    way = "high" if level < first else "low"
    yield Finding(
        "wrong_height",
        f"{spoken(measured.name)} lies {off:.1f} vertebrae too {way}: its middle is expected "
        f"between {spoken(row.upper)} and {spoken(row.lower)}",
        (measured.name,),
        {"off_vertebrae": round(off, 2)},
        severity="high" if off > thresholds["height_span_levels_high"] else "medium",
        place_mm=place_of(measured.place_mm),
    )


RULE = Rule(
    "heights",
    "Organs stand at their usual height: above and below each other, and along the spine.",
    check,
    ("wrong_height",),
)
