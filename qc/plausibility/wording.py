"""Small words and figures that the rules share, so that all findings read alike."""

from collections.abc import Iterable, Sequence

import numpy as np

from qc.plausibility.scene_measures import Point


def place_of(point: Point | Sequence[float]) -> tuple[float, float, float]:
    """Give a world point as a finding keeps it."""
    x, y, z = (round(float(at), 1) for at in np.asarray(point, float))
    return x, y, z


def spoken(name: str) -> str:
    """Write a structure's name for people: ``left kidney``, ``T7``, ``right rib 3``."""
    words = name.split("_")
    if words[0] == "vertebrae":
        return "_".join(words[1:])
    sides = [word for word in words if word in ("left", "right")]
    rest = [word for word in words if word not in ("left", "right")]
    return " ".join([*sides, *rest])


def listed(names: Iterable[str], shown: int = 4) -> str:
    """Write several names in a row, the first few in full."""
    words = [spoken(name) for name in names]
    more = f" and {len(words) - shown} more" if len(words) > shown else ""
    return ", ".join(words[:shown]) + more
