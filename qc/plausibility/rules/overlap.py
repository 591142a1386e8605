"""Two masks in force do not claim the same voxels."""

from collections.abc import Iterator

from pipeline.workspace import Finding
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.thresholds import Thresholds
from qc.plausibility.wording import spoken


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Judge the overlaps that were found when the masks were put together."""
    for pair in scene.context.overlaps:
        if pair.volume_ml < thresholds["overlap_ml"]:
            continue
        share = pair.share_of_smaller
        if share < thresholds["overlap_share"]:
            continue
        yield Finding(
            "overlapping",
            f"{spoken(pair.first)} and {spoken(pair.second)} claim the same {pair.volume_ml:.1f} "
            f"ml, {share:.0%} of the smaller one",
            (pair.first, pair.second),
            {"overlap_ml": round(pair.volume_ml, 2), "share_of_smaller": round(share, 3)},
            severity="high" if share >= thresholds["overlap_share_high"] else "medium",
            place_mm=pair.place_mm,
        )


RULE = Rule(
    "overlap",
    "Two masks in force do not claim the same voxels.",
    check,
    ("overlapping",),
)
