"""Stage bootstrap: first masks from models that exist already.

For every model card that is switched on and every case: get the model's prediction, rename its
labels to the workspace's class map, and store one mask per structure with the card, the weights
and the settings in its provenance. Which mask counts where two models see the same structure is
decided by the cards' priorities, never by the order of files or runs.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.bootstrap.card import CardLabels
from pipeline.bootstrap.card_file import CardFile
from pipeline.bootstrap.case_words import WordsOfCases, words_of_cases
from pipeline.bootstrap.known_masks import KnownMasks
from pipeline.bootstrap.ready import ActiveCards, active_cards, make_ready
from pipeline.bootstrap.runners import RUNNERS
from pipeline.bootstrap.scratch import sweep_scratch
from pipeline.bootstrap.settings import BootstrapSettings
from pipeline.bootstrap.tasks import CaseResult, CaseTask, ReadyModel
from pipeline.engine import Engine
from pipeline.errors import BadInput, MasksmithError, MissingDependency
from pipeline.stage import Outcome, Stage, Status
from pipeline.volume import write_file_atomically
from pipeline.workspace import Case, Workspace

_NAMES_SHOWN = 5


def run(workspace: Workspace, settings: BootstrapSettings, engine: Engine) -> Iterator[Outcome]:
    """Make first masks for every case with every model that is ready.

    A model that is missing or not approved gives one failed outcome, and the others go on.

    Raises
    ------
    CardError
        If a card is not good, before any work is done.
    MissingDependency, BadInput
        If no model at all is ready.
    """
    active = active_cards(settings, workspace.class_map)
    cases = chosen_cases(workspace, settings.cases)
    if not cases:
        return
    ready, refusals = _make_all_ready(active, settings, workspace)
    if not ready:
        raise _nothing_to_run(refusals)
    sweep_scratch(workspace.layout)
    words = words_of_cases(workspace, settings.cts, settings.prediction_table)
    for name, error in refusals:
        yield Outcome(f"model:{name}", "failed", str(error))
    yield from _strangers(settings.prediction_table, words)
    for model, file in ready:
        keep_card(workspace, file, active.labels[file.name])
        tasks = [
            CaseTask(
                model, case, KnownMasks.of(workspace.masks(case.id), model.maker), words.of(case.id)
            )
            for case in cases
        ]
        yield from _run_model(workspace, tasks, engine, named=bool(settings.cases))


def chosen_cases(workspace: Workspace, wanted: Sequence[str]) -> tuple[Case, ...]:
    """Give the cases that were named, else all that are not excluded.

    Raises
    ------
    NothingToDo
        If a named case does not exist.
    """
    if wanted:
        return tuple(workspace.case(case_id) for case_id in dict.fromkeys(wanted))
    excluded = workspace.excluded()
    return tuple(case for case in workspace.cases() if case.id not in excluded)


def keep_card(workspace: Workspace, file: CardFile, labels: CardLabels) -> None:
    """Store the card as it is used, so that a mask's provenance leads to its words.

    What decides about the masks is part of the file's name; only the prose can differ from what
    is there, and then the newer counts.
    """
    path = card_snapshot(workspace, file.digest(labels))
    text = file.snapshot_yaml(labels).encode()
    if not path.exists() or path.read_bytes() != text:
        write_file_atomically(path, text)


def card_snapshot(workspace: Workspace, digest: str) -> Path:
    """Say where the card lies whose digest a mask's provenance names (sources: model_card)."""
    return workspace.layout.models_dir / "cards" / f"{digest[:12]}.yaml"


def _make_all_ready(
    active: ActiveCards, settings: BootstrapSettings, workspace: Workspace
) -> tuple[list[tuple[ReadyModel, CardFile]], list[tuple[str, MasksmithError]]]:
    ready: list[tuple[ReadyModel, CardFile]] = []
    refusals: list[tuple[str, MasksmithError]] = []
    for file in active.cards:
        try:
            model = make_ready(file, active.labels[file.name], settings, workspace)
            ready.append((model, file))
        except MasksmithError as error:
            refusals.append((file.name, error))
    return ready, refusals


def _nothing_to_run(refusals: Sequence[tuple[str, MasksmithError]]) -> MasksmithError:
    """Say why no model can run: something is missing, or nothing is but what is there is bad."""
    errors = [error for _, error in refusals]
    reasons = " / ".join(str(error) for error in errors)
    missing = any(isinstance(error, MissingDependency) for error in errors)
    kind = MissingDependency if missing else BadInput
    return kind(f"no model is ready to run: {reasons}")


def _strangers(table: Path | None, words: WordsOfCases) -> Iterator[Outcome]:
    if words.strangers:
        note = f"names no case of this workspace: {_few(words.strangers)}"
        yield Outcome(str(table), "kept", note)


def _run_model(
    workspace: Workspace, tasks: Sequence[CaseTask], engine: Engine, *, named: bool
) -> Iterator[Outcome]:
    """Run one model over all cases; with `named` cases a missing prediction is a failure."""
    model = tasks[0].model
    missing: list[str] = []
    try:
        for result in RUNNERS[model.card.runner].run(tasks, engine):
            workspace.record_masks(result.masks)
            if result.status == "no_prediction" and not named:
                missing.append(result.case_id)
            else:
                yield _outcome(model, result)
    except MasksmithError as error:
        yield Outcome(f"model:{model.card.name}", "failed", str(error))
    if missing:
        yield _without_prediction(model, missing, len(tasks))


def _outcome(model: ReadyModel, result: CaseResult) -> Outcome:
    figures = {"model": model.card.name, **result.figures}
    if result.status == "no_prediction":
        note = f"{model.card.name}: no prediction for this case below {model.place}"
        return Outcome(result.case_id, "failed", note, figures)
    return Outcome(result.case_id, result.status, f"{model.card.name}: {result.note}", figures)


def _without_prediction(model: ReadyModel, missing: list[str], total: int) -> Outcome:
    """Say once for which cases nothing lies on disk: an error only if that is all of them."""
    note = (
        f"predictions below {model.place} for {total - len(missing)} of {total} cases; "
        f"none for {_few(sorted(missing))}"
    )
    status: Status = "failed" if len(missing) == total else "done"
    figures = {"model": model.card.name, "without_prediction": len(missing)}
    return Outcome(f"model:{model.card.name}", status, note, figures)


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more


STAGE = Stage(
    name="bootstrap",
    summary="Make first masks with the models that exist already.",
    Settings=BootstrapSettings,
    run=run,
    after=("intake",),
)
