"""Names and values of the 24 ribs; what lies beyond the twelve pairs is named as the nearest."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

PAIRS = 12
NAMES: Mapping[int, str] = {
    number + (0 if side == "left" else 12): f"rib_{side}_{number}"
    for side in ("left", "right")
    for number in range(1, 13)
}


def rib_value(side: int, number: int) -> int:
    """Give the value of a rib: -1 is left, 1 right; a 13th rib is a 12th, a cervical a first."""
    return min(max(number, 1), PAIRS) + (PAIRS if side > 0 else 0)


def side_of(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Give the side of each value: -1 left, 1 right, 0 of no rib."""
    return np.where(labels == 0, 0, np.where(labels <= PAIRS, -1, 1)).astype(np.int64)
