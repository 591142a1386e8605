"""A mask does not end flat where the field of view goes on."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.volume import Box
from pipeline.workspace import Finding
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.scene_measures import EDGES, Edge, Measured
from qc.plausibility.surroundings import world_of
from qc.plausibility.thresholds import Thresholds, fits
from qc.plausibility.wording import place_of, spoken

# Tubes and bands that go on under another name, or end flat by definition.
_END_FLAT = (
    "esophagus",
    "trachea",
    "iliac_*",
    "autochthon_*",
    "iliopsoas_*",
    "portal_vein*",
    "pulmonary_*",
    "spinal_cord",
    "costal_cartilages",
    "sternum",
    "subclavian_*",
    "common_carotid_*",
    "brachiocephalic_*",
    "superior_vena_cava",
    "face",
    "skull",
    "small_bowel",
)


@dataclass(frozen=True, slots=True, eq=False)
class _End:
    """The last slice of a mask towards one side, and what lies beyond it."""

    edge: Edge
    area_cm2: float
    area_inside_cm2: float
    area_largest_cm2: float
    last: NDArray[np.bool_]
    beyond_box: Box
    inside_box: Box


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Look at the six ends of each mask."""
    for measured in scene.present():
        if fits(measured.name, _END_FLAT):
            continue
        for end in _ends(scene, measured, thresholds["flat_end_depth_mm"]):
            yield from _judge(scene, measured, end, thresholds)


def _ends(scene: CaseScene, measured: Measured, depth_mm: float) -> Iterator[_End]:
    crop = scene.crop(measured.name)
    if crop is None:
        return
    voxels, box = crop
    for axis in range(3):
        step_mm = scene.grid.spacing_mm[axis]
        others = [scene.grid.spacing_mm[a] for a in range(3) if a != axis]
        flat = tuple(a for a in range(3) if a != axis)
        areas = np.count_nonzero(voxels, axis=flat) * others[0] * others[1] / 100
        depth = min(max(1, round(depth_mm / step_mm)), (areas.size - 1) // 4)
        if depth < 1:
            continue
        for at_high in (False, True):
            edge = EDGES[axis][at_high]
            if edge in measured.edges:
                continue
            at = areas.size - 1 if at_high else 0
            inner = at - depth if at_high else at + depth
            yield _End(
                edge,
                float(areas[at]),
                float(areas[inner]),
                float(areas.max()),
                np.take(voxels, [at], axis),
                _slice_of(box, axis, box[axis].start + at + (1 if at_high else -1)),
                _slice_of(box, axis, box[axis].start + at),
            )


def _slice_of(box: Box, axis: int, at: int) -> Box:
    i, j, k = (slice(at, at + 1) if a == axis else side for a, side in enumerate(box))
    return i, j, k


def _judge(
    scene: CaseScene, measured: Measured, end: _End, thresholds: Thresholds
) -> Iterator[Finding]:
    flatness = end.area_cm2 / max(end.area_inside_cm2, 1e-6)
    if (
        end.area_cm2 < thresholds["flat_end_cm2"]
        or flatness < thresholds["flat_end_ratio"]
        or end.area_cm2 < thresholds["flat_end_share"] * end.area_largest_cm2
    ):
        return
    free = end.last & (scene.labels[end.beyond_box] == 0)
    if free.sum() < thresholds["flat_end_free_share"] * end.last.sum():
        return
    goes_on = _goes_on(scene, end, free, thresholds)
    if goes_on is False:
        return
    figures = {"end_cm2": round(end.area_cm2, 2), "flatness": round(flatness, 2)}
    tissue = "; the CT goes on beyond it with the same density" if goes_on else ""
    middle = np.argwhere(end.last)
    place = world_of(middle[len(middle) // 2], end.inside_box, scene)
    yield Finding(
        "cut_off",
        f"{spoken(measured.name)} ends flat ({end.edge}, {end.area_cm2:.0f} cm²) inside the field "
        f"of view{tissue}",
        (measured.name,),
        figures,
        severity="high" if goes_on else "medium",
        place_mm=place_of(place),
    )


def _goes_on(
    scene: CaseScene, end: _End, free: NDArray[np.bool_], thresholds: Thresholds
) -> bool | None:
    """Tell whether the CT looks the same on both sides of the end; None without CT."""
    if scene.ct is None:
        return None
    inside, beyond = scene.ct[end.inside_box][free], scene.ct[end.beyond_box][free]
    low, high = np.percentile(inside, (10, 90))
    margin = thresholds["flat_end_margin_hu"]
    same = (beyond >= low - margin) & (beyond <= high + margin)
    return bool(same.mean() >= thresholds["flat_end_same_share"])


RULE = Rule(
    "cut_off",
    "A mask does not end flat where the field of view goes on.",
    check,
    ("cut_off",),
)
