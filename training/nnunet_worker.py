"""The program that runs inside the nnU-Net subprocess: prepare, train, predict.

Started by ``nnunet_process`` as a script with one argument, a JSON job. It imports nothing of
ours: nnU-Net's class finder puts a folder with another package named ``training`` on the path.
What it reports to its parent are single lines ``@masksmith {json}`` on standard output; all other
lines are nnU-Net's own and go into the log.
"""

import ctypes
import json
import os
import shutil
import signal
import sys
import time
import traceback
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

MARK = "@masksmith "
PR_SET_PDEATHSIG = 1
FULL_PRECISION_BYTES = 2 << 30  # above this the logits of a slab are kept in half precision


def main(job_file: str) -> int:
    """Run the steps of one job in order; any error is reported and ends the process."""
    job = json.loads(Path(job_file).read_text())
    if os.getppid() != job["parent_pid"]:
        return 1
    try:
        import torch

        torch.set_num_threads(job["threads"])
        if job["device"] != "cpu" and not torch.cuda.is_available():
            raise RuntimeError("no GPU is visible to torch: use --device cpu or check the driver")
        for step in job["steps"]:
            STEPS[step](job)
            report(event="step", step=step)
    except Exception as error:  # noqa: BLE001 - the last stop: the parent raises it again
        traceback.print_exc()
        report(event="error", error=f"{type(error).__name__}: {error}")
        return 1
    return 0


def report(**fields: object) -> None:
    """Send one event to the parent."""
    sys.stdout.flush()
    sys.stdout.write(f"{MARK}{json.dumps(fields)}\n")
    sys.stdout.flush()


def prepare(job: dict[str, Any]) -> None:
    """Fingerprint, plan, add our configuration, preprocess."""
    from nnunetv2.experiment_planning import plan_and_preprocess_api as api
    from nnunetv2.experiment_planning.dataset_fingerprint import fingerprint_extractor
    from nnunetv2.preprocessing.preprocessors import default_preprocessor

    if job["processes"] == 1:
        inline = SimpleNamespace(get_context=lambda _: SimpleNamespace(Pool=InlinePool))
        fingerprint_extractor.multiprocessing = inline
        default_preprocessor.multiprocessing = inline
    # Planning reads an earlier plans file, which a kill may have left half-written.
    shutil.rmtree(Path(job["preprocessed"]) / job["dataset_name"], ignore_errors=True)
    number, processes = job["dataset_id"], job["processes"]
    api.extract_fingerprints([number], num_processes=processes, show_progress_bar=False)
    if job["warm_start"]:
        beside("nnunet_warm_start").take_over_plans(job, Path(os.environ["nnUNet_raw"]))
    else:
        plan(job)
    add_configuration(job)
    api.preprocess(
        [number], job["plans"], (job["configuration"],), (processes,), show_progress_bar=False
    )


def plan(job: dict[str, Any]) -> None:
    """Let nnU-Net's planner write its plans."""
    from nnunetv2.experiment_planning import plan_and_preprocess_api as api

    name = api.plan_experiments([job["dataset_id"]], job["planner"], job["gpu_memory_gb"])
    if name != job["plans"]:
        raise ValueError(f"planner {job['planner']} writes {name}, expected {job['plans']}")


class InlinePool:
    """Runs at once what nnU-Net hands to a pool of one: saves two 8-second process starts."""

    _pool: tuple[object, ...] = ()

    def __init__(self, _processes: int) -> None: ...

    def __enter__(self) -> "InlinePool":
        """Nothing to start."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to stop."""

    def starmap_async(self, function: Any, arguments: Any) -> SimpleNamespace:
        """Call `function` for each tuple of arguments, now."""
        results = [function(*each) for each in arguments]
        return SimpleNamespace(ready=lambda: True, get=lambda: results)


def add_configuration(job: dict[str, Any]) -> None:
    """Write our entry (inherits from 3d_fullres) and the trainer's settings into the plans."""
    folder = Path(job["preprocessed"]) / job["dataset_name"]
    path = folder / f"{job['plans']}.json"
    plans = json.loads(path.read_text())
    plans["masksmith"] = job["training"]
    changes = dict(job["changes"] or {})
    if changes:
        shapes = json.loads((folder / "dataset_fingerprint.json").read_text())
        largest = [max(sizes) for sizes in zip(*shapes["shapes_after_crop"], strict=True)]
        largest = [largest[axis] for axis in plans["transpose_forward"]]
        strides = changes["architecture"]["arch_kwargs"]["strides"]
        changes["patch_size"] = clip_patch(changes["patch_size"], largest, strides)
        plans["configurations"][job["configuration"]] = {"inherits_from": "3d_fullres", **changes}
    part = path.with_suffix(".part")
    part.write_text(json.dumps(plans, indent=2))
    os.replace(part, path)


