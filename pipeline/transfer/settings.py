"""Settings of the stage transfer-heart."""

from pathlib import Path

from pydantic import Field

from pipeline.stage import StageSettings
from pipeline.transfer.carry import CarrySettings
from pipeline.transfer.heart_manifest import HEART_STRUCTURES
from pipeline.transfer.registration import RegistrationSettings


class TransferHeartSettings(StageSettings):
    """What `masksmith transfer-heart` can be told."""

    pairs: Path | None = Field(
        None,
        description="CSV with the columns contrast,native (case ids); none: pairs of each exam",
    )
    structures: tuple[str, ...] = Field(
        HEART_STRUCTURES, description="Structures to carry; none: the six of the heart"
    )
    margin_mm: float = Field(
        40.0, gt=0, description="Around the heart: the region in which the scans are to meet"
    )
    spacing_mm: float = Field(3.0, ge=1, le=8, description="Of the grid the scans are compared on")
    largest_shift_mm: float = Field(
        30.0, ge=0, le=100, description="How far apart the scans may lie to begin with"
    )
    knots_mm: float = Field(40.0, ge=15, description="Distance of the B-spline's control points")
    smallest_gain: float = Field(
        0.01,
        ge=0,
        description="Share by which mutual information must grow for a step to be kept",
    )
    dice_tolerance: float = Field(
        0.005, ge=0, le=1, description="How much body or lung Dice may fall in a step that is kept"
    )
    least_body_dice: float = Field(
        0.9, ge=0, le=1, description="A pair whose bodies fit worse after all is refused"
    )
    least_lung_dice: float = Field(
        0.85, ge=0, le=1, description="A pair whose lungs fit worse after all is refused"
    )
    least_seen_share: float = Field(
        0.3, ge=0, le=1, description="Share of the native region that the contrast scan must see"
    )
    train: bool = Field(
        True, description="Train the heart model on the pairs and predict every case"
    )
    profile: str = Field(
        "small", description="How large the training is: a profile of retrain.yaml"
    )
    priority: int = Field(
        40, description="Standing of the heart model's masks beside those of other models"
    )
    device: str | None = Field(
        None,
        pattern=r"^(cpu|gpu(:\d+)?)$",
        description="cpu, gpu or gpu:N instead of the profile's",
        json_schema_extra={"flag": "-d/--device"},
    )
    configs: Path | None = Field(
        None,
        description="The settings folder with retrain.yaml",
        json_schema_extra={"cli": "hidden"},
    )

    @property
    def names(self) -> tuple[str, ...]:
        """The structures to carry."""
        return self.structures or HEART_STRUCTURES

    def carrying(self) -> CarrySettings:
        """Give the part that decides about the carried masks."""
        return CarrySettings(
            RegistrationSettings(
                self.spacing_mm,
                self.largest_shift_mm,
                self.knots_mm,
                self.smallest_gain,
                self.dice_tolerance,
            ),
            self.margin_mm,
            self.least_body_dice,
            self.least_lung_dice,
            self.least_seen_share,
        )
