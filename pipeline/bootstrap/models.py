"""What `masksmith models` shows: every card, whether it can run, and approvals of weights."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.bootstrap.bootstrap import STAGE
from pipeline.bootstrap.card_file import CardError, CardFile, card_names, read_named_card
from pipeline.bootstrap.card_labels import resolve_labels
from pipeline.bootstrap.ready import find_model, model_place
from pipeline.bootstrap.runners import RUNNERS
from pipeline.bootstrap.settings import BootstrapSettings
from pipeline.bootstrap.trust import Approval, approve, is_trusted
from pipeline.errors import MasksmithError, UsageError
from pipeline.stage import load_settings
from pipeline.workspace import Workspace


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """How one model card stands.

    Attributes
    ----------
    name : str
    active : bool
        Whether `masksmith bootstrap` would use it: named in the settings, else enabled.
    runner : str
        Empty if the card cannot be read.
    priority : int or None
    covered : tuple of str
        Structures of the class map that the model knows.
    without_target : tuple of str
        Labels of the model that the class map has no structure for.
    weights_there : bool
        Whether its files, or its program, were found.
    place : Path or None
        Where they are or should be.
    digest : str or None
        sha256 (hex) of the weights.
    trusted : bool or None
        Whether the weights were approved; None if they need no approval.
    licence, reference, known_bias : str
        From the card.
    problem : str
        Why it cannot run; empty if it can.
    """

    name: str
    active: bool
    runner: str = ""
    priority: int | None = None
    covered: tuple[str, ...] = ()
    without_target: tuple[str, ...] = ()
    weights_there: bool = False
    place: Path | None = None
    digest: str | None = None
    trusted: bool | None = None
    licence: str = ""
    reference: str = ""
    known_bias: str = ""
    problem: str = ""


def list_models(workspace: Workspace, configs: Path) -> list[ModelStatus]:
    """Say how every model card stands; a broken card is listed with its problem.

    Parameters
    ----------
    workspace : Workspace
        Its class map says what is covered; zipped models are unpacked into it.
    configs : Path
        The settings folder.

    Returns
    -------
    list of ModelStatus
        Highest priority first, broken cards last.

    Raises
    ------
    UsageError
        If the settings of bootstrap are not good.
    """
    settings = _settings(configs)
    found = [_status(name, settings, workspace) for name in card_names(configs)]
    lowest = float("-inf")
    return sorted(found, key=lambda s: (-(lowest if s.priority is None else s.priority), s.name))


def trust_model(workspace: Workspace, configs: Path, name: str) -> Approval:
    """Approve the weights of a model as they are on this machine now.

    Parameters
    ----------
    workspace : Workspace
        A zipped model is unpacked into it, to see what is inside.
    configs : Path
        The settings folder.
    name : str
        The card's name.

    Returns
    -------
    Approval
        With the digest that was approved, and when.

    Raises
    ------
    CardError
        If there is no good card of that name.
    ModelMissing
        If the weights are not on this machine.
    UsageError
        If the model's weights need no approval.
    """
    settings = _settings(configs)
    file = read_named_card(configs, name)
    if not RUNNERS[file.card.runner].needs_approval:
        raise UsageError(
            f"model '{name}' is run by '{file.card.runner}', which loads no checkpoint: "
            "there is nothing to approve"
        )
    found = find_model(file, settings, workspace.layout)
    if found.weights_digest is None:
        raise UsageError(f"model '{name}' has no weights: there is nothing to approve")
    return approve(found.weights_digest, name)


def _settings(configs: Path) -> BootstrapSettings:
    settings = load_settings(STAGE, configs, {})
    if not isinstance(settings, BootstrapSettings):
        raise TypeError(f"expected BootstrapSettings, found {type(settings).__name__}")
    return settings


def _status(name: str, settings: BootstrapSettings, workspace: Workspace) -> ModelStatus:
    try:
        file = read_named_card(settings.configs_folder, name)
        return _status_of(file, settings, workspace)
    except CardError as error:
        return ModelStatus(name, name in settings.models, problem=str(error))


def _status_of(file: CardFile, settings: BootstrapSettings, workspace: Workspace) -> ModelStatus:
    labels = resolve_labels(file, workspace.class_map, settings.configs_folder)
    digest, trusted, problem = _weights_of(file, settings, workspace)
    card = file.card
    return ModelStatus(
        name=file.name,
        active=file.name in settings.models if settings.models else bool(card.enabled),
        runner=card.runner,
        priority=card.priority,
        covered=labels.covered,
        without_target=labels.without_target,
        weights_there=not problem,
        place=model_place(file, settings),
        digest=digest,
        trusted=trusted,
        licence=card.licence,
        reference=card.reference,
        known_bias=card.known_bias,
        problem=problem or ("weights not approved" if trusted is False else ""),
    )


def _weights_of(
    file: CardFile, settings: BootstrapSettings, workspace: Workspace
) -> tuple[str | None, bool | None, str]:
    needs_approval = RUNNERS[file.card.runner].needs_approval
    try:
        digest = find_model(file, settings, workspace.layout).weights_digest
    except MasksmithError as error:
        return None, False if needs_approval else None, str(error)
    return digest, is_trusted(str(digest)) if needs_approval else None, ""
