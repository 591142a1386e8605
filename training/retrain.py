"""STAGE retrain: one active-learning round, from accepted masks to predictions to correct.

Freeze the manifest, export, plan, preprocess, train without mirroring, compare with the rounds
before on the validation cases, predict every case that still has an undecided structure. Killed
anywhere, the same command goes on with the same manifest. The paper retrained after 5, 20, 100
and 1000 subjects (section 2.2.4).
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from pipeline.engine import Engine
from pipeline.errors import BadInput
from pipeline.stage import Outcome, Stage
from pipeline.workspace import Round, Workspace
from training.case_prediction import ProgressLog, predict_cases, store_prediction, undecided
from training.model_training import is_trained, train_model, weights_digest
from training.nnunet_model import NnunetModel
from training.nnunet_process import NnunetError
from training.predict import Prediction
from training.promotion import (
    Promotion,
    check_promote_anyway,
    promotion_outcomes,
    read_promotions,
    write_promotion,
)
from training.retrain_settings import RetrainSettings
from training.round_cases import training_cases
from training.round_comparison import compare_with_earlier
from training.round_manifest import Manifest, freeze_round
from training.round_model import RoundModel, missing_masks, round_models
from training.round_next_cases import choose_after_round
from training.side_by_side import require_devices, run_side_by_side

log = logging.getLogger(__name__)
_STEPS = _COMPARING, _PREDICTING = (", promotion", ", prediction")


@dataclass(frozen=True, slots=True)
class _Predicted:
    """A prediction on its way to the driver, which stores and records it."""

    model: RoundModel
    prediction: Prediction
    structures: tuple[str, ...]


_Told = Outcome | Promotion | _Predicted


def run(workspace: Workspace, settings: RetrainSettings, engine: Engine) -> Iterator[Outcome]:
    """Take a round from wherever it stands to its end; outcomes per model, structure and case.

    A model that cannot be made is an outcome too, and the other parts' models go on.
    """
    if not workspace.layout.manifest(settings.round).is_file():
        settings.recipe()
        require_devices(settings.places)
    manifest = freeze_round(workspace, settings)
    workspace.record_round(
        Round(manifest.round, manifest.target_cases, manifest.digest, manifest.created)
    )
    models = round_models(workspace, manifest, settings)
    check_promote_anyway(
        settings.promote_anyway, {name for model in models for name in model.choice.structures}
    )
    if not all(is_trained(model.plan) for model in models):
        require_devices(settings.places)
    steps = {f"{model.subject}{step}" for model in models for step in ("", *_STEPS)}
    stories = [partial(_story, model, settings, engine) for model in models]
    failed = False
    for told in run_side_by_side(stories, settings.places):
        for outcome in _settle(workspace, manifest, told):
            failed |= outcome.status == "failed" and outcome.subject in steps
            yield outcome
    # Chosen once: not before every model has said all it can.
    if not failed:
        yield from choose_after_round(workspace, settings.next_cases, manifest, engine)


STAGE = Stage(
    name="retrain",
    summary="Train nnU-Net on what was accepted and predict the other cases.",
    Settings=RetrainSettings,
    run=run,
    after=("bootstrap",),
)


def _settle(workspace: Workspace, manifest: Manifest, told: _Told) -> Iterator[Outcome]:
    """Do what only the driver may do: write the ledger and the files of the round."""
    if isinstance(told, Outcome):
        yield told
    elif isinstance(told, Promotion):
        write_promotion(workspace.layout, manifest.round, told)
    else:
        model = told.model
        yield store_prediction(
            workspace, model.plan, told.prediction, model.provenance, told.structures
        )


def _story(
    model: RoundModel, settings: RetrainSettings, engine: Engine, device: str
) -> Iterator[_Told]:
    """Tell what happens to one model; it may run in a thread and writes nothing of the driver's."""
    model = model.on_device(device)
    subject = model.subject
    try:
        kept = is_trained(model.plan)
        trained = _train(model, engine)
        yield _model_outcome(model, kept=kept)
        subject = f"{model.subject}{_COMPARING}"
        promotion = _promote(model, trained, settings)
        yield promotion
        yield from promotion_outcomes(promotion, model.subject)
        subject = f"{model.subject}{_PREDICTING}"
        yield from _predict(model, trained, promotion.promoted)
    except (NnunetError, BadInput) as error:
        yield Outcome(subject, "failed", str(error))


def _train(model: RoundModel, engine: Engine) -> NnunetModel:
    if not is_trained(model.plan):
        for line in model.left_out():
            log.warning("%s", line)
        model = model.with_start()
        if why := model.manifest.starts.get(model.name, {}).get("why_fresh"):
            log.warning("%s: starts fresh: %s", model.subject, why)
    skipped = model.manifest.settings.get("skipped_slices", "background")
    cases = training_cases(model.workspace, model.choice, model.plan.class_map, skipped)
    return train_model(model.plan, cases, ProgressLog(model.subject), engine)


def _model_outcome(model: RoundModel, *, kept: bool) -> Outcome:
    figures = {
        "cases": len(model.choice.cases),
        "structures": len(model.choice.structures),
        "left_out_structures": dict(model.choice.left_out_structures),
        "left_out_cases": len(model.choice.left_out_cases),
        "weights": weights_digest(model.plan),
        "start": model.start_in_words,
    }
    return Outcome(model.subject, "kept" if kept else "done", model.note, figures)


def _promote(model: RoundModel, trained: NnunetModel, settings: RetrainSettings) -> Promotion:
    """Give the comparison made before with these very weights, else make it now."""
    layout, number = model.workspace.layout, model.manifest.round
    promotion = read_promotions(layout, number).get(model.name)
    if promotion is None or promotion.weights != weights_digest(model.plan):
        promotion = compare_with_earlier(model, trained)
    return promotion.decided(settings.promotion_margin, settings.promote_anyway)


def _predict(
    model: RoundModel, trained: NnunetModel, promoted: tuple[str, ...]
) -> Iterator[Outcome | _Predicted]:
    """Predict what is undecided; in each case only what this model has not stored yet."""
    provenance = model.provenance
    waiting: dict[str, tuple[str, ...]] = {}
    cases = []
    for record in model.workspace.records() if promoted else ():
        if record.excluded or not undecided(record, promoted):
            continue
        missing = missing_masks(record, promoted, provenance)
        if missing:
            waiting[record.case.id] = missing
            cases.append(record.case)
        else:
            yield Outcome(record.case.id, "kept", f"{model.subject} was predicted before")
    if cases:
        for prediction in predict_cases(trained, model.plan, model.workspace, cases):
            yield _Predicted(model, prediction, waiting[prediction.id])