def clip_patch(wanted: list[int], largest: list[int], strides: list[list[int]]) -> list[int]:
    """Cut a patch down to the largest case, rounded up to what the network can halve."""
    patch = []
    for axis, (size, limit) in enumerate(zip(wanted, largest, strict=True)):
        step = 1
        for stride in strides:
            step *= stride[axis]
        patch.append(max(step, -(-min(size, limit) // step) * step))
    return patch


def train(job: dict[str, Any]) -> None:
    """Train one fold, from the newest readable checkpoint if there is one."""
    from nnunetv2.run.run_training import get_trainer_from_args, maybe_load_checkpoint

    # Planning crashes with 0, training in one process needs it.
    os.environ.update(nnUNet_n_proc_DA=str(job["data_workers"]))
    checkpoints = beside("nnunet_checkpoints")
    folder = Path(job["results"]) / job["dataset_name"]
    folder /= f"{job['trainer']}__{job['plans']}__{job['configuration']}/fold_{job['fold']}"
    resumed = checkpoints.newest_readable(folder, report)
    checkpoints.require_checkpoint(resumed, folder, job["epochs_begun"])
    trainer = get_trainer_from_args(
        job["dataset_name"],
        job["configuration"],
        job["fold"],
        job["trainer"],
        job["plans"],
        resumed is not None,
        device=torch_device(job["device"]),
    )
    checkpoints.refuse_mirroring(trainer)
    maybe_load_checkpoint(trainer, resumed is not None, False)
    if resumed is None and job["warm_start"]:
        started = beside("nnunet_warm_start").start_from(trainer, job["warm_start"], checkpoints)
        report(event="warm_start", **started)
    report(event="training", epochs=trainer.num_epochs, first=trainer.current_epoch)
    trainer.run_training()
    if job["validate"]:
        trainer.perform_actual_validation(False)
    report(event="weights", **checkpoints.finished_model(folder / "checkpoint_final.pth"))


def predict(job: dict[str, Any]) -> None:
    """Load the model once, then answer one request per line of standard input."""
    predictor, networks = load_predictor(job)
    plans, configuration = predictor.plans_manager, predictor.configuration_manager
    spacing = [float(configuration.spacing[axis]) for axis in plans.transpose_backward]
    report(
        event="ready",
        spacing_mm=spacing[::-1],
        configuration=predictor.configuration_name,
        trainer=predictor.trainer_name,
        mirroring=list(predictor.allowed_mirroring_axes or ()),
    )
    for line in sys.stdin:
        request = json.loads(line)
        started = time.monotonic()
        try:
            predict_one(predictor, networks, request)
        except Exception as error:  # noqa: BLE001 - one bad case must not stop the others
            traceback.print_exc()
            report(event="failed", id=request["id"], error=f"{type(error).__name__}: {error}")
            continue
        report(event="predicted", id=request["id"], seconds=time.monotonic() - started)


def load_predictor(job: dict[str, Any]) -> tuple[Any, list[Any]]:
    """Build nnU-Net's predictor and one network per fold on the device."""
    import copy

    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        tile_step_size=job["tile_step"],
        perform_everything_on_device=False,
        device=torch_device(job["device"]),
        allow_tqdm=False,
    )
    predictor.initialize_from_trained_model_folder(job["model"], job["folds"], job["checkpoint"])
    predictor.configuration_name = Path(job["model"]).name.split("__")[-1]
    if predictor.configuration_manager.previous_stage_name is not None:
        raise ValueError("a cascade needs the prediction of its first stage; use another model")
    if len(predictor.configuration_manager.patch_size) != 3:
        raise ValueError("a 2D model: only 3D configurations are supported")
    networks = []
    for weights in predictor.list_of_parameters:
        network = copy.deepcopy(predictor.network)
        network.load_state_dict(weights)
        networks.append(network.to(predictor.device).eval())
    torch.set_grad_enabled(False)
    return predictor, networks


def predict_one(predictor: Any, networks: list[Any], request: dict[str, str]) -> None:
    """Predict one (I, J, K) array in HU at the model's spacing, save the label map as .npy."""
    import numpy as np

    image = np.load(request["input"], allow_pickle=False).T[None].astype(np.float32)
    configuration, plans = predictor.configuration_manager, predictor.plans_manager
    spacing = [configuration.spacing[axis] for axis in plans.transpose_backward]
    properties: dict[str, Any] = {"spacing": spacing}
    preprocessor = configuration.preprocessor_class(verbose=False)
    data, _, properties = preprocessor.run_case_npy(
        image, None, properties, plans, configuration, predictor.dataset_json
    )
    cropped = predict_labels(predictor, networks, data)
    labels = np.zeros(properties["shape_before_cropping"], cropped.dtype)
    box = tuple(slice(*bounds) for bounds in properties["bbox_used_for_cropping"])
    labels[box] = cropped
    labels = labels.transpose(plans.transpose_backward).T
    if labels.shape != image.shape[1:][::-1]:
        raise ValueError(f"predicted {labels.shape}, expected {image.shape[1:][::-1]}")
    with Path(request["output"]).open("wb") as file:
        np.save(file, np.asfortranarray(labels), allow_pickle=False)


def predict_labels(predictor: Any, networks: list[Any], data: Any) -> Any:
    """Slide over (C, Z, Y, X) and take the argmax slab by slab.

    The logits of 104 structures over a whole body are tens of gigabytes; only those of one
    patch height are ever held. Weights by nnU-Net's Gaussian; dividing by their sum changes
    neither the argmax nor a sign and is left out.
    """
    import numpy as np
    import torch
    from acvl_utils.cropping_and_padding.padding import pad_nd_image
    from nnunetv2.inference import sliding_window_prediction as sliding

    patch = tuple(predictor.configuration_manager.patch_size)
    tensor = torch.from_numpy(np.ascontiguousarray(data))
    padded, inner = pad_nd_image(tensor, patch, "constant", {"value": 0}, True, None)
    shape = tuple(padded.shape[1:])
    steps = sliding.compute_steps_for_sliding_window(shape, patch, predictor.tile_step_size)
    weight = sliding.compute_gaussian(
        patch, sigma_scale=1 / 8, value_scaling_factor=10, device=predictor.device
    )
    heads = predictor.label_manager.num_segmentation_heads
    labels = np.zeros(shape, np.uint8 if heads <= 256 else np.uint16)
    slab = new_slab(predictor.device, (heads, patch[0], *shape[1:]))
    for position, start in enumerate(steps[0]):
        add_tiles(predictor, networks, padded[:, start : start + patch[0]], steps, weight, slab)
        following = [*steps[0], shape[0]][position + 1]
        ready = following - start
        labels[start:following] = slab_labels(predictor, slab[:, :ready])
        slab = torch.cat((slab[:, ready:], torch.zeros_like(slab[:, :ready])), dim=1)
    return labels[tuple(inner[1:])]


def new_slab(device: Any, shape: tuple[int, ...]) -> Any:
    """Zeros for the logits of one patch height, on the device where there is room for them."""
    import math

    import torch

    numbers = math.prod(shape)
    kind = torch.float32 if numbers * 4 <= FULL_PRECISION_BYTES else torch.half
    if device.type == "cuda" and numbers * kind.itemsize * 3 > torch.cuda.mem_get_info(device)[0]:
        device = torch.device("cpu")
    return torch.zeros(shape, dtype=kind, device=device)


def add_tiles(
    predictor: Any, networks: list[Any], rows: Any, steps: list[list[int]], weight: Any, slab: Any
) -> None:
    """Add the weighted logits of every tile of one row of tiles to the slab."""
    import contextlib

    import torch

    device, patch = predictor.device, predictor.configuration_manager.patch_size
    half = torch.autocast("cuda") if device.type == "cuda" else contextlib.nullcontext()
    for first in steps[1]:
        for second in steps[2]:
            columns = (slice(first, first + patch[1]), slice(second, second + patch[2]))
            window = (slice(None), slice(None), *columns)
            tile = rows[window][None].to(device)
            for network in networks:
                predictor.network = network
                with half:
                    logits = predictor._internal_maybe_mirror_and_predict(tile)[0]
                slab[window] += (logits * weight).to(slab.device, slab.dtype)


def slab_labels(predictor: Any, logits: Any) -> Any:
    """Labels of finished rows: argmax, or nnU-Net's own rule for region-based models."""
    if predictor.label_manager.has_regions:
        chosen = predictor.label_manager.convert_logits_to_segmentation(logits.float().cpu())
        return chosen.numpy()
    return logits.argmax(0).cpu().numpy()


def beside(name: str) -> ModuleType:
    """Load the file of that name next to this one by its path, whatever is on ``sys.path``."""
    spec = spec_from_file_location(f"masksmith_{name}", Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"{name}.py is missing next to {__file__}")
    module = module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module


def torch_device(name: str) -> Any:
    """Turn cpu, gpu or gpu:N into a torch device."""
    import torch

    if name == "cpu":
        return torch.device("cpu")
    return torch.device("cuda", 0)  # the parent shows only the chosen one


def die_with_parent() -> None:
    """Ask Linux to kill this process when the thread that started it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


STEPS = {"prepare": prepare, "train": train, "predict": predict}

if __name__ in ("__main__", "__mp_main__"):  # nnU-Net's own worker processes too
    die_with_parent()
    os.register_at_fork(after_in_child=die_with_parent)
if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
