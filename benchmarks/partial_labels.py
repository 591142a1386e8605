"""Measure partial labels: `make bench-partial`, or `python -m benchmarks.partial_labels --help`.

Half of the training bodies have one group of structures decided, the other half the other group.
Three models learn all of them with the same recipe: with partial labels, the naive way (what is
undecided is taught as background), and from the same bodies with everything decided, which is the
most that could be reached. With nnU-Net's loss, as the large profiles have it, and with ours. All
are tested on bodies none of them saw.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.page_tables import add_page, tell_tables
from benchmarks.trained_scores import mean_dice
from benchmarks.transfer_phantoms import Scan
from pipeline.anatomy import ClassMap, load_class_map, shipped_configs
from pipeline.phantom import body_settings, make_body
from pipeline.phantom.dataset import DatasetSettings
from training.nnunet_dataset import TrainingCase
from training.profile import Profile, load_profile

MARK = "bench-partial"
GROUPS = (
    ("liver", "kidney_left", "aorta", "lung_upper_lobe_left", "lung_lower_lobe_right"),
    ("spleen", "kidney_right", "sacrum", "lung_lower_lobe_left", "lung_upper_lobe_right"),
)
LOSSES = {"nnU-Net's loss": 0, "our loss": 300}  # voxels drawn of each structure; 0: nnU-Net's
SEED, UNSEEN_FROM = 55, 1000
Volume = NDArray[Any]


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    taught: int
    unseen: int
    epochs: int
    iterations: int


FULL = Sizes(taught=8, unseen=4, epochs=12, iterations=100)
QUICK = Sizes(taught=2, unseen=1, epochs=1, iterations=8)


def main() -> int:
    """Measure, print the table, and write it into the page if asked."""
    options = read_options()
    sizes = QUICK if options.quick else FULL
    tell_tables(partial(measured, sizes), options.page, MARK)
    return 0


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make bench-partial", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    add_page(parser)
    return parser.parse_args()


def measured(sizes: Sizes) -> str:
    """Train the three models and tabulate their Dice on bodies that none of them saw."""
    whole = load_class_map(shipped_configs() / "class_map.yaml")
    class_map = whole.subset(tuple(name for name in whole.names if any(name in g for g in GROUPS)))
    taught = [scan_of(number, whole, class_map) for number in range(sizes.taught)]
    unseen = [scan_of(UNSEEN_FROM + number, whole, class_map) for number in range(sizes.unseen)]
    columns = {
        f"{loss}, {way}": mean_dice(cases, unseen, class_map, profile_of(sizes, voxels))
        for loss, voxels in LOSSES.items()
        for way, cases in variants(taught, class_map).items()
    }
    steps = sizes.epochs * sizes.iterations
    title = (
        f"Dice on {sizes.unseen} phantoms that no model saw, one training of {steps} steps each "
        f"on the same {sizes.taught} bodies (8 mm, a small network). In half of them only the "
        "structures marked A are decided, in the other half only those marked B"
    )
    return f"{title}:\n\n{table(class_map, columns)}"


def scan_of(number: int, whole: ClassMap, class_map: ClassMap) -> Scan:
    """Make one body with the labels of the structures measured."""
    wish = DatasetSettings(seed=SEED, spacing_mm=6.0, field_of_view="whole", phase="portal_venous")
    settings = replace(
        body_settings(number, wish), field_of_view=(60.0, 560.0), in_plane_mm=(420.0, 330.0)
    )
    body = make_body(settings, whole)
    labels = np.zeros(body.labels.shape, class_map.dtype, order="F")
    for structure in class_map:
        labels[body.labels == whole[structure.name].value] = structure.value
    return Scan(body.ct, labels, body.grid)


def variants(taught: Sequence[Scan], class_map: ClassMap) -> dict[str, list[TrainingCase]]:
    """Give the training cases of each way to use the halves."""
    partial, naive, decided = [], [], []
    for number, scan in enumerate(taught):
        known = GROUPS[number % 2]
        values = [class_map[name].value for name in known]
        half = replace(scan, labels=np.where(np.isin(scan.labels, values), scan.labels, 0))
        name, patient = f"t{number}", f"p{number}"
        undecided = frozenset(class_map.names) - set(known)
        partial.append(TrainingCase(name, patient, half, undecided=undecided))
        naive.append(TrainingCase(name, patient, half))
        decided.append(TrainingCase(name, patient, scan))
    return {
        "undecided = background": naive,
        "partial labels": partial,
        "all decided": decided,
    }


def profile_of(sizes: Sizes, voxels_per_structure: int) -> Profile:
    """Give the shipped profile `tiny` with a smaller network and the steps of this measurement."""
    recipe = load_profile("tiny").model_dump(by_alias=True)
    recipe["network"] = {"patch_size": (40, 32, 40), "batch_size": 1, "features": (12, 24, 48, 64)}
    recipe["training"] |= {
        "epochs": sizes.epochs,
        "iterations": sizes.iterations,
        "voxels_per_structure": voxels_per_structure,
    }
    return Profile.model_validate(recipe)


def table(class_map: ClassMap, columns: dict[str, NDArray[np.float64]]) -> str:
    """Lay out one row per structure, then the mean."""
    lines = [f"| structure | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    values = np.column_stack(list(columns.values()))
    marks = ["A" if name in GROUPS[0] else "B" for name in class_map.names]
    rows = [f"{name} ({mark})" for name, mark in zip(class_map.names, marks, strict=True)]
    for name, line in zip([*rows, "mean"], [*values, values.mean(axis=0)], strict=True):
        lines.append(f"| {name} | {' | '.join(f'{value:.2f}' for value in line)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
