"""A vertebra is about as large as those next to it, and a rib as the ribs next to it."""

import math
from collections.abc import Iterator

from pipeline.anatomy import vertebra_number
from pipeline.workspace import Finding
from qc.plausibility.cohort import Cohort
from qc.plausibility.rib_heads import rib_number
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.scene_measures import Measured
from qc.plausibility.thresholds import Thresholds
from qc.plausibility.wording import listed, place_of, spoken

_ATLAS_AND_AXIS = (-6, -5)
_SHORT_RIBS = (1, 2, 11, 12)


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Compare each whole vertebra and rib with the one or two next to it."""
    for series in _series(scene):
        for number, measured in series.items():
            beside = [series[n] for n in (number - 1, number + 1) if n in series]
            if beside and not measured.is_cut:
                yield from _compare(measured, beside, thresholds)


def _compare(
    measured: Measured, beside: list[Measured], thresholds: Thresholds
) -> Iterator[Finding]:
    whole = [other for other in beside if not other.is_cut]
    if not whole:
        return
    logs = [math.log(other.volume_ml) for other in whole]
    expected = math.exp(sum(logs) / len(logs))
    ratio = measured.volume_ml / expected
    limit = thresholds["series_ratio"] if len(whole) > 1 else thresholds["series_ratio_of_one"]
    if 1 / limit <= ratio <= limit:
        return
    far = limit * thresholds["series_ratio_high"]
    word = "larger" if ratio > 1 else "smaller"
    yield Finding(
        "series_size",
        f"{spoken(measured.name)} has {measured.volume_ml:.1f} ml, much {word} than "
        f"{listed([other.name for other in whole])} next to it ({expected:.1f} ml)",
        (measured.name,),
        {
            "volume_ml": round(measured.volume_ml, 2),
            "expected_ml": round(expected, 2),
            "ratio": round(ratio, 2),
        },
        severity="medium" if 1 / far <= ratio <= far else "high",
        place_mm=place_of(measured.place_mm),
    )


def _series(scene: CaseScene) -> Iterator[dict[int, Measured]]:
    """Give vertebrae and the ribs of each side by number; without those of another kind."""
    vertebrae: dict[int, Measured] = {}
    ribs: dict[str, dict[int, Measured]] = {"left": {}, "right": {}}
    for measured in scene.present():
        number, rib = vertebra_number(measured.name), rib_number(measured.name)
        if number is not None and number not in _ATLAS_AND_AXIS:
            vertebrae[number] = measured
        elif rib is not None and rib[1] not in _SHORT_RIBS:
            ribs[rib[0]][rib[1]] = measured
    yield vertebrae
    yield from ribs.values()


RULE = Rule(
    "series_sizes",
    "A vertebra is about as large as its neighbours, a rib as the ribs next to it.",
    check,
    ("series_size",),
)
