"""A mask has no closed holes."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.volume import Box, grow_box
from pipeline.workspace import Finding
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.surroundings import world_of
from qc.plausibility.thresholds import Thresholds, fits
from qc.plausibility.wording import place_of, spoken

_HOLLOW = ("skull", "colon", "small_bowel", "face")
_WITH_CANALS = ("sacrum", "hip_*", "vertebrae_*")


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Find unlabelled room that one structure closes in on all sides."""
    names = scene.class_map.names_by_value
    found: dict[str, list[tuple[float, Box, NDArray[np.bool_]]]] = {}
    for box, room, around in _closed_rooms(scene, thresholds["hole_ml"]):
        name = names.get(around)
        if name is not None and not fits(name, _HOLLOW):
            volume_ml = int(np.count_nonzero(room)) * scene.grid.voxel_ml
            found.setdefault(name, []).append((volume_ml, box, room))
    for name, holes in found.items():
        yield from _of_structure(scene, name, holes, thresholds)


def _of_structure(
    scene: CaseScene,
    name: str,
    holes: list[tuple[float, Box, NDArray[np.bool_]]],
    thresholds: Thresholds,
) -> Iterator[Finding]:
    measured = scene.get(name)
    if measured is None:
        return
    total_ml = sum(volume for volume, _, _ in holes)
    share = total_ml / (measured.volume_ml + total_ml)
    least = "hole_share_bone" if fits(name, _WITH_CANALS) else "hole_share"
    if share < thresholds[least]:
        return
    _, box, room = max(holes, key=lambda hole: hole[0])
    inside = np.argwhere(room)
    place = world_of(inside[len(inside) // 2], box, scene)
    many = "a hole" if len(holes) == 1 else f"{len(holes)} holes"
    yield Finding(
        "hole",
        f"{spoken(name)} has {many} of {total_ml:.1f} ml, {share:.0%} of it",
        (name,),
        {"holes": len(holes), "holes_ml": round(total_ml, 2), "share": round(share, 4)},
        severity="high" if share >= thresholds["hole_share_high"] else "medium",
        place_mm=place_of(place),
    )


def _closed_rooms(
    scene: CaseScene, least_ml: float
) -> Iterator[tuple[Box, NDArray[np.bool_], int]]:
    """Go through rooms of background that reach no edge and touch one label only."""
    import cc3d

    rooms, count = cc3d.connected_components(
        np.asfortranarray(scene.labels == 0), connectivity=6, return_N=True
    )
    if count < 2:
        return
    known = cc3d.statistics(rooms, no_slice_conversion=False)
    sizes = np.asarray(known["voxel_counts"])
    for room in np.flatnonzero(sizes * scene.grid.voxel_ml >= least_ml):
        i, j, k = known["bounding_boxes"][int(room)]
        box = grow_box((i, j, k), 1, scene.grid.shape)
        own = rooms[box] == room
        if room == 0 or _reaches_edge((i, j, k), scene.grid.shape):
            continue
        around = np.unique(scene.labels[box][_rim(own)])
        around = around[around != 0]
        if around.size == 1:
            yield box, own, int(around[0])


def _rim(own: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy import ndimage

    return np.asarray(ndimage.binary_dilation(own) & ~own)


def _reaches_edge(box: Box, shape: tuple[int, int, int]) -> bool:
    return any(s.start == 0 or s.stop == n for s, n in zip(box, shape, strict=True))


RULE = Rule("holes", "A mask has no closed holes.", check, ("hole",))
