"""What should be in the field of view is there: seen from its mirror and from its neighbours."""

from collections.abc import Iterator

import numpy as np

from pipeline.anatomy import Structure, vertebra_number
from pipeline.workspace import Finding
from qc.plausibility.body_frame import midline_x_mm
from qc.plausibility.cohort import Cohort
from qc.plausibility.rib_heads import rib_number
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.scene_measures import Measured, to_world
from qc.plausibility.thresholds import Thresholds, fits
from qc.plausibility.wording import listed, place_of, spoken

# What surgeons take out or people are born without, or what only one sex has.
_REMOVABLE = (
    "gallbladder",
    "spleen",
    "kidney_*",
    "adrenal_gland_*",
    "urinary_bladder",
    "prostate",
    "thyroid_gland",
    "pancreas",
    "lung_*",
    "rib_*_12",
    "stomach",
    "duodenum",
)
_OF_UNEQUAL_HEIGHT = ("lung_*", "adrenal_gland_*", "heart_*", "rib_*", "humerus_*")
_A_LITTLE_LOWER = ("kidney_left", "kidney_right")
_OPTIONAL = ("prostate", "kidney_cyst_*", "atrial_appendage_left")


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Look for structures that were decided to be empty or absent though their place is seen."""
    for structure in scene.class_map:
        looked_for = structure.name in scene.decided or structure.name in scene.absent
        if not looked_for or structure.name in scene or fits(structure.name, _OPTIONAL):
            continue
        if _in_series(scene, structure.name):
            continue
        seen = (
            _place_by_mirror(scene, structure, thresholds)
            or _by_anchor(scene, structure, thresholds)
            or _by_neighbours(scene, structure, thresholds)
        )
        if seen is not None:
            yield _finding(scene, structure, *seen)


def _in_series(scene: CaseScene, name: str) -> bool:
    """Tell whether another rule asks for it: vertebrae and ribs between others of their kind."""
    number, rib = vertebra_number(name), rib_number(name)
    if number is not None:
        found = [vertebra_number(other) for other in scene.names]
        numbers = [other for other in found if other is not None]
    elif rib is not None:
        ribs = [rib_number(other) for other in scene.names]
        numbers = [other[1] for other in ribs if other is not None and other[0] == rib[0]]
        number = rib[1]
    else:
        return False
    return bool(numbers) and min(numbers) < (number or 0) < max(numbers)


def _place_by_mirror(
    scene: CaseScene, structure: Structure, thresholds: Thresholds
) -> tuple[Measured, tuple[float, float, float], str] | None:
    """Find the place of a structure from its whole mirror, if all of it lies in the view."""
    mirror = scene.get(structure.mirror) if structure.mirror else None
    if mirror is None or mirror.edges & {"left", "right"}:
        return None
    # Of what is cut above or below, enough must be seen that a tilted person still shows the other.
    lower = fits(structure.name, _A_LITTLE_LOWER)
    least = "missing_mirror_lower_mm" if lower else "missing_mirror_height_mm"
    enough = mirror.extent_mm[2] >= thresholds[least]
    if mirror.is_cut and (not enough or fits(structure.name, _OF_UNEQUAL_HEIGHT)):
        return None
    middle = midline_x_mm(scene, float(mirror.centroid_mm[2]))
    if middle is None:
        return None
    ends = sorted(2 * middle - float(end) for end in (mirror.low_mm[0], mirror.high_mm[0]))
    if not _in_view(scene, ends[0], ends[1]):
        return None
    x, y, z = place_of(mirror.place_mm)
    return mirror, (round(2 * middle - x, 1), y, z), f"{spoken(mirror.name)} is there"


def _in_view(scene: CaseScene, low_mm: float, high_mm: float) -> bool:
    """Tell whether a stretch from left to right lies in the field of view, with some margin."""
    i = scene.grid.shape[0] - 1
    ends = [float(scene.grid.affine[0, 3]), float(scene.grid.affine[0, 3])]
    ends[1] += float(scene.grid.affine[0, 0]) * i
    margin = 2 * scene.grid.spacing_mm[0]
    return low_mm > min(ends) + margin and high_mm < max(ends) - margin


def _by_anchor(
    scene: CaseScene, structure: Structure, thresholds: Thresholds
) -> tuple[Measured, tuple[float, float, float], str] | None:
    """Find the place of a structure from one that is whole and stands a known way off."""
    low, high = _heights_mm(scene)
    for row in thresholds.expected:
        anchor = scene.get(row.anchor) if row.structure == structure.name else None
        if anchor is None or anchor.is_cut:
            continue
        x, y, z = place_of(anchor.centroid_mm)
        needed = z - row.below_mm
        if low < needed < high:
            words = f"{spoken(anchor.name)} is there and the field of view reaches far enough"
            return anchor, (x, y, round(needed, 1)), words
    return None


def _heights_mm(scene: CaseScene) -> tuple[float, float]:
    """Give the lowest and the highest world z of the field of view, on its middle line."""
    middle = [(size - 1) / 2 for size in scene.grid.shape]
    ends = [[middle[0], middle[1], k] for k in (0, scene.grid.shape[2] - 1)]
    z = to_world(np.array(ends, float), scene.grid)[:, 2]
    return float(z.min()), float(z.max())


def _by_neighbours(
    scene: CaseScene, structure: Structure, thresholds: Thresholds
) -> tuple[Measured, tuple[float, float, float], str] | None:
    """Find the place of a structure between its neighbours, if most are there as a whole."""
    known = [name for name in structure.neighbours if name in scene.decided]
    whole = [m for m in scene.present(known) if not m.is_cut]
    enough = len(whole) >= thresholds["missing_fewest_neighbours"]
    share = len(whole) / max(1, len(structure.neighbours))
    if not enough or share < thresholds["missing_neighbour_share"]:
        return None
    centre = np.mean([measured.centroid_mm for measured in whole], axis=0)
    words = f"its neighbours are there as a whole: {listed([m.name for m in whole], 3)}"
    return whole[0], place_of(centre), words


def _finding(
    scene: CaseScene,
    structure: Structure,
    by: Measured,
    place: tuple[float, float, float],
    words: str,
) -> Finding:
    removable = fits(structure.name, _REMOVABLE)
    said = structure.name in scene.context.outside_fov
    if said:
        return Finding(
            "not_outside_view",
            f"{spoken(structure.name)} was said to lie outside the field of view, but {words}",
            (structure.name,),
            {},
            severity="high",
            place_mm=place,
        )
    if structure.name in scene.absent:
        return Finding(
            "absence_doubtful",
            f"{spoken(structure.name)} was said to be absent, but {words}",
            (structure.name,),
            {},
            severity="low" if removable else "medium",
            place_mm=place,
        )
    return Finding(
        "missing",
        f"{spoken(structure.name)} has no voxel, but {words}",
        (structure.name, by.name),
        {},
        severity="medium" if removable else "high",
        place_mm=place,
    )


RULE = Rule(
    "missing",
    "What should be in the field of view is there, as its mirror and its neighbours tell.",
    check,
    ("missing", "absence_doubtful", "not_outside_view"),
)
