"""Sources by the words people use: the models whose masks are in a ledger, and what cards say.

A card may name, in its ``lineage``, the data and models that its model learned from. The cards
read here are the snapshots kept beside the masks, not the cards of today's settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from pipeline.errors import NothingToDo
from pipeline.workspace.digest import SHORT_DIGEST_LENGTH
from pipeline.workspace.layout import Layout
from pipeline.workspace.words import Mask, Provenance

_MODEL = "model:"
_CORRECTED = ("human", "rough")


@dataclass(frozen=True, slots=True, order=True)
class SourceModel:
    """A model as it was used: its maker's name in provenance, and its card.

    Attributes
    ----------
    maker : str
        Such as ``model:ribfrac``.
    card : str
        Digest of its card; empty where it has none.
    """

    maker: str
    card: str = ""

    @property
    def name(self) -> str:
        """What people call it."""
        return self.maker.removeprefix(_MODEL)


@dataclass(frozen=True, slots=True)
class Source:
    """What a word stands for.

    Attributes
    ----------
    models : tuple of SourceModel
        Whose masks are the source's own.
    unread : mapping of SourceModel to Path
        Models of which nobody can tell, and the snapshot of the card that cannot be read.
    """

    models: tuple[SourceModel, ...]
    unread: Mapping[SourceModel, Path]


def model_of(made: Provenance) -> SourceModel | None:
    """Give the model that made a mask; None for a person, a round or a merging."""
    if made.origin in _CORRECTED or not made.maker.startswith(_MODEL):
        return None
    return SourceModel(made.maker, made.sources.get("model_card", ""))


def find_source(layout: Layout, masks: Iterable[Mask], word: str) -> Source:
    """Find the models that a word names, among those that made masks.

    Parameters
    ----------
    layout : Layout
    masks : iterable of Mask
        All of the ledger.
    word : str
        A model's name or a word of a card's ``lineage``; case does not matter.

    Raises
    ------
    NothingToDo
        If it names none, with those there are.
    """
    made_together = {id(mask.provenance): mask.provenance for mask in masks}
    found = {model_of(made) for made in made_together.values()}
    models = sorted(model for model in found if model is not None)
    lineages = {model: _lineage(layout, model) for model in models}
    asked = word.strip().removeprefix(_MODEL).casefold()
    named = tuple(
        model
        for model, lineage in lineages.items()
        if asked in {each.casefold() for each in (model.name, *(lineage or ()))}
    )
    unread = {
        model: card_snapshot(layout, model.card)
        for model, lineage in lineages.items()
        if lineage is None and model not in named
    }
    if not named:
        raise NothingToDo(_unknown(word, lineages, unread))
    return Source(named, unread)


def card_snapshot(layout: Layout, digest: str) -> Path:
    """Name the file of a card as it was used."""
    return layout.models_dir / "cards" / f"{digest[:SHORT_DIGEST_LENGTH]}.yaml"


def _lineage(layout: Layout, model: SourceModel) -> tuple[str, ...] | None:
    """Read the words of a card's lineage; None if there should be a card and none is readable."""
    import yaml

    if not model.card:
        return ()
    try:
        said = yaml.safe_load(card_snapshot(layout, model.card).read_text(encoding="utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError):
        return None
    if not isinstance(said, dict):
        return None
    words = said.get("lineage") or ()
    listed = (words,) if isinstance(words, str) else words
    return tuple(map(str, listed)) if isinstance(listed, list | tuple) else None


def _unknown(
    word: str,
    lineages: Mapping[SourceModel, tuple[str, ...] | None],
    unread: Mapping[SourceModel, Path],
) -> str:
    """Say that a word names no source, and which there are."""
    words_of_cards = (each for words in lineages.values() for each in words or ())
    known: dict[str, str] = {}
    for each in (*(model.name for model in lineages), *words_of_cards):
        known.setdefault(each.casefold(), each)
    close = [known[each] for each in get_close_matches(word.casefold(), known, 3, 0.5)]
    text = f"no mask here comes from a source '{word}'"
    text += f", did you mean {' or '.join(close)}?" if close else "."
    text += f" Known sources: {', '.join(known[each] for each in sorted(known)) or 'none yet'}"
    if unread:
        paths = ", ".join(map(str, unread.values()))
        text += f"; cards that cannot be read, and may name it: {paths}"
    return text
