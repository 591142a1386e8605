"""A rib hangs on the vertebra of its number."""

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.workspace import Finding
from qc.plausibility.body_frame import spine_of
from qc.plausibility.cohort import Cohort
from qc.plausibility.rib_heads import Rib, ribs_of
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.thresholds import Thresholds
from qc.plausibility.wording import place_of, spoken


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Compare the height of each rib's head with the vertebrae, in steps of one vertebra."""
    spine = spine_of(scene)
    if spine is None:
        return
    for side in ("left", "right"):
        judged: list[tuple[Rib, float]] = []
        for rib in ribs_of(scene):
            if rib.side == side and rib.head_mm is not None:
                level = spine.level(float(rib.head_mm[2]))
                if level is not None:
                    judged.append((rib, level - rib.number + thresholds["rib_head_levels"]))
        yield from _of_side(judged, thresholds)


def _of_side(judged: Sequence[tuple[Rib, float]], thresholds: Thresholds) -> Iterator[Finding]:
    limit = thresholds["rib_off_levels"]
    if len(judged) >= thresholds["rib_side_fewest"]:
        shift = float(np.median([off for _, off in judged]))
        if abs(shift) > thresholds["rib_side_off_levels"]:
            yield _side_finding(judged, shift)
            return
    for rib, off in judged:
        if abs(off) > limit and rib.head_mm is not None:
            nearest = rib.number + round(off)
            yield Finding(
                "rib_vertebra",
                f"{spoken(rib.name)} hangs {abs(off):.1f} vertebrae too "
                f"{'low' if off > 0 else 'high'} for its number: its end lies where rib {nearest} "
                "is expected",
                (rib.name,),
                {"off_vertebrae": round(off, 2), "expected_number": nearest},
                severity="high",
                place_mm=place_of(rib.head_mm),
            )


def _side_finding(judged: Sequence[tuple[Rib, float]], shift: float) -> Finding:
    middle = judged[len(judged) // 2][0]
    names = tuple(rib.name for rib, _ in judged)
    assert middle.head_mm is not None
    return Finding(
        "rib_shift",
        f"the {middle.side} ribs hang {abs(shift):.1f} vertebrae too "
        f"{'low' if shift > 0 else 'high'} for their numbers: ribs or vertebrae are numbered wrong",
        names,
        {"off_vertebrae": round(shift, 2), "ribs": len(names)},
        severity="high",
        place_mm=place_of(middle.head_mm),
    )


RULE = Rule(
    "rib_vertebra",
    "A rib hangs on the vertebra of its number.",
    check,
    ("rib_vertebra", "rib_shift"),
)
