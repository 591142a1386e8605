"""Measure what a network learns from rough masks: `make bench-rough`, `... --help`.

Models learn the same bodies: from masks drawn roughly (a pencil through three slices, an
unsteady line, no system), and from the same masks in which every rib lacks the end at its
vertebra. The paper (section 2.2.3) says that random errors are not learned; the
missing ends are a systematic error, and are. Two more learn from the rough masks of every third
slice only, what lies between being background for one and counting for nothing for the other.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.page_tables import add_page, tell_tables
from benchmarks.rough_bodies import (
    RIBS,
    STRUCTURES,
    TrueBody,
    class_map,
    make_bodies,
    without_spinal_end,
)
from benchmarks.rough_sparse import EVERY, drawn_on_some_slices, with_gaps_ignored
from pipeline.simulation.rough_strokes import RoughStrokes, draw_label_map_roughly
from pipeline.volume import Grid
from training.model_training import Progress, train_small_model
from training.nnunet_dataset import TrainingCase
from training.predict import PredictionInput, PredictSettings, predict_label_maps
from training.profile import Profile

MARK = "bench-rough"
Labels = NDArray[np.unsignedinteger]
ROUGH, BIASED = "rough masks", "rough masks, ribs without their spinal end"
GAPS_EMPTY, GAPS_IGNORED = "gaps as background", "gaps ignored"


@dataclass(frozen=True)
class Bench:
    """What is measured, and how large.

    Attributes
    ----------
    bodies, new_bodies : int
        To learn from, and to test on alone.
    spacing_mm : float
        Small enough that an error of `error_mm` is more than a voxel.
    """

    bodies: int
    new_bodies: int
    spacing_mm: float
    error_mm: float
    iterations: int
    work_dir: Path

    @property
    def strokes(self) -> RoughStrokes:
        """Three slices at a time."""
        return RoughStrokes(3 * self.spacing_mm, self.error_mm)

    @property
    def profile(self) -> Profile:
        """Minutes on two CPU cores, at this spacing."""
        epochs = max(1, self.iterations // 100)
        network = {"patch_size": (40, 48, 64), "batch_size": 1, "features": (16, 32, 64, 96)}
        training = {
            "epochs": epochs,
            "iterations": self.iterations // epochs,
            "learning_rate": 0.006,
        }
        return Profile.model_validate(
            {
                "spacing_mm": self.spacing_mm,
                "device": "cpu",
                "tile_step": 0.75,
                "network": network,
                "training": training,
            }
        )


@dataclass(frozen=True)
class Learned:
    """One model: what it was shown and what it predicts, in the order of the bodies.

    Attributes
    ----------
    shown : list of ndarray
        Training masks of the bodies that it learned from.
    predicted : list of ndarray
        Of every body, those it learned from first.
    """

    shown: list[Labels]
    predicted: list[Labels]


def main() -> int:
    """Measure, print the tables, and write them into the page if asked."""
    options = read_options()
    tell_tables(partial(measured_tables, options), options.page, MARK)
    return 0


def measured_tables(options: argparse.Namespace) -> str:
    """Make the models in a folder that is gone afterwards, and tabulate what they learned."""
    with tempfile.TemporaryDirectory(dir=options.work_dir) as scratch:
        bench = Bench(
            options.bodies,
            options.new_bodies,
            options.spacing_mm,
            options.error_mm,
            options.iterations,
            Path(scratch),
        )
        return tables(bench)


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make bench-rough", description=__doc__)
    add = partial(parser.add_argument, type=int)
    add("--bodies", default=6, help="bodies to learn from (default: 6)")
    add("--new-bodies", default=3, help="bodies to test on alone (default: 3)")
    add("--iterations", default=2700, help="steps of each training (default: 2700)")
    add = partial(parser.add_argument, type=float)
    add("--spacing-mm", default=5.0, help="voxel size (default: 5)")
    add("--error-mm", default=5.0, help="standard deviation at the border (default: 5)")
    add_page(parser)
    parser.add_argument("--work-dir", type=Path, help="where the models are made, and deleted")
    return parser.parse_args()


def tables(bench: Bench) -> str:
    """Train both models and tabulate what they learned."""
    bodies = make_bodies(bench.bodies + bench.new_bodies, bench.spacing_mm)
    shown = training_masks(bodies[: bench.bodies], bench)
    learned = {name: learn(name, bodies, masks, bench) for name, masks in shown.items()}
    truth = [body.labels for body in bodies]
    return "\n".join(
        [
            introduction(bench),
            dice_table(truth, learned, bench.bodies),
            spinal_end_table(bodies, learned, bench.bodies),
            gaps_table(truth, learned, bench.bodies),
        ]
    )


def training_masks(bodies: Sequence[TrueBody], bench: Bench) -> dict[str, list[Labels]]:
    """Give each model's training masks; all others are the rough ones with less of them."""
    rough = [
        draw_label_map_roughly(
            body.labels, body.grid.spacing_mm, bench.strokes, np.random.default_rng([11, number])
        )
        for number, body in enumerate(bodies)
    ]
    biased = [without_spinal_end(labels, body) for labels, body in zip(rough, bodies, strict=True)]
    sparse = [drawn_on_some_slices(labels) for labels in rough]
    ignored = [with_gaps_ignored(labels) for labels in sparse]
    return {ROUGH: rough, BIASED: biased, GAPS_EMPTY: sparse, GAPS_IGNORED: ignored}


