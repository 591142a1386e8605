"""Cases -> a trained model: export, plan, preprocess, train, each step once.

Used by ``retrain`` for a round and by anyone who needs a small real model (demo, tests).
Every finished step leaves a mark, written atomically; after a kill the same call goes on where
the last mark is, training from its newest checkpoint, and says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.anatomy import ClassMap
from pipeline.engine import Engine
from training.nnunet_dataset import DatasetSettings, TrainingCase, write_dataset
from training.nnunet_model import NnunetModel
from training.nnunet_process import Event, NnunetProcess, ProcessSettings, device_kind, run_steps
from training.profile import Profile
from training.training_plan import TrainingPlan, WarmStart
from training.training_record import (
    MODEL_FILE,
    epochs_begun,
    is_marked,
    is_trained,
    mark_step,
    note_epoch,
    open_trained,
    weights_digest,
    write_record,
    write_warm_start,
)

STEPS = ("prepare", "train")


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands.

    Attributes
    ----------
    step : str
        ``export``, ``prepare``, ``train``; ``resume`` when it goes on from a checkpoint,
        ``restart`` when it had begun and there is none yet, ``unreadable`` when a checkpoint was
        set aside, ``warm_start`` or ``fresh`` when an earlier model was to start from.
    done, total : int
        Cases for ``export``; epochs for ``train``, ``resume`` and ``restart``.
    note : str
        Further words.
    """

    step: str
    done: int = 0
    total: int = 0
    note: str = ""


OnProgress = Callable[[Progress], None]


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
        If the cases cannot be exported, or a finished model is gone or damaged.
    NnunetError
        If a step failed; the message has nnU-Net's last words and the log.
    """
    device_kind(plan.profile.device)
    if is_trained(plan):
        return open_trained(plan)
    if any(case.undecided for case in cases) and not plan.profile.learns_partial_labels:
        raise ValueError("structures are undecided: take the profile's for_partial_labels()")
    raw = plan.nnunet.raw / plan.dataset_name
    exported = write_dataset(raw, cases, plan.class_map, plan.dataset, engine)
    for count, _ in enumerate(exported, start=1):
        on_progress(Progress("export", count, len(cases)))
    missing = [step for step in STEPS if not is_marked(plan, step)]
    if missing:
        _run(plan, missing, on_progress)
    return open_trained(plan)


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
    if any(case.undecided for case in cases):
        profile = profile.for_partial_labels()
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
    if "prepare" in steps:
        on_progress(Progress("prepare"))
    settings = ProcessSettings(plan.log, plan.profile.device, plan.profile.threads)
    job_file = plan.folder / "nnunet_job.json"
    process = NnunetProcess(_job(plan, steps), plan.nnunet, settings, job_file)
    run_steps(process, _Follower(plan, on_progress, epochs_begun(plan)))


@dataclass(slots=True)
class _Follower:
    """Hears what the subprocess reports, keeps what must survive a kill, says the rest."""

    plan: TrainingPlan
    on_progress: OnProgress
    begun: int
    total: int = 0

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        hear: dict[str, Callable[[Event], None]] = {
            "epoch": self._epoch,
            "training": self._training,
            "unreadable": self._unreadable,
            "warm_start": self._warm_start,
            "weights": lambda event: write_record(self.plan, event),
            "step": lambda event: mark_step(self.plan, event["step"]),
        }
        if event["event"] in hear:
            hear[event["event"]](event)

    def _training(self, event: Event) -> None:
        first, self.total = int(event["first"]), int(event["epochs"])
        if first > 0:
            self.on_progress(Progress("resume", first, self.total))
        elif self.begun > 0:
            self.on_progress(Progress("restart", self.begun, self.total))

    def _epoch(self, event: Event) -> None:
        epoch = int(event["epoch"])
        note_epoch(self.plan, epoch + 1, self.total)
        self.on_progress(Progress("train", epoch, self.total))

    def _unreadable(self, event: Event) -> None:
        note = f"{event['error']} and was set aside; {event['instead']} is used instead"
        self.on_progress(Progress("unreadable", note=note))

    def _warm_start(self, event: Event) -> None:
        write_warm_start(self.plan, event)
        if not event["loaded"]:
            self.on_progress(Progress("fresh", note=str(event["why"])))
            return
        fresh = event["fresh"]
        note = f"{len(event['carried'])} structures carried over"
        note += f", {len(fresh)} start fresh ({', '.join(fresh[:3])})" if fresh else ""
        self.on_progress(Progress("warm_start", note=note))


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
        "warm_start": plan.warm_start.to_job() if plan.warm_start else None,
        "epochs_begun": epochs_begun(plan),
    }


__all__ = [
    "MODEL_FILE",
    "OnProgress",
    "Progress",
    "TrainingPlan",
    "WarmStart",
    "is_trained",
    "train_model",
    "train_small_model",
    "weights_digest",
]
