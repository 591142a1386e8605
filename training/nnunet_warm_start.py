"""A network that starts from an earlier one, whatever structures each of them knows.

nnU-Net's own ``load_pretrained_weights`` leaves the last layers out and loads onto the GPU the
weights were trained on. Here the rows of the last layers are carried over by the name of the
structure; a structure the earlier network did not know starts fresh.

Loaded by path from ``nnunet_worker``; imports nothing of ours.
"""

import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

HEADS = ".seg_layers."


def start_from(trainer: Any, start: dict[str, str], checkpoints: ModuleType) -> dict[str, Any]:
    """Give a trainer's network the weights of an earlier model.

    Parameters
    ----------
    start : dict
        ``model`` (folder), ``checkpoint`` (file), ``weights`` (their expected digest).
    checkpoints : module
        ``nnunet_checkpoints``.

    Returns
    -------
    dict
        ``loaded``; with ``why`` where the two networks do not fit, else with the structures
        ``carried`` over and those ``fresh``.

    Raises
    ------
    RuntimeError
        If the checkpoint is gone, damaged, or not the one that was chosen.
    """
    path = Path(start["checkpoint"])
    earlier = checkpoints.read_checkpoint(path)["network_weights"]
    if checkpoints.digest_of_weights(earlier) != start["weights"]:
        raise RuntimeError(
            f"{path}: its weights changed after this round was frozen to start from them; "
            "restore it from a backup"
        )
    if not trainer.was_initialized:
        trainer.initialize()
    network = getattr(trainer.network, "_orig_mod", trainer.network)
    weights = network.state_dict()
    if misfit := find_misfit(weights, earlier):
        return {"loaded": False, "why": misfit}
    old = json.loads((Path(start["model"]) / "dataset.json").read_text())["labels"]
    new = trainer.dataset_json["labels"]
    network.load_state_dict(carried_over(weights, earlier, new, old))
    names = [name for name in new if name not in ("background", "ignore")]
    return {
        "loaded": True,
        "carried": [name for name in names if name in old],
        "fresh": [name for name in names if name not in old],
    }


def find_misfit(weights: dict[str, Any], earlier: dict[str, Any]) -> str:
    """Say why weights do not fit a network, last layers aside; empty if they do."""
    body = {name for name in weights if HEADS not in name}
    lacking = sorted(body - set(earlier)) + sorted(
        name for name in set(earlier) - set(weights) if HEADS not in name
    )
    if lacking:
        return f"another architecture: {len(lacking)} layers differ, such as {lacking[0]}"
    for name in sorted(body):
        if weights[name].shape != earlier[name].shape:
            old, new = tuple(earlier[name].shape), tuple(weights[name].shape)
            return f"another architecture: {name} was {old}, now {new}"
    heads = [name for name in weights if HEADS in name and name in earlier]
    if any(weights[name].shape[1:] != earlier[name].shape[1:] for name in heads):
        return "another architecture: the last layers take other features"
    return ""


def carried_over(
    weights: dict[str, Any], earlier: dict[str, Any], new: dict[str, int], old: dict[str, int]
) -> dict[str, Any]:
    """Put earlier weights into a network's; rows of the last layers by name of the structure.

    Parameters
    ----------
    weights, earlier : dict of str to tensor
        State of the new and of the earlier network.
    new, old : dict of str to int
        Label name to value, which is the row of the last layers; background is 0.
    """
    result = dict(weights)
    for name, value in weights.items():
        if name not in earlier:
            continue
        if HEADS not in name:
            result[name] = earlier[name]
            continue
        rows = value.clone()
        for label, row in new.items():
            before = old.get(label)
            if before is not None and row < len(rows) and before < len(earlier[name]):
                rows[row] = earlier[name][before].to(rows.dtype)
        result[name] = rows
    return result


def take_over_plans(job: dict[str, Any]) -> None:
    """Plan as the earlier model was planned, so that its weights see what they learned from.

    nnU-Net's own way (``nnUNetv2_move_plans_between_datasets``): the same spacing, architecture
    and intensity normalisation; only the name of the dataset changes.

    Raises
    ------
    ValueError
        If the earlier plans are of another kind.
    """
    plans = json.loads((Path(job["warm_start"]["model"]) / "plans.json").read_text())
    if plans["plans_name"] != job["plans"]:
        raise ValueError(f"the earlier model has {plans['plans_name']}, expected {job['plans']}")
    plans["dataset_name"] = job["dataset_name"]
    folder = Path(job["preprocessed"]) / job["dataset_name"]
    for name in ("dataset.json", "splits_final.json"):
        shutil.copyfile(Path(job["raw"]) / job["dataset_name"] / name, folder / name)
    (folder / f"{job['plans']}.json").write_text(json.dumps(plans, indent=2))