def learn(name: str, bodies: Sequence[TrueBody], masks: Sequence[Labels], bench: Bench) -> Learned:
    """Train on the first bodies and predict all of them."""
    folder = bench.work_dir / name.replace(" ", "_").replace(",", "")
    cases = [
        TrainingCase(f"b{n}", f"p{n}", partial(_labelled, body, labels), may_ignore=True)
        for n, (body, labels) in enumerate(zip(bodies, masks, strict=False))
    ]
    print(f"{name}: training on {len(cases)} bodies", file=sys.stderr, flush=True)
    model = train_small_model(folder, cases, class_map(), bench.profile, _say)
    settings = PredictSettings(folder / "predictions", tile_step=bench.profile.tile_step)
    inputs = [PredictionInput(f"b{n}", partial(_scanned, body)) for n, body in enumerate(bodies)]
    predicted = []
    for prediction in predict_label_maps(model, inputs, settings):
        if prediction.labels is None:
            raise SystemExit(prediction.error)
        predicted.append(prediction.labels)
    return Learned(list(masks), predicted)


def _labelled(body: TrueBody, labels: Labels) -> tuple[NDArray[Any], NDArray[Any], Grid]:
    return body.ct, labels, body.grid


def _scanned(body: TrueBody) -> tuple[NDArray[Any], Grid]:
    return body.ct, body.grid


def _say(progress: Progress) -> None:
    if progress.step == "train":
        print(f"  epoch {progress.done + 1} of {progress.total}", file=sys.stderr, flush=True)


def introduction(bench: Bench) -> str:
    """Say what was measured."""
    return (
        f"{bench.bodies} synthetic abdomens at {bench.spacing_mm:g} mm to learn from, "
        f"{bench.new_bodies} others to test on, {bench.iterations} iterations; rough: three slices "
        f"at a time, {bench.error_mm:g} mm at the border (standard deviation).\n"
    )


def dice_table(truth: Sequence[Labels], learned: dict[str, Learned], bodies: int) -> str:
    """Tabulate Dice against the truth: of the rough masks, and of what was learned from them."""
    rough = learned[ROUGH]
    known, new = truth[:bodies], truth[bodies:]
    columns: list[Callable[[int], float]] = [
        lambda value: mean_dice(known, rough.shown, value),
        lambda value: mean_dice(known, rough.predicted[:bodies], value),
        lambda value: mean_dice(new, rough.predicted[bodies:], value),
    ]
    rows = {name: [column(value) for column in columns] for value, name in STRUCTURES.items()}
    rows["mean"] = [float(np.mean(values)) for values in zip(*rows.values(), strict=True)]
    lines = [
        "| Dice against the truth | rough masks | predicted, same bodies | predicted, new bodies |",
        "|---|---:|---:|---:|",
        *(f"| {name} | {' | '.join(f'{v:.3f}' for v in row)} |" for name, row in rows.items()),
    ]
    return "\n".join(lines) + "\n"


def gaps_table(truth: Sequence[Labels], learned: dict[str, Learned], bodies: int) -> str:
    """Tabulate what the slices that nobody drew on do to the predictions."""
    names = (ROUGH, GAPS_EMPTY, GAPS_IGNORED)
    new = [learned[name].predicted[bodies:] for name in names]
    rows = {
        name: [mean_dice(truth[bodies:], found, value) for found in new]
        for value, name in STRUCTURES.items()
    }
    rows["mean"] = [float(np.mean(values)) for values in zip(*rows.values(), strict=True)]
    lines = [
        f"| Dice on new bodies | every slice drawn | every {EVERY}rd slice drawn, the others "
        f"background | every {EVERY}rd slice drawn, the others ignored |",
        "|---|---:|---:|---:|",
        *(f"| {name} | {' | '.join(f'{v:.3f}' for v in row)} |" for name, row in rows.items()),
    ]
    return "\n".join(lines) + "\n"


def mean_dice(truth: Sequence[Labels], found: Sequence[Labels], value: int) -> float:
    """Average the Dice of one label over the bodies that hold it."""
    scores = []
    for true, other in zip(truth, found, strict=True):
        inside, drawn = true == value, other == value
        if inside.any():
            both = np.count_nonzero(inside & drawn)
            scores.append(2 * both / (np.count_nonzero(inside) + np.count_nonzero(drawn)))
    return float(np.mean(scores))


def spinal_end_table(bodies: Sequence[TrueBody], learned: dict[str, Learned], count: int) -> str:
    """Tabulate how much of the ribs' spinal ends is in training masks and in predictions."""
    ends, rest = [body.spinal_ends for body in bodies], [body.rest_of_ribs for body in bodies]
    lines = [
        "| learned from | spinal ends in the training masks | predicted on new bodies | rest of "
        "the ribs, predicted on new bodies |",
        "|---|---:|---:|---:|",
    ]
    for name in (ROUGH, BIASED):
        each, new = learned[name], learned[name].predicted[count:]
        shares = (
            share_of_ribs(ends[:count], each.shown),
            share_of_ribs(ends[count:], new),
            share_of_ribs(rest[count:], new),
        )
        lines.append(f"| {name} | {' | '.join(f'{share:.0%}' for share in shares)} |")
    return "\n".join(lines) + "\n"


def share_of_ribs(places: Sequence[NDArray[np.bool_]], found: Sequence[Labels]) -> float:
    """Give the share of places at which a rib was found, over all bodies."""
    hit = sum(
        int(np.count_nonzero(np.isin(labels[place], list(RIBS))))
        for place, labels in zip(places, found, strict=True)
    )
    return hit / max(1, sum(int(np.count_nonzero(place)) for place in places))


if __name__ == "__main__":
    sys.exit(main())
