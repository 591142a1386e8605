"""The second half of the heart transfer: one nnU-Net from contrast and native scans.

Trained on both kinds of scans with the carried labels, the model predicts the heart structures
in every case of the dataset (paper, section 2.2.2). Killed anywhere, the same call goes on.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.engine import Engine
from pipeline.errors import BadInput, NothingToDo
from pipeline.stage import Outcome
from pipeline.transfer.heart_manifest import MAKER, HeartManifest, keep_manifest, make_manifest
from pipeline.workspace import (
    CaseRecord,
    Provenance,
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
from training.profile import load_profile
from training.round_cases import training_cases

log = logging.getLogger(__name__)
SUBJECT = "heart model"


class ModelSettings(Protocol):
    """What the settings of the stage say about the model."""

    @property
    def profile(self) -> str:
        """How large the training is: a profile of ``retrain.yaml``."""
        ...

    @property
    def priority(self) -> int:
        """Standing of the model's masks beside those of other models."""
        ...

    @property
    def configs(self) -> Path | None:
        """Folder of ``retrain.yaml``; the shipped one when None."""
        ...

    @property
    def device(self) -> str | None:
        """Instead of the profile's: ``cpu``, ``gpu`` or ``gpu:N``."""
        ...


@dataclass(frozen=True, slots=True)
class HeartModel:
    """One heart model: what it learns, where it is made, how its masks stand."""

    workspace: Workspace
    manifest: HeartManifest
    plan: TrainingPlan
    priority: int

    @property
    def structures(self) -> tuple[str, ...]:
        """What it was taught, in the order of the class map."""
        return self.manifest.choice.structures

    def provenance(self) -> Provenance:
        """Give the provenance of its masks: from it one walks back to the carried masks."""
        folder = self.plan.model_folder.relative_to(self.workspace.layout.root)
        return Provenance(
            origin="model",
            maker=MAKER,
            priority=self.priority,
            settings_digest=settings_digest({"recipe": self.manifest.recipe}),
            software=software(),
            sources={
                "manifest": self.manifest.digest,
                "weights": weights_digest(self.plan),
                "model_folder": folder.as_posix(),
            },
        )


def train_and_predict(
    workspace: Workspace,
    settings: ModelSettings,
    pairs_done: Iterable[tuple[str, str]],
    engine: Engine,
) -> Iterator[Outcome]:
    """Train on the cases of the pairs and predict every case that is not excluded.

    Parameters
    ----------
    pairs_done : iterable of (str, str)
        Contrast and native case id of each pair whose masks were carried, now or in an earlier
        run. Other pairs, or other masks in force in them, make another model in another folder.

    Yields
    ------
    Outcome
        One of the model, then one per case; a model that cannot be made is one `failed` outcome.

    Raises
    ------
    UsageError
        If the profile does not exist.
    """
    try:
        model = _prepare(workspace, settings, pairs_done)
        kept = is_trained(model.plan)
        trained = _train(model, engine)
    except (NnunetError, BadInput, NothingToDo) as error:
        yield Outcome(SUBJECT, "failed", str(error))
        return
    yield _model_outcome(model, kept=kept)
    yield from _predict(model, trained)


def _prepare(
    workspace: Workspace, settings: ModelSettings, pairs: Iterable[tuple[str, str]]
) -> HeartModel:
    recipe = load_profile(settings.profile, settings.configs)
    if settings.device is not None:
        recipe = recipe.model_copy(update={"device": settings.device})
    manifest = make_manifest(workspace, pairs, recipe.digest)
    folder = workspace.layout.models_dir / "heart_transfer" / manifest.folder_name
    keep_manifest(manifest, folder / "manifest.json")
    plan = TrainingPlan(
        folder=folder,
        name="heart_transfer",
        class_map=workspace.class_map.subset(manifest.choice.structures),
        profile=recipe,
        dataset=DatasetSettings(recipe.spacing_mm),
        record={"manifest": manifest.digest, "model": "heart_transfer"},
    )
    return HeartModel(workspace, manifest, plan, settings.priority)


def _train(model: HeartModel, engine: Engine) -> NnunetModel:
    choice = model.manifest.choice
    for name, reason in {**choice.left_out_structures, **choice.left_out_cases}.items():
        log.warning("%s: %s is left out: %s", SUBJECT, name, reason)
    cases = training_cases(model.workspace, choice, model.plan.class_map)
    return train_model(model.plan, cases, ProgressLog(SUBJECT), engine)


def _model_outcome(model: HeartModel, *, kept: bool) -> Outcome:
    choice = model.manifest.choice
    roles = [model.manifest.roles[case_id] for case_id in choice.cases]
    figures = {
        "contrast_cases": roles.count("contrast"),
        "native_cases": roles.count("native"),
        "structures": len(choice.structures),
        "left_out_structures": dict(choice.left_out_structures),
        "left_out_cases": dict(choice.left_out_cases),
        "weights": weights_digest(model.plan),
        "manifest": model.manifest.digest,
    }
    note = (
        f"learned {len(choice.structures)} structures from {figures['contrast_cases']} contrast "
        f"and {figures['native_cases']} native cases"
    )
    return Outcome(SUBJECT, "kept" if kept else "done", note, figures)


def _predict(model: HeartModel, trained: NnunetModel) -> Iterator[Outcome]:
    provenance = model.provenance()
    waiting: dict[str, tuple[str, ...]] = {}
    for record in model.workspace.records():
        wanted = () if record.excluded else undecided(record, model.structures)
        if wanted and _is_predicted(record, wanted, provenance):
            yield Outcome(record.case.id, "kept", f"the {SUBJECT} predicted it before")
        elif wanted:
            waiting[record.case.id] = wanted
    if not waiting:
        return
    workspace = model.workspace
    cases = [workspace.case(case_id) for case_id in waiting]
    for prediction in predict_cases(trained, model.plan, workspace, cases):
        wanted = waiting[prediction.id]
        yield store_prediction(workspace, model.plan, prediction, provenance, wanted)


def _is_predicted(record: CaseRecord, wanted: tuple[str, ...], provenance: Provenance) -> bool:
    done = {
        mask.structure
        for mask in record.masks
        if mask.provenance.maker == provenance.maker
        and mask.provenance.sources == provenance.sources
        and mask.provenance.priority == provenance.priority
    }
    return set(wanted) <= done
