"""Neighbours that must touch do, and structures that never touch do not."""

from collections.abc import Iterator

from pipeline.anatomy import vertebra_number
from pipeline.workspace import Finding
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.scene_measures import Measured, Point
from qc.plausibility.surroundings import contact_place, contacts_cm2, gap_mm
from qc.plausibility.thresholds import Thresholds, Touching, fits
from qc.plausibility.wording import place_of, spoken

# Bones and muscles touch much that no list of neighbours names, and bowel lies anywhere.
_FIRM = ("organ", "vessel")
_ANYWHERE = ("small_bowel", "colon", "duodenum", "stomach", "esophagus", "trachea")


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Measure gaps of pairs that belong together, and contacts of pairs that do not."""
    for row in thresholds.touching:
        if row.first in scene and row.second in scene:
            yield from _too_far(scene, row, thresholds)
    limits = {frozenset((row.first, row.second)): row.at_most_cm2 for row in thresholds.apart}
    for (first, second), area_cm2 in contacts_cm2(scene).items():
        never = limits.get(frozenset((first, second)))
        limit = thresholds["stranger_contact_cm2"] if never is None else never
        if area_cm2 <= limit or (never is None and not _strangers(scene, first, second)):
            continue
        high = never is not None or area_cm2 > thresholds["stranger_contact_high_cm2"]
        yield _too_near(scene, (first, second), area_cm2, limit, high=high)


def _too_far(scene: CaseScene, row: Touching, thresholds: Thresholds) -> Iterator[Finding]:
    first, second = scene.get(row.first), scene.get(row.second)
    found = gap_mm(scene, row.first, row.second)
    if first is None or second is None or found is None:
        return
    gap, place = found
    if gap <= row.at_most_mm:
        return
    if not _shows_rib_ends(scene, second, thresholds) and _may_meet_outside(
        scene, first, second, (gap, place)
    ):
        return
    high = gap > row.at_most_mm + thresholds["gap_high_mm"]
    yield Finding(
        "apart",
        f"{spoken(row.first)} and {spoken(row.second)} lie {gap:.0f} mm apart; they usually touch "
        "or lie close together",
        (row.first, row.second),
        {"gap_mm": round(gap, 1), "at_most_mm": row.at_most_mm},
        severity="high" if high else "medium",
        place_mm=place_of(place),
    )


def _shows_rib_ends(scene: CaseScene, second: Measured, thresholds: Thresholds) -> bool:
    """Tell whether so much of a vertebra is seen that what hangs on it must meet it in the view.

    Of a vertebra that is cut above, the one below tells how large it would be.
    """
    number = vertebra_number(second.name)
    if number is None or second.edges - {"top"}:
        return False
    below = next((m for m in scene.present() if vertebra_number(m.name) == number + 1), None)
    if below is None or below.edges & {"top", "bottom"}:
        return not second.is_cut
    return second.volume_ml >= thresholds["rib_vertebra_seen_share"] * below.volume_ml


def _may_meet_outside(
    scene: CaseScene, first: Measured, second: Measured, nearest: tuple[float, Point]
) -> bool:
    """Tell whether both run out of the field of view near where they come closest."""
    gap, place = nearest
    axes = {"left": 0, "right": 0, "back": 1, "front": 1, "bottom": 2, "top": 2}
    for edge in first.edges & second.edges:
        at_high = edge in ("right", "front", "top")
        end = (first.high_mm if at_high else first.low_mm)[axes[edge]]
        if abs(float(place[axes[edge]] - end)) < gap + max(scene.grid.spacing_mm):
            return True
    return False


def _strangers(scene: CaseScene, first: str, second: str) -> bool:
    """Tell whether a class map that names neighbours says that these two organs are none."""
    one, other = scene.class_map[first], scene.class_map[second]
    known = bool(one.neighbours) and bool(other.neighbours)
    firm = all(
        structure.category in _FIRM and not fits(structure.name, _ANYWHERE)
        for structure in (one, other)
    )
    return known and firm and second not in one.neighbours and one.mirror != second


def _too_near(
    scene: CaseScene, pair: tuple[str, str], area_cm2: float, limit: float, *, high: bool
) -> Finding:
    return Finding(
        "touching",
        f"{spoken(pair[0])} and {spoken(pair[1])} share {area_cm2:.1f} cm² of surface; they "
        "usually do not touch",
        pair,
        {"contact_cm2": round(area_cm2, 2), "at_most_cm2": limit},
        severity="high" if high else "medium",
        place_mm=place_of(contact_place(scene, *pair)),
    )


RULE = Rule(
    "touching",
    "Neighbours that must touch do, and structures that never touch do not.",
    check,
    ("apart", "touching"),
)
