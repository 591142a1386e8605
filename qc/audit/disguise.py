"""What makes a planted case look like any other: its id, its CT, where its masks come from."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.workspace import Case, Mask, Provenance, digest_of_ct
from pipeline.workspace.words import PLANTED

_NUMBERED = re.compile(r"(.*?)(\d+)")
_HEXADECIMAL = re.compile(r"(.*?)([0-9a-f]{8,})")


def disguised_id(like: str, taken: Collection[str], rng: np.random.Generator) -> str:
    """Give an id of the same sort as another one that no case has.

    ``s0012`` becomes a number that is free among the others or follows them, ``case-3f9a...``
    and long numbers other digits; letters only where other ids have some.
    """
    numbered = _NUMBERED.fullmatch(like)
    if numbered is not None and not _HEXADECIMAL.fullmatch(like):
        return _free_number(numbered[1], len(numbered[2]), taken, rng)
    digits = _HEXADECIMAL.fullmatch(like)
    prefix, length = (digits[1], len(digits[2])) if digits else ("case-", 12)
    while True:
        drawn = "".join(rng.choice(_digits(prefix, {like, *taken}), length))
        if f"{prefix}{drawn}" not in taken:
            return f"{prefix}{drawn}"


def _digits(prefix: str, ids: Collection[str]) -> list[str]:
    """Give the digits that ids of one form use: long numbers are no digests."""
    alike = [found[2] for name in ids if (found := _HEXADECIMAL.fullmatch(name)) is not None
             and found[1] == prefix]  # fmt: skip
    decimal = bool(alike) and all(tail.isdecimal() for tail in alike)
    return list("0123456789" if decimal else "0123456789abcdef")


def _free_number(prefix: str, width: int, taken: Collection[str], rng: np.random.Generator) -> str:
    used = {
        int(found[2])
        for name in taken
        if (found := _NUMBERED.fullmatch(name)) is not None and found[1] == prefix
    }
    gaps = [n for n in range(min(used), max(used)) if n not in used]
    number = int(rng.choice(gaps)) if gaps else max(used) + 1
    return f"{prefix}{number:0{width}d}"


def disguised_case(
    like: Case, case_id: str, ct: NDArray[np.int16], rng: np.random.Generator
) -> tuple[Case, NDArray[np.int16]]:
    """Copy a case under another id.

    The ledger wants every CT once, so one voxel differs by one HU. Patient and exam
    are left out: the copy must lead nowhere.
    """
    changed = ct.copy(order="F")
    somewhere = tuple(int(rng.integers(size)) for size in ct.shape)
    changed[somewhere] += 1 if changed[somewhere] < 0 else -1
    source = {name: value for name, value in like.source.items() if name not in ("file", "voxels")}
    copied = replace(
        like,
        id=case_id,
        ct_digest=digest_of_ct(changed, like.grid),
        patient_id=None,
        exam_id=None,
        series_id=None,
        frame_of_reference_id=None,
        source={**source, PLANTED: "1"},
    )
    return copied, changed


def provenance_like(masks: Mapping[str, Mask]) -> Callable[[str], Provenance]:
    """Say of a structure's mask that it comes from where the real one does.

    A structure that the real case lacks seems to come from where most of its masks do.
    """

    def plain(mask: Mask) -> Provenance:
        return replace(mask.provenance, parents=())

    makers = Counter(mask.provenance.maker for mask in masks.values())
    usual = next(
        mask for mask in masks.values() if mask.provenance.maker == makers.most_common(1)[0][0]
    )
    return lambda structure: plain(masks.get(structure, usual))
