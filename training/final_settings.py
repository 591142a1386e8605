"""Settings of the stage train-final."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.errors import UsageError
from pipeline.stage import StageSettings
from pipeline.workspace import Origin
from training.profile import OWN_TRAINER, PARTIAL_LABELS, Profile
from training.skipped_slices import SkippedSlices

FinalUndecided = Literal["refuse", "partial", "leave_out_case", "leave_out_structure"]
EmptyClasses = Literal["refuse", "leave_out"]
NOT_STATED = "not stated"
# nnU-Net 2.8: the trainers that do not say their epochs in their name train 1000.
_STOCK_EPOCHS = 1000
_STOCK_ITERATIONS = 250


class FinalRecipe(BaseModel):
    """One final model: what it is made of and how it is trained."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    one_model_per_part: bool = Field(
        False, description="One model per body part of the class map instead of one for everything"
    )
    dataset_number: int = Field(
        ge=1, le=999, description="nnU-Net's number of the first part; the others count on"
    )
    priority: int = Field(description="Standing as a bootstrap model; the higher counts")
    seconds_per_epoch: Mapping[str, float] = Field(
        default_factory=dict,
        description="By a word of the GPU's name, where no probe is wanted or possible",
    )
    profile: Profile = Field(description="The recipe, as in retrain.yaml")


class FinalSettings(StageSettings):
    """What `masksmith train-final` can be told."""

    model: str | None = Field(None, description="Which final model: a name among `models`")
    parts: tuple[str, ...] = Field(
        (), description="Body parts to train now, of a model that has one per part; none: all"
    )
    profile: str | None = Field(
        None,
        description="A small recipe instead of the model's own, to prove the whole way; the result "
        "lies in a folder of its own, such as final-3mm-tiny",
    )
    dry_run: bool = Field(False, description="Check everything and say what it would take.")
    split: Path | None = Field(
        None,
        description="CSV with case_id or patient_id, and split (train, val, test); none: drawn by "
        "patient in the proportions",
    )
    split_proportions: tuple[int, ...] = Field(
        (1082, 57, 65), description="Training, validation, test; only their proportion counts"
    )
    seed: int = Field(1234, ge=0, description="Decides which patient stands on which side")
    admit_unreviewed: tuple[Origin, ...] = Field(
        (), description="Origins whose masks are trained on although nobody accepted them"
    )
    undecided: FinalUndecided = Field(
        "refuse",
        description="Where a structure is undecided in a case: refuse, learn the others from it, "
        "or leave out the case or the structure",
    )
    skipped_slices: SkippedSlices = Field(
        "ignore",
        description="Slices between those a rough annotator drew on: voxels that count for "
        "nothing, or background",
    )
    empty_classes: EmptyClasses = Field(
        "refuse", description="A structure that is present in no training case: refuse or leave out"
    )
    measure: tuple[Literal["val", "test"], ...] = Field(
        ("val",), description="Sides that the finished model is measured on"
    )
    probe: bool = Field(
        True, description="Plan and run some steps of the network first, for time and memory"
    )
    licence: str = Field(NOT_STATED, description="Licence of the model, for its card")
    citation: str = Field("", description="How to cite the model, for its card")
    device: str | None = Field(
        None,
        pattern=r"^(cpu|gpu(:\d+)?)$",
        description="cpu, gpu or gpu:N instead of the recipe's",
        json_schema_extra={"flag": "-d/--device"},
    )
    models: Mapping[str, FinalRecipe] = Field(
        default_factory=dict,
        description="Final models by name, from the settings file",
        json_schema_extra={"cli": "hidden"},
    )
    profiles: Mapping[str, Profile] = Field(
        default_factory=dict,
        description="Small recipes by name, from the settings file",
        json_schema_extra={"cli": "hidden"},
    )

    @field_validator("split_proportions")
    @classmethod
    def _three_of_them(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if len(values) != 3 or min(values, default=-1) < 0 or not values[0]:
            raise ValueError("expected three numbers: training (above 0), validation, test")
        return values

    @property
    def recipe(self) -> FinalRecipe:
        """The model asked for.

        Raises
        ------
        UsageError
            If none was named, or there is none of that name.
        """
        known = ", ".join(self.models) or "none: is configs/train_final.yaml there?"
        if self.model is None:
            raise UsageError(f"say which model: --model NAME, one of {known}")
        if self.model not in self.models:
            raise UsageError(f"model '{self.model}' is unknown; known: {known}")
        return self.models[self.model]

    def training_profile(self) -> Profile:
        """Give the model's own recipe or the small one asked for, on the device asked for.

        Raises
        ------
        UsageError
            If there is no profile of that name.
        """
        chosen = self.recipe.profile
        if self.profile is not None:
            if self.profile not in self.profiles:
                known = ", ".join(self.profiles) or "none"
                raise UsageError(f"profile '{self.profile}' is unknown; known: {known}")
            chosen = self.profiles[self.profile]
        return chosen if self.device is None else chosen.model_copy(update={"device": self.device})

    @property
    def full_name(self) -> str:
        """Name of the model's folder after ``final-``: with the profile, where one was asked for.

        So a small model is never taken for the real one, nor one continued as the other.
        """
        return f"{self.model}-{self.profile}" if self.profile else f"{self.model}"

    def deciding(self) -> dict[str, Any]:
        """Give the settings that decide what the model is, as JSON values."""
        kept = {
            "model", "profile", "admit_unreviewed", "undecided", "skipped_slices", "empty_classes",
        }  # fmt: skip
        chosen = self.training_profile()
        return self.model_dump(mode="json", include=kept) | {
            "trainer": chosen.trainer,
            "spacing_mm": chosen.spacing_mm,
            "recipe": chosen.digest,
        }

    def split_rule(self) -> dict[str, Any]:
        """Give what decides the split, as JSON values; a CSV's contents are compared elsewhere."""
        drawn = self.split is None
        return {
            "split": "drawn" if drawn else "given by a CSV",
            "split_proportions": list(self.split_proportions) if drawn else None,
            "seed": self.seed if drawn else None,
        }


def epochs_of(profile: Profile) -> int:
    """Say how many epochs a recipe trains: from its settings or its trainer's name."""
    if profile.training is not None:
        return profile.training.epochs
    found = re.search(r"_(\d+)epochs?", profile.trainer)
    return int(found[1]) if found else _STOCK_EPOCHS


def iterations_of(profile: Profile) -> int:
    """Say how many steps an epoch has."""
    return profile.training.iterations if profile.training else _STOCK_ITERATIONS


def is_our_trainer(profile: Profile) -> bool:
    """Tell whether nnU-Net alone does not know the trainer."""
    return profile.trainer.removesuffix(PARTIAL_LABELS) == OWN_TRAINER
