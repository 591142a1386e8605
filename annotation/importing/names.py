"""Which structure a drawing is of: by the person's mapping, name, synonym, SNOMED code or number.

Nothing is guessed: what does not lead to exactly one structure stays unmatched, with the reason
and what it may be, and a person decides in the mapping file.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Literal

from annotation.formats.drawing import Drawing
from annotation.importing.name_words import (
    NameKey,
    names_a_side,
    plain_key,
    sided_key,
    without_noise,
)
from annotation.importing.synonyms import Synonyms
from pipeline.anatomy import ClassMap, Side, Structure

LEFT_OUT = "ignore"
"""What a mapping says of a drawing that is nobody's business."""

How = Literal["mapping", "name", "code", "number", "left out", "elsewhere", "unmatched"]

_NEAR = 3
_NUMBER_ONLY = re.compile(r"(?:segment|label|class|roi|value)?[\s_-]*(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Match:
    """What a drawing is of.

    Attributes
    ----------
    structure : str or None
        None unless it is clear.
    how : How
        By what it was told; ``elsewhere``: a structure that only other class maps have.
    reason : str
        Why it is not matched.
    candidates : tuple of str
        What it may be.
    contradicted : bool
        The file says two things of it; no further means may settle that.
    """

    structure: str | None
    how: How
    reason: str = ""
    candidates: tuple[str, ...] = ()
    contradicted: bool = False


@dataclass(frozen=True)
class Matcher:
    """Tells structures by all means of one call; travels to worker processes.

    Attributes
    ----------
    class_map : ClassMap
        The workspace's.
    synonyms : Synonyms
    mapping : mapping of str to str
        Name in the file to structure, `LEFT_OUT`, or empty while nobody has decided.
    numbering : mapping of int to str
        What values mean where a drawing has no name but its number.
    """

    class_map: ClassMap
    synonyms: Synonyms
    mapping: Mapping[str, str] = field(default_factory=dict)
    numbering: Mapping[int, str] = field(default_factory=dict)

    def match(self, drawing: Drawing, called: str | None = None) -> Match:
        """Tell which structure a drawing is of, or why that is not clear.

        Parameters
        ----------
        drawing : Drawing
        called : str, optional
            Its name without what belongs to the case, such as an id in a file's name.
        """
        decided = self.mapping.get(label_of(drawing), "")
        if decided == LEFT_OUT:
            return Match(None, "left out")
        if decided:
            return Match(decided, "mapping")
        if called is not None:
            drawing = replace(drawing, name=called)
        number = _number_of(drawing)
        if number is not None:
            return self._by_number(number)
        return self._combined(self._by_name(drawing), self._by_code(drawing), drawing)

    def _by_number(self, number: int) -> Match:
        structure = self.numbering.get(number)
        if structure is None:
            reason = (
                f"the numbering given does not have {number}"
                if self.numbering
                else f"nothing but the number {number}: say which numbering with --numbering"
            )
            return Match(None, "unmatched", reason)
        return self._known(structure, "number")

    def _combined(self, by_name: Match, codes: tuple[str, ...], drawing: Drawing) -> Match:
        """Let name and code confirm or complete each other; where they disagree, nobody wins."""
        if not codes or by_name.contradicted:
            return by_name
        if by_name.structure is not None and by_name.structure not in codes:
            reason = f"the name says {by_name.structure}, the SNOMED code {drawing.snomed} "
            return Match(None, "unmatched", f"{reason}{' or '.join(codes)}", codes)
        if by_name.structure is not None or by_name.how == "elsewhere":
            return by_name
        narrowed = [name for name in codes if name in by_name.candidates] or list(codes)
        if len(narrowed) == 1 and (not by_name.candidates or narrowed[0] in by_name.candidates):
            return Match(narrowed[0], "code")
        return Match(None, "unmatched", by_name.reason, tuple(narrowed))

    def _by_name(self, drawing: Drawing) -> Match:
        name, side = drawing.name, _side_of(drawing)
        if not name.strip():
            return Match(None, "unmatched", "it has no name")
        sided = sided_key(name)
        if sided is not None and side is not None and sided.side != side:
            reason = f"the name says {sided.side}, its code {side}"
            return Match(None, "unmatched", reason, contradicted=True)
        for spelled in dict.fromkeys((name, without_noise(name))):
            for key in _keys(spelled, side):
                found = self.synonyms.structures.get(key)
                if found is not None:
                    return self._on_side(found, side)
        return self._unclear(without_noise(name), plain_key(without_noise(name)), sided)

    def _on_side(self, name: str, side: Side | None) -> Match:
        """Take a structure unless the file codes the other side."""
        if name in self.class_map and side is not None and self.class_map[name].side is not None:
            structure = self.class_map[name]
            if structure.side != side:
                reason = f"the name says {name}, its code {side}"
                return Match(None, "unmatched", reason, (name,), contradicted=True)
        return self._known(name, "name")

    def _known(self, name: str, how: How) -> Match:
        if name in self.class_map:
            return Match(name, how)
        reason = f"{name} is not in the workspace's class map"
        return Match(None, "elsewhere", reason)

    def _unclear(self, name: str, plain: NameKey, sided: NameKey | None) -> Match:
        sides: tuple[Side, ...] = ("left", "right")
        both = [self.synonyms.structures.get(NameKey(plain.words, side)) for side in sides]
        either = self._covered(each for each in both if each is not None)
        if either and not names_a_side(name):
            return Match(None, "unmatched", "left or right?", either)
        for key in (plain, *((sided,) if sided else ())):
            if key in self.synonyms.several:
                covered = self._covered(self.synonyms.several[key])
                return Match(None, "unmatched", "that is not exactly one structure", covered)
        covered = self._covered(
            name
            for side in sides
            for name in self.synonyms.several.get(NameKey(plain.words, side), ())
        )
        reason = "that is not exactly one structure" if covered else "no structure of this name"
        return Match(None, "unmatched", reason, covered or self._near(sided or plain))

    def _covered(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(name for name in names if name in self.class_map)

    def _near(self, key: NameKey) -> tuple[str, ...]:
        """Name structures whose words come close, on the same side where one is named."""
        wanted = [
            known.words
            for known, name in self.synonyms.structures.items()
            if name in self.class_map and key.side in (None, known.side)
        ]
        close = get_close_matches(key.words, dict.fromkeys(wanted), n=_NEAR, cutoff=0.7)
        found = [
            name
            for words in close
            for known, name in self.synonyms.structures.items()
            if known.words == words and name in self.class_map and key.side in (None, known.side)
        ]
        return tuple(dict.fromkeys(found))[: 2 * _NEAR]

    def _by_code(self, drawing: Drawing) -> tuple[str, ...]:
        side = _side_of(drawing)
        return tuple(
            structure.name
            for structure in self._by_snomed.get(drawing.snomed, ())
            if side is None or structure.side in (None, side)
        )

    @cached_property
    def _by_snomed(self) -> dict[str, list[Structure]]:
        found: dict[str, list[Structure]] = {}
        for structure in self.class_map:
            if structure.snomed is not None:
                found.setdefault(structure.snomed, []).append(structure)
        return found


def _keys(name: str, side: Side | None) -> list[NameKey]:
    """List the ways to read a name: as it is, with its side, with the side coded beside it."""
    plain, sided = plain_key(name), sided_key(name)
    coded = NameKey(plain.words, side) if side is not None else None
    return [key for key in (plain, sided, coded) if key is not None]


def label_of(drawing: Drawing) -> str:
    """Give the name under which a mapping speaks of a drawing: its name, else its number."""
    return drawing.name or ("" if drawing.value is None else str(drawing.value))


def _number_of(drawing: Drawing) -> int | None:
    """Give the number of a drawing that is called by nothing else (``Segment_3``, ``20``)."""
    plain = _NUMBER_ONLY.fullmatch(drawing.name.strip())
    if drawing.name.strip() and plain is None:
        return None
    if drawing.value is not None:
        return drawing.value
    return int(plain[1]) if plain else None


def _side_of(drawing: Drawing) -> Side | None:
    if drawing.side == "left":
        return "left"
    return "right" if drawing.side == "right" else None
