"""What is lung on the CT belongs to a lobe."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline.volume import Box, grow_box
from pipeline.workspace import Finding
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.surroundings import world_of
from qc.plausibility.thresholds import Thresholds
from qc.plausibility.wording import listed, place_of

_LOBES = "lung_"


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Find rooms as dark as lung, beside a lobe, that bear no label."""
    lobes = {scene.class_map[n].value: n for n in scene.names if n.startswith(_LOBES)}
    if scene.ct is None or not lobes:
        return
    for room, box in _dark_rooms(scene, thresholds):
        names = _lobes_around(scene, room, box, lobes, thresholds)
        if not names:
            continue
        volume_ml = float(np.count_nonzero(room)) * scene.grid.voxel_ml
        inside = np.argwhere(room)
        yield Finding(
            "unlabelled_lung",
            f"{volume_ml:.0f} ml as dark as lung beside {listed(names)} bear no label",
            tuple(names),
            {"volume_ml": round(volume_ml, 1)},
            severity="high" if volume_ml >= thresholds["unlabelled_lung_high_ml"] else "medium",
            place_mm=place_of(world_of(inside[len(inside) // 2], box, scene)),
        )


def _dark_rooms(
    scene: CaseScene, thresholds: Thresholds
) -> Iterator[tuple[NDArray[np.bool_], Box]]:
    """Go through the connected rooms without a label in the range of lung, large enough.

    The air around a body reaches the sides of the field of view; lung does not.
    """
    import cc3d

    assert scene.ct is not None
    low, high = thresholds["unlabelled_lung_low_hu"], thresholds["unlabelled_lung_high_hu"]
    dark = (scene.labels == 0) & (scene.ct >= low) & (scene.ct <= high)
    rooms = cc3d.connected_components(np.asfortranarray(dark), connectivity=6)
    known = cc3d.statistics(rooms, no_slice_conversion=False)
    least = thresholds["unlabelled_lung_ml"] / scene.grid.voxel_ml
    for number in np.flatnonzero(np.asarray(known["voxel_counts"]) >= least):
        i, j, k = known["bounding_boxes"][int(number)]
        sides = zip((i, j), scene.grid.shape[:2], strict=True)
        if number and not any(side.start == 0 or side.stop == n for side, n in sides):
            grown = grow_box((i, j, k), 1, scene.grid.shape)
            yield rooms[grown] == number, grown


def _lobes_around(
    scene: CaseScene,
    room: NDArray[np.bool_],
    box: Box,
    lobes: Mapping[int, str],
    thresholds: Thresholds,
) -> list[str]:
    """Name the lobes that a room touches most; none if they are little of what surrounds it."""
    from scipy import ndimage

    around = scene.labels[box][ndimage.binary_dilation(room) & ~room]
    counts = {name: int(np.count_nonzero(around == value)) for value, name in lobes.items()}
    touched = sum(counts.values())
    if not touched or touched < thresholds["unlabelled_lung_contact"] * around.size:
        return []
    least = thresholds["unlabelled_lung_own_share"] * touched
    return [name for name, count in counts.items() if count >= least]


RULE = Rule(
    "unlabelled_lung",
    "What is lung on the CT belongs to a lobe.",
    check,
    ("unlabelled_lung",),
    needs_ct=True,
)
