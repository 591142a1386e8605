"""What a synthetic body is like: one frozen settings object, and the named fields of view."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import UsageError

Sex = Literal["female", "male"]
Phase = Literal["native", "arterial", "portal_venous", "late"]
Kernel = Literal["soft", "bone"]

PHASES: tuple[Phase, ...] = ("native", "arterial", "portal_venous", "late")

FIELDS_OF_VIEW_MM: Mapping[str, tuple[float, float]] = {
    "whole": (-150.0, 850.0),
    "head_neck": (545.0, 850.0),
    "thorax": (275.0, 580.0),
    "thorax_abdomen": (90.0, 580.0),
    "abdomen": (90.0, 420.0),
    "pelvis": (-110.0, 170.0),
}
"""Lower and upper end (z in mm, femoral heads at 0) of each named field for a body of size 1."""

CURVE_MM = (90.0, 590.0)
"""Where a scoliosis begins and ends along z, from the sacrum to the neck."""

LIMITS: Mapping[str, tuple[float, float]] = {
    "size": (0.6, 1.3),
    "girth": (0.6, 1.8),
    "scoliosis_deg": (-45.0, 45.0),
    "variation": (0.0, 1.5),
    "noise_hu": (0.0, 200.0),
}


@dataclass(frozen=True)
class BodySettings:
    """How one synthetic body is built and scanned.

    Parameters
    ----------
    seed
        Chooses the individual: organ sizes, positions, borders, and the scanner noise.
    sex
        Changes pelvis, shoulders, breasts and the organs behind the bladder.
    size
        Scale of everything; 1.0 is a person of about 1.75 m.
    girth
        Scale of the belly and of the fat under the skin; 1.0 is slim.
    scoliosis_deg
        Cobb-like angle of one thoracolumbar curve; positive is convex to the right.
    phase
        Contrast phase, which sets the HU of vessels and organs.
    noise_hu
        Standard deviation of the noise in HU.
    kernel
        "soft" (smooth) or "bone" (sharp, with high-frequency noise).
    spacing_mm
        Voxel size along x, y, z.
    field_of_view
        A name of `FIELDS_OF_VIEW_MM` (scaled with `size`), or (lower, upper) z in world mm.
    in_plane_mm
        Widths of the field along x and y around the middle; None takes in the arms.
    orientation
        Axis codes of the stored array, such as "RAS" or "LPS".
    table
        Whether the scanner's table is in the picture.
    removed
        Structures this person lacks (after surgery, say): their voxels show what lies around.
    variation
        How much the individual differs from the mean body; 0 gives the mean body.
    """

    seed: int = 0
    sex: Sex = "female"
    size: float = 1.0
    girth: float = 1.0
    scoliosis_deg: float = 0.0
    phase: Phase = "portal_venous"
    noise_hu: float = 12.0
    kernel: Kernel = "soft"
    spacing_mm: tuple[float, float, float] = (3.0, 3.0, 3.0)
    field_of_view: str | tuple[float, float] = "whole"
    in_plane_mm: tuple[float, float] | None = None
    orientation: str = "RAS"
    table: bool = False
    removed: tuple[str, ...] = ()
    variation: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what no scanner or person could be.

        Raises
        ------
        UsageError
            If a number is out of range or a name is unknown.
        """
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name} is {value}, expected {low} to {high}")
        for name, allowed in (
            ("sex", ("female", "male")),
            ("phase", PHASES),
            ("kernel", ("soft", "bone")),
        ):
            if getattr(self, name) not in allowed:
                raise UsageError(f"{name} is {getattr(self, name)!r}, expected one of {allowed}")
        if len(self.spacing_mm) != 3 or not all(0.3 <= s <= 20 for s in self.spacing_mm):
            raise UsageError(f"spacing_mm is {self.spacing_mm}, expected three of 0.3 to 20 mm")
        _check_orientation(self.orientation)
        if self.z_range_mm[1] - self.z_range_mm[0] < self.spacing_mm[2]:
            raise UsageError(f"field_of_view {self.field_of_view} is thinner than one slice")

    @property
    def z_range_mm(self) -> tuple[float, float]:
        """Lower and upper end of the field of view along z, in world mm."""
        if not isinstance(self.field_of_view, str):
            low, high = self.field_of_view
            return float(low), float(high)
        if self.field_of_view not in FIELDS_OF_VIEW_MM:
            known = ", ".join(FIELDS_OF_VIEW_MM)
            raise UsageError(f"field_of_view is {self.field_of_view!r}, expected one of {known}")
        low, high = FIELDS_OF_VIEW_MM[self.field_of_view]
        return low * self.size, high * self.size


def scoliosis_shift_mm(angle_deg: float) -> float:
    """Return how far the middle of the curve lies aside for a Cobb-like angle.

    A curve A (1 - cos) / 2 over a length L is steepest, +-A pi / L, at its quarters; the angle
    between the two steepest ends is what is asked for.
    """
    low, high = CURVE_MM
    return abs(math.tan(math.radians(angle_deg) / 2)) * (high - low) / math.pi


def _check_orientation(codes: str) -> None:
    pairs = ("LR", "AP", "IS")
    if len(codes) != 3 or any(sum(c in pair for c in codes) != 1 for pair in pairs):
        raise UsageError(f"orientation is {codes!r}, expected three axis codes such as 'RAS'")
