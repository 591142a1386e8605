"""Names as people write them, reduced to what counts: the words and the side."""

import re
import unicodedata
from dataclasses import dataclass

from pipeline.anatomy import Side

_SIDES: dict[str, Side] = {
    **dict.fromkeys(("left", "lt", "l", "li", "links", "linke", "linker", "linkes"), "left"),
    **dict.fromkeys(("right", "rt", "r", "re", "rechts", "rechte", "rechter", "rechtes"), "right"),
}
_NOISE = frozenset(("seg", "segmentation", "mask", "label", "roi", "maske"))
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[a-z0-9]+")
_WORD_OR_REST = re.compile(r"[^\W_]+|[\W_]+")
_LEADING_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")


@dataclass(frozen=True, slots=True)
class NameKey:
    """What two spellings of one name have in common.

    Attributes
    ----------
    words : str
        The words run together, lower case, without the side: ``rib3``.
    side : {"left", "right"} or None
    """

    words: str
    side: Side | None = None


def plain_key(name: str) -> NameKey:
    """Reduce a name without looking for a side in it: ``L 1`` is a vertebra."""
    return NameKey(_run_together(_words(name)))


def sided_key(name: str) -> NameKey | None:
    """Reduce a name and take its side out; None if it names none, or both."""
    words = _words(name)
    sides = {_SIDES[word] for word in words if word in _SIDES}
    if len(sides) != 1:
        return None
    return NameKey(_run_together([word for word in words if word not in _SIDES]), sides.pop())


def without_noise(name: str) -> str:
    """Drop words that only say that it is a drawing: ``liver_mask`` is of the liver."""
    words = _WORD_OR_REST.findall(name)
    return "".join(word for word in words if word.lower() not in _NOISE)


def names_a_side(name: str) -> bool:
    """Say whether a word of the name is a side."""
    return any(word in _SIDES for word in _words(name))


def _words(name: str) -> list[str]:
    """Split at anything but letters and digits, and where a small letter meets a capital."""
    composed = unicodedata.normalize("NFC", name)
    spaced = _CAMEL.sub(" ", composed).lower().translate(_UMLAUTS)
    plain = unicodedata.normalize("NFKD", spaced).encode("ascii", "ignore").decode()
    return [_LEADING_ZEROS.sub("", word) for word in _WORD.findall(plain)]


def _run_together(words: list[str]) -> str:
    """Join words, but keep two numbers apart: rib 1 2 is not rib 12."""
    joined = ""
    for word in words:
        apart = joined[-1:].isdigit() and word[:1].isdigit()
        joined += f"-{word}" if apart else word
    return joined
