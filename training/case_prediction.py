"""Cases of a workspace predicted with a trained model, and what nobody has decided in them.

Used by whatever trains a model on a workspace: the rounds and the heart transfer.
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import MasksmithError
from pipeline.stage import Outcome
from pipeline.volume import Grid
from pipeline.workspace import (
    Case,
    CaseRecord,
    Presence,
    Provenance,
    Workspace,
    write_label_map_masks,
)
from training.model_training import Progress, TrainingPlan
from training.nnunet_model import NnunetModel
from training.predict import Prediction, PredictionInput, PredictSettings, predict_label_maps

log = logging.getLogger(__name__)
_WARNINGS = ("restart", "fresh", "unreadable")
_ABSENT = (Presence.ABSENT_FOV, Presence.ABSENT_ANATOMY)


def software() -> dict[str, str]:
    """Name the packages that decide about a trained model's masks, for provenance."""
    return {name: metadata.version(name) for name in ("masksmith", "nnunetv2", "torch")}


def undecided(record: CaseRecord, structures: Sequence[str]) -> tuple[str, ...]:
    """List the structures that nobody accepted and nobody said to be absent."""
    accepted, presence = record.accepted(), record.presence(structures)
    return tuple(
        name for name in structures if name not in accepted and presence[name] not in _ABSENT
    )


def predict_cases(
    model: NnunetModel,
    plan: TrainingPlan,
    workspace: Workspace,
    cases: Sequence[Case],
    *,
    confidence: bool = True,
) -> Iterator[Prediction]:
    """Predict cases with a model on the device its training plan names.

    Parameters
    ----------
    confidence : bool
        Whether to say how sure the model is of each structure.
    """
    recipe = plan.profile
    settings = PredictSettings(
        work_dir=plan.folder,
        device=recipe.device,
        threads=recipe.threads,
        tile_step=recipe.tile_step,
        log=plan.log,
        confidence=confidence,
    )
    inputs = (PredictionInput(case.id, _CtOf(workspace, case)) for case in cases)
    return predict_label_maps(model, inputs, settings)


def store_prediction(
    workspace: Workspace,
    plan: TrainingPlan,
    prediction: Prediction,
    provenance: Provenance,
    structures: Collection[str],
) -> Outcome:
    """Write and record these structures of a prediction; an empty mask says it was looked for.

    How sure the model was of each structure is kept with its mask.

    Parameters
    ----------
    structures : collection of str
        What of the plan's class map is kept.
    """
    if prediction.labels is None:
        return Outcome(prediction.id, "failed", prediction.error or "no prediction")
    case, class_map, labels = workspace.case(prediction.id), plan.class_map, prediction.labels
    if set(structures) != set(class_map.names):
        values = [class_map[name].value for name in structures]
        labels = np.where(np.isin(labels, values), labels, 0)
    sure = prediction.confidences or {}

    def made(structure: str) -> Provenance:
        confidence = sure.get(class_map[structure].value)
        return provenance if confidence is None else confidence.added_to(provenance)

    try:
        masks = write_label_map_masks(
            workspace.layout, case, labels, class_map, made, include_empty=structures
        )
    except MasksmithError as error:
        return Outcome(case.id, "failed", str(error))
    workspace.record_masks(masks)
    found = sum(mask.voxels > 0 for mask in masks)
    return Outcome(
        case.id,
        "done",
        f"{found} of {len(masks)} structures found",
        {"structures": len(masks), "found": found, "seconds": round(prediction.seconds, 2)},
    )


@dataclass(frozen=True, slots=True)
class ProgressLog:
    """Writes where a training stands into the log."""

    subject: str

    def __call__(self, progress: Progress) -> None:
        """Say one step; what a person should know of stands out as a warning."""
        words = {
            "prepare": "fingerprint, plan, preprocess",
            "export": f"exported case {progress.done} of {progress.total}",
            "train": f"epoch {progress.done + 1} of {progress.total}",
            "resume": f"goes on from epoch {progress.done + 1} of {progress.total}"
            if progress.done < progress.total
            else "its last epoch was trained before; goes on after it",
            "restart": f"was stopped in epoch {progress.done} of {progress.total}, before any "
            "checkpoint: training begins again",
            "warm_start": f"starts from the earlier model; {progress.note}",
            "fresh": f"starts fresh: {progress.note}",
            "unreadable": progress.note,
        }
        level = logging.WARNING if progress.step in _WARNINGS else logging.INFO
        log.log(level, "%s: %s", self.subject, words[progress.step])


@dataclass(frozen=True, slots=True)
class _CtOf:
    """Reads a case's CT when its turn comes."""

    workspace: Workspace
    case: Case

    def __call__(self) -> tuple[NDArray[Any], Grid]:
        return self.workspace.ct(self.case.id), self.case.grid
