"""What the place and the name of a file say about the case it belongs to."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.workspace import CaseIndex

_NIFTI_ENDINGS = (".nii.gz", ".nii")
_FOLDERS_UP = 3
_SHORTEST_INSIDE = 3
_WORDS = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Hints:
    """What is known of a file's case before it is read.

    Attributes
    ----------
    told : str or None
        The case a person named.
    beside : tuple of str
        Cases whose CT lies beside the file.
    named : tuple of str
        Cases whose id stands in the name of the file or a folder.
    is_ct_of : str or None
        The file is itself the CT of this case.
    """

    told: str | None = None
    beside: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    is_ct_of: str | None = None


@dataclass
class HintGiver:
    """Looks at paths; remembers which CTs lie in which folder.

    Attributes
    ----------
    index : CaseIndex
    roots : sequence of Path
        What the person named: folders above them say nothing.
    """

    index: CaseIndex
    roots: Sequence[Path]
    _cts: dict[Path, list[tuple[str, str]]] = field(default_factory=dict)

    def hints(self, path: Path, told: str | None = None) -> Hints:
        """Gather what a file's path says."""
        own = self.index.of_file(path)
        return Hints(told, self._beside(path), self._named(path), own[0] if own else None)

    def _beside(self, path: Path) -> tuple[str, ...]:
        """Find the CTs in the nearest folder that holds any; the file's name chooses among many."""
        place = path.absolute().parent
        for _ in range(_FOLDERS_UP):
            images = sorted(each for each in place.glob("images*") if each.is_dir())
            found = [ct for folder in (place, *images) for ct in self._cts_in(folder)]
            if found:
                return _closest(stem_of(path), found)
            place = place.parent
        return ()

    def _cts_in(self, folder: Path) -> list[tuple[str, str]]:
        if folder not in self._cts:
            self._cts[folder] = [
                (stem_of(path), case_id)
                for path in sorted(folder.glob("*.nii*"))
                if path.name.endswith(_NIFTI_ENDINGS)
                for case_id in self.index.of_file(path)
            ]
        return self._cts[folder]

    def _named(self, path: Path) -> tuple[str, ...]:
        """Find case ids in the file's name, else in the nearest folder whose name holds one."""
        for text in (stem_of(path), *self._folders(path)):
            found = ids_in(text, self.index.ids)
            if found:
                return found
        return ()

    def _folders(self, path: Path) -> Iterator[str]:
        tops = {root.absolute() if root.is_dir() else root.absolute().parent for root in self.roots}
        for folder in path.absolute().parents:
            yield folder.name
            if folder in tops:
                return


def stem_of(path: Path) -> str:
    """Give a file's name without its endings (``liver.seg.nrrd`` is ``liver``)."""
    for ending in (*_NIFTI_ENDINGS, ".seg.nrrd"):
        if path.name.lower().endswith(ending):
            return path.name[: -len(ending)]
    return path.stem


def ids_in(text: str, ids: frozenset[str]) -> tuple[str, ...]:
    """Find case ids that stand in a text as whole words; the longest where they overlap.

    Ids of digits only, or of less than three characters, must be the whole text: `12` in
    `rib_12` is no case.
    """
    spans = [(word.start(), word.end()) for word in _WORDS.finditer(text)]
    found: list[tuple[int, int]] = []
    for first, (start, _) in enumerate(spans):
        for _, end in reversed(spans[first:]):
            inside = any(start >= other and end <= upto for other, upto in found)
            if not inside and text[start:end] in ids and _tells(text[start:end], text):
                found.append((start, end))
                break
    return tuple(dict.fromkeys(text[start:end] for start, end in found))


def without_ids(text: str, ids: frozenset[str]) -> str:
    """Take case ids out of a name, as in ``s0011_liver``; a name that is nothing else stays."""
    rest = text
    for case_id in ids_in(text, ids):
        rest = rest.replace(case_id, "")
    return rest.strip(" _-.") or text


def _tells(case_id: str, text: str) -> bool:
    return case_id == text or (len(case_id) >= _SHORTEST_INSIDE and not case_id.isdigit())


def _closest(stem: str, cts: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Choose the CTs whose name the file's begins with, the longest; all if none is."""
    fitting = [(_common(stem, name), case_id) for name, case_id in cts]
    longest = max(length for length, _ in fitting)
    chosen = [case_id for length, case_id in fitting if length == longest]
    return tuple(dict.fromkeys(chosen))


def _common(stem: str, ct: str) -> int:
    """Count the letters of a CT's name that the file's name begins with, at a word's end."""
    ct = ct.removesuffix("_0000")
    if stem.startswith(ct) and not stem[len(ct) : len(ct) + 1].isalnum():
        return len(ct)
    return 0
