"""Ribs by side and number, and the end by which each hangs on the spine."""

import re
from dataclasses import dataclass

import numpy as np

from pipeline.anatomy import Side
from qc.plausibility.body_frame import midline_x_mm
from qc.plausibility.scene import CaseScene
from qc.plausibility.scene_measures import Measured, Point
from qc.plausibility.surroundings import surface_mm

_NAME = re.compile(r"rib_(left|right)_(\d+)")
_NEAR_EDGE_MM = 9.0
_BACK_SHARE = 0.5
_FARTHEST_MM = 65.0


@dataclass(frozen=True, slots=True, eq=False)
class Rib:
    """One rib as it is labelled.

    Attributes
    ----------
    head_mm : ndarray or None
        Its end towards the spine, world (RAS+); None where the field of view may end before it,
        or where it does not reach the spine.
    """

    name: str
    side: Side
    number: int
    measured: Measured
    head_mm: Point | None


def rib_number(name: str) -> tuple[Side, int] | None:
    """Read side and number out of a rib's name; None if it is none."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    return ("left" if found[1] == "left" else "right"), int(found[2])


def ribs_of(scene: CaseScene) -> tuple[Rib, ...]:
    """Find the ribs of a scene, by side and number."""
    return scene.keep("ribs", lambda: _ribs(scene))


def _ribs(scene: CaseScene) -> tuple[Rib, ...]:
    found = []
    for measured in scene.present():
        known = rib_number(measured.name)
        if known is not None:
            found.append(Rib(measured.name, *known, measured, _head(scene, measured)))
    return tuple(sorted(found, key=lambda rib: (rib.side, rib.number)))


def _head(scene: CaseScene, measured: Measured) -> Point | None:
    """Take the point nearest to the body's middle among the back half of the largest piece."""
    points = surface_mm(scene, measured.name)
    middle = midline_x_mm(scene, float(measured.centroid_mm[2]))
    if middle is None or not len(points):
        return None
    back, front = points[:, 1].min(), points[:, 1].max()
    near = points[points[:, 1] <= back + _BACK_SHARE * (front - back)]
    away = np.abs(near[:, 0] - middle)
    if away.min() > _FARTHEST_MM:
        return None
    head = near[away <= away.min() + 2 * scene.grid.spacing_mm[0]].mean(axis=0)
    return None if _beside_edge(scene, measured, head) else np.asarray(head)


def _beside_edge(scene: CaseScene, measured: Measured, head: Point) -> bool:
    """Tell whether a rib is cut near the point: its end may then lie outside."""
    ends = {
        "left": (0, measured.low_mm),
        "right": (0, measured.high_mm),
        "back": (1, measured.low_mm),
        "front": (1, measured.high_mm),
        "bottom": (2, measured.low_mm),
        "top": (2, measured.high_mm),
    }
    margin = _NEAR_EDGE_MM + max(scene.grid.spacing_mm)
    for edge in measured.edges:
        axis, end = ends[edge]
        if abs(float(head[axis] - end[axis])) < margin:
            return True
    return False
