"""Which rows are averaged together: all, each structure, families, parts, kinds of case."""

import re
from collections.abc import Iterator, Mapping, Sequence

from pipeline.anatomy import ClassMap
from training.evaluation.rows import CaseFacts, Row

ALL = ("all", "all")
STRUCTURE = "structure"
FAMILY = "family"
_NUMBER = re.compile(r"[A-Z]?\d+")

Group = tuple[str, str]
"""Kind and name, such as ``("part", "ribs")``."""


def family_of(name: str) -> str:
    """Name the structures that figure 5 of the paper shows as one: sides, ribs, vertebrae.

    >>> family_of("rib_left_3"), family_of("vertebrae_T5"), family_of("lung_upper_lobe_left")
    ('rib', 'vertebrae', 'lung_upper_lobe')
    """
    words = [
        word
        for word in name.split("_")
        if word not in ("left", "right") and not _NUMBER.fullmatch(word)
    ]
    return "_".join(words) or name


def groups_of(row: Row, class_map: ClassMap, facts: Mapping[str, CaseFacts]) -> Iterator[Group]:
    """Give every group that a row belongs to."""
    structure = class_map[row.structure]
    yield ALL
    yield (STRUCTURE, structure.name)
    yield (FAMILY, family_of(structure.name))
    if structure.part:
        yield ("part", structure.part)
    if structure.category:
        yield ("category", structure.category)
    yield from facts[row.case].groups.items()


def case_groups(phase: str | None, meta: Mapping[str, str]) -> dict[str, str]:
    """Make the groups of a case from what is known of it: phase, decade of age, sex, device, site.

    Parameters
    ----------
    phase : str or None
    meta : mapping
        As in :class:`pipeline.workspace.Case`; what is not known makes no group.
    """
    scanner = " ".join(filter(None, (meta.get("manufacturer"), meta.get("scanner_model"))))
    found = {
        "phase": phase or "",
        "age": age_decade(meta.get("age", "")),
        "sex": meta.get("sex", ""),
        "scanner": scanner or meta.get("scanner", ""),
        "site": meta.get("site", ""),
    }
    return {kind: name for kind, name in found.items() if name}


def age_decade(age: str) -> str:
    """Give the decade of an age in years, ``"63"`` to ``"60-69"``; nothing for no number."""
    if not re.fullmatch(r"\d{1,3}(\.\d+)?", age):
        return ""
    decade = int(float(age)) // 10 * 10
    return f"{decade}-{decade + 9}"


def ordered(groups: Sequence[Group], class_map: ClassMap) -> list[Group]:
    """Sort groups: all first, structures and families as in the class map, others by name."""
    place = {name: number for number, name in enumerate(class_map.names)}
    families = {family_of(name): number for name, number in reversed(place.items())}
    parts = {part: number for number, part in enumerate(class_map.parts)}
    known = {STRUCTURE: place, FAMILY: families, "part": parts}
    kinds = ["all", STRUCTURE, FAMILY, "part", "category"]

    def key(group: Group) -> tuple[int, str, int, str]:
        kind, name = group
        rank = kinds.index(kind) if kind in kinds else len(kinds)
        return rank, kind, known.get(kind, {}).get(name, 0), name

    return sorted(set(groups), key=key)
