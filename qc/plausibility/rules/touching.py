"""Neighbours that must touch do, and structures that never touch do not."""

from collections.abc import Iterator

from pipeline.workspace import Finding
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.surroundings import Contact, contacts, gap_mm
from qc.plausibility.thresholds import Thresholds, Touching
from qc.plausibility.wording import place_of, spoken


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Measure gaps of pairs that belong together, and contacts of pairs that do not."""
    for row in thresholds.touching:
        if row.first in scene and row.second in scene:
            yield from _too_far(scene, row, thresholds)
    limits = {frozenset((row.first, row.second)): row.at_most_cm2 for row in thresholds.apart}
    for contact in contacts(scene):
        limit = limits.get(frozenset((contact.first, contact.second)))
        if limit is not None:
            if contact.area_cm2 > limit:
                yield _too_near(contact, limit, "high")
        elif _strangers(scene, contact):
            limit = thresholds["stranger_contact_cm2"]
            if contact.area_cm2 > limit:
                high = contact.area_cm2 > thresholds["stranger_contact_high_cm2"]
                yield _too_near(contact, limit, "high" if high else "medium")


def _too_far(scene: CaseScene, row: Touching, thresholds: Thresholds) -> Iterator[Finding]:
    first, second = scene.get(row.first), scene.get(row.second)
    found = gap_mm(scene, row.first, row.second)
    if first is None or second is None or found is None:
        return
    gap, place = found
    # Both cut on one side: they may meet beyond it.
    if gap <= row.at_most_mm or first.edges & second.edges:
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


def _strangers(scene: CaseScene, contact: Contact) -> bool:
    """Tell whether a class map that names neighbours says that these two are none."""
    one, other = scene.class_map[contact.first], scene.class_map[contact.second]
    known = bool(one.neighbours) and bool(other.neighbours)
    near = set(one.neighbours) | {one.mirror}
    second = set(other.neighbours)
    return known and other.name not in near and one.name not in second


def _too_near(contact: Contact, limit: float, severity: str) -> Finding:
    return Finding(
        "touching",
        f"{spoken(contact.first)} and {spoken(contact.second)} share {contact.area_cm2:.1f} cm² of "
        "surface; they usually do not touch",
        (contact.first, contact.second),
        {"contact_cm2": round(contact.area_cm2, 2), "at_most_cm2": limit},
        severity="high" if severity == "high" else "medium",
        place_mm=place_of(contact.place_mm),
    )


RULE = Rule(
    "touching",
    "Neighbours that must touch do, and structures that never touch do not.",
    check,
    ("apart", "touching"),
)
