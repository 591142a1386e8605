"""What a person should look at after a rib split."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.bootstrap.ribs.naming import NAMES, PAIRS, rib_value
from pipeline.bootstrap.ribs.numbering import AMBIGUOUS, FIRST, LAST, Numbers, Seen
from pipeline.bootstrap.ribs.strands import Bones
from pipeline.workspace import Finding


def extra_findings(
    numbers: Numbers, seen: Sequence[Seen], cervical: Sequence[int] | None
) -> list[Finding]:
    """Say which ribs hold one beyond the twelve pairs.

    Bone at C7 tells of a cervical rib; the count of ribs only where no vertebra says where C7 is.
    """
    extra = {
        (NAMES[rib_value(rib.side, number)], number)
        for rib, number in zip(seen, numbers.numbers, strict=True)
        if number == LAST or (number == FIRST and cervical is None)
    }
    extra |= {(NAMES[rib_value(side, FIRST)], FIRST) for side in cervical or ()}
    findings = []
    for name, number in sorted(extra):
        what = "a cervical rib" if number == FIRST else "a 13th rib"
        findings.append(Finding("rib_extra", f"{what} is part of {name}", (name,)))
    return findings


def ambiguity_findings(numbers: Numbers, seen: Sequence[Seen]) -> list[Finding]:
    """Say how sure the numbers are if no vertebra gave them."""
    findings = []
    if numbers.by != "vertebrae":
        words = {
            "first_rib": "counted from the first rib in view; a rib more or less shifts all",
            "last_rib": "counted up from the last rib in view; 11 or 13 pairs would shift all",
            "order": "neither the first nor the last rib is in view",
        }[numbers.by]
        sure = "likely" if numbers.by != "order" and _is_sure(numbers, seen) else "ambiguous"
        findings.append(
            Finding(
                "rib_number_ambiguous",
                f"no vertebrae to number the ribs by: {words}; the numbers are {sure}",
                tuple(sorted({NAMES[rib_value(r.side, n)]
                       for r, n in zip(seen, numbers.numbers, strict=True)})),
                {"numbered_by": numbers.by, "margin": round(min(numbers.margin, 999.0), 2)},
            )
        )  # fmt: skip
    return findings


def _is_sure(numbers: Numbers, seen: Sequence[Seen]) -> bool:
    """Tell whether no other numbering fits nearly as well, and no pair is odd."""
    both = [
        {n for rib, n in zip(seen, numbers.numbers, strict=True) if rib.side == side}
        for side in (-1, 1)
    ]
    extra = any(n in (0, 13) for n in numbers.numbers)
    unlike = bool(both[0] and both[1]) and both[0] != both[1]
    return numbers.margin >= AMBIGUOUS and not extra and not unlike and not _is_short(numbers)


def _is_short(numbers: Numbers) -> bool:
    """Tell whether both ends are in view, and yet fewer than twelve pairs."""
    return numbers.whole and len(set(numbers.numbers)) < PAIRS


def contact_findings(bones: Bones, labels: NDArray[np.uint8]) -> list[Finding]:
    """Say which ribs touched."""
    findings = []
    for place in bones.places:
        values = {int(labels[bones.strands[n].voxels[0]]) for n in place.strands} - {0}
        if len(values) > 1:
            names = tuple(NAMES[value] for value in sorted(values))
            words = f"{' and '.join(names)} touch and were separated"
            findings.append(Finding("rib_touching_separated", words, names))
    return findings


def left_out(voxels: int, voxel_ml: float) -> Finding:
    """Say how much of the mask lies at no rib."""
    volume_ml = voxels * voxel_ml
    words = f"{voxels} voxels of the rib mask lie at no rib and were left out"
    figures = {"voxels": voxels, "volume_ml": round(volume_ml, 3)}
    return Finding("rib_fragment_left_out", words, (), figures)
