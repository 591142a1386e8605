"""Measure the heart transfer: `make bench-transfer`, or `python -m benchmarks.transfer --help`.

Three questions. How well do carried labels fit, by how far the heart moved, before and after the
registration? Does a model that saw native scans too find the heart in native scans better than
one that saw contrast only? And how well are known warps of real scans found again?
"""

import argparse
import math
import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import transfer_real
from benchmarks.page_tables import add_page, add_real_data, tell_tables
from benchmarks.trained_scores import dice_of, mean_dice
from benchmarks.transfer_phantoms import (
    CarriedHeart,
    MovedPair,
    Scan,
    carry,
    mean_length,
    moved_pair,
)
from benchmarks.transfer_real import Recovered, Warp
from pipeline.anatomy import ClassMap, load_class_map, shipped_configs
from pipeline.transfer.heart_manifest import HEART_STRUCTURES
from training.nnunet_dataset import TrainingCase
from training.profile import Profile

MARK = "bench-transfer"
MOVED_MM = (5.0, 15.0, 30.0)
TAUGHT_MOVED_MM = 15.0
WARPS = {
    "small": Warp((6.0, -5.0, 14.0), 4.0),
    "large": Warp((10.0, 8.0, 22.0), 6.0),
}
Volume = NDArray[Any]


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    pairs: int
    taught: int
    unseen: int
    epochs: int
    iterations: int


FULL = Sizes(pairs=4, taught=4, unseen=4, epochs=3, iterations=100)
QUICK = Sizes(pairs=1, taught=1, unseen=1, epochs=1, iterations=10)


@dataclass(frozen=True)
class Wish:
    """One pair to make and to carry."""

    seed: int
    motion_mm: float
    class_map: ClassMap


def main() -> int:
    """Measure, print the tables, and write them into the page if asked."""
    options = read_options()
    sizes = QUICK if options.quick else FULL
    tell_tables(partial(all_tables, sizes, options.real_data), options.page, MARK)
    return 0


def all_tables(sizes: Sizes, real_data: Path) -> str:
    """Answer the three questions."""
    class_map = load_class_map(shipped_configs() / "class_map.yaml")
    return "\n".join(
        [
            carried_table(sizes, class_map),
            models_table(sizes, class_map),
            real_table(real_data),
            lesion_line(real_data),
        ]
    )


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make bench-transfer", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    add_page(parser)
    add_real_data(parser)
    return parser.parse_args()


def carried_table(sizes: Sizes, class_map: ClassMap) -> str:
    """Tabulate the Dice of carried labels before and after refinement, by motion."""
    heart = class_map.subset(HEART_STRUCTURES)
    head, columns, lines = [], [], []
    for motion_mm in MOVED_MM:
        wishes = [Wish(100 + seed, motion_mm, class_map) for seed in range(sizes.pairs)]
        found = carry_all(wishes)
        for name in ("before", "after"):
            scores = [
                dice_of(getattr(hearts, name), pair.native.labels, heart) for pair, hearts in found
            ]
            head.append(f"{motion_mm:g} mm, {name}")
            columns.append(np.mean(scores, axis=0))
        lines.append(motion_line(motion_mm, found))
    title = (
        f"Dice of labels carried to {sizes.pairs} native phantoms each, by how far the heart moved"
    )
    return f"{title}:\n\n{table(heart, head, columns)}\n{''.join(lines)}"


def motion_line(motion_mm: float, found: Sequence[tuple[MovedPair, CarriedHeart]]) -> str:
    """Say what a motion was like and how far from the truth the heart was found."""
    moved = [pair.in_heart_mm for pair, _ in found]
    real = np.mean([mean_length(each) for each in moved])
    bent = np.mean([mean_length(each - each.mean(axis=0)) for each in moved])
    missed = np.mean([hearts.error_mm for _, hearts in found])
    return (
        f"- {motion_mm:g} mm: mean displacement in the heart {real:.1f} mm, of which "
        f"{bent:.1f} mm are no shift; mean error after refinement {missed:.1f} mm\n"
    )


def carry_all(wishes: Sequence[Wish]) -> list[tuple[MovedPair, CarriedHeart]]:
    """Make and carry pairs, as many at once as there are cores."""
    workers = min(len(wishes), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(make_and_carry, wishes))


def make_and_carry(wish: Wish) -> tuple[MovedPair, CarriedHeart]:
    """Make one pair and carry its labels."""
    pair = moved_pair(wish.seed, wish.motion_mm, wish.class_map)
    return pair, carry(pair)


def models_table(sizes: Sizes, class_map: ClassMap) -> str:
    """Tabulate the Dice on unseen native scans of models of contrast only and of both."""
    heart = class_map.subset(HEART_STRUCTURES)
    wishes = [Wish(200 + seed, TAUGHT_MOVED_MM, class_map) for seed in range(sizes.taught)]
    found = carry_all(wishes)
    contrast = [pair.contrast for pair, _ in found]
    carried = [Scan(p.native.ct, hearts.after, p.native.grid) for p, hearts in found]
    more, unseen = [], []
    for seed in range(max(sizes.taught, sizes.unseen)):
        more.append(moved_pair(300 + seed, TAUGHT_MOVED_MM, class_map).contrast)
        unseen.append(moved_pair(400 + seed, TAUGHT_MOVED_MM, class_map).native)
    n = sizes.taught
    variants = {
        f"{n} contrast scans": contrast,
        f"{2 * n} contrast scans": contrast + more[:n],
        f"{n} contrast, {n} native": contrast + carried,
    }
    columns = [
        score(scans, unseen[: sizes.unseen], heart, profile_of(sizes))
        for scans in variants.values()
    ]
    fit = np.mean([dice_of(h.after, p.native.labels, heart) for p, h in found])
    title = (
        f"Dice on {sizes.unseen} native phantoms that no model saw, after "
        f"{sizes.epochs * sizes.iterations} training steps each, by what the model learnt from. "
        f"The labels of its native scans are carried and refined (the heart moved "
        f"{TAUGHT_MOVED_MM:g} mm; mean Dice {fit:.3f} with the truth); one training each"
    )
    return f"{title}:\n\n{table(heart, list(variants), columns)}"


def real_table(folder: Path) -> str:
    """Tabulate how well known warps of real scans are found again."""
    ways: dict[str, tuple[str, Callable[[Path, Warp], Recovered]]] = {
        "lung at two times": (transfer_real.LUNG, transfer_real.lung_pair),
        "heart CTA, contrast taken out": (transfer_real.HEART, transfer_real.heart_cta),
    }
    lines = ["Real scans moved by a known warp; distances are means within lung or heart:\n"]
    lines.append("| scans | moved mm | error after mm | Dice before | Dice after |")
    lines.append("|---|---:|---:|---:|---:|")
    for name, (data, measure) in ways.items():
        if not (folder / data).is_dir():
            lines.append(f"| {name} | not measured: no {data} | | | |")
            continue
        for warp in WARPS.values():
            found = measure(folder, warp)
            lines.append(
                f"| {name} | {found.before_mm:.1f} | {found.after_mm:.1f} "
                f"| {found.dice_before:.3f} | {found.dice_after:.3f} |"
            )
    return "\n".join(lines) + "\n"


def lesion_line(folder: Path) -> str:
    """Say how well a real lesion drawn on the CT fits the one drawn on the PET, carried there."""
    if not (folder / transfer_real.LESION / "nifti").is_dir():
        return f"Real PET/CT: not measured, there is no {transfer_real.LESION}.\n"
    value, ct, pet = transfer_real.lesion_dice(folder)
    return (
        f"Real PET/CT ({transfer_real.LESION}): the lesion drawn on the CT, {ct.shape} voxels, "
        f"carried by world coordinates onto the PET's {pet.shape}: Dice {value:.3f} with "
        "the lesion drawn there.\n"
    )


def score(
    taught: Sequence[Scan], unseen: Sequence[Scan], heart: ClassMap, profile: Profile
) -> NDArray[np.float64]:
    """Train on some scans and give the mean Dice of each structure in others."""
    cases = [TrainingCase(f"t{i}", f"p{i}", scan) for i, scan in enumerate(taught)]
    return mean_dice(cases, unseen, heart, profile)


def profile_of(sizes: Sizes) -> Profile:
    """Give a recipe for two cores."""
    return Profile.model_validate(
        {
            "device": "cpu",
            "threads": 2,
            "spacing_mm": 6.0,
            "tile_step": 0.75,
            "network": {"patch_size": (40, 40, 40), "batch_size": 1, "features": (12, 24, 48, 64)},
            "training": {
                "epochs": sizes.epochs,
                "iterations": sizes.iterations,
                "learning_rate": 0.006,
            },
        }
    )


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
