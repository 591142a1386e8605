"""Which earlier model a new one starts from: chosen once, when the round is frozen.

The newest earlier round that has a finished model of the same name, if its network is the one
that the recipe asks for. Otherwise the training starts fresh, and the manifest says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import BadInput, MissingDependency
from pipeline.workspace import Layout
from training.nnunet_model import NnunetModel, open_model
from training.parts import folder_name
from training.profile import Profile
from training.training_plan import WarmStart
from training.training_record import MODEL_FILE, read_json


@dataclass(frozen=True, slots=True)
class Start:
    """What the manifest says about the start of one model.

    Attributes
    ----------
    round : int or None
        The earlier round; None starts fresh.
    folder : str
        Its model folder, relative to the workspace.
    weights : str
        Digest of its weights.
    why_fresh : str
        Why there is no earlier model to start from.
    """

    round: int | None = None
    folder: str = ""
    weights: str = ""
    why_fresh: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give JSON values, without those that say nothing."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in values.items() if value not in (None, "")}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Start":
        """Read what :meth:`to_dict` gave."""
        return cls(**values)


def model_dir(layout: Layout, round_number: int, name: str) -> Path:
    """Give the folder in which a round makes one of its models."""
    return layout.round_dir(round_number) / folder_name(name)


def choose_start(layout: Layout, round_number: int, name: str, recipe: Profile) -> Start:
    """Find the earlier model that a round's model of this name starts from."""
    for number in range(round_number - 1, 0, -1):
        model = finished_model(layout, number, name)
        if model is None:
            continue
        misfit = find_misfit(model, recipe)
        if misfit:
            return Start(why_fresh=f"round {number}'s model cannot be started from: {misfit}")
        record = read_json(model.folder / MODEL_FILE)
        folder = model.folder.relative_to(layout.root).as_posix()
        return Start(number, folder, str(record["weights_digest"]))
    return Start(why_fresh=f"no earlier round has a finished model '{name}'")


def open_start(layout: Layout, values: Mapping[str, Any] | None) -> WarmStart | None:
    """Open the model that a manifest says to start from; None to start fresh.

    Raises
    ------
    BadInput
        If that model is gone or is another by now.
    """
    start = Start.from_dict(values or {})
    if start.round is None:
        return None
    folder = layout.root / start.folder
    try:
        model = open_model(folder)
        weights = str(read_json(folder / MODEL_FILE)["weights_digest"])
    except (BadInput, MissingDependency, KeyError) as error:
        raise BadInput(
            f"{folder}: the model of round {start.round} that this round starts from cannot be "
            f"read ({error}): restore it, or start a new round with --warm-start fresh"
        ) from error
    if weights != start.weights:
        raise BadInput(
            f"{folder}: the model of round {start.round} was trained again after this round was "
            "frozen to start from it; start a new round"
        )
    return WarmStart(model, weights)


def finished_model(layout: Layout, round_number: int, name: str) -> NnunetModel | None:
    """Find the finished model of this name in a round; None if there is none."""
    folder = model_dir(layout, round_number, name)
    if not (folder / "train.done.json").is_file():
        return None
    try:
        model = open_model(folder / "nnunet" / "results")
    except (BadInput, MissingDependency):
        return None
    return model if (model.folder / MODEL_FILE).is_file() else None


def find_misfit(model: NnunetModel, recipe: Profile) -> str:
    """Say why a recipe makes another network than an earlier model's; empty if it does not.

    With nnU-Net's own plans the earlier plans are taken over, so only what they were made for
    must agree; a fixed network must be the same layer by layer.
    """
    _, plans_name, configuration = model.folder.name.split("__")
    if (plans_name, configuration) != (recipe.plans_name, recipe.configuration):
        return (
            f"it has {plans_name}, {configuration}, now {recipe.plans_name}, {recipe.configuration}"
        )
    spacing = read_json(model.folder / MODEL_FILE).get("spacing_mm")
    if spacing != recipe.spacing_mm:
        return f"its spacing is {_mm(spacing)}, now {_mm(recipe.spacing_mm)}"
    if recipe.network is None:
        return ""
    plans = read_json(model.folder / "plans.json")
    earlier = plans["configurations"][configuration].get("architecture")
    if earlier != recipe.network.plan_changes()["architecture"]:
        return "its network has other layers than the profile's"
    return ""


def _mm(spacing: float | None) -> str:
    return "the data's" if spacing is None else f"{spacing:g} mm"
