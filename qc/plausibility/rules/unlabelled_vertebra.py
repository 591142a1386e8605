"""Bone that hangs together with a vertebra bears its name."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import vertebra_number
from pipeline.volume import Box, grow_box
from pipeline.workspace import Finding
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.scene_measures import Measured
from qc.plausibility.surroundings import world_of
from qc.plausibility.thresholds import Thresholds
from qc.plausibility.wording import place_of, spoken

_T1 = 1


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Look beside each vertebra below the neck for bone without a label.

    Above lies the skull, which has no name of its own.
    """
    if scene.ct is None:
        return
    for measured in scene.present():
        number = vertebra_number(measured.name)
        if number is not None and number >= _T1 and not measured.is_cut:
            yield from _beside(scene, measured, thresholds)


def _beside(scene: CaseScene, measured: Measured, thresholds: Thresholds) -> Iterator[Finding]:
    density = scene.density(measured.name)
    if density is None or scene.ct is None:
        return
    margin = round(thresholds["unlabelled_bone_reach_mm"] / min(scene.grid.spacing_mm))
    box = grow_box(measured.box, margin, scene.grid.shape)
    # As dense as this vertebra itself is: people and contrast differ.
    least_hu = max(thresholds["unlabelled_bone_hu"], density.p25_hu)
    bone = (scene.labels[box] == 0) & (scene.ct[box] >= least_hu)
    missing = _hanging_together(bone, scene.labels[box] == measured.value)
    volume_ml = float(np.count_nonzero(missing)) * scene.grid.voxel_ml
    share = volume_ml / measured.volume_ml
    if share < thresholds["unlabelled_bone_share"]:
        return
    high = share >= thresholds["unlabelled_bone_share_high"]
    yield Finding(
        "unlabelled_bone",
        f"{volume_ml:.1f} ml of bone beside {spoken(measured.name)} bear no label, {share:.0%} of "
        "what does",
        (measured.name,),
        {"volume_ml": round(volume_ml, 2), "share": round(share, 3)},
        severity="high" if high else "medium",
        place_mm=place_of(_middle(missing, box, scene)),
    )


def _hanging_together(bone: NDArray[np.bool_], own: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the bone without a label that is connected to the vertebra."""
    from scipy import ndimage

    touching = ndimage.binary_dilation(own) & bone
    return np.asarray(ndimage.binary_propagation(touching, mask=bone))


def _middle(mask: NDArray[np.bool_], box: Box, scene: CaseScene) -> NDArray[np.float64]:
    inside = np.argwhere(mask)
    return world_of(inside[len(inside) // 2], box, scene)


RULE = Rule(
    "unlabelled_vertebra",
    "Bone that hangs together with a vertebra bears its name.",
    check,
    ("unlabelled_bone",),
    needs_ct=True,
)
