"""What the prediction benchmark works on: a small trained model of 104 structures, large CTs."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap, load_class_map, shipped_configs
from pipeline.phantom import BodySettings, make_body
from pipeline.volume import Grid, resample_image, write_nifti
from training.model_training import train_small_model
from training.nnunet_dataset import TrainingCase
from training.nnunet_model import NnunetModel
from training.predict import hounsfield_int16
from training.profile import Profile

SPACING_MM = (0.8, 0.8, 1.0)
SEEDS = (1, 2)
# Large structures are learned; the borders of the others lie in one place and not everywhere.
PROFILE: dict[str, Any] = {
    "device": "cpu",
    "threads": 2,
    "network": {"patch_size": (64, 64, 64), "batch_size": 1, "features": (8, 16, 32, 64)},
    "training": {"epochs": 20, "iterations": 100, "learning_rate": 0.006},
}


def small_model(folder: Path, spacing_mm: float) -> NnunetModel:
    """Train a small network on all structures, once; the same call again finds it."""
    class_map = load_class_map(shipped_configs() / "class_map.yaml")
    profile = Profile.model_validate({**PROFILE, "spacing_mm": spacing_mm})
    cases = [
        TrainingCase(f"body{seed}", f"p{seed}", _Body(seed, spacing_mm, class_map))
        for seed in SEEDS
    ]
    return train_small_model(folder, cases, class_map, profile)


class _Body:
    """Makes a phantom when its turn comes."""

    def __init__(self, seed: int, spacing_mm: float, class_map: ClassMap) -> None:
        self._settings = BodySettings(
            seed=seed, size=0.85, spacing_mm=(spacing_mm,) * 3, in_plane_mm=(410.0, 320.0)
        )
        self._class_map = class_map

    def __call__(self) -> tuple[NDArray[Any], NDArray[Any], Grid]:
        body = make_body(self._settings, self._class_map)
        return body.ct, body.labels, body.grid


def write_large_ct(path: Path, slices: int) -> Grid:
    """Write a CT of 512 x 512 x `slices` voxels of 0.8 x 0.8 x 1 mm; a body drawn at 3 mm."""
    class_map = load_class_map(shipped_configs() / "class_map.yaml")
    settings = BodySettings(
        seed=9, size=0.85, spacing_mm=(3.0, 3.0, 3.0), in_plane_mm=(410.0, 410.0)
    )
    body = make_body(settings, class_map)
    centre = body.grid.affine @ [*((np.array(body.grid.shape) - 1) / 2), 1.0]
    shape = (512, 512, slices)
    affine = np.diag([*SPACING_MM, 1.0])
    affine[:3, 3] = centre[:3] - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    grid = Grid(shape, affine)
    write_nifti(path, hounsfield_int16(resample_image(body.ct, body.grid, grid)), grid)
    return grid
