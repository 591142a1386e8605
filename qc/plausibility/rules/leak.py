"""No mask runs over into another tissue: an organ into lung or bone, a rib into the lung."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.volume import Box
from pipeline.workspace import Finding
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.scene_measures import Measured
from qc.plausibility.surroundings import dilated_by_corners, world_of
from qc.plausibility.thresholds import Contents, Thresholds
from qc.plausibility.wording import place_of, spoken


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Look for foreign voxels that lie together, not just along the border."""
    if scene.ct is None:
        return
    for measured in scene.present():
        yield from _of_fat(scene, measured, thresholds)
        found = list(_of_contents(scene, measured, thresholds))
        yield from found or _of_bone_in_muscle(scene, measured, thresholds)


def _of_contents(scene: CaseScene, measured: Measured, thresholds: Thresholds) -> Iterator[Finding]:
    """Find what is beyond the range of the structure's own tissue and lies together."""
    row = thresholds.contents_of(measured.name, scene.context.phase)
    crop = scene.crop(measured.name)
    if row is None or crop is None or scene.ct is None:
        return
    voxels, box = crop
    for foreign, what in _foreign(voxels, scene.ct[box], row):
        yield from _judge(scene, measured, (foreign, box), what, row.at_most_ml, thresholds)


def _of_fat(scene: CaseScene, measured: Measured, thresholds: Thresholds) -> Iterator[Finding]:
    """Find fat that lies together: around an organ there is much of it, within hardly any."""
    row, crop = thresholds.fat_of(measured.name), scene.crop(measured.name)
    if row is None or crop is None or scene.ct is None:
        return
    voxels, box = crop
    hu = scene.ct[box]
    fat = voxels & (hu >= thresholds["leak_fat_low_hu"]) & (hu <= thresholds["leak_fat_high_hu"])
    if not fat.any():
        return
    together = fat & ~dilated_by_corners(voxels & ~fat)
    found = list(_judge(scene, measured, (together, box), "fat", row.at_most_ml, thresholds))
    yield from found
    if not found:
        yield from _fatty(scene, measured, (fat, box), row.at_most_share, thresholds)


def _fatty(
    scene: CaseScene,
    measured: Measured,
    fat: tuple[NDArray[np.bool_], Box],
    at_most_share: float,
    thresholds: Thresholds,
) -> Iterator[Finding]:
    """Judge the share of a mask that is fat, wherever it lies: fat and vessels may be mixed."""
    voxels, box = fat
    share = int(np.count_nonzero(voxels)) / measured.voxels
    if share <= at_most_share or measured.volume_ml < thresholds["density_least_ml"]:
        return
    at = np.argwhere(voxels)
    yield Finding(
        "leak",
        f"{share:.0%} of {spoken(measured.name)} is fat, at most {at_most_share:.0%} expected: it "
        "runs over into its surroundings",
        (measured.name,),
        {"share": round(share, 4), "at_most_share": at_most_share},
        severity="medium",
        place_mm=place_of(world_of(at[len(at) // 2], box, scene)),
    )


def _of_bone_in_muscle(
    scene: CaseScene, measured: Measured, thresholds: Thresholds
) -> Iterator[Finding]:
    """Find all of what is as dense as bone in a muscle, also where it is but a rind.

    Spongy bone is hardly denser than muscle: on a coarse grid little of a bone lies together.
    """
    crop = scene.crop(measured.name)
    if crop is None or scene.ct is None or scene.class_map[measured.name].category != "muscle":
        return
    voxels, box = crop
    bone = voxels & (scene.ct[box] > thresholds["muscle_bone_hu"])
    if bone.any():
        limit = thresholds["muscle_bone_ml"]
        yield from _judge(scene, measured, (bone, box), "bone", limit, thresholds)


def _foreign(
    voxels: NDArray[np.bool_], hu: NDArray[np.int16], row: Contents
) -> Iterator[tuple[NDArray[np.bool_], str]]:
    """Give foreign voxels that touch none of the structure's own tissue, and what they are."""
    below, above = voxels & (hu < row.low_hu), voxels & (hu > row.high_hu)
    own = None
    for foreign, what in ((below, row.below), (above, row.above)):
        if not foreign.any():
            continue
        if own is None:
            own = dilated_by_corners(voxels & ~below & ~above)
        yield foreign & ~own, what


def _judge(
    scene: CaseScene,
    measured: Measured,
    found: tuple[NDArray[np.bool_], Box],
    what: str,
    at_most_ml: float,
    thresholds: Thresholds,
) -> Iterator[Finding]:
    foreign, box = found
    volume_ml = int(np.count_nonzero(foreign)) * scene.grid.voxel_ml
    share = volume_ml / measured.volume_ml
    if volume_ml <= at_most_ml or share < thresholds["leak_share"]:
        return
    high = volume_ml > at_most_ml * thresholds["leak_high_ratio"]
    at = np.argwhere(foreign)
    place = world_of(at[len(at) // 2], box, scene)
    yield Finding(
        "leak",
        f"{spoken(measured.name)} runs over into {what}: {volume_ml:.1f} ml ({share:.0%}) of it",
        (measured.name,),
        {"leak_ml": round(volume_ml, 2), "share": round(share, 4), "at_most_ml": at_most_ml},
        severity="high" if high else "medium",
        place_mm=place_of(place),
    )


RULE = Rule(
    "leak",
    "No mask runs over into another tissue: an organ into lung or bone, a rib into the lung.",
    check,
    ("leak",),
    needs_ct=True,
)
