"""The program that tries a planned network out, and packs a trained one; runs beside nnU-Net.

Started by ``nnunet_process`` like ``nnunet_worker``, whose words it uses; it imports nothing of
ours by name.

``probe``
    Plans from shapes and spacings alone, as nnU-Net would from the exported cases, and runs some
    steps of that very network on random voxels: seconds per step, peak memory of the GPU.
``pack``
    Keeps of a checkpoint what prediction and fine-tuning read: no optimizer (two thirds of the
    file), no log, no device. A trainer that only our folder holds is replaced by nnU-Net's own
    without mirroring, which builds the same network, so that a bare nnU-Net can load it.
"""

import json
import sys
import time
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

STOCK_TRAINER = "nnUNetTrainerNoMirroring"
KEPT = ("network_weights", "init_args", "trainer_name", "inference_allowed_mirroring_axes",
        "current_epoch")  # fmt: skip


def nnunet_worker() -> ModuleType:
    """Load the file beside this one by its path: a package of its name may be another."""
    path = Path(__file__).with_name("nnunet_worker.py")
    spec = spec_from_file_location("nnunet_worker", path)
    if spec is None or spec.loader is None:
        raise ImportError(str(path))
    module = module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module


worker = nnunet_worker()


def probe(job: dict[str, Any]) -> None:
    """Report the plan, then, if steps are wanted, how long they take."""
    import torch

    configuration = plan(job)
    seen = torch.cuda.is_available() and job["device"] != "cpu"
    worker.report(
        event="plan",
        patch_size=[int(size) for size in configuration["patch_size"]],
        batch_size=int(configuration["batch_size"]),
        gpu=torch.cuda.get_device_name(0) if seen else None,
        gpu_memory_gb=torch.cuda.get_device_properties(0).total_memory / 1e9 if seen else None,
    )
    if job["probe_steps"] and (seen or job["device"] == "cpu"):
        worker.report(event="probe", **timed_steps(job, configuration, seen))


def plan(job: dict[str, Any]) -> dict[str, Any]:
    """Let nnU-Net plan from a fingerprint that holds only what is known without the voxels."""
    from nnunetv2.experiment_planning import plan_and_preprocess_api as api
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    raw, prepared = (Path(job[kind]) / job["dataset_name"] for kind in ("raw", "preprocessed"))
    for folder in (raw, prepared):
        folder.mkdir(parents=True, exist_ok=True)
    names = [f"case{number}" for number in range(len(job["shapes"]))]
    files = {name: {"images": [f"{name}_0000.nii.gz"], "label": f"{name}.nii.gz"} for name in names}
    (raw / "dataset.json").write_text(json.dumps({**job["dataset"], "dataset": files}))
    figures = ("max", "mean", "median", "min", "percentile_00_5", "percentile_99_5", "std")
    fingerprint = {
        "spacings": job["spacings_mm"],
        "shapes_after_crop": job["shapes"],
        "foreground_intensity_properties_per_channel": {"0": dict.fromkeys(figures, 1.0)},
        "median_relative_size_after_cropping": 1.0,
    }
    (prepared / "dataset_fingerprint.json").write_text(json.dumps(fingerprint))
    # Read by the trainers with partial labels: one structure is undecided in every patch.
    (prepared / "undecided.json").write_text(json.dumps({names[0]: [1]}))
    api.plan_experiments([job["dataset_id"]], job["planner"], job["gpu_memory_gb"])
    worker.add_configuration(job)
    plans = json.loads((prepared / f"{job['plans']}.json").read_text())
    found: dict[str, Any] = (
        PlansManager(plans).get_configuration(job["configuration"]).configuration
    )
    return found


def timed_steps(job: dict[str, Any], configuration: dict[str, Any], on_gpu: bool) -> dict[str, Any]:
    """Train on random voxels; the first steps, in which everything is set up, do not count."""
    import torch
    from nnunetv2.run.run_training import get_trainer_from_args
    from nnunetv2.training.nnUNetTrainer import nnUNetTrainer

    nnUNetTrainer.infer_dataset_class = lambda _: None  # there are no cases to look at
    device = worker.torch_device(job["device"])
    names = (job["dataset_name"], job["configuration"], 0, job["trainer"], job["plans"])
    trainer = get_trainer_from_args(*names, False, device=device)
    trainer.initialize()
    shape = (int(configuration["batch_size"]), 1, *map(int, configuration["patch_size"]))
    scales = trainer._get_deep_supervision_scales() or [[1.0, 1.0, 1.0]]
    heads = len(job["dataset"]["labels"])
    sizes = [[round(n * s) for n, s in zip(shape[2:], each, strict=True)] for each in scales]
    targets = [torch.randint(heads, (*shape[:2], *size)).to(torch.int16) for size in sizes]
    batch = {"data": torch.randn(shape), "target": targets if len(targets) > 1 else targets[0]}
    batch["keys"] = ["case0"] * shape[0]
    trainer.on_train_epoch_start()
    times = []
    for _ in range(job["probe_warm_up"] + job["probe_steps"]):
        started = time.monotonic()
        trainer.train_step(dict(batch))
        if on_gpu:
            torch.cuda.synchronize()
        times.append(time.monotonic() - started)
    counted = sorted(times[job["probe_warm_up"] :])
    return {
        "seconds_per_step": counted[len(counted) // 2],
        "memory_gb": torch.cuda.max_memory_reserved() / 1e9 if on_gpu else None,
        "epochs": int(trainer.num_epochs),
        "steps_per_epoch": int(trainer.num_iterations_per_epoch),
    }


def pack(job: dict[str, Any]) -> None:
    """Write the slim checkpoint; report the weights' digest and how long the epochs took."""
    import torch

    source, target = Path(job["checkpoint"]), Path(job["packed"])
    checkpoints = worker.beside("nnunet_checkpoints")
    full = checkpoints.read_checkpoint(source)
    slim = {name: full[name] for name in KEPT if name in full}
    slim["init_args"] = {name: v for name, v in full["init_args"].items() if name != "device"}
    if not nnunet_has(full["trainer_name"]):
        slim["trainer_name"] = STOCK_TRAINER
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.save(slim, target)
    log = full.get("logging", {})
    began, ended = (log.get(f"epoch_{word}_timestamps", []) for word in ("start", "end"))
    seconds = sum(last - first for first, last in zip(began, ended, strict=False))
    digest = checkpoints.digest_of_weights(slim["network_weights"])
    worker.report(event="packed", digest=digest, seconds=round(seconds, 1))


def nnunet_has(trainer: str) -> bool:
    """Tell whether nnU-Net itself has a trainer; read, since importing all of them takes long."""
    import nnunetv2

    folder = Path(nnunetv2.__path__[0]) / "training" / "nnUNetTrainer"
    return any(f"class {trainer}(" in path.read_text() for path in folder.rglob("*.py"))


STEPS = {"probe": probe, "pack": pack}

if __name__ in ("__main__", "__mp_main__"):
    worker.die_with_parent()
if __name__ == "__main__":
    worker.STEPS.update(STEPS)
    sys.exit(worker.main(sys.argv[1]))
