"""From the names of models to models that can run: cards read, files found, approvals checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.anatomy import ClassMap
from pipeline.bootstrap.card import CardLabels
from pipeline.bootstrap.card_file import (
    CardError,
    CardFile,
    card_names,
    cards_folder,
    close_matches,
    read_named_card,
)
from pipeline.bootstrap.card_labels import (
    NothingInCommon,
    known_structure_names,
    resolve_labels,
)
from pipeline.bootstrap.policies import refuse_unknown_structures
from pipeline.bootstrap.priorities import refuse_equal_priorities
from pipeline.bootstrap.runners import RUNNERS, FoundModel, Search
from pipeline.bootstrap.settings import BootstrapSettings
from pipeline.bootstrap.tasks import ReadyModel
from pipeline.bootstrap.trust import require_trust
from pipeline.bootstrap.weights import check_declared_digest, weights_place
from pipeline.errors import BadInput, UsageError
from pipeline.workspace import Layout, Workspace


@dataclass(frozen=True, slots=True)
class ActiveCards:
    """The cards of a run, highest priority first, with their labels by card name."""

    cards: tuple[CardFile, ...]
    labels: dict[str, CardLabels]


def active_cards(settings: BootstrapSettings, class_map: ClassMap) -> ActiveCards:
    """Read the cards of a run: those named in the settings, else all that are enabled.

    Raises
    ------
    CardError
        If a card is not good, one that is named does not exist, there is none at all, or nothing
        decides between two of them.
    """
    configs = settings.configs_folder
    _refuse_unknown_places(settings)
    names = settings.models or card_names(configs)
    files = [read_named_card(configs, name) for name in dict.fromkeys(names)]
    if not settings.models:
        files = [file for file in files if file.card.enabled]
    if not files:
        raise CardError(
            f"no model card is switched on in {cards_folder(configs)}: "
            "write one (docs/bootstrap.md), or set enabled: true in one that is there"
        )
    labels = _labels_by_name(files, settings, class_map)
    files = [file for file in files if file.name in labels]
    refuse_unknown_structures(settings.merging, known_structure_names(class_map, configs))
    refuse_equal_priorities(files, labels, settings.merging)
    if not settings.models:
        # The shipped card for predictions on disk is silent until somebody names their folder.
        files = [file for file in files if _has_predictions(file, settings)] or files
    ordered = sorted(files, key=lambda file: (-file.card.priority, file.name))
    return ActiveCards(tuple(ordered), labels)


def _labels_by_name(
    files: Sequence[CardFile], settings: BootstrapSettings, class_map: ClassMap
) -> dict[str, CardLabels]:
    """Read the labels; a card that nobody asked for may have none of this class map."""
    labels = {}
    for file in files:
        try:
            labels[file.name] = resolve_labels(file, class_map, settings.configs_folder)
        except NothingInCommon:
            if settings.models or file.card.enabled != "if_found":
                raise
    return labels


def _has_predictions(file: CardFile, settings: BootstrapSettings) -> bool:
    given = settings.prediction_table is not None or model_place(file, settings) is not None
    return file.card.runner != "labelmaps" or given


def _refuse_unknown_places(settings: BootstrapSettings) -> None:
    names = card_names(settings.configs_folder)
    for name in settings.weights:
        if name not in names:
            raise UsageError(
                f"setting 'weights': found '{name}', which is no model card"
                f"{close_matches(name, names)}"
            )


def find_model(
    file: CardFile, settings: BootstrapSettings, layout: Layout, *, may_download: bool = False
) -> FoundModel:
    """Find a card's files, by its runner.

    Parameters
    ----------
    file : CardFile
    settings : BootstrapSettings
    layout : Layout
        Zipped models are unpacked below it.
    may_download : bool
        Whether what is missing may be fetched, if the card asks for it.

    Raises
    ------
    ModelMissing
        Saying what to put where.
    BadInput
        If the files are not what the card says.
    """
    place = model_place(file, settings)
    runner = RUNNERS[file.card.runner]
    search = Search(place, layout.models_dir / "unpacked", may_download)
    found = runner.find(file.card, file.options, search)
    if found.weights_digest is not None and found.place is not None:
        check_declared_digest(file.card, found.place, found.weights_digest)
    return found


def model_place(file: CardFile, settings: BootstrapSettings) -> Path | None:
    """Say where a card's files should be: the settings' word goes before the card's."""
    override = settings.weights.get(file.name)
    if override is None and file.card.runner == "labelmaps" and settings.predictions is not None:
        override = str(settings.predictions)
    return weights_place(file.card, file.path, override)


def make_ready(
    file: CardFile, labels: CardLabels, settings: BootstrapSettings, workspace: Workspace
) -> ReadyModel:
    """Make one model ready to run.

    Raises
    ------
    ModelMissing
        If its files are not there.
    NotTrusted
        If its weights can run code and nobody has approved them.
    BadInput
        If its files are not what the card says.
    """
    found = find_model(file, settings, workspace.layout, may_download=True)
    compare_names(file, labels, found, workspace.class_map)
    if RUNNERS[file.card.runner].needs_approval and found.weights_digest is not None:
        require_trust(found.weights_digest, file.name)
    return ReadyModel(
        card=file.card,
        card_digest=file.digest(labels),
        options=file.options,
        labels=labels,
        class_map=workspace.class_map,
        place=found.place,
        weights_digest=found.weights_digest,
        policy=settings.run_policy(),
        layout=workspace.layout,
    )


def compare_names(
    file: CardFile, labels: CardLabels, found: FoundModel, class_map: ClassMap
) -> None:
    """Refuse a card whose values the model does not have, or calls another structure."""
    if found.own_names is None:
        return
    named = labels.names_by_value
    strange = sorted(set(named) - set(found.own_names))
    if strange:
        raise BadInput(
            f"{file.path}: labels: the card names the values {_few(strange)}, which the model at "
            f"{found.place} does not have; it has {_few(sorted(found.own_names))}"
        )
    for value, name in named.items():
        own = found.own_names[value]
        if own in class_map and own != name:
            raise BadInput(
                f"{file.path}: labels.{value}: found '{name}', but the model at {found.place} "
                f"calls this value '{own}'"
            )


def _few(values: Sequence[int]) -> str:
    shown = ", ".join(str(value) for value in values[:8])
    return f"{shown}, ... ({len(values)})" if len(values) > 8 else shown
