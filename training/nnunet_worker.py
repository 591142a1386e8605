"""The program that runs inside the nnU-Net subprocess: prepare, train, predict.

Started by ``nnunet_process`` as a script with one argument, a JSON job. It imports nothing of
ours by name: nnU-Net's class finder puts a folder with another package named ``training`` on the
path. Its other half, prediction, is loaded by path.
What it reports to its parent are single lines ``@masksmith {json}`` on standard output; all other
lines are nnU-Net's own and go into the log.
"""

import ctypes
import json
import os
import shutil
import signal
import sys
import traceback
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

MARK = "@masksmith "
PR_SET_PDEATHSIG = 1


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
        beside("nnunet_warm_start").take_over_plans(job)
    else:
        plan(job)
    add_configuration(job)
    undecided = Path(job["raw"]) / job["dataset_name"] / "undecided.json"
    shutil.copyfile(undecided, Path(job["preprocessed"]) / job["dataset_name"] / undecided.name)
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
    """Answer requests for predictions; that half of the worker lies in a file of its own."""
    confidence = beside("slab_confidence").ConfidenceSums if job["confidence"] else None
    beside("nnunet_prediction").predict(job, torch_device(job["device"]), report, confidence)


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
