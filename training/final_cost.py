"""What a final training takes: disk, GPU memory, days. Part of the preflight."""

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.volume import Grid
from training.final_manifest import FinalManifest, FinalModel
from training.final_preflight import Check
from training.final_probe import Probe, shape_at
from training.nnunet_process import device_kind
from training.profile import Profile
from training.training_record import is_marked

# Upper bounds. Per voxel at the model's spacing, before compression: an exported int16 CT and uint8
# label; a preprocessed float32 CT and int16 label. Beside them nnU-Net 2.8 keeps, of each structure
# of each case, the places (32 bytes) of 10 000 voxels or, of a larger one, of one in a hundred.
RAW_BYTES_PER_VOXEL = 3.0
PREPARED_BYTES_PER_VOXEL = 6.0
PLACES_PER_STRUCTURE, PLACES_SHARE, BYTES_PER_PLACE = 10_000, 0.01, 32
# Best, latest and final checkpoint of nnU-Net's full network (31 million weights, each with its
# momentum), a last one being written, and the exported zip; a small network of ours has a tenth.
FULL_CHECKPOINTS_GB, SMALL_CHECKPOINTS_GB = 1.6, 0.2
# What nnU-Net's planners aim at where nothing else is said (nnunetv2 2.8).
PLANNED_GPU_GB = {"nnUNetPlannerResEncL": 24.0, "nnUNetPlannerResEncXL": 40.0}
_DEFAULT_PLANNED_GPU_GB = 8.0
_SECONDS_PER_DAY = 86_400.0


def cost_checks(model: FinalModel, manifest: FinalManifest, probe: Probe) -> Iterator[Check]:
    """Check disk, GPU and time of one model."""
    profile = model.profile(manifest)
    yield _plan(profile, probe)
    yield _disk(model, manifest)
    yield _gpu(profile, probe)
    yield _time(model, probe)


def needed_gb(grids: Sequence[Grid], profile: Profile, structures: int) -> float:
    """Say how much disk a training takes at most, in GB (1e9 bytes)."""
    data = 0.0
    for grid in grids:
        voxels = math.prod(shape_at(grid, profile.spacing_mm)[0])
        places = min(voxels, structures * PLACES_PER_STRUCTURE + voxels * PLACES_SHARE)
        data += voxels * (RAW_BYTES_PER_VOXEL + PREPARED_BYTES_PER_VOXEL)
        data += places * BYTES_PER_PLACE
    checkpoints = FULL_CHECKPOINTS_GB if profile.network is None else SMALL_CHECKPOINTS_GB
    return data / 1e9 + checkpoints


def seconds_per_epoch(model: FinalModel, probe: Probe) -> tuple[float | None, str]:
    """Give the seconds of an epoch and where they come from; the settings go before a probe."""
    said = _from_settings(model.settings.recipe.seconds_per_epoch, probe.gpu)
    if said is not None and model.settings.profile is None:
        return said, "from the settings"
    if probe.seconds_per_epoch is not None:
        return probe.seconds_per_epoch, "measured here, without reading and augmenting"
    return None, probe.why or "not measured"


def _from_settings(known: Mapping[str, float], gpu: str | None) -> float | None:
    found = [seconds for word, seconds in known.items() if gpu and word.lower() in gpu.lower()]
    return found[0] if found else None


def _plan(profile: Profile, probe: Probe) -> Check:
    spacing = "the data's spacing" if profile.spacing_mm is None else f"{profile.spacing_mm:g} mm"
    found = f"{profile.trainer}, {probe.epochs} epochs at {spacing}"
    figures = {"trainer": profile.trainer, "epochs": probe.epochs, "spacing_mm": profile.spacing_mm}
    if probe.patch_size is None:
        return Check("plan", "unknown", found, f"not planned: {probe.why}", figures)
    patch = " x ".join(map(str, probe.patch_size))
    figures |= {"patch_size": list(probe.patch_size), "batch_size": probe.batch_size}
    return Check("plan", "ok", f"{found}, {probe.batch_size} patches of {patch}", "", figures)


def _disk(model: FinalModel, manifest: FinalManifest) -> Check:
    if is_marked(model.plan(manifest), "prepare"):
        return Check("disk", "ok", "exported and preprocessed already")
    cases = [*manifest.training, *manifest.validation]
    grids = [model.workspace.case(case).grid for case in cases]
    needed = needed_gb(grids, model.profile(manifest), len(manifest.choice.structures))
    free = shutil.disk_usage(_existing(model.folder)).free / 1e9
    found = f"at most {_gb(needed)} GB of {_gb(free)} GB free"
    figures = {"needed_gb": round(needed, 2), "free_gb": round(free, 2)}
    if needed > free:
        advice = f"make room below {model.workspace.path}"
        return Check("disk", "refused", found, advice, figures)
    return Check("disk", "ok", found, "", figures)


def _gpu(profile: Profile, probe: Probe) -> Check:
    kind, _ = device_kind(profile.device)
    if kind == "cpu":
        return Check("GPU memory", "ok", "none needed: trained on the CPU")
    if not probe.looked:
        return Check("GPU memory", "unknown", f"not looked at: {probe.why}")
    if probe.gpu is None or probe.gpu_memory_gb is None:
        found = probe.why or "no GPU is visible"
        return Check("GPU memory", "refused", found, "train where there is one, or see --profile")
    planned = profile.gpu_memory_gb or PLANNED_GPU_GB.get(profile.planner, _DEFAULT_PLANNED_GPU_GB)
    figures = {"gpu": probe.gpu, "gpu_memory_gb": probe.gpu_memory_gb, "memory_gb": probe.memory_gb}
    has = f"{probe.gpu} with {_gb(probe.gpu_memory_gb)} GB"
    if "out of memory" in probe.why.lower():
        advice = "lower gpu_memory_gb of the recipe, or take a larger GPU"
        return Check("GPU memory", "refused", f"the network does not fit on {has}", advice, figures)
    if probe.memory_gb is not None:
        return Check("GPU memory", "ok", f"{_gb(probe.memory_gb)} GB held on {has}", "", figures)
    found = f"nnU-Net plans for about {_gb(planned)} GB on {has}"
    if planned > probe.gpu_memory_gb:
        return Check("GPU memory", "refused", found, "lower gpu_memory_gb of the recipe", figures)
    return Check("GPU memory", "look", found, "not tried out; many classes take more", figures)


def _time(model: FinalModel, probe: Probe) -> Check:
    seconds, source = seconds_per_epoch(model, probe)
    if seconds is None:
        advice = "ask where it will train, or set seconds_per_epoch"
        found = f"{probe.epochs} epochs of unknown length ({source})"
        return Check("time", "unknown", found, advice, {"epochs": probe.epochs, "days": None})
    days = probe.epochs * seconds / _SECONDS_PER_DAY
    found = f"about {spoken(days)}: {probe.epochs} epochs of {seconds:.3g} s, {source}"
    figures = {"epochs": probe.epochs, "seconds_per_epoch": seconds, "days": days}
    return Check("time", "ok", found, "", figures)


def spoken(days: float) -> str:
    """Say a time in the unit that a person would use."""
    if days >= 2:
        return f"{days:.1f} days"
    hours = days * 24
    return f"{hours:.1f} hours" if hours >= 2 else f"{math.ceil(hours * 60)} minutes"


def _gb(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder
