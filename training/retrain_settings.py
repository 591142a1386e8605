"""Settings of the stage retrain."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.errors import UsageError
from pipeline.stage import StageSettings
from pipeline.workspace import Origin, settings_digest
from training.choice_settings import NextCasesSettings
from training.profile import Profile
from training.skipped_slices import SkippedSlices

Start = Literal["previous", "fresh"]
Undecided = Literal["partial", "leave_out_structure", "leave_out_case"]


class RetrainSettings(StageSettings):
    """What `masksmith retrain` can be told."""

    round: int = Field(1, ge=1, description="Number of the active-learning round")
    profile: str = Field(
        "small", description="How large the training is: the name of one of the profiles"
    )
    structures: tuple[str, ...] = Field(
        (), description="Structures to train on; none: every one that was decided"
    )
    parts: tuple[str, ...] = Field(
        (),
        description="Body parts to train on: parts of the class map, or files in configs/parts; "
        "none: all of the class map",
    )
    one_model_per_part: bool = Field(
        False, description="Train one model per body part instead of one for everything"
    )
    allow_fewer: bool = Field(
        False, description="Train although fewer cases are decided than the round asks for"
    )
    round_sizes: tuple[int, ...] = Field(
        (5, 20, 100, 1000), description="Cases that rounds 1, 2, 3, ... need at least"
    )
    admit_unreviewed: tuple[Origin, ...] = Field(
        (), description="Origins whose masks are trained on although nobody accepted them"
    )
    undecided: Undecided = Field(
        "partial",
        description="Where a structure is undecided in a case: learn the others from it, or leave "
        "out the structure or the case",
    )
    skipped_slices: SkippedSlices = Field(
        "ignore",
        description="Slices between those a rough annotator drew on: voxels that count for "
        "nothing, or background",
    )
    validation_cases: int | None = Field(
        None, ge=0, description="Patients kept for validation; none: one in twenty"
    )
    seed: int = Field(1234, ge=0, description="Chooses the validation patients")
    warm_start: Start = Field(
        "fresh",
        description="Start from random weights, or from those of the previous round's model of "
        "the same name",
    )
    promotion_margin: float = Field(
        0.05,
        ge=0,
        le=1,
        description="How far a structure may fall behind the previous round on the validation "
        "cases (Dice, share missed, share of false positives) and still be promoted",
    )
    promote_anyway: tuple[str, ...] = Field(
        (),
        description="Structures whose masks of this round are stored although they fell; all: "
        "every structure",
    )
    allow_other_class_map: bool = Field(
        False, description="Go on although the class map is not that of the previous round"
    )
    spacing_mm: float | None = Field(
        None, gt=0, description="Isotropic spacing of the model instead of the profile's"
    )
    device: str | None = Field(
        None,
        pattern=r"^(cpu|gpu(:\d+)?)$",
        description="cpu, gpu or gpu:N instead of the profile's",
        json_schema_extra={"flag": "-d/--device"},
    )
    gpus: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (),
        description="Numbers of the GPUs that the models of a round are spread over, one model "
        "at a time on each; none: one model after the other on the device",
    )
    configs: Path | None = Field(None, description="Folder of the settings files, for parts")
    next_cases: NextCasesSettings = Field(
        default=NextCasesSettings(),
        description="Which cases people correct after the round: count and weights of strategies",
        json_schema_extra={"cli": "hidden"},
    )
    profiles: Mapping[str, Profile] = Field(
        default_factory=dict,
        description="Recipes by name, from the settings file",
        json_schema_extra={"cli": "hidden"},
    )

    @property
    def target_cases(self) -> int:
        """How many cases this round needs; rounds beyond the list need as many as its last."""
        sizes = self.round_sizes or (1,)
        return sizes[min(self.round, len(sizes)) - 1]

    @property
    def places(self) -> tuple[str, ...]:
        """Devices on which models are made, each one model at a time.

        Raises
        ------
        UsageError
            If GPUs are named beside another device.
        """
        if not self.gpus:
            return (self.recipe().device,)
        if self.device is not None and self.device != "gpu":
            raise UsageError(f"--gpus does not go with --device {self.device}: name one of them")
        return tuple(f"gpu:{number}" for number in dict.fromkeys(self.gpus))

    def recipe(self) -> Profile:
        """Give the chosen profile with the overrides of this call.

        Raises
        ------
        UsageError
            If there is no profile of that name.
        """
        if self.profile not in self.profiles:
            known = ", ".join(self.profiles) or "none: is configs/retrain.yaml there?"
            raise UsageError(f"profile '{self.profile}' is unknown; known: {known}")
        changes = {"device": self.device, "spacing_mm": self.spacing_mm}
        given = {name: value for name, value in changes.items() if value is not None}
        return self.profiles[self.profile].model_copy(update=given)

    def deciding(self) -> dict[str, Any]:
        """Give the settings that decide what the round's model is, as JSON values.

        How fast it is made (device, GPUs, threads), whether fewer cases were allowed and what is
        promoted is left out.
        """
        kept = {
            "round", "profile", "structures", "parts", "one_model_per_part", "admit_unreviewed",
            "validation_cases", "seed", "warm_start", "undecided", "skipped_slices",
        }  # fmt: skip
        recipe = self.recipe()
        return self.model_dump(mode="json", include=kept) | {
            "target_cases": self.target_cases,
            "spacing_mm": recipe.spacing_mm,
            "recipe": recipe.digest,
        }

    @property
    def deciding_digest(self) -> str:
        """Digest of the deciding settings."""
        return settings_digest(self.deciding())
