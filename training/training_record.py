"""What a training leaves on disk: marks of finished steps, how far it came, what was made.

Every file is written in one piece, so that after a kill each tells the truth.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import BadInput
from pipeline.volume import write_file_atomically
from pipeline.workspace import digest_of_file
from training.nnunet_model import NnunetModel, open_model
from training.training_plan import TrainingPlan

MODEL_FILE = "masksmith_model.json"
PROGRESS_FILE = "train.progress.json"
WARM_START_FILE = "warm_start.json"


def is_marked(plan: TrainingPlan, step: str) -> bool:
    """Tell whether a step has ended."""
    return _mark(plan, step).is_file()


def mark_step(plan: TrainingPlan, step: str) -> None:
    """Note that a step has ended."""
    write_json(_mark(plan, step), {"step": step})


def is_trained(plan: TrainingPlan) -> bool:
    """Tell whether the training has ended; nnU-Net's raw and preprocessed data may be gone."""
    return is_marked(plan, "train") and (plan.model_folder / MODEL_FILE).is_file()


def open_trained(plan: TrainingPlan) -> NnunetModel:
    """Open the model of a training that has ended, after checking that it is still the one.

    Raises
    ------
    BadInput
        If its fold is missing, or the checkpoint is not the one that was trained.
    """
    again = (
        f"restore it from a backup, or delete {_mark(plan, 'train')}, {plan.folder / PROGRESS_FILE}"
        f" and {plan.model_folder} to train it again"
    )
    checkpoint = plan.model_folder / "fold_0" / "checkpoint_final.pth"
    if not checkpoint.is_file():
        raise BadInput(f"{checkpoint} is gone, although its training has ended: {again}")
    trained = read_record(plan).get("checkpoint_sha256")
    if trained is not None and digest_of_file(checkpoint) != trained:
        raise BadInput(f"{checkpoint} was changed or damaged since it was trained: {again}")
    return open_model(plan.model_folder)


def read_record(plan: TrainingPlan) -> dict[str, Any]:
    """Read what stands beside a finished model.

    Raises
    ------
    BadInput
        If it cannot be read.
    """
    return read_json(plan.model_folder / MODEL_FILE)


def weights_digest(plan: TrainingPlan) -> str:
    """Give the digest of a finished model's weights, whatever else its checkpoint holds."""
    return str(read_record(plan)["weights_digest"])


def write_record(plan: TrainingPlan, finished: Mapping[str, str]) -> None:
    """Write what a finished model is, beside it.

    Parameters
    ----------
    finished : mapping
        ``digest`` of the weights and ``checkpoint_sha256``.
    """
    values: dict[str, Any] = {
        "weights_digest": finished["digest"],
        "checkpoint_sha256": finished["checkpoint_sha256"],
        "mirroring": "none, read from the checkpoint",
        "spacing_mm": plan.profile.spacing_mm,
        "orientation": "RAS",
        "structures": list(plan.class_map.names),
        "class_map_digest": plan.class_map.digest,
        "profile_digest": plan.profile.digest,
        **plan.record,
    }
    started = plan.folder / WARM_START_FILE
    if started.is_file():
        values["warm_start"] = read_json(started)
    write_json(plan.model_folder / MODEL_FILE, values)


def write_warm_start(plan: TrainingPlan, event: Mapping[str, Any]) -> None:
    """Keep what a training really started from; a later resume goes on from checkpoints."""
    values = {name: value for name, value in event.items() if name != "event"}
    values["weights"] = plan.warm_start.weights if plan.warm_start else None
    write_json(plan.folder / WARM_START_FILE, values)


def started_from(plan: TrainingPlan) -> str | None:
    """Give the digest of the weights a finished model started from; None if it started fresh."""
    start = read_record(plan).get("warm_start")
    return str(start["weights"]) if start and start.get("loaded") else None


def note_epoch(plan: TrainingPlan, epochs_begun: int, epochs: int) -> None:
    """Keep how many epochs a training has begun."""
    write_json(plan.folder / PROGRESS_FILE, {"epochs_begun": epochs_begun, "epochs": epochs})


def epochs_begun(plan: TrainingPlan) -> int:
    """Give how many epochs a training had begun when it was last heard of; 0 if none."""
    path = plan.folder / PROGRESS_FILE
    return int(read_json(path)["epochs_begun"]) if path.is_file() else 0


def read_json(path: Path) -> dict[str, Any]:
    """Read one of Masksmith's own JSON files.

    Raises
    ------
    BadInput
        If it is gone or damaged.
    """
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: not readable ({error}); restore it from a backup") from error
    if not isinstance(values, dict):
        raise BadInput(f"{path}: expected a JSON object; restore it from a backup")
    return values


def write_json(path: Path, values: object) -> None:
    """Write JSON in one piece."""
    write_file_atomically(path, (json.dumps(values, indent=2) + "\n").encode())


def _mark(plan: TrainingPlan, step: str) -> Path:
    return plan.folder / f"{step}.done.json"
