"""The words for structures: their own names, and what `configs/synonyms.yaml` adds."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from annotation.importing.lined_yaml import Entry, WordFileError, read_entries
from annotation.importing.name_words import NameKey, plain_key, sided_key
from pipeline.anatomy import ClassMap, load_class_map

FILE_NAME = "synonyms.yaml"
_SECTIONS = ("names", "several")
_SIDES = ("left", "right")
_NUMBERS = tuple(str(number) for number in range(1, 27))


@dataclass(frozen=True, slots=True)
class Synonyms:
    """Which words mean which structure.

    Attributes
    ----------
    structures : mapping of NameKey to str
        One structure each; also structures that only other class maps have.
    several : mapping of NameKey to tuple of str
        Words that cover more or less than one structure, with those they touch.
    """

    structures: Mapping[NameKey, str]
    several: Mapping[NameKey, tuple[str, ...]] = field(default_factory=dict)


def load_synonyms(configs: Path, class_map: ClassMap) -> Synonyms:
    """Read the names of all class maps and the synonyms of a settings folder.

    Parameters
    ----------
    configs : Path
        A folder without a synonym file gives the names alone.
    class_map : ClassMap
        The workspace's.

    Raises
    ------
    WordFileError
        If the file names a structure that no class map has, or gives a word to two structures.
    """
    known = dict.fromkeys((*class_map.names, *_names_of_other_maps(configs)), "")
    table = _Table({key_of(name): (name, 0) for name in known})
    path = configs / FILE_NAME
    if not path.is_file():
        return Synonyms(table.structures())
    sections = _sections(path)
    for entry in sections.get("names", ()):
        for structure, words in _expanded(path, entry, known):
            table.add(path, entry.line, structure, words)
    several: dict[NameKey, tuple[str, ...]] = {}
    for entry in sections.get("several", ()):
        for word, structures in _expanded_hint(path, entry, known):
            several[key_of(word)] = structures
    return Synonyms(table.structures(), several)


def key_of(name: str) -> NameKey:
    """Reduce a word of our own files, where a side that is named is meant."""
    return sided_key(name) or plain_key(name)


class _Table:
    """Words to structures, growing; refuses a word that is there already."""

    def __init__(self, own: Mapping[NameKey, tuple[str, int]]) -> None:
        self._found = dict(own)

    def add(self, path: Path, line: int, structure: str, words: Iterable[str]) -> None:
        for word in words:
            key = key_of(word)
            if not key.words:
                raise WordFileError(f"{path}, line {line}: '{word}' holds no letter or digit")
            if key in self._found:
                other, where = self._found[key]
                place = f"in line {where}" if where else "as a structure's own name"
                raise WordFileError(
                    f"{path}, line {line}: '{word}' for {structure} is there already {place}, for "
                    f"{other}; keep one"
                )
            self._found[key] = (structure, line)

    def structures(self) -> dict[NameKey, str]:
        return {key: structure for key, (structure, _) in self._found.items()}


def _names_of_other_maps(configs: Path) -> Iterator[str]:
    for path in (configs / "class_map.yaml", *sorted((configs / "class_maps").glob("*.yaml"))):
        if path.is_file():
            yield from load_class_map(path).names


def _sections(path: Path) -> dict[str, tuple[Entry, ...]]:
    sections: dict[str, tuple[Entry, ...]] = {}
    for entry in read_entries(path):
        below = [each for each in entry.value if isinstance(each, Entry)]
        if entry.key not in _SECTIONS or len(below) != len(entry.value):
            raise WordFileError(
                f"{path}, line {entry.line}: '{entry.key}' is no section; expected "
                f"{' or '.join(_SECTIONS)}, each with 'structure: [word, ...]' lines"
            )
        sections[entry.key] = tuple(below)
    return sections


def _expanded(
    path: Path, entry: Entry, known: Mapping[str, str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each structure an entry is about, with its words."""
    words = _texts(path, entry)
    found = [(name, fill) for name, fill in _filled(entry.key) if name in known]
    if not found:
        raise WordFileError(_unknown(path, entry.line, entry.key, known))
    for name, fill in found:
        yield name, tuple(_with_side(_fill(word, fill), fill) for word in words)


def _expanded_hint(
    path: Path, entry: Entry, known: Mapping[str, str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    for word, fill in _filled(entry.key):
        structures = tuple(_fill(name, fill) for name in _texts(path, entry))
        for name in structures:
            if name not in known:
                raise WordFileError(_unknown(path, entry.line, name, known))
        yield word, structures


def _texts(path: Path, entry: Entry) -> tuple[str, ...]:
    words = (entry.value,) if isinstance(entry.value, str) else entry.value
    texts = tuple(word for word in words if isinstance(word, str) and word)
    if not texts or len(texts) != len(words):
        raise WordFileError(f"{path}, line {entry.line}: expected '{entry.key}: [word, ...]'")
    return texts


def _filled(pattern: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield a pattern with every side and number it may stand for."""
    choices = {"side": _SIDES, "n": _NUMBERS}
    names = [name for name in choices if f"{{{name}}}" in pattern]
    for values in product(*(choices[name] for name in names)):
        fill = dict(zip(names, values, strict=True))
        yield _fill(pattern, fill), fill


def _fill(text: str, fill: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: fill.get(found[1], found[0]), text)


def _with_side(word: str, fill: Mapping[str, str]) -> str:
    return f"{word} {fill['side']}" if "side" in fill else word


def _unknown(path: Path, line: int, name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "no class map has it"
    return f"{path}, line {line}: structure '{name}' is unknown: {hint}"
