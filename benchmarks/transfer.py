"""Measure the heart transfer: `make bench-transfer`, or `python -m benchmarks.transfer --help`.

Three questions. How well do labels fit that are carried by world coordinates alone, by how far
the patient moved? Does a model that saw native scans too find the heart in native scans better
than one that saw contrast only? And on a real PET/CT, how well does a lesion drawn on the CT fit
the one drawn on the PET's grid?
"""

import argparse
import math
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contender import ROOT
from benchmarks.page_tables import write_between_marks
from pipeline.anatomy import ClassMap, load_class_map, shipped_configs
from pipeline.phantom import BodySettings, Deformation, Pair, make_pair
from pipeline.transfer.heart_manifest import HEART_STRUCTURES
from pipeline.volume import Grid, read_nifti, resample_labels
from training.model_training import train_small_model
from training.nnunet_dataset import TrainingCase
from training.predict import PredictionInput, PredictSettings, predict_label_maps
from training.profile import Profile

MARK = "bench-transfer"
MOVED_MM = (5.0, 15.0, 30.0)
SMOOTH_SHARE = 0.5  # the other half is a shift of the whole body
TURN_DEG_PER_MM = 0.1
Volume = NDArray[Any]


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    pairs: int
    taught: int
    unseen: int
    epochs: int
    iterations: int


FULL = Sizes(pairs=4, taught=4, unseen=4, epochs=6, iterations=100)
QUICK = Sizes(pairs=1, taught=2, unseen=1, epochs=1, iterations=10)


@dataclass(frozen=True)
class Scan:
    """A CT with labels 1..6 of the heart structures; called, it gives both and the grid."""

    ct: Volume
    labels: Volume
    grid: Grid

    def __call__(self) -> tuple[Volume, Volume, Grid]:
        """Give CT, labels and grid, as a training case wants them."""
        return self.ct, self.labels, self.grid


def main() -> int:
    """Measure, print the tables, and write them into the page if asked."""
    options = read_options()
    sizes = QUICK if options.quick else FULL
    class_map = load_class_map(shipped_configs() / "class_map.yaml")
    heart = class_map.subset(HEART_STRUCTURES)
    began = time.monotonic()
    text = carried_table(sizes, class_map, heart)
    text += "\n" + models_table(sizes, class_map, heart)
    text += "\n" + lesion_line(options.real_data)
    print(text)
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    if options.page is not None:
        write_between_marks(options.page, MARK, text)
    return 0


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make bench-transfer", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--page", type=Path, help="page whose marked part takes the tables")
    parser.add_argument(
        "--real-data",
        type=Path,
        default=Path(os.environ.get("MASKSMITH_REAL_DATA") or ROOT.parent / "shared" / "data"),
        help="folder with the shared real scans",
    )
    return parser.parse_args()


def carried_table(sizes: Sizes, class_map: ClassMap, heart: ClassMap) -> str:
    """Tabulate the Dice of labels carried by world coordinates against the native truth."""
    columns, moved = [], []
    for motion_mm in MOVED_MM:
        scores, lengths = [], []
        for seed in range(sizes.pairs):
            pair = moved_pair(100 + seed, motion_mm, class_map)
            contrast, native = scans_of(pair, class_map, heart)
            scores.append(dice_of(contrast.labels, native.labels, heart))
            length = np.linalg.norm(pair.displacement_mm, axis=-1)
            lengths.append(float(length[native.labels > 0].mean()))
        columns.append(np.mean(scores, axis=0))
        moved.append(float(np.mean(lengths)))
    head = [
        f"moved {m:g} mm ({real:.1f} mm in the heart)"
        for m, real in zip(MOVED_MM, moved, strict=True)
    ]
    title = f"Dice of labels carried by world coordinates alone, {sizes.pairs} phantom pairs each"
    return f"{title}:\n\n{table(heart, head, columns)}"


def models_table(sizes: Sizes, class_map: ClassMap, heart: ClassMap) -> str:
    """Tabulate the Dice on unseen native scans of a model of both scans and of contrast only."""
    contrast, carried, unseen = [], [], []
    for seed in range(sizes.taught + sizes.unseen):
        pair = moved_pair(200 + seed, MOVED_MM[0], class_map)
        first, second = scans_of(pair, class_map, heart)
        if seed < sizes.taught:
            contrast.append(first)
            carried.append(Scan(second.ct, first.labels, second.grid))
        else:
            unseen.append(second)
    columns = [
        score(scans, unseen, heart, profile_of(sizes)) for scans in (contrast, contrast + carried)
    ]
    title = (
        f"Dice on {sizes.unseen} native phantoms that neither model saw, after "
        f"{sizes.epochs * sizes.iterations} training steps each, on the contrast scans of "
        f"{sizes.taught} pairs, or on both scans with labels carried by world coordinates "
        f"(moved {MOVED_MM[0]:g} mm); one training each"
    )
    return f"{title}:\n\n{table(heart, ['contrast only', 'contrast and native'], columns)}"


