"""Cases -> a trained model: export, plan, preprocess, train, each step once.

Used by ``retrain`` for a round and by anyone who needs a small real model (demo, tests).
Every finished step leaves a mark, written atomically; after a kill the same call goes on where
the last mark is, training from its newest checkpoint.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.anatomy import ClassMap
from pipeline.engine import Engine
from pipeline.volume import write_file_atomically
from training.nnunet_dataset import DatasetSettings, TrainingCase, write_dataset
from training.nnunet_model import NnunetModel, open_model
from training.nnunet_process import (
    Event,
    NnunetFolders,
    NnunetProcess,
    ProcessSettings,
    device_kind,
    run_steps,
)
from training.profile import Profile

DATASET_NUMBER = 501
MODEL_FILE = "masksmith_model.json"
STEPS = ("prepare", "train")


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands.

    Attributes
    ----------
    step : str
        ``export``, ``prepare`` or ``train``.
    done, total : int
        Cases for ``export``, epochs for ``train``.
    """

    step: str
    done: int = 0
    total: int = 0


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Everything that decides one training.

    Attributes
    ----------
    folder : Path
        Receives nnU-Net's three folders, the marks and the log.
    name : str
        Ends the nnU-Net dataset name: letters, digits, underscore.
    class_map : ClassMap
        Values 1..n.
    record : mapping
        Written beside the model, such as the manifest's digest.
    dataset_number : int
        nnU-Net's; models that are installed side by side need numbers of their own.
    """

    folder: Path
    name: str
    class_map: ClassMap
    profile: Profile
    dataset: DatasetSettings
    record: dict[str, Any]
    dataset_number: int = DATASET_NUMBER

    @property
    def dataset_name(self) -> str:
        """Name of the nnU-Net dataset."""
        return f"Dataset{self.dataset_number:03d}_{self.name}"

    @property
    def nnunet(self) -> NnunetFolders:
        """nnU-Net's folders."""
        return NnunetFolders(self.folder / "nnunet")

    @property
    def log(self) -> Path:
        """What nnU-Net printed."""
        return self.folder / "nnunet.log"

    @property
    def model_folder(self) -> Path:
        """Where nnU-Net writes the model."""
        name = f"{self.profile.trainer}__{self.profile.plans_name}__{self.profile.configuration}"
        return self.nnunet.results / self.dataset_name / name


def train_model(
    plan: TrainingPlan,
    cases: Sequence[TrainingCase],
    on_progress: OnProgress,
    engine: Engine | None = None,
) -> NnunetModel:
    """Take a training to its end from wherever it stands.

    Parameters
    ----------
    engine : Engine, optional
        Where cases are exported; nnU-Net itself runs beside this process.

    Raises
    ------
    BadInput
        If the cases cannot be exported.
    NnunetError
        If a step failed; the message has nnU-Net's last words and the log.
    """
    device_kind(plan.profile.device)
    if is_trained(plan):
        return open_model(plan.model_folder)
    raw = plan.nnunet.raw / plan.dataset_name
    exported = write_dataset(raw, cases, plan.class_map, plan.dataset, engine)
    for count, _ in enumerate(exported, start=1):
        on_progress(Progress("export", count, len(cases)))
    missing = [step for step in STEPS if not _mark(plan, step).is_file()]
    if missing:
        _run(plan, missing, on_progress)
    return open_model(plan.model_folder)


def is_trained(plan: TrainingPlan) -> bool:
    """Tell whether the training has ended; nnU-Net's raw and preprocessed data may be gone."""
    return _mark(plan, "train").is_file() and (plan.model_folder / MODEL_FILE).is_file()


def weights_digest(plan: TrainingPlan) -> str:
    """Give the digest of a finished model's weights, whatever else its checkpoint holds."""
    record = json.loads((plan.model_folder / MODEL_FILE).read_text())
    return str(record["weights_digest"])


def train_small_model(
    workdir: Path,
    cases: Sequence[TrainingCase],
    class_map: ClassMap,
    profile: Profile,
    on_progress: OnProgress = lambda _: None,
) -> NnunetModel:
    """Train a real model on labelled cases, without a workspace.

    Parameters
    ----------
    workdir : Path
        Keeps everything; the same call again returns the finished model.
    cases : sequence of TrainingCase
        Labels in the values of `class_map`.
    class_map : ClassMap
        Values 1..n, as from ``ClassMap.subset``.
    profile : Profile
        For example ``load_profile("tiny")``.

    Returns
    -------
    NnunetModel
        ``nnunet_model.export_zip`` packs it.
    """
    plan = TrainingPlan(
        folder=workdir,
        name="small",
        class_map=class_map,
        profile=profile,
        dataset=DatasetSettings(spacing_mm=profile.spacing_mm, validation_cases=0),
        record={},
    )
    return train_model(plan, cases, on_progress)


def _run(plan: TrainingPlan, steps: list[str], on_progress: OnProgress) -> None:
    total = 0

    def follow(event: Event) -> None:
        nonlocal total
        if event["event"] == "weights":
            _write_json(plan.model_folder / MODEL_FILE, _model_record(plan, event["digest"]))
        elif event["event"] == "step":
            _write_json(_mark(plan, event["step"]), {"step": event["step"]})
        elif event["event"] == "training":
            total = int(event["epochs"])
        elif event["event"] == "epoch":
            on_progress(Progress("train", int(event["epoch"]), total))

    if "prepare" in steps:
        on_progress(Progress("prepare"))
    settings = ProcessSettings(plan.log, plan.profile.device, plan.profile.threads)
    job_file = plan.folder / "nnunet_job.json"
    run_steps(NnunetProcess(_job(plan, steps), plan.nnunet, settings, job_file), follow)


def _job(plan: TrainingPlan, steps: list[str]) -> dict[str, Any]:
    profile = plan.profile
    return {
        "steps": steps,
        "dataset_id": plan.dataset_number,
        "dataset_name": plan.dataset_name,
        "plans": profile.plans_name,
        "planner": profile.planner,
        "gpu_memory_gb": profile.gpu_memory_gb,
        "configuration": profile.configuration,
        "changes": profile.network.plan_changes() if profile.network else None,
        "training": profile.training.model_dump() if profile.training else {},
        "trainer": profile.trainer,
        "fold": 0,
        "processes": profile.processes,
        "data_workers": profile.data_workers,
        "validate": profile.validate_,
    }


def _model_record(plan: TrainingPlan, weights: str) -> dict[str, Any]:
    return {
        "weights_digest": weights,
        "spacing_mm": plan.profile.spacing_mm,
        "orientation": "RAS",
        "structures": list(plan.class_map.names),
        "class_map_digest": plan.class_map.digest,
        "profile_digest": plan.profile.digest,
        **plan.record,
    }


def step_is_done(folder: Path, step: str) -> bool:
    """Tell whether a training in a folder has finished ``prepare`` or ``train``."""
    return (folder / f"{step}.done.json").is_file()


def _mark(plan: TrainingPlan, step: str) -> Path:
    return plan.folder / f"{step}.done.json"


def _write_json(path: Path, value: object) -> None:
    write_file_atomically(path, (json.dumps(value, indent=2) + "\n").encode())


__all__ = [
    "OnProgress",
    "Progress",
    "TrainingPlan",
    "is_trained",
    "train_model",
    "train_small_model",
    "weights_digest",
]
