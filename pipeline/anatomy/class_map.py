"""A class map: which structures exist, in which order, and which voxel value means which."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property

import numpy as np

from pipeline.anatomy.structure import Structure, structure_problems
from pipeline.errors import BadInput

_PROBLEMS_SHOWN = 5


class ClassMapError(BadInput):
    """A class map contradicts itself, cannot be read, or lacks what was asked of it."""


@dataclass(frozen=True)
class ClassMap:
    """An ordered, one-to-one list of structures and voxel values.

    Parameters
    ----------
    name : str
        What people call this map.
    structures : tuple of Structure
        In the order in which they are shown; values need be neither sorted nor without gaps.

    Raises
    ------
    ClassMapError
        If the map is empty, names or values repeat, or sides, mirrors and neighbours do
        not fit together.
    """

    name: str
    structures: tuple[Structure, ...]

    def __post_init__(self) -> None:
        """Refuse a map that contradicts itself."""
        problems = class_map_problems(self.structures)
        if problems:
            shown = "; ".join(problems[:_PROBLEMS_SHOWN])
            more = len(problems) - _PROBLEMS_SHOWN
            raise ClassMapError(
                f"class map '{self.name}': {shown}" + (f"; and {more} more" if more > 0 else "")
            )

    def __len__(self) -> int:
        """Count the structures."""
        return len(self.structures)

    def __iter__(self) -> Iterator[Structure]:
        """Go through the structures in their order."""
        return iter(self.structures)

    def __contains__(self, name: object) -> bool:
        """Say whether a structure of this name exists."""
        return name in self._by_name

    def __getitem__(self, name: str) -> Structure:
        """Return the structure of this name; ClassMapError with near names if there is none."""
        try:
            return self._by_name[name]
        except KeyError:
            near = get_close_matches(name, self.names, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it has {len(self)} others"
            raise ClassMapError(
                f"structure '{name}' is not in class map '{self.name}': {hint}"
            ) from None

    def by_value(self, value: int) -> Structure:
        """Return the structure that a voxel value stands for; ClassMapError if none does."""
        try:
            return self._by_value[int(value)]
        except KeyError:
            raise ClassMapError(
                f"value {value} stands for nothing in class map '{self.name}' "
                f"(its values run from {min(self.values)} to {max(self.values)})"
            ) from None

    def in_part(self, part: str | None) -> tuple[Structure, ...]:
        """Return the structures of one body part, in order; none if the part is unknown."""
        return tuple(s for s in self.structures if s.part == part)

    def subset(self, names: Iterable[str], *, name: str | None = None) -> "ClassMap":
        """Keep some structures, in this map's order, with values renumbered 1..n.

        Parameters
        ----------
        names : iterable of str
            Structures to keep; their order does not matter.
        name : str, optional
            Name of the new map; by default this one's with the number of structures.

        Returns
        -------
        ClassMap
            Mirrors and neighbours that are left out are forgotten.

        Raises
        ------
        ClassMapError
            If a name is not in this map, or no name is given.
        """
        wanted = {self[each].name for each in names}
        kept = [s for s in self.structures if s.name in wanted]
        renumbered = tuple(
            replace(
                structure,
                value=value,
                mirror=structure.mirror if structure.mirror in wanted else None,
                neighbours=tuple(n for n in structure.neighbours if n in wanted),
            )
            for value, structure in enumerate(kept, start=1)
        )
        return ClassMap(name or f"{self.name}_{len(kept)}", renumbered)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the structures, in order."""
        return tuple(s.name for s in self.structures)

    @cached_property
    def values(self) -> tuple[int, ...]:
        """Voxel values of the structures, in the order of the names."""
        return tuple(s.value for s in self.structures)

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """Body parts in the order of their first structure."""
        return tuple(dict.fromkeys(s.part for s in self.structures if s.part is not None))

    @cached_property
    def names_by_value(self) -> dict[int, str]:
        """Look-up from voxel value to name, as `relabel` takes it."""
        return {s.value: s.name for s in self.structures}

    @cached_property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """Smallest voxel type that holds every value: uint8 up to 255, else uint16."""
        return np.dtype(np.uint8 if max(self.values) <= 255 else np.uint16)

    @cached_property
    def digest(self) -> str:
        """Sha256 (hex) of the ordered name-value pairs: equal if voxels mean the same.

        Colours, codes and neighbours are left out, so that polishing them does not make old
        label maps look foreign.
        """
        pairs = [[s.name, s.value] for s in self.structures]
        return hashlib.sha256(json.dumps(pairs, separators=(",", ":")).encode()).hexdigest()

    @cached_property
    def _by_name(self) -> dict[str, Structure]:
        return {s.name: s for s in self.structures}

    @cached_property
    def _by_value(self) -> dict[int, Structure]:
        return {s.value: s for s in self.structures}


def class_map_problems(structures: tuple[Structure, ...]) -> list[str]:
    """Say what keeps structures from forming a class map, one sentence per problem."""
    if not structures:
        return ["has no structures; list at least one"]
    by_name = {s.name: s for s in structures}
    problems = [problem for s in structures for problem in structure_problems(s)]
    problems += _repetition_problems(structures)
    for structure in structures:
        problems += _mirror_problems(structure, by_name)
        problems += [
            f"structure '{structure.name}': neighbour '{name}' is not in the map"
            for name in structure.neighbours
            if name not in by_name
        ]
    return problems


def _repetition_problems(structures: tuple[Structure, ...]) -> list[str]:
    names = Counter(s.name for s in structures)
    problems = [
        f"structure '{name}' is listed {count} times; keep one"
        for name, count in names.items()
        if count > 1
    ]
    names_of: dict[int, list[str]] = {}
    for structure in structures:
        names_of.setdefault(structure.value, []).append(structure.name)
    problems += [
        f"value {value} is given to {' and '.join(sharing)}; each needs its own"
        for value, sharing in names_of.items()
        if len(set(sharing)) > 1
    ]
    return problems


def _mirror_problems(structure: Structure, by_name: dict[str, Structure]) -> list[str]:
    if structure.mirror is None:
        return []
    where = f"structure '{structure.name}'"
    other = by_name.get(structure.mirror)
    if other is None:
        return [f"{where}: mirror '{structure.mirror}' is not in the map"]
    problems = []
    if other.mirror != structure.name:
        problems.append(
            f"{where}: mirror is '{other.name}', whose own mirror is '{other.mirror}'; "
            "the two must name each other"
        )
    if {structure.side, other.side} != {"left", "right"}:
        problems.append(
            f"{where}: side is {structure.side} and the side of its mirror '{other.name}' is "
            f"{other.side}; one must be left, the other right"
        )
    return problems
