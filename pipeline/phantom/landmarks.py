"""The plan of the mean body: where the vertebrae stand and how wide the trunk is.

Millimetres in the mean adult of 1.75 m; x to the right, y forwards, z up, femoral heads at z 0.
Distances follow a human CT (T11 to femoral heads) and textbook vertebral heights.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.phantom.combine import Kept
from pipeline.phantom.shapes import Trunk, along, tube

Point = NDArray[np.float64]

# Vertebra: height z, body centre y, half width, half depth, half height of the body.
_LEVELS: Final = {
    "L5": (123.0, -31.0, 26.0, 17.5, 13.0),
    "L4": (158.0, -22.0, 25.0, 17.5, 13.5),
    "L3": (193.0, -18.0, 23.5, 17.0, 13.5),
    "L2": (227.0, -20.0, 22.5, 16.5, 13.5),
    "L1": (260.0, -27.0, 21.5, 16.0, 13.0),
    "T12": (291.0, -36.0, 20.5, 15.5, 12.0),
    "T11": (320.0, -45.0, 18.5, 15.0, 11.2),
    "T10": (348.0, -52.0, 17.0, 15.0, 10.6),
    "T9": (374.5, -58.0, 16.0, 14.8, 10.2),
    "T8": (400.0, -62.0, 15.5, 14.5, 9.8),
    "T7": (424.5, -64.0, 15.0, 14.0, 9.5),
    "T6": (448.5, -64.0, 14.5, 13.3, 9.2),
    "T5": (472.0, -62.0, 14.0, 12.5, 9.0),
    "T4": (494.5, -58.0, 13.5, 11.5, 8.8),
    "T3": (516.5, -53.0, 13.5, 10.8, 8.5),
    "T2": (538.0, -47.0, 14.0, 10.2, 8.3),
    "T1": (558.5, -41.0, 14.5, 9.6, 8.0),
    "C7": (577.0, -35.5, 13.0, 8.8, 6.6),
    "C6": (594.0, -31.0, 12.0, 8.4, 6.0),
    "C5": (610.5, -28.0, 11.5, 8.2, 6.0),
    "C4": (627.0, -26.0, 11.0, 8.0, 6.0),
    "C3": (643.5, -26.0, 10.5, 8.0, 6.0),
    "C2": (661.5, -28.0, 10.5, 8.0, 7.5),
    "C1": (682.0, -30.0, 10.0, 7.0, 5.5),
}


@dataclass(frozen=True)
class Level:
    """One vertebra: centre of its body, sizes, and the axes of its own frame.

    `frame` rows are right, forwards and up of the vertebra, which leans with the curve.
    """

    name: str
    centre: Point
    half_width: float
    half_depth: float
    half_height: float
    frame: NDArray[np.float64]

    def place(self, right: float, forwards: float, up: float) -> Point:
        """Return the body coordinates of a point given in the vertebra's own frame."""
        return self.centre + np.array([right, forwards, up]) @ self.frame


def _levels() -> dict[str, Level]:
    names = list(_LEVELS)
    rows = np.array([_LEVELS[n] for n in names])
    lean = np.gradient(rows[:, 1], rows[:, 0])
    return {
        name: Level(
            name=f"vertebrae_{name}",
            centre=np.array([0.0, row[1], row[0]]),
            half_width=row[2],
            half_depth=row[3],
            half_height=row[4],
            frame=along((0.0, slope, 1.0)),
        )
        for name, row, slope in zip(names, rows, lean, strict=True)
    }


LEVELS: Final = _levels()
"""L5 up to C1, by short name."""

CAVITY_OVALS: Final = Trunk(
    rows=(
        (-60, 30, 0, -62),
        (-25, 50, 25, -88),
        (20, 60, 45, -98),
        (60, 74, 60, -92),
        (100, 92, 73, -72),
        (140, 110, 80, -66),
        (180, 118, 84, -68),
        (220, 120, 88, -76),
        (260, 124, 92, -86),
        (300, 130, 96, -96),
        (350, 133, 98, -104),
        (400, 131, 94, -109),
        (450, 121, 84, -109),
        (490, 106, 68, -104),
        (520, 86, 50, -95),
        (545, 62, 26, -84),
        (565, 42, 6, -70),
        (580, 28, -14, -56),
    )
)
"""Inner surface of rib cage, belly wall and pelvis: what the organs lie in."""

CAVITY: Final = Kept(CAVITY_OVALS)
"""The same, worked out once for each block of voxels."""

GROOVE: Final = Kept(
    tube(
        [
            (0.0, v.centre[1] - v.half_depth - 30, v.centre[2])
            for v in LEVELS.values()
            if 150 < v.centre[2] < 580
        ],
        [
            float(np.interp(v.centre[2], [190, 260, 320, 520, 560], [38, 40, 38, 36, 30]))
            for v in LEVELS.values()
            if 150 < v.centre[2] < 580
        ],
        pieces=2,
    )
)
"""The back wall of chest and belly bulges inwards here: vertebral arches and back muscles."""

SKIN_ROWS: Final = (
    (-60, 178, 70, -108),
    (0, 180, 78, -116),
    (60, 172, 92, -122),
    (110, 160, 100, -119),
    (160, 150, 105, -115),
    (200, 148, 108, -112),
    (250, 151, 112, -113),
    (300, 157, 116, -120),
    (350, 161, 119, -130),
    (400, 165, 118, -139),
    (450, 167, 110, -143),
    (490, 168, 95, -143),
    (520, 160, 82, -137),
    (545, 128, 66, -130),
    (565, 96, 48, -118),
    (585, 68, 34, -100),
    (605, 60, 27, -86),
    (640, 59, 26, -86),
    (690, 58, 20, -90),
    (720, 50, 10, -80),
)
"""Outer surface of trunk and neck, without limbs, shoulders, breasts and head."""

FEMORAL_HEAD: Final = (88.0, -15.0, 0.0)
"""Centre of the right femoral head."""


def on_cage(angle_deg: float, z_mm: float, side: float, out_mm: float) -> Point:
    """Return the point at an angle round the chest wall, `out_mm` outside the cavity."""
    a, b, middle = CAVITY_OVALS.oval(z_mm)
    turn = np.deg2rad(angle_deg)
    c, s = np.cos(turn), np.sin(turn)
    x, y = a * c, b * s
    u, v = (x / a) ** 2, (y / b) ** 2
    level = (np.sqrt(u + v) + (u * u + v * v) ** 0.25) / 2
    scale = 1 / level + out_mm / np.hypot(x, y)
    return np.array([side * x * scale, middle + y * scale, z_mm])
