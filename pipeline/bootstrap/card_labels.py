"""What a card's label values mean in the terms of one workspace."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.anatomy import ClassMap, ClassMapError, find_class_map
from pipeline.bootstrap.card import CardLabels
from pipeline.bootstrap.card_file import CardError, CardFile, close_matches
from pipeline.bootstrap.ribs import NAMES as RIB_NAMES


class NothingInCommon(CardError):  # noqa: N818 - says what was found
    """None of a card's labels is a structure of the class map."""


def resolve_labels(card_file: CardFile, class_map: ClassMap, configs: Path) -> CardLabels:
    """Read a card's labels against the class map of a workspace.

    Parameters
    ----------
    card_file : CardFile
        The card.
    class_map : ClassMap
        The workspace's own class map.
    configs : Path
        The settings folder, where other class maps lie.

    Raises
    ------
    CardError
        If the card names a structure that neither the class map nor any known one has and that
        is not listed under `without_target` or `review`.
    NothingInCommon
        If the card has no structure in common with the map.

    Notes
    -----
    The labels of a card whose ribs are split (`postprocess`) are all one mask of ribs, whatever
    their names; what it covers are the ribs that the class map has.
    """
    card = card_file.card
    named = _class_map_labels(card_file, configs) if card.class_map else dict(card.labels)
    if not card.class_map and card.postprocess is None:
        _refuse_unknown_names(card_file, named, class_map, configs)
    for key in ("without_target", "review"):
        _refuse_stray_exceptions(card_file, named, key)
    names = set(RIB_NAMES.values()) if card.postprocess else set(named.values())
    covered = tuple(name for name in class_map.names if name in names)
    if not covered:
        raise NothingInCommon(
            f"{card_file.path}: none of its {len(named)} labels is a structure of the class map "
            f"'{class_map.name}'; a mask made by it would have no place"
        )
    without = () if card.postprocess else _without_target(named, class_map)
    return CardLabels(dict(sorted(named.items())), covered, without)


def _without_target(named: Mapping[int, str], class_map: ClassMap) -> tuple[str, ...]:
    return tuple(name for _, name in sorted(named.items()) if name not in class_map)


def _class_map_labels(card_file: CardFile, configs: Path) -> dict[int, str]:
    try:
        found = find_class_map(str(card_file.card.class_map), configs)
    except ClassMapError as error:
        raise CardError(f"{card_file.path}: class_map: {error}") from error
    return {structure.value: structure.name for structure in found}


def _refuse_unknown_names(
    card_file: CardFile, named: Mapping[int, str], class_map: ClassMap, configs: Path
) -> None:
    excepted = {*card_file.card.without_target, *card_file.card.review}
    strange = {
        value: name
        for value, name in named.items()
        if name not in class_map and name not in excepted
    }
    known = known_structure_names(class_map, configs) if strange else frozenset()
    faults = [
        f"labels.{value}: found '{name}', expected a structure of the class map "
        f"'{class_map.name}'{close_matches(name, class_map.names)}"
        for value, name in strange.items()
        if name not in known
    ]
    if faults:
        raise CardError(
            f"{card_file.path}: {'; '.join(faults)} "
            "(a label that has no structure on purpose goes under without_target or review)"
        )


def known_structure_names(class_map: ClassMap, configs: Path) -> frozenset[str]:
    """Collect the names of every class map found, so that a lab's smaller map breaks no card."""
    names = set(class_map.names)
    files = [configs / "class_map.yaml", *sorted((configs / "class_maps").glob("*.yaml"))]
    for path in files:
        if path.is_file():
            names.update(find_class_map(str(path), configs).names)
    return frozenset(names)


def _refuse_stray_exceptions(card_file: CardFile, named: Mapping[int, str], key: str) -> None:
    names = tuple(named.values())
    stray = [name for name in getattr(card_file.card, key) if name not in names]
    if stray:
        raise CardError(
            f"{card_file.path}: {key}: found '{stray[0]}', expected one of the card's "
            f"own labels{close_matches(stray[0], names)}"
        )
