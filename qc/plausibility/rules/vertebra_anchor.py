"""The lowest vertebra on the sacrum is L5: else all numbers are shifted."""

from collections.abc import Iterator

from pipeline.anatomy import vertebra_number
from pipeline.workspace import Finding
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.surroundings import gap_mm
from qc.plausibility.thresholds import Thresholds
from qc.plausibility.wording import place_of, spoken

_SACRUM = ("vertebrae_S1", "sacrum")
_LOWEST = "vertebrae_L5"


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Find the vertebra next to the sacrum, if it is not L5."""
    sacrum = next((name for name in _SACRUM if name in scene), None)
    standing = [m for m in scene.present() if vertebra_number(m.name) is not None]
    if sacrum is None or not standing or _LOWEST not in scene.class_map:
        return
    lowest = min(standing, key=lambda measured: float(measured.centroid_mm[2]))
    found = gap_mm(scene, lowest.name, sacrum)
    if lowest.name == _LOWEST or found is None:
        return
    gap, place = found
    if gap <= thresholds["vertebra_sacrum_gap_mm"]:
        yield Finding(
            "vertebra_shift",
            f"{spoken(lowest.name)} stands on the sacrum, where L5 is expected: the numbers are "
            "shifted, or the person has a vertebra more or less",
            (lowest.name, sacrum),
            {"gap_mm": round(gap, 1)},
            severity="high",
            place_mm=place_of(place),
        )


RULE = Rule(
    "vertebra_anchor",
    "The vertebra on the sacrum is L5.",
    check,
    ("vertebra_shift",),
)
