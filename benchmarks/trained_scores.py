"""Train a small model on some cases and score it on bodies it never saw."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.transfer_phantoms import Scan
from benchmarks.transfer_real import dice
from pipeline.anatomy import ClassMap
from pipeline.volume import Grid
from training.model_training import train_small_model
from training.nnunet_dataset import TrainingCase
from training.predict import PredictionInput, PredictSettings, predict_label_maps
from training.profile import Profile


@dataclass(frozen=True)
class CtOf:
    """Gives only the CT of a scan."""

    scan: Scan

    def __call__(self) -> tuple[NDArray[Any], Grid]:
        """Give CT and grid."""
        return self.scan.ct, self.scan.grid


def mean_dice(
    cases: Sequence[TrainingCase], unseen: Sequence[Scan], class_map: ClassMap, profile: Profile
) -> NDArray[np.float64]:
    """Train on some cases and give the mean Dice of each structure in other bodies."""
    with tempfile.TemporaryDirectory(prefix="masksmith-bench-") as name:
        folder = Path(name)
        model = train_small_model(folder, cases, class_map, profile)
        inputs = [PredictionInput(str(i), CtOf(scan)) for i, scan in enumerate(unseen)]
        settings = PredictSettings(
            work_dir=folder,
            device=profile.device,
            threads=profile.threads,
            tile_step=profile.tile_step,
            log=folder / "predict.log",
        )
        scores = []
        for found in predict_label_maps(model, inputs, settings):
            if found.labels is None:
                raise RuntimeError(f"phantom {found.id}: {found.error}")
            scores.append(dice_of(found.labels, unseen[int(found.id)].labels, class_map))
    mean: NDArray[np.float64] = np.mean(scores, axis=0)
    return mean


def dice_of(found: NDArray[Any], truth: NDArray[Any], class_map: ClassMap) -> list[float]:
    """Give the Dice of each structure, in the order of the class map."""
    return [dice(found == structure.value, truth == structure.value) for structure in class_map]
