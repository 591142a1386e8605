"""How good a round's model is on bodies that nobody labels, and what they would still take."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import MasksmithError, UsageError
from pipeline.simulation.annotator import annotate, dice, seconds_without_proposals
from pipeline.simulation.bodies import FIRST_NEW, Bodies, case_id
from pipeline.simulation.pace import ROUGHLY
from pipeline.simulation.results import ByHand
from pipeline.simulation.rough_strokes import draw_roughly
from pipeline.volume import Grid
from training.nnunet_model import open_model
from training.predict import PredictionInput, PredictSettings, predict_label_maps
from training.profile import Profile

_STROKES = 77  # tells the strokes on new bodies from those on labelled ones
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Score:
    """Of one model on the new bodies.

    Attributes
    ----------
    dice : mapping
        Of each structure, averaged over the bodies that show it; what is missed counts 0.
    minutes : float
        One body would take with the model's proposals.
    """

    dice: Mapping[str, float]
    minutes: float

    @property
    def mean_dice(self) -> float:
        """Averaged over the structures."""
        return float(np.mean(list(self.dice.values())))


def new_bodies(bodies: Bodies) -> range:
    """Give the numbers of the bodies that no round labels."""
    return range(FIRST_NEW, FIRST_NEW + bodies.settings.new_cases)


def score_model(folder: Path, bodies: Bodies, recipe: Profile) -> Score:
    """Predict the new bodies with the only model below a folder, and compare with the truth.

    Raises
    ------
    MasksmithError
        If one cannot be predicted: a score without it would not be comparable.
    """
    annotator = bodies.settings.annotator(first_round=True)
    found: dict[str, list[float]] = {}
    seconds = []
    for number, proposals in _predictions(folder, bodies, recipe):
        truth = bodies.truth(number)
        for name, true in truth.items():
            if true.any():
                found.setdefault(name, []).append(_dice(proposals.get(name), true))
        spacing = bodies.body(number).grid.spacing_mm
        handled = annotate(proposals, truth, spacing, annotator, strokes_seed(bodies, number))
        seconds.append(sum(each.seconds for each in handled))
    means = {name: float(np.mean(values)) for name, values in found.items()}
    return Score(means, float(np.mean(seconds)) / 60)


def _predictions(
    folder: Path, bodies: Bodies, recipe: Profile
) -> Iterator[tuple[int, dict[str, Bools]]]:
    model = open_model(folder)
    settings = PredictSettings(
        work_dir=folder, device=recipe.device, threads=recipe.threads, tile_step=recipe.tile_step
    )
    numbers = {case_id(number): number for number in new_bodies(bodies)}
    inputs = [PredictionInput(name, _Scan(bodies, number)) for name, number in numbers.items()]
    for prediction in predict_label_maps(model, inputs, settings):
        if prediction.labels is None:
            raise MasksmithError(f"{prediction.id} was not predicted: {prediction.error}")
        labels = prediction.labels
        masks = {name: labels == value for value, name in model.names_by_value.items()}
        yield numbers[prediction.id], masks


@dataclass(frozen=True, slots=True)
class _Scan:
    """The CT of a body."""

    bodies: Bodies
    number: int

    def __call__(self) -> tuple[NDArray[Any], Grid]:
        body = self.bodies.body(self.number)
        return body.ct, body.grid


def score_by_hand(bodies: Bodies) -> ByHand:
    """Say what the new bodies take from nothing, and how well rough drawings agree.

    Raises
    ------
    UsageError
        If they show none of the structures.
    """
    strokes = bodies.settings.annotator().strokes
    hand, rough, agreement = [], [], []
    for number in new_bodies(bodies):
        spacing = bodies.body(number).grid.spacing_mm
        masks = [true for true in bodies.truth(number).values() if true.any()]
        hand.append(seconds_without_proposals(masks, spacing))
        rough.append(seconds_without_proposals(masks, spacing, ROUGHLY))
        for place, true in enumerate(masks):
            rng = np.random.default_rng([*strokes_seed(bodies, number), place])
            agreement.append(dice(draw_roughly(true, spacing, strokes, rng), true))
    if not agreement:
        raise UsageError(
            f"none of the structures is in the field of view {bodies.settings.field_of_view}: name "
            "others with --structures, or another --field-of-view"
        )
    return ByHand(float(np.mean(hand)) / 60, float(np.mean(rough)) / 60, float(np.mean(agreement)))


def strokes_seed(bodies: Bodies, number: int) -> tuple[int, ...]:
    """Seed the strokes on a body: the same in every strategy."""
    return bodies.settings.seed, number, _STROKES


def _dice(proposal: Bools | None, true: Bools) -> float:
    return 0.0 if proposal is None else dice(proposal, true)
