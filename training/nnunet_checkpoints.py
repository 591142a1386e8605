"""nnU-Net's checkpoints, as seen from inside its subprocess: resume, mirroring, digest.

Loaded by path from ``nnunet_worker``; imports nothing of ours.
"""

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

# In the order in which nnU-Net itself looks for one to continue from.
NAMES = ("checkpoint_final.pth", "checkpoint_latest.pth", "checkpoint_best.pth")


def newest_readable(folder: Path, report: Callable[..., None]) -> Path | None:
    """Name the checkpoint nnU-Net will continue from; None where there is no checkpoint at all.

    Unreadable ones that stand before it are set aside (``*.unreadable``) and reported.

    Raises
    ------
    RuntimeError
        If there are checkpoints and none can be read: a training is never begun again in silence.
    """
    unreadable: dict[Path, str] = {}
    for path in (folder / name for name in NAMES):
        if not path.is_file():
            continue
        try:
            read_checkpoint(path)
        except RuntimeError as error:
            unreadable[path] = str(error)
            continue
        for damaged, why in unreadable.items():
            damaged.rename(damaged.with_suffix(".unreadable"))
            report(event="unreadable", error=why, instead=path.name)
        return path
    if unreadable:
        raise RuntimeError(
            f"{'; '.join(unreadable.values())}: restore it from a backup, or delete {folder} and "
            "the file train.progress.json above it to train this model from its first epoch"
        )
    return None


def require_checkpoint(resumed: Path | None, folder: Path, epochs_begun: int) -> None:
    """Refuse to begin again where a checkpoint must have been written.

    Parameters
    ----------
    epochs_begun : int
        How many epochs the training had begun when it was stopped. nnU-Net writes
        ``checkpoint_best.pth`` after the first one at the latest.

    Raises
    ------
    RuntimeError
        If a second epoch had begun and there is no checkpoint.
    """
    if resumed is None and epochs_begun > 1:
        raise RuntimeError(
            f"the training had reached epoch {epochs_begun}, but {folder} holds no checkpoint: "
            "restore it from a backup, or delete the file train.progress.json of this model to "
            "train it from its first epoch"
        )


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint into main memory; RuntimeError naming the file if it is damaged."""
    import pickle

    import torch

    try:
        values = torch.load(path, map_location="cpu", weights_only=False)
        if not isinstance(values, dict) or "network_weights" not in values:
            raise ValueError("it holds no network_weights")
    except (
        RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile
    ) as error:  # fmt: skip
        words = " ".join(str(error).split())[:120] or type(error).__name__
        raise RuntimeError(f"checkpoint {path} is unreadable ({words})") from error
    return values


def refuse_mirroring(trainer: Any) -> None:
    """Stop a trainer that would mirror before it has trained for days.

    Raises
    ------
    RuntimeError
        If its augmentation or its prediction mirrors.
    """
    *_, axes = trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    for what, mirrored in (
        ("training", axes),
        ("prediction", trainer.inference_allowed_mirroring_axes),
    ):
        if mirrored is not None and len(mirrored) > 0:
            raise RuntimeError(
                f"trainer {type(trainer).__name__} mirrors axes {list(mirrored)} in {what}, and "
                "then left and right cannot be told apart: use a *NoMirroring trainer"
            )


def finished_model(path: Path) -> dict[str, Any]:
    """Say what a finished training left: digest of the weights, of the file, no mirroring.

    Returns
    -------
    dict
        ``digest`` of the weights alone, since the rest of a checkpoint holds times;
        ``checkpoint_sha256`` of the file.

    Raises
    ------
    RuntimeError
        If the checkpoint allows mirroring at prediction or does not say.
    """
    checkpoint = read_checkpoint(path)
    if "inference_allowed_mirroring_axes" not in checkpoint:
        raise RuntimeError(f"{path} does not say whether prediction may mirror; it must not")
    axes = checkpoint["inference_allowed_mirroring_axes"]
    if axes is not None and len(axes) > 0:
        raise RuntimeError(
            f"{path} was trained with mirroring (inference_allowed_mirroring_axes is "
            f"{list(axes)}, expected none): left and right cannot be told apart; delete this "
            "model's folder and train it with a *NoMirroring trainer"
        )
    with path.open("rb") as file:
        whole = hashlib.file_digest(file, "sha256").hexdigest()
    return {"digest": digest_of_weights(checkpoint["network_weights"]), "checkpoint_sha256": whole}


def digest_of_weights(weights: dict[str, Any]) -> str:
    """Sha256 (hex) of names and values of a network's weights."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].contiguous().numpy().tobytes())
    return digest.hexdigest()
