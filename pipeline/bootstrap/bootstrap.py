"""Stage bootstrap: first masks from models that exist already.

For every model card that is switched on and every case: get the model's prediction, rename its
labels to the workspace's class map, and store one mask per structure with the card, the weights
and the settings in its provenance. Which mask counts where two models see the same structure is
decided by the structure's policy and the cards' priorities, never by the order of files or runs.
At the end every case is reviewed: what several models see is merged where the policy says so,
overlaps are reported, and the numbers of the vertebrae are checked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.anatomy import vertebra_number
from pipeline.bootstrap.card import CardLabels
from pipeline.bootstrap.card_file import CardFile
from pipeline.bootstrap.case_review import review_cases
from pipeline.bootstrap.case_words import WordsOfCases, words_of_cases
from pipeline.bootstrap.known_masks import KnownMasks
from pipeline.bootstrap.labels_for_review import store_findings
from pipeline.bootstrap.ready import ActiveCards, active_cards, make_ready
from pipeline.bootstrap.runners import RUNNERS
from pipeline.bootstrap.scratch import sweep_scratch
from pipeline.bootstrap.settings import BootstrapSettings
from pipeline.bootstrap.tasks import CaseResult, CaseTask, ReadyModel
from pipeline.bootstrap.weights import ModelMissing
from pipeline.engine import Engine
from pipeline.errors import BadInput, MasksmithError, MissingDependency
from pipeline.stage import Outcome, Stage, Status
from pipeline.volume import write_file_atomically
from pipeline.workspace import Case, Mask, Workspace

_NAMES_SHOWN = 5
_CHECK = "'masksmith models check' says what to download and where to put it"


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
    models = _make_all_ready(active, settings, workspace)
    if not models.ready:
        raise _nothing_to_run(models)
    sweep_scratch(workspace.layout)
    words = words_of_cases(workspace, settings.cts, settings.prediction_table)
    yield from _not_running(models)
    yield from _strangers(settings.prediction_table, words)
    for model, file in models.ready:
        keep_card(workspace, file, active.labels[file.name])
        tasks = [_task(workspace, model, case, words) for case in cases]
        yield from _run_model(workspace, tasks, engine, named=bool(settings.cases))
    yield from review_cases(workspace, cases, settings, engine)


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


@dataclass(frozen=True, slots=True)
class _Models:
    """The models of a run: those that can run, that cannot, and that nobody has put here."""

    ready: tuple[tuple[ReadyModel, CardFile], ...]
    refusals: tuple[tuple[str, MasksmithError], ...]
    left_out: tuple[str, ...]


def _make_all_ready(
    active: ActiveCards, settings: BootstrapSettings, workspace: Workspace
) -> _Models:
    ready: list[tuple[ReadyModel, CardFile]] = []
    refusals: list[tuple[str, MasksmithError]] = []
    left_out: list[str] = []
    for file in active.cards:
        optional = file.card.enabled == "if_found" and file.name not in settings.models
        try:
            model = make_ready(file, active.labels[file.name], settings, workspace)
            ready.append((model, file))
        except MasksmithError as error:
            if optional and isinstance(error, ModelMissing):
                left_out.append(file.name)
            else:
                refusals.append((file.name, error))
    # Ribs are numbered by vertebrae that other models find.
    ready.sort(key=lambda pair: pair[0].card.postprocess is not None)
    return _Models(tuple(ready), tuple(refusals), tuple(left_out))


def _not_running(models: _Models) -> Iterator[Outcome]:
    for name, error in models.refusals:
        yield Outcome(f"model:{name}", "failed", str(error))
    if models.left_out:
        note = f"left out, not on this machine: {', '.join(models.left_out)}; {_CHECK}"
        yield Outcome("models", "kept", note, {"left_out": list(models.left_out)})


def _nothing_to_run(models: _Models) -> MasksmithError:
    """Say why no model can run: something is missing, or nothing is but what is there is bad."""
    errors = [error for _, error in models.refusals]
    reasons = [str(error) for error in errors]
    if models.left_out:
        reasons.append(f"not on this machine: {', '.join(models.left_out)}; {_CHECK}")
    missing = bool(models.left_out) or any(isinstance(e, MissingDependency) for e in errors)
    kind = MissingDependency if missing else BadInput
    return kind(f"no model is ready to run: {' / '.join(reasons)}")


def _task(workspace: Workspace, model: ReadyModel, case: Case, words: WordsOfCases) -> CaseTask:
    known = KnownMasks.of(workspace.masks(case.id), model.maker)
    vertebrae = () if model.card.postprocess is None else _vertebrae(workspace, case.id)
    return CaseTask(model, case, known, words.of(case.id), vertebrae)


def _vertebrae(workspace: Workspace, case_id: str) -> tuple[Mask, ...]:
    """Give the vertebrae in force of a case."""
    return tuple(
        mask
        for name, mask in workspace.in_force(case_id).items()
        if mask.voxels and vertebra_number(name) is not None
    )


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
            if result.status == "done":
                store_findings(workspace.layout, result.case_id, model.maker, result.findings)
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
