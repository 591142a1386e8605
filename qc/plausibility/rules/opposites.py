"""What is named as a pair lies opposite each other, and looks alike."""

from collections.abc import Iterator

import numpy as np

from pipeline.workspace import Finding
from qc.plausibility.body_frame import midline_x_mm
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.scene_measures import Measured
from qc.plausibility.thresholds import Opposite, Thresholds
from qc.plausibility.wording import place_of, spoken


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Measure how far each organ's centre lies from the mirror image of the other's."""
    for row in thresholds.opposite:
        mirror = scene.class_map[row.structure].mirror if row.structure in scene.class_map else None
        one = scene.get(row.structure)
        other = scene.get(mirror) if mirror is not None else None
        if one is None or other is None or one.is_cut or other.is_cut:
            continue
        yield from _place(scene, row, (one, other), thresholds)
        yield from _shape(scene, row, (one, other))


def _place(
    scene: CaseScene, row: Opposite, pair: tuple[Measured, Measured], thresholds: Thresholds
) -> Iterator[Finding]:
    one, other = pair
    middle = midline_x_mm(scene, float(one.centroid_mm[2] + other.centroid_mm[2]) / 2)
    if middle is None:
        return
    across = one.centroid_mm * (-1, 1, 1) + (2 * middle, 0, 0)
    away_mm = float(np.linalg.norm(across - other.centroid_mm))
    if away_mm <= row.at_most_mm:
        return
    yield Finding(
        "not_opposite",
        f"{spoken(one.name)} and {spoken(other.name)} do not lie opposite each other: one is "
        f"{away_mm:.0f} mm from the other's mirror image, at most {row.at_most_mm:g} mm expected",
        (one.name, other.name),
        {"away_mm": round(away_mm, 1), "at_most_mm": row.at_most_mm},
        severity="high"
        if away_mm > row.at_most_mm * thresholds["mirror_place_high_ratio"]
        else "medium",
        place_mm=place_of(one.place_mm),
    )


def _shape(scene: CaseScene, row: Opposite, pair: tuple[Measured, Measured]) -> Iterator[Finding]:
    if row.least_dice is None:
        return
    one, other = pair
    dice = _dice_of_mirrored(scene, one, other)
    if dice >= row.least_dice:
        return
    yield Finding(
        "unlike_mirror",
        f"{spoken(one.name)} and {spoken(other.name)} are not alike: the mirror image of one laid "
        f"on the other has a Dice of {dice:.2f}, at least {row.least_dice:g} expected",
        (one.name, other.name),
        {"dice": round(dice, 3), "at_least": row.least_dice},
        severity="medium",
        place_mm=place_of(one.place_mm),
    )


def _dice_of_mirrored(scene: CaseScene, one: Measured, other: Measured) -> float:
    """Mirror one across its own middle, lay it centre on centre on the other, and compare."""
    crops = [crop for each in (one, other) if (crop := scene.crop(each.name)) is not None]
    turned = [(-1, 1, 1), (1, 1, 1)]
    places = [np.argwhere(crop[0]) * turn for crop, turn in zip(crops, turned, strict=True)]
    placed = [at - np.rint(at.mean(axis=0)).astype(np.int64) for at in places]
    low = np.minimum(placed[0].min(axis=0), placed[1].min(axis=0))
    size = np.maximum(placed[0].max(axis=0), placed[1].max(axis=0)) - low + 1
    first, second = (np.ravel_multi_index(tuple((at - low).T), tuple(size)) for at in placed)
    shared = np.intersect1d(first, second, assume_unique=True).size
    return float(2 * shared / (first.size + second.size))


RULE = Rule(
    "opposites",
    "What is named as a pair lies opposite each other, and looks alike.",
    check,
    ("not_opposite", "unlike_mirror"),
)
