"""Which structures of a class map the model cards cover, and what is left for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from pipeline.anatomy import ClassMap
from pipeline.bootstrap.card_file import CardFile, card_names, read_named_card
from pipeline.bootstrap.card_labels import NothingInCommon, resolve_labels

PAPER_SOURCE = "paper_source"
"""The word in `lineage` by which the sources of the TotalSegmentator paper are known."""


@dataclass(frozen=True, slots=True)
class CardCoverage:
    """What one card covers.

    Attributes
    ----------
    name : str
    covered : tuple of str
        Structures of the class map, in its order.
    counted : int
        Labels, as a paper counts them: values from 1 on without a gap, ribs one by one.
    reviewed : tuple of str
        Of those counted, the ones without a structure that go to review.
    without_target : tuple of str
        Of those counted, the ones that have no structure on purpose.
    lineage : tuple of str
    """

    name: str
    covered: tuple[str, ...]
    counted: int
    reviewed: tuple[str, ...]
    without_target: tuple[str, ...]
    lineage: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PaperCount:
    """Why a paper counts more structures than the class map has of them.

    Attributes
    ----------
    by_card : mapping of str to int
        Labels of each source.
    repeated : tuple of str
        Structures that two sources have.
    without_target : tuple of str
        Labels that are none of the structures (the whole heart).
    reviewed : tuple of str
        Labels of variants of anatomy (a sixth lumbar vertebra): counted by the paper.
    """

    by_card: Mapping[str, int]
    repeated: tuple[str, ...]
    without_target: tuple[str, ...]
    reviewed: tuple[str, ...]

    @property
    def claimed(self) -> int:
        """What the paper comes to."""
        return sum(self.by_card.values()) - len(self.repeated) - len(self.without_target)

    @property
    def covered(self) -> int:
        """How many structures of the class map that is."""
        return self.claimed - len(self.reviewed)


@dataclass(frozen=True, slots=True)
class Coverage:
    """All cards beside one class map."""

    class_map: ClassMap
    cards: tuple[CardCoverage, ...]

    def by_structure(self) -> dict[str, tuple[str, ...]]:
        """Name the cards that cover each structure, highest priority first."""
        return {
            name: tuple(card.name for card in self.cards if name in card.covered)
            for name in self.class_map.names
        }

    def of(self, word: str) -> "Coverage":
        """Keep the cards whose lineage holds a word."""
        return Coverage(self.class_map, tuple(c for c in self.cards if word in c.lineage))

    @property
    def covered(self) -> tuple[str, ...]:
        """Structures that at least one card covers."""
        return tuple(name for name, cards in self.by_structure().items() if cards)

    @property
    def uncovered(self) -> tuple[str, ...]:
        """Structures that no card covers."""
        return tuple(name for name, cards in self.by_structure().items() if not cards)

    def paper_count(self) -> PaperCount:
        """Count as a paper counts: the labels of the sources, less what comes twice."""
        repeated = [
            name for name, cards in self.by_structure().items() for _ in range(len(cards) - 1)
        ]
        return PaperCount(
            {card.name: card.counted for card in self.cards},
            tuple(repeated),
            tuple(name for card in self.cards for name in card.without_target),
            tuple(name for card in self.cards for name in card.reviewed),
        )


def coverage_of(class_map: ClassMap, configs: Path, names: Sequence[str] = ()) -> Coverage:
    """Read cards and say what they cover.

    Parameters
    ----------
    class_map : ClassMap
    configs : Path
        The settings folder.
    names : sequence of str
        Cards to look at; none: every one that is not switched off. Those that have nothing in
        common with the class map are left out.

    Raises
    ------
    CardError
        If a card is not good, or a named one does not exist.
    """
    files = [read_named_card(configs, name) for name in dict.fromkeys(names or card_names(configs))]
    wanted = [file for file in files if names or file.card.enabled]
    ordered = sorted(wanted, key=lambda file: (-file.card.priority, file.name))
    found = [_of(file, class_map, configs) for file in ordered]
    return Coverage(class_map, tuple(card for card in found if card is not None))


def _of(file: CardFile, class_map: ClassMap, configs: Path) -> CardCoverage | None:
    try:
        labels = resolve_labels(file, class_map, configs)
    except NothingInCommon:
        return None
    card = file.card
    if card.postprocess == "split_ribs":
        counted = list(labels.covered)
    else:
        counted = _without_gap(labels.names_by_value)
    strange = [name for name in counted if name in labels.without_target]
    return CardCoverage(
        name=file.name,
        covered=labels.covered,
        counted=len(counted),
        reviewed=tuple(name for name in strange if name in card.review),
        without_target=tuple(name for name in strange if name not in card.review),
        lineage=card.lineage,
    )


def _without_gap(names_by_value: Mapping[int, str]) -> list[str]:
    """Name the labels from value 1 on up to the first gap."""
    last = next(value for value in count(1) if value not in names_by_value)
    return [names_by_value[value] for value in range(1, last)]
