"""What `masksmith models` shows: every card, whether it can run, and approvals of weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.bootstrap.bootstrap import STAGE
from pipeline.bootstrap.card import CardLabels
from pipeline.bootstrap.card_file import CardError, CardFile, card_names, read_named_card
from pipeline.bootstrap.card_labels import NothingInCommon, resolve_labels
from pipeline.bootstrap.ready import active_cards, compare_names, find_model, model_place
from pipeline.bootstrap.runners import RUNNERS
from pipeline.bootstrap.settings import BootstrapSettings
from pipeline.bootstrap.trust import Approval, approve, is_trusted
from pipeline.errors import BadInput, MasksmithError, UsageError
from pipeline.stage import load_settings
from pipeline.workspace import Workspace

State = Literal["ok", "not here", "off", "no structure", "missing", "not approved", "bad"]


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """How one model card stands.

    Attributes
    ----------
    name : str
    active : bool
        Whether `masksmith bootstrap` would use it: named in the settings, else enabled.
    state : {"ok", "not here", "off", "no structure", "missing", "not approved", "bad"}
        Ready to run; not on this machine, and that is no fault (`enabled: if_found`); switched
        off; nothing in common with the class map; not there though it should be; waiting for
        `masksmith models trust`; a bad card, or files that are not what the card says.
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
    url : str or None
        Where a person gets them.
    digest : str or None
        sha256 (hex) of the weights.
    trusted : bool or None
        Whether the weights were approved; None if they need no approval.
    summary, licence, reference, known_bias : str
        From the card.
    problem : str
        Why it cannot run; empty if it can.
    """

    name: str
    active: bool
    state: State
    runner: str = ""
    priority: int | None = None
    covered: tuple[str, ...] = ()
    without_target: tuple[str, ...] = ()
    weights_there: bool = False
    place: Path | None = None
    url: str | None = None
    digest: str | None = None
    trusted: bool | None = None
    summary: str = ""
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


def check_models(
    workspace: Workspace, configs: Path, names: Sequence[str] = ()
) -> tuple[list[ModelStatus], str]:
    """Say how the named cards stand, or all, and whether they go together.

    Parameters
    ----------
    workspace : Workspace
        As for `list_models`.
    configs : Path
        The settings folder.
    names : sequence of str
        Cards to look at; none: all.

    Returns
    -------
    statuses : list of ModelStatus
        In the order of the names, else as `list_models`.
    clash : str
        Why the cards of a run do not go together; empty if they do, or if cards were named.

    Raises
    ------
    CardError
        If a named card does not exist.
    """
    if not names:
        found = list_models(workspace, configs)
        return found, _clash(workspace, configs, found)
    settings = _settings(configs)
    known = card_names(configs)
    for name in names:
        if name not in known:
            read_named_card(configs, name)
    return [_status(name, settings, workspace) for name in dict.fromkeys(names)], ""


def _clash(workspace: Workspace, configs: Path, found: Sequence[ModelStatus]) -> str:
    if any(status.state == "bad" for status in found):
        return ""
    try:
        active_cards(_settings(configs), workspace.class_map)
    except BadInput as error:
        return str(error)
    return ""


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
    found = find_model(file, settings, workspace.layout, may_download=True)
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
    except NothingInCommon as error:
        return ModelStatus(name, name in settings.models, "no structure", problem=str(error))
    except CardError as error:
        return ModelStatus(name, name in settings.models, "bad", problem=str(error))


def _status_of(file: CardFile, settings: BootstrapSettings, workspace: Workspace) -> ModelStatus:
    labels = resolve_labels(file, workspace.class_map, settings.configs_folder)
    found = _files_of(file, labels, settings, workspace)
    card = file.card
    problem = found.problem
    if found.trusted is False and not problem:
        problem = (
            f"weights not approved; if you trust their source: masksmith models trust {file.name}"
        )
    return ModelStatus(
        name=file.name,
        active=file.name in settings.models if settings.models else bool(card.enabled),
        state=_state(file, settings, found),
        runner=card.runner,
        priority=card.priority,
        covered=labels.covered,
        without_target=labels.without_target,
        weights_there=not found.problem,
        place=found.place,
        url=card.weights.url,
        digest=found.digest,
        trusted=found.trusted,
        summary=card.summary,
        licence=card.licence,
        reference=card.reference,
        known_bias=card.known_bias,
        problem=problem,
    )


@dataclass(frozen=True, slots=True)
class _Files:
    """A model's files: where, which, approved, and what is wrong with them."""

    place: Path | None
    digest: str | None = None
    trusted: bool | None = None
    problem: str = ""
    is_bad: bool = False


def _files_of(
    file: CardFile, labels: CardLabels, settings: BootstrapSettings, workspace: Workspace
) -> _Files:
    needs_approval = RUNNERS[file.card.runner].needs_approval
    place = model_place(file, settings)
    try:
        found = find_model(file, settings, workspace.layout)
        compare_names(file, labels, found, workspace.class_map)
    except MasksmithError as error:
        trusted = False if needs_approval else None
        return _Files(place, None, trusted, str(error), isinstance(error, BadInput))
    digest = found.weights_digest
    trusted = is_trusted(digest) if needs_approval and digest is not None else None
    return _Files(found.place, digest, trusted)


def _state(file: CardFile, settings: BootstrapSettings, found: _Files) -> State:
    card = file.card
    if found.is_bad:
        return "bad"
    if not found.problem:
        return "not approved" if found.trusted is False else "ok"
    if file.name in settings.models:
        return "missing"
    if not card.enabled:
        return "off"
    is_silent = card.runner == "labelmaps" and found.place is None
    return "not here" if card.enabled == "if_found" or is_silent else "missing"
