"""Where the middle of the body is, and how high something stands along the spine."""

from dataclasses import dataclass

import numpy as np

from pipeline.anatomy import vertebra_number
from qc.plausibility.scene import CaseScene
from qc.plausibility.scene_measures import Point

_FEWEST_VERTEBRAE = 2
_SKIN_HU = -300
_FARTHEST_LEVELS = 2.5


@dataclass(frozen=True, slots=True, eq=False)
class Spine:
    """Centres of the vertebrae that the field of view does not cut, from below upwards.

    Attributes
    ----------
    numbers : ndarray, shape (N,)
        As `pipeline.anatomy.vertebra_number` gives them.
    centres_mm : ndarray, shape (N, 3)
    """

    numbers: Point
    centres_mm: Point

    def level(self, z_mm: float) -> float | None:
        """Give the (broken) vertebra number at a height; None too far beyond the ends seen.

        Above and below, the last distance between two vertebrae is carried on.
        """
        heights = self.centres_mm[:, 2]
        if heights[0] <= z_mm <= heights[-1]:
            return float(np.interp(z_mm, heights, self.numbers))
        low, high = (0, 1) if z_mm < heights[0] else (-2, -1)
        step = (self.numbers[high] - self.numbers[low]) / (heights[high] - heights[low])
        end = 0 if z_mm < heights[0] else -1
        away = (z_mm - heights[end]) * step
        return float(self.numbers[end] + away) if abs(away) <= _FARTHEST_LEVELS else None


def spine_of(scene: CaseScene) -> Spine | None:
    """Find the spine; None with fewer than two whole vertebrae that stand in order."""
    return scene.keep("spine", lambda: _spine(scene))


def midline_x_mm(scene: CaseScene, z_mm: float) -> float | None:
    """Give the world x of the body's middle at a height.

    Taken from bones of the middle (vertebrae, sacrum) and the spinal cord; without them from the
    body's outline in the CT; None where neither is there.
    """
    found = scene.keep("midline", lambda: _midline(scene))
    return None if found is None else float(np.interp(z_mm, found[0], found[1]))


def _spine(scene: CaseScene) -> Spine | None:
    found = [
        (number, measured.centroid_mm)
        for measured in scene.present()
        if (number := vertebra_number(measured.name)) is not None
        and not measured.edges & {"top", "bottom"}
    ]
    found.sort(key=lambda each: float(each[1][2]))
    if len(found) < _FEWEST_VERTEBRAE:
        return None
    numbers = np.array([number for number, _ in found], float)
    centres = np.array([centre for _, centre in found])
    in_order = bool((np.diff(numbers) < 0).all() and (np.diff(centres[:, 2]) > 1).all())
    return Spine(numbers, centres) if in_order else None


def _midline(scene: CaseScene) -> tuple[Point, Point] | None:
    middle = [
        measured.centroid_mm
        for measured in scene.present()
        if vertebra_number(measured.name) is not None
        or measured.name in ("sacrum", "vertebrae_S1", "spinal_cord")
    ]
    if not middle:
        return _outline(scene)
    points = np.array(sorted(middle, key=lambda point: float(point[2])))
    return points[:, 2], points[:, 0]


def _outline(scene: CaseScene) -> tuple[Point, Point] | None:
    """Take the median x of what is denser than air, over the whole body."""
    if scene.ct is None:
        return None
    counts = np.count_nonzero(scene.ct > _SKIN_HU, axis=(1, 2))
    if not counts.any():
        return None
    half = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
    middle = [(size - 1) / 2 for size in scene.grid.shape]
    x = float(np.array(scene.grid.affine)[0] @ [half, middle[1], middle[2], 1.0])
    return np.array([0.0]), np.array([x])
