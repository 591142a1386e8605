"""What the name of a contrast phase says: labs write native, non-contrast, portal venous, CTA."""

import re
from typing import Literal

# Compared with a phase in small letters without blanks, hyphens and underscores.
_CONTRAST = (
    "arterial",
    "portal",
    "venous",
    "contrast",
    "enhanced",
    "late",
    "delayed",
    "angio",
    "cta",
    "cect",
    "nephro",
    "excret",
)
_NATIVE = (
    "native",
    "noncontrast",
    "nocontrast",
    "precontrast",
    "withoutcontrast",
    "unenhanced",
    "nonenhanced",
    "plain",
    "nect",
    "ncct",
)


def phase_kind(phase: str | None) -> Literal["native", "contrast"] | None:
    """Tell whether a phase is one without or with contrast agent; None where it says neither."""
    letters = re.sub(r"[\s_-]", "", (phase or "").lower())
    if any(word in letters for word in _NATIVE):
        return "native"
    return "contrast" if any(word in letters for word in _CONTRAST) else None
