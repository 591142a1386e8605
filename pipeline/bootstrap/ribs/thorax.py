"""Where the middle of the body is, and how far round the chest and how high a rib lies.

Ribs run down as they run forward, all in much the same way. Taking that common fall off, a rib
has one height, its level: ribs can be put in order even where only their front ends are seen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.bootstrap.ribs.strands import Points
from pipeline.volume import Box

WINDOW_MM = 40.0
CAGE_DEPTH = 0.75  # of half its width: where the axis of the chest lies before its back
SLICE_MM = 5.0
TILT_MM = 30.0  # above and below: over which the spine's tilt is read
STEEPEST_TILT = 0.7
STEADY = 1e-6
BACK_MM, ASIDE_MM = 40.0, 60.0  # before and beside the middle of the back: necks and heads
NECK_MM = 15.0  # above and below: where spines are bent, others lie elsewhere
LEAST_GAP_MM = 20.0  # between left and right heads: a vertebral body is wider
JUMP_MM = 15.0  # of the middle from one height to the next, besides the tilt: necks differ


@dataclass(frozen=True, slots=True)
class Thorax:
    """The axis of the chest, piecewise linear in height.

    Attributes
    ----------
    z_mm, middle_x_mm, axis_y_mm : ndarray, shape (n,)
    """

    z_mm: Points
    middle_x_mm: Points
    axis_y_mm: Points

    def middle(self, z_mm: Points) -> Points:
        """Give x (mm) of the body's middle at these heights."""
        return np.interp(z_mm, self.z_mm, self.middle_x_mm)

    def along_spine(self, points: Points) -> Points:
        """Height (mm) at which points (..., 3) beside the spine belong to it, tilted or not."""
        z = points[..., 2]
        low, at, high = (self.middle(z + step) for step in (-TILT_MM, 0.0, TILT_MM))
        tilt = np.clip((high - low) / (2 * TILT_MM), -STEEPEST_TILT, STEEPEST_TILT)
        height: Points = z + (points[..., 0] - at) * tilt
        return height

    def round_deg(self, points: Points) -> Points:
        """Angle round the chest: 0 at the back's middle, 90 at the side, 180 in front."""
        x = np.abs(points[:, 0] - self.middle(points[:, 2]))
        y = points[:, 1] - np.interp(points[:, 2], self.z_mm, self.axis_y_mm)
        angle: Points = np.degrees(np.arctan2(x, -y))
        return angle


def find_thorax(points: Points, spine: Points) -> Thorax:
    """Find the chest's axis from the points of all ribs and, where known, of the vertebrae.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Of the ribs, RAS in mm.
    spine : ndarray, shape (m, 3)
        Centres of vertebrae; may be empty.
    """
    z = np.arange(points[:, 2].min(), points[:, 2].max() + SLICE_MM, SLICE_MM)
    rows = [points[np.abs(points[:, 2] - height) <= WINDOW_MM] for height in z]
    low = np.array([np.percentile(row[:, 0], 2) for row in rows])
    high = np.array([np.percentile(row[:, 0], 98) for row in rows])
    back = np.array([np.percentile(row[:, 1], 2) for row in rows])
    middle = (low + high) / 2
    if len(spine):
        order = np.argsort(spine[:, 2])
        middle = np.interp(z, spine[order, 2], spine[order, 0])
    else:
        slices = [points[np.abs(points[:, 2] - height) <= NECK_MM] for height in z]
        middle = _follow_spine(slices, middle, back, start=int((high - low).argmax()))
    half = np.maximum(high - middle, middle - low)
    return Thorax(z, middle, back + CAGE_DEPTH * half)


def _follow_spine(slices: Sequence[Points], middle: Points, back: Points, *, start: int) -> Points:
    """Follow the spine up and down from the widest height, where both sides are seen for sure.

    Where no gap shows it (below the heads of the last ribs, where often but one side reaches), it
    goes on straight down: the middle of what bone is there may be the middle of one rib.
    """
    found = middle.copy()
    for rows in (range(start, len(middle)), range(start, -1, -1)):
        last, since = float(middle[start]), 0
        for row in rows:
            since += 1
            at = _between(slices[row], last, float(back[row]))
            if at is not None and abs(at - last) <= JUMP_MM + STEEPEST_TILT * SLICE_MM * since:
                last, since = at, 0
            found[row] = last
    return found


def _between(row: Points, middle_x_mm: float, back_y_mm: float) -> float | None:
    """Middle of the gap between the left and the right ribs behind: the spine is there.

    A bent spine lies up to 20 mm beside the chest's middle. None if there is no such gap.
    """
    x = np.sort(row[row[:, 1] < back_y_mm + BACK_MM, 0])
    x = x[np.abs(x - middle_x_mm) < ASIDE_MM]
    gaps = np.diff(x)
    if not len(gaps) or gaps.max() < LEAST_GAP_MM:
        return None
    at = int(gaps.argmax())
    return float(x[at] + x[at + 1]) / 2


def sides(thorax: Thorax, lines: Sequence[Points]) -> NDArray[np.int64]:
    """Tell for each line (mm, RAS) whether it lies left (-1) or right (1) of the middle."""
    centres = [
        float(np.mean(line[:, 0] - thorax.middle(line[:, 2]))) if len(line) else 0.0
        for line in lines
    ]
    return np.where(np.array(centres) < 0, -1, 1).astype(np.int64)


def common_fall(thorax: Thorax, lines: Sequence[Points]) -> Callable[[float], float]:
    """Fit how the height (mm) of ribs changes with the angle round the chest, up to a constant."""
    _, shape = _fit(thorax, lines)
    return lambda angle_deg: float(_powers(np.array([angle_deg]))[0] @ shape)


def levels(thorax: Thorax, lines: Sequence[Points]) -> Points:
    """Height (mm) of each line at the side of the chest, wherever round it the line is seen."""
    return _fit(thorax, lines)[0]


def _fit(thorax: Thorax, lines: Sequence[Points]) -> tuple[Points, Points]:
    """Least squares over all lines at once: z = level of the line + polynomial of the angle."""
    if not lines:
        return np.zeros(0), np.zeros(3)
    rows = np.cumsum([0, *(len(line) for line in lines)])[:-1]
    count = np.array([len(line) for line in lines], np.float64)
    points = np.concatenate(lines)
    shape = _powers(thorax.round_deg(points))
    mean_shape = np.add.reduceat(shape, rows) / count[:, None]
    mean_z: Points = np.asarray(np.add.reduceat(points[:, 2], rows) / count, np.float64)
    owner = np.repeat(np.arange(len(lines)), count.astype(int))
    within, z = shape - mean_shape[owner], points[:, 2] - mean_z[owner]
    steady = within.T @ within + STEADY * np.eye(3)
    fall: Points = np.asarray(np.linalg.solve(steady, within.T @ z), np.float64)
    return mean_z - mean_shape @ fall, fall


def _powers(angle_deg: Points) -> Points:
    share = angle_deg / 90 - 1
    return np.stack([share, share**2, share**3], axis=1)


def spine_of(
    crops: Mapping[str, tuple[NDArray[np.bool_], Box]],
    affine: Points,
) -> dict[str, Points]:
    """Centre of each vertebra in mm, under the given affine; empty masks are left out."""
    found = {}
    for name, (crop, box) in crops.items():
        where = np.argwhere(crop)
        if len(where):
            corner = np.array([part.start or 0 for part in box])
            found[name] = affine[:3, :3] @ (where.mean(axis=0) + corner) + affine[:3, 3]
    return found
