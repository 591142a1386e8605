"""The figures of every structure, so that two contenders can be seen to have measured the same."""

import hashlib
import json
from typing import Any

Figures = dict[int, tuple[float, ...]]
"""Value to ml, mean, median and sd in HU, centroid in mm, and whether the border is touched."""

_DIGITS = 6


def measuring_facts(figures: Figures) -> dict[str, Any]:
    """Return the number of structures and a digest of all their figures, to six decimals."""
    rounded = {
        value: [round(float(number), _DIGITS) + 0.0 for number in numbers]
        for value, numbers in sorted(figures.items())
    }
    digest = hashlib.sha256(json.dumps(rounded).encode()).hexdigest()[:16]
    return {"structures": len(rounded), "digest": digest}
