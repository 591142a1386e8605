"""Which structure is drawn in which panel: rules from ``configs/gallery.yaml``.

A rule names structures by shell patterns, parts or categories, so that it fits any class map. What
no rule names goes into a last panel of its own: nothing is ever left out.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, Field

from pipeline.anatomy import ClassMap, Structure
from qc.scene import MOST_BODIES

REST_TITLE = "other"


class PanelRule(BaseModel):
    """One panel as the settings describe it.

    Attributes
    ----------
    title : str
        Stands above the panel.
    names : tuple of str
        Shell patterns such as ``rib_*``. A name decides before any part or category does. Their
        order is that of the legend.
    parts, categories : tuple of str
        Words of the class map; a structure of any of them belongs here.
    width : float
        Relative to the other panels.
    shorten : tuple of str
        Pieces of names that the title makes needless in the legend.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field(min_length=1)
    names: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    width: float = Field(default=1.0, gt=0, le=4)
    shorten: tuple[str, ...] = ()

    def names_it(self, structure: Structure) -> bool:
        """Tell whether one of the patterns fits."""
        return any(fnmatchcase(structure.name, pattern) for pattern in self.names)

    def place_of(self, structure: Structure) -> tuple[int, list[int | str]]:
        """Give the order in the legend: by pattern, then by name with numbers as numbers."""
        place = _first(fnmatchcase(structure.name, pattern) for pattern in self.names)
        if place is None:
            return len(self.names), [structure.value]
        pieces = re.split(r"(\d+)", structure.name)
        return place, [int(piece) if piece.isdigit() else piece for piece in pieces]

    def describes_it(self, structure: Structure) -> bool:
        """Tell whether part or category fits."""
        return structure.part in self.parts or structure.category in self.categories


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel and the structures drawn in it, in the order of its legend."""

    rule: PanelRule
    structures: tuple[Structure, ...]

    @property
    def title(self) -> str:
        """What stands above it."""
        return self.rule.title


@dataclass(frozen=True, slots=True)
class LegendRow:
    """One line of a legend: a structure, or a right and left pair that share a name.

    Attributes
    ----------
    label : str
        The name without side and without what the title says already.
    members : tuple of Structure
        The right one first, as it stands in the view from the front.
    """

    label: str
    members: tuple[Structure, ...]

    @property
    def sided(self) -> bool:
        """Whether it speaks of a structure with a side."""
        return any(member.side is not None for member in self.members)


def assign_panels(class_map: ClassMap, rules: Sequence[PanelRule]) -> tuple[Panel, ...]:
    """Give every structure of a class map to exactly one panel.

    Parameters
    ----------
    class_map : ClassMap
    rules : sequence of PanelRule
        The first whose names fit wins; if none does, the first whose parts or categories fit.

    Returns
    -------
    tuple of Panel
        In the order of the rules, without empty ones; then the panel of the rest, if any.
    """
    members: dict[int, list[Structure]] = {}
    for structure in class_map:
        members.setdefault(_rule_of(structure, rules), []).append(structure)
    every = (*rules, PanelRule(title=REST_TITLE))
    return tuple(
        panel
        for place in sorted(members)
        for panel in _panels_of(every[place], sorted(members[place], key=every[place].place_of))
    )


def slugs_of(panels: Sequence[Panel]) -> tuple[str, ...]:
    """Turn titles into names for files, each only once."""
    slugs: list[str] = []
    for panel in panels:
        plain = re.sub(r"[^a-z0-9]+", "-", panel.title.lower()).strip("-") or "panel"
        slug, number = plain, 1
        while slug in slugs:
            number += 1
            slug = f"{plain}-{number}"
        slugs.append(slug)
    return tuple(slugs)


def legend_rows(panel: Panel) -> tuple[LegendRow, ...]:
    """Group a panel's structures into legend lines, mirrored pairs into one."""
    rows: dict[str, list[Structure]] = {}
    for structure in panel.structures:
        rows.setdefault(_key(structure), []).append(structure)
    sides = {"right": 0, None: 1, "left": 2}
    return tuple(
        LegendRow(
            _label(members[0], panel.rule.shorten),
            tuple(sorted(members, key=lambda member: sides[member.side])),
        )
        for members in rows.values()
    )


def _panels_of(rule: PanelRule, members: Sequence[Structure]) -> Iterator[Panel]:
    """Make one panel, or several of more structures than a tile can tell apart."""
    for number, start in enumerate(range(0, len(members), MOST_BODIES), start=1):
        titled = (
            rule if number == 1 else rule.model_copy(update={"title": f"{rule.title} {number}"})
        )
        yield Panel(titled, tuple(members[start : start + MOST_BODIES]))


def _rule_of(structure: Structure, rules: Sequence[PanelRule]) -> int:
    by_name = _first(rule.names_it(structure) for rule in rules)
    if by_name is not None:
        return by_name
    by_kind = _first(rule.describes_it(structure) for rule in rules)
    return len(rules) if by_kind is None else by_kind


def _first(hits: Iterable[bool]) -> int | None:
    return next((place for place, hit in enumerate(hits) if hit), None)


def _key(structure: Structure) -> str:
    if structure.mirror is None:
        return structure.name
    return min(structure.name, structure.mirror)


def _label(structure: Structure, shorten: Sequence[str]) -> str:
    words = structure.name
    for piece in shorten:
        words = words.replace(piece, "")
    if structure.side is not None:
        words = "_".join(word for word in words.split("_") if word.lower() != structure.side)
    return words.strip("_").replace("_", " ") or structure.name.replace("_", " ")
