"""Long structures reach as far as they should: oesophagus, aorta, muscles of the back."""

from collections.abc import Iterator

from pipeline.anatomy import vertebra_number
from pipeline.workspace import Finding
from qc.plausibility.body_frame import spine_of
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.thresholds import Thresholds
from qc.plausibility.wording import place_of, spoken


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Compare the ends of each long structure with the vertebrae, where the view goes on."""
    spine = spine_of(scene)
    if spine is None:
        return
    for row in thresholds.reach:
        measured, expected = scene.get(row.structure), vertebra_number(row.vertebra)
        # Only a vertebra that is there as a whole tells that the view reaches that far.
        if measured is None or expected not in spine.numbers or row.end in measured.edges:
            continue
        end_mm = float((measured.high_mm if row.end == "top" else measured.low_mm)[2])
        level = spine.level(end_mm)
        if level is None or expected is None:
            continue
        short = level - expected if row.end == "top" else expected - level
        if short <= thresholds["reach_levels"]:
            continue
        yield Finding(
            "too_short",
            f"{spoken(row.structure)} ends {short:.1f} vertebrae short of {spoken(row.vertebra)} "
            f"at its {row.end}",
            (row.structure,),
            {"short_vertebrae": round(short, 2), "end": row.end},
            severity="high" if short > thresholds["reach_levels_high"] else "medium",
            place_mm=place_of([*measured.place_mm[:2], end_mm]),
        )


RULE = Rule(
    "reach",
    "Long structures reach as far along the spine as they should.",
    check,
    ("too_short",),
)
