"""Runner `nnunet`: an nnU-Net v2 model folder or exported zip, loaded once for many cases."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from pipeline.bootstrap.card import CardModel, ModelCard
from pipeline.bootstrap.mask_writing import write_labels
from pipeline.bootstrap.runners.runner import FoundModel, Search, attempt, failed, kept
from pipeline.bootstrap.scratch import scratch_folder
from pipeline.bootstrap.tasks import CaseResult, CaseTask
from pipeline.bootstrap.weights import require_weights
from pipeline.engine import Engine
from pipeline.volume import Grid, read_nifti

if TYPE_CHECKING:
    from training.nnunet_model import NnunetModel
    from training.predict import Prediction, PredictionInput


class NnunetOptions(CardModel):
    """What a card may say about an nnU-Net v2 model.

    Attributes
    ----------
    orientation : str
        Axes of the images it was trained on; `LPS` for models trained on files written by ITK.
    tile_step : float
        Step of the sliding window as a share of the patch; 0.5 is nnU-Net's.
    threads : int or None
        Threads of the prediction; by default as many as jobs (`-j`).
    """

    orientation: str = Field(default="RAS", pattern="^[RL][AP][SI]$")
    tile_step: float = Field(default=0.5, gt=0, le=1)
    threads: int | None = Field(default=None, ge=1)


class NnunetRunner:
    """Predicts with nnU-Net in one subprocess; its checkpoint must have been approved."""

    name = "nnunet"
    options: type[BaseModel] = NnunetOptions
    needs_approval = True
    incidental_options = ("threads",)

    def find(self, card: ModelCard, options: BaseModel, search: Search) -> FoundModel:
        """Find the model; raises ModelMissing, or BadInput if it is not an nnU-Net v2 model."""
        place = require_weights(card, search.place)
        model = _open(place, cast("NnunetOptions", options), search.unpack_into)
        return FoundModel(place, model.digest, model.names_by_value)

    def run(self, tasks: Sequence[CaseTask], engine: Engine) -> Iterator[CaseResult]:
        """Predict the cases that have no masks of this model yet."""
        waiting: dict[str, CaseTask] = {}
        for task in tasks:
            there = kept(task, task.sources(), task.model.labels.covered)
            if there is not None:
                yield there
            else:
                waiting[task.case.id] = task
        if waiting:
            yield from _predict(waiting, engine.jobs)


def _predict(waiting: dict[str, CaseTask], jobs: int) -> Iterator[CaseResult]:
    from training.predict import PredictSettings, predict_label_maps

    ready = next(iter(waiting.values())).model
    options = cast("NnunetOptions", ready.options)
    model = _open(cast("Path", ready.place), options, unpack_folder(ready.layout.models_dir))
    with scratch_folder(ready.layout) as folder:
        settings = PredictSettings(
            work_dir=folder,
            device=ready.policy.device,
            threads=options.threads or jobs,
            tile_step=options.tile_step,
            log=ready.layout.models_dir / "logs" / f"{ready.card.name}.log",
        )
        inputs = (_input(task) for task in waiting.values())
        for prediction in predict_label_maps(model, inputs, settings):
            yield _result(waiting[prediction.id], prediction)


def unpack_folder(models_dir: Path) -> Path:
    """Say where zipped models are unpacked in a workspace."""
    return models_dir / "unpacked"


def _open(place: Path, options: NnunetOptions, unpack_into: Path) -> "NnunetModel":
    from dataclasses import replace

    from training.nnunet_model import open_model

    model = open_model(place, unpack_into=unpack_into)
    return replace(model, orientation=options.orientation)


def _input(task: CaseTask) -> "PredictionInput":
    from training.predict import PredictionInput

    path = task.model.layout.ct(task.case.id)

    def load() -> tuple[NDArray[np.generic], Grid]:
        volume = read_nifti(path)
        return volume.array, volume.grid

    return PredictionInput(task.case.id, load)


def _result(task: CaseTask, prediction: "Prediction") -> CaseResult:
    labels = prediction.labels
    if labels is None:
        return failed(task, prediction.error or "nnU-Net gave no labels")
    sources = task.sources()
    return attempt(task, lambda: write_labels(task, labels, sources, what=task.what))
