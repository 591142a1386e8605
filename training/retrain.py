"""STAGE retrain: one active-learning round, from accepted masks to predictions to correct.

Freeze the manifest, export, plan, preprocess, train without mirroring, predict every case that
still has an undecided structure. Killed anywhere, the same command goes on with the same
manifest. The paper retrained after 5, 20, 100 and 1000 subjects (section 2.2.4).
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.engine import Engine
from pipeline.errors import BadInput
from pipeline.stage import Outcome, Stage
from pipeline.workspace import (
    Case,
    CaseRecord,
    Mask,
    Provenance,
    Round,
    Workspace,
    settings_digest,
)
from training.case_prediction import (
    ProgressLog,
    predict_cases,
    software,
    store_prediction,
    undecided,
)
from training.model_training import (
    TrainingPlan,
    is_trained,
    train_model,
    weights_digest,
)
from training.nnunet_dataset import DatasetSettings
from training.nnunet_model import NnunetModel
from training.nnunet_process import NnunetError
from training.retrain_settings import RetrainSettings
from training.round_cases import training_cases
from training.round_choice import Choice
from training.round_manifest import ALL, Manifest, freeze_round
from training.round_next_cases import choose_after_round

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RoundModel:
    """One model of a round: what it learns and where it is made."""

    workspace: Workspace
    manifest: Manifest
    name: str
    choice: Choice
    plan: TrainingPlan

    @property
    def subject(self) -> str:
        """How the model is called in outcomes and messages."""
        number = f"round {self.manifest.round}"
        return number if self.name == ALL else f"{number}, {self.name}"


def run(workspace: Workspace, settings: RetrainSettings, engine: Engine) -> Iterator[Outcome]:
    """Take a round from wherever it stands to its end; one outcome per model and case.

    A model that cannot be made is an outcome too, and the other parts' models go on.
    """
    recipe = settings.recipe()
    manifest = freeze_round(workspace, settings)
    workspace.record_round(
        Round(manifest.round, manifest.target_cases, manifest.digest, manifest.created)
    )
    failed = False
    for name, choice in manifest.models.items():
        plan = TrainingPlan(
            folder=workspace.layout.round_dir(manifest.round) / _folder_name(name),
            name=_folder_name(name),
            class_map=workspace.class_map.subset(choice.structures),
            profile=recipe.for_partial_labels() if choice.is_partial else recipe,
            dataset=DatasetSettings(recipe.spacing_mm, settings.validation_cases, settings.seed),
            record={"round": manifest.round, "manifest": manifest.digest, "model": name},
        )
        model = RoundModel(workspace, manifest, name, choice, plan)
        try:
            yield from _run_model(model, engine)
        except (NnunetError, BadInput) as error:
            failed = True
            yield Outcome(model.subject, "failed", str(error))
    if not failed:
        yield from choose_after_round(workspace, settings.next_cases, manifest, engine)


STAGE = Stage(
    name="retrain",
    summary="Train nnU-Net on what was accepted and predict the other cases.",
    Settings=RetrainSettings,
    run=run,
    after=("bootstrap",),
)


def _run_model(model: RoundModel, engine: Engine) -> Iterator[Outcome]:
    kept = is_trained(model.plan)
    if not kept:
        _say_what_is_left_out(model)
    skipped = model.manifest.settings["skipped_slices"]
    cases = training_cases(model.workspace, model.choice, model.plan.class_map, skipped)
    trained = train_model(model.plan, cases, ProgressLog(model.subject), engine)
    yield Outcome(
        model.subject,
        "kept" if kept else "done",
        _note(model),
        {
            "cases": len(model.choice.cases),
            "structures": len(model.choice.structures),
            "left_out_structures": dict(model.choice.left_out_structures),
            "left_out_cases": len(model.choice.left_out_cases),
            "weights": weights_digest(model.plan),
        },
    )
    yield from _predict(model, trained)


def _predict(model: RoundModel, trained: NnunetModel) -> Iterator[Outcome]:
    provenance = _provenance(model)
    waiting: list[Case] = []
    for record in model.workspace.records():
        if record.excluded or not undecided(record, model.choice.structures):
            continue
        if _is_predicted(record, model.choice.structures, provenance):
            yield Outcome(record.case.id, "kept", f"{model.subject} was predicted before")
        else:
            waiting.append(record.case)
    if not waiting:
        return
    class_map = model.plan.class_map
    for prediction in predict_cases(trained, model.plan, model.workspace, waiting):
        yield store_prediction(model.workspace, model.plan, prediction, provenance, class_map.names)


def _is_predicted(record: CaseRecord, structures: tuple[str, ...], provenance: Provenance) -> bool:
    def ours(mask: Mask) -> bool:
        made = mask.provenance
        return made.maker == provenance.maker and made.sources == provenance.sources

    return set(structures) <= {mask.structure for mask in record.masks if ours(mask)}


def _provenance(model: RoundModel) -> Provenance:
    number = model.manifest.round
    folder = model.plan.model_folder.relative_to(model.workspace.layout.root)
    return Provenance(
        origin="round",
        maker=f"round:{number}",
        round=number,
        settings_digest=settings_digest(model.manifest.settings),
        software=software(),
        sources={
            "manifest": model.manifest.digest,
            "weights": weights_digest(model.plan),
            "model_folder": folder.as_posix(),
        },
    )


def _folder_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", name)


def _note(model: RoundModel) -> str:
    choice = model.choice
    text = f"learned {len(choice.structures)} structures from {len(choice.cases)} cases"
    pairs = sum(len(choice.undecided_in(case)) for case in choice.cases)
    if pairs:
        text += f" ({pairs} of {len(choice.structures) * len(choice.cases)} pairs undecided)"
    left = [
        f"{len(names)} {what}"
        for names, what in (
            (choice.left_out_structures, "structures"),
            (choice.left_out_cases, "cases"),
        )
        if names
    ]
    return f"{text}; left out: {', '.join(left)}" if left else text


def _say_what_is_left_out(model: RoundModel) -> None:
    path = model.workspace.layout.manifest(model.manifest.round)
    for name, reason in list(model.choice.left_out_structures.items())[:5]:
        log.warning("%s: %s is left out: %s", model.subject, name, reason)
    more = len(model.choice.left_out_structures) - 5
    if more > 0:
        log.warning("%s: %d more structures are left out, see %s", model.subject, more, path)