def lesion_line(folder: Path) -> str:
    """Say how well a real lesion drawn on the CT fits the one drawn on the PET, carried there."""
    masks = folder / "rtstruct_sts036" / "nifti"
    if not masks.is_dir():
        return f"Real PET/CT: not measured, {masks.name} of rtstruct_sts036 is not there.\n"
    on_ct, on_pet = (read_nifti(masks / f"{name}_mask.nii.gz") for name in ("CT", "PET"))
    carried = resample_labels(on_ct.array, on_ct.grid, on_pet.grid)
    value = dice(carried != 0, on_pet.array != 0)
    return (
        f"Real PET/CT (rtstruct_sts036): the lesion drawn on the CT, {on_ct.grid.shape} voxels, "
        f"carried by world coordinates onto the PET's {on_pet.grid.shape}: Dice {value:.3f} with "
        "the lesion drawn there.\n"
    )


def moved_pair(seed: int, motion_mm: float, class_map: ClassMap) -> Pair:
    """Make a contrast thorax and the same person scanned native after moving."""
    rng = np.random.default_rng(seed)
    direction = rng.standard_normal(3)
    shift = direction / np.linalg.norm(direction) * motion_mm * (1 - SMOOTH_SHARE)
    turn = rng.uniform(-1, 1, 3) * motion_mm * TURN_DEG_PER_MM
    settings = BodySettings(
        seed=seed,
        sex="female" if seed % 2 else "male",
        phase="arterial",
        spacing_mm=(4.0, 4.0, 4.0),
        field_of_view="thorax",
        in_plane_mm=(360.0, 280.0),
    )
    moved = Deformation(seed, motion_mm * SMOOTH_SHARE, tuple(shift), tuple(turn))
    return make_pair(settings, moved, class_map)


def scans_of(pair: Pair, class_map: ClassMap, heart: ClassMap) -> tuple[Scan, Scan]:
    """Give both scans with the heart structures only; the native one noisier."""
    values = np.zeros(max(class_map.values) + 1, np.uint8)
    for structure in heart:
        values[class_map[structure.name].value] = structure.value
    noise = np.random.default_rng(pair.native.settings.seed).normal(0, 20, pair.native.ct.shape)
    native = np.asfortranarray((pair.native.ct + noise).astype(np.int16))
    contrast = pair.contrast
    return (
        Scan(contrast.ct, np.asfortranarray(values[contrast.labels]), contrast.grid),
        Scan(native, np.asfortranarray(values[pair.native.labels]), pair.native.grid),
    )


def score(
    taught: Sequence[Scan], unseen: Sequence[Scan], heart: ClassMap, profile: Profile
) -> NDArray[np.float64]:
    """Train on some scans and give the mean Dice of each structure in others."""
    cases = [TrainingCase(f"t{i}", f"p{i}", scan) for i, scan in enumerate(taught)]
    with tempfile.TemporaryDirectory(prefix="masksmith-bench-") as name:
        folder = Path(name)
        model = train_small_model(folder, cases, heart, profile)
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
                raise RuntimeError(f"native phantom {found.id}: {found.error}")
            scores.append(dice_of(found.labels, unseen[int(found.id)].labels, heart))
    mean: NDArray[np.float64] = np.mean(scores, axis=0)
    return mean


@dataclass(frozen=True)
class CtOf:
    """Gives only the CT of a scan."""

    scan: Scan

    def __call__(self) -> tuple[Volume, Grid]:
        """Give CT and grid."""
        return self.scan.ct, self.scan.grid


def profile_of(sizes: Sizes) -> Profile:
    """Give a recipe for two cores."""
    return Profile.model_validate(
        {
            "device": "cpu",
            "threads": 2,
            "spacing_mm": 6.0,
            "tile_step": 0.75,
            "network": {"patch_size": (48, 40, 48), "batch_size": 1, "features": (16, 32, 64, 96)},
            "training": {
                "epochs": sizes.epochs,
                "iterations": sizes.iterations,
                "learning_rate": 0.006,
            },
        }
    )


def dice_of(found: Volume, truth: Volume, heart: ClassMap) -> list[float]:
    """Give the Dice of each structure, in the order of the class map."""
    return [dice(found == structure.value, truth == structure.value) for structure in heart]


def dice(first: Volume, second: Volume) -> float:
    """Give the Dice of two masks; 1 when both are empty."""
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if total else 1.0


def table(heart: ClassMap, head: Sequence[str], columns: Sequence[NDArray[np.float64]]) -> str:
    """Lay out one row per structure and their mean."""
    rows = [*heart.names, "mean of the six"]
    values = np.column_stack([[*column, math.fsum(column) / len(column)] for column in columns])
    lines = [f"| structure | {' | '.join(head)} |", "|---|" + "---:|" * len(head)]
    lines += [
        f"| {name} | {' | '.join(f'{value:.3f}' for value in line)} |"
        for name, line in zip(rows, values, strict=True)
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
