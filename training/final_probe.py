"""What a planned training would cost: plan, seconds per step and GPU memory, by trying it out.

The plan is nnU-Net's own, made from the shapes of the training cases at the model's spacing, so
it is the plan of the real training as long as nnU-Net crops nothing (it crops only voxels of
exactly 0 HU at the border). The steps run on random voxels: reading and augmenting is not in it.
"""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.anatomy import ClassMap
from pipeline.errors import MasksmithError
from pipeline.volume import Grid
from training.final_settings import epochs_of, is_our_trainer, iterations_of
from training.nnunet_dataset import dataset_json
from training.nnunet_process import (
    Event,
    NnunetError,
    NnunetFolders,
    NnunetProcess,
    ProcessSettings,
    device_kind,
    run_steps,
)
from training.predict import turned_grid
from training.profile import Profile

WORKER = Path(__file__).with_name("final_worker.py")
_ON_GPU, _ON_CPU = (10, 20), (1, 3)  # steps that do not count, steps that do
_NO_GPU = "no GPU is visible"  # nnunet_worker's words
# A median and a plan need no more cases than this; the largest are always among them.
_CASES_PLANNED_FROM = 400


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found out.

    Attributes
    ----------
    patch_size : tuple of int or None
        Voxels along z, y, x.
    gpu : str or None
        Name of the GPU; None where there is none or none is wanted.
    gpu_memory_gb : float or None
        All it has.
    memory_gb : float or None
        The most that the steps held of it.
    seconds_per_step : float or None
        Median; None if no steps were run, and `why` says why.
    looked : bool
        False if nothing was tried.
    """

    epochs: int
    steps_per_epoch: int
    patch_size: tuple[int, ...] | None = None
    batch_size: int | None = None
    gpu: str | None = None
    gpu_memory_gb: float | None = None
    memory_gb: float | None = None
    seconds_per_step: float | None = None
    why: str = ""
    looked: bool = True

    @property
    def seconds_per_epoch(self) -> float | None:
        """Seconds of an epoch's training steps."""
        return (
            None if self.seconds_per_step is None else self.seconds_per_step * self.steps_per_epoch
        )


def no_probe(profile: Profile, why: str) -> Probe:
    """Give what is known without trying anything."""
    return Probe(epochs_of(profile), iterations_of(profile), why=why, looked=False)


def run_probe(
    work_dir: Path, grids: Sequence[Grid], class_map: ClassMap, profile: Profile
) -> Probe:
    """Plan for cases on these grids and, if possible, run some steps.

    Parameters
    ----------
    work_dir : Path
        For files that are deleted again; the log ``probe.log`` stays.
    grids : sequence of Grid
        Of the training cases, as scanned.
    class_map : ClassMap
        Values 1..n.

    Returns
    -------
    Probe
        Whatever fails is said in `why`; a probe never keeps a training from starting. A stock
        trainer's full network is only planned on a CPU, never run.
    """
    on_cpu = device_kind(profile.device)[0] == "cpu"
    why = ""
    if on_cpu and not is_our_trainer(profile):
        why = "the full network is not tried out on a CPU: it would take minutes per step"
    warm_up, counted = (0, 0) if why else _ON_CPU if on_cpu else _ON_GPU
    job = _job(grids, class_map, profile)
    job |= {"probe_warm_up": warm_up, "probe_steps": counted}
    found: dict[str, Any] = {"epochs": epochs_of(profile)}
    found["steps_per_epoch"] = iterations_of(profile)
    try:
        try:
            _run(job, work_dir, profile, found)
        except NnunetError as error:
            if _NO_GPU not in str(error):
                raise
            why = f"{_NO_GPU} to torch on this machine"
            plan_only = profile.model_copy(update={"device": "cpu"})
            _run(job | {"probe_steps": 0}, work_dir, plan_only, found)
    except (MasksmithError, OSError) as error:
        why = str(error)
    return Probe(**found, why=why)


def shape_at(grid: Grid, spacing_mm: float | None) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Give shape and spacing (z, y, x) of an exported case."""
    spacing = grid.spacing_mm if spacing_mm is None else (spacing_mm,) * 3
    axes, _ = grid.world_axes()
    ordered = tuple(spacing[int(axis)] for axis in np.argsort(axes))
    inner = turned_grid(grid, "RAS").with_spacing(ordered)
    return tuple(inner.shape)[::-1], tuple(float(mm) for mm in ordered)[::-1]


def _run(job: dict[str, Any], work_dir: Path, profile: Profile, found: dict[str, Any]) -> None:
    work_dir.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".probe-", dir=work_dir))
    process = ProcessSettings(work_dir / "probe.log", profile.device, profile.threads)
    folders = NnunetFolders(scratch)
    job = job | {"raw": str(folders.raw)}
    try:
        run_steps(
            NnunetProcess(job, folders, process, scratch / "job.json", WORKER),
            lambda event: found.update(_told(event)),
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _told(event: Event) -> dict[str, Any]:
    if event["event"] not in ("plan", "probe"):
        return {}
    said = {name: value for name, value in event.items() if name != "event"}
    if "patch_size" in said:
        said["patch_size"] = tuple(said["patch_size"])
    return said


def _job(grids: Sequence[Grid], class_map: ClassMap, profile: Profile) -> dict[str, Any]:
    exported = [shape_at(grid, profile.spacing_mm) for grid in grids]
    exported = sorted(exported, key=lambda each: -int(np.prod(each[0])))
    every = -(-len(exported) // _CASES_PLANNED_FROM)
    kept = [exported[0], *exported[every::every]]
    return {
        "steps": ["probe"],
        "dataset_id": 999,
        "dataset_name": "Dataset999_probe",
        "dataset": dataset_json(len(grids), class_map),
        "shapes": [list(shape) for shape, _ in kept],
        "spacings_mm": [list(spacing) for _, spacing in kept],
        "planner": profile.planner,
        "plans": profile.plans_name,
        "gpu_memory_gb": profile.gpu_memory_gb,
        "configuration": profile.configuration,
        "changes": profile.network.plan_changes() if profile.network else None,
        "training": profile.training.model_dump() if profile.training else {},
        "trainer": profile.trainer,
    }
