"""Left lies left and right lies right: of the body's middle, and of the mirror structure."""

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.anatomy import Structure
from pipeline.workspace import Finding
from qc.plausibility.body_frame import midline_x_mm
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.scene_measures import Measured, to_world
from qc.plausibility.thresholds import Thresholds, fits
from qc.plausibility.wording import listed, place_of, spoken

# Chambers of the heart are named by side but lie on both sides of the middle.
_NOT_OF_A_SIDE = ("heart_*", "atrial_*", "iliac_*", "brachiocephalic_*")
_RIGHT_ORGANS = ("liver", "gallbladder", "inferior_vena_cava", "superior_vena_cava")
_LEFT_ORGANS = ("spleen", "stomach", "heart_ventricle_left", "heart")


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Look for pairs that are exchanged, structures beyond the middle, and a mirrored body."""
    swapped, agreeing = _pairs(scene, thresholds)
    organs = _organs_off(scene, thresholds)
    fewest = thresholds["side_fewest"]
    if len(swapped) >= fewest and not agreeing:
        yield _all_swapped(swapped, organs)
        return
    for left, right in swapped:
        yield _swap(left, right)
    if len(organs) >= fewest:
        yield _mirrored(organs)
    elif organs:
        yield from (_organ(each) for each in organs)
    named = {measured.name for pair in swapped for measured in pair}
    for structure in scene.class_map:
        measured = scene.get(structure.name)
        if measured is not None and structure.name not in named:
            yield from _beyond(scene, structure, measured, thresholds)


def _pairs(
    scene: CaseScene, thresholds: Thresholds
) -> tuple[list[tuple[Measured, Measured]], list[str]]:
    swapped, agreeing = [], []
    for structure in scene.class_map:
        if structure.side != "left" or structure.mirror is None:
            continue
        left, right = scene.get(structure.name), scene.get(structure.mirror)
        if left is None or right is None:
            continue
        apart_mm = float(right.centroid_mm[0] - left.centroid_mm[0])
        if apart_mm < -thresholds["side_swap_mm"]:
            swapped.append((left, right))
        else:
            agreeing.append(structure.name)
    return swapped, agreeing


def _organs_off(scene: CaseScene, thresholds: Thresholds) -> list[tuple[Measured, float]]:
    """Find organs of one side whose centre lies on the other; how far, in mm."""
    found = []
    for names, sign in ((_RIGHT_ORGANS, 1), (_LEFT_ORGANS, -1)):
        for measured in scene.present(names):
            middle = midline_x_mm(scene, float(measured.centroid_mm[2]))
            judged = middle is not None and not measured.edges & {"left", "right"}
            if judged and middle is not None:
                off = -sign * (float(measured.centroid_mm[0]) - middle)
                if off > thresholds["side_organ_mm"]:
                    found.append((measured, off))
    return found


def _beyond(
    scene: CaseScene, structure: Structure, measured: Measured, thresholds: Thresholds
) -> Iterator[Finding]:
    """Find a structure of one side that lies on the other, as a whole or in a large part."""
    middle = midline_x_mm(scene, float(measured.centroid_mm[2]))
    if structure.side is None or middle is None or fits(structure.name, _NOT_OF_A_SIDE):
        return
    sign = 1 if structure.side == "right" else -1
    off = -sign * (float(measured.centroid_mm[0]) - middle)
    figures = {"beyond_middle_mm": round(off, 1)}
    place = place_of(measured.place_mm)
    if off > thresholds["side_beyond_mm"]:
        yield Finding(
            "wrong_side",
            f"{spoken(structure.name)} lies {off:.0f} mm beyond the body's middle, on the other "
            "side",
            (structure.name,),
            figures,
            severity="high",
            place_mm=place,
        )
        return
    reach = middle - float(measured.low_mm[0] if sign > 0 else measured.high_mm[0])
    reach *= sign
    if reach > thresholds["side_reach_mm"]:
        share = _share_beyond(scene, measured, sign)
        if share > thresholds["side_share"]:
            yield Finding(
                "crosses_middle",
                f"{share:.0%} of {spoken(structure.name)} lies beyond the body's middle",
                (structure.name,),
                {"share_beyond": round(share, 3), "reach_mm": round(reach, 1)},
                severity="high" if share > thresholds["side_share_high"] else "medium",
                place_mm=place,
            )


def _share_beyond(scene: CaseScene, measured: Measured, sign: int) -> float:
    """Give the share of voxels beyond the middle, which may be another at each height."""
    crop = scene.crop(measured.name)
    assert crop is not None
    voxels, box = crop
    counts = np.count_nonzero(voxels, axis=1)
    middle_j = (box[1].start + box[1].stop - 1) / 2
    i = np.arange(box[0].start, box[0].stop)
    beyond = 0
    for at, k in enumerate(range(box[2].start, box[2].stop)):
        world = to_world(np.array([[n, middle_j, k] for n in (i[0], i[-1])], float), scene.grid)
        middle = midline_x_mm(scene, float(world[:, 2].mean()))
        x = np.linspace(world[0, 0], world[1, 0], i.size)
        beyond += int(counts[sign * (x - (middle or 0.0)) < 0, at].sum())
    return beyond / measured.voxels


def _all_swapped(
    swapped: Sequence[tuple[Measured, Measured]], organs: Sequence[tuple[Measured, float]]
) -> Finding:
    names = tuple(measured.name for pair in swapped for measured in pair)
    why = (
        "with the organs of one side too: the volume is mirrored, or the person is"
        if organs
        else "while the other organs lie right: the names are exchanged"
    )
    return Finding(
        "body_mirrored",
        f"left and right are exchanged in all {len(swapped)} pairs, {why}",
        names,
        {"pairs": len(swapped), "organs": len(organs)},
        severity="high",
        place_mm=place_of(swapped[0][0].place_mm),
    )


def _swap(left: Measured, right: Measured) -> Finding:
    apart_mm = float(left.centroid_mm[0] - right.centroid_mm[0])
    return Finding(
        "sides_swapped",
        f"{spoken(left.name)} lies {apart_mm:.0f} mm to the right of {spoken(right.name)}: left "
        "and right are exchanged",
        (left.name, right.name),
        {"apart_mm": round(apart_mm, 1)},
        severity="high",
        place_mm=place_of(left.place_mm),
    )


def _mirrored(organs: Sequence[tuple[Measured, float]]) -> Finding:
    names = [measured.name for measured, _ in organs]
    return Finding(
        "organs_mirrored",
        f"{listed(names)} lie on the side opposite to the usual one: mirrored labels, or a "
        "mirrored person",
        tuple(names),
        {"organs": len(names)},
        severity="high",
        place_mm=place_of(organs[0][0].place_mm),
    )


def _organ(found: tuple[Measured, float]) -> Finding:
    measured, off = found
    return Finding(
        "wrong_side",
        f"the middle of {spoken(measured.name)} lies {off:.0f} mm on the side opposite to the "
        "usual one",
        (measured.name,),
        {"beyond_middle_mm": round(off, 1)},
        severity="high",
        place_mm=place_of(measured.place_mm),
    )


RULE = Rule(
    "sides",
    "Left lies left and right lies right: of the body's middle, and of the mirror structure.",
    check,
    ("body_mirrored", "sides_swapped", "organs_mirrored", "wrong_side", "crosses_middle"),
)
