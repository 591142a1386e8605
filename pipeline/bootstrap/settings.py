"""Settings of the stage bootstrap."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from pipeline.anatomy import shipped_configs
from pipeline.bootstrap.overlaps import OverlapLimits
from pipeline.bootstrap.policies import Policies, Policy
from pipeline.bootstrap.tasks import RunPolicy
from pipeline.stage import StageSettings


class BootstrapSettings(StageSettings):
    """What `masksmith bootstrap` can be told."""

    models: tuple[str, ...] = Field(
        (), description="Model cards to use, by name; none: every enabled card"
    )
    cases: tuple[str, ...] = Field(
        (), description="Cases to work on; none: every case that is not excluded"
    )
    predictions: Path | None = Field(
        None, description="Folder with the predictions that labelmaps cards read"
    )
    prediction_pattern: str | None = Field(
        None,
        description="Where a prediction lies in that folder, with {case} or {stem} (the CT's "
        "file name, see --cts) and, for one mask per structure, {structure}; instead of the card's",
    )
    prediction_table: Path | None = Field(
        None,
        description="CSV with the columns case,file: which prediction belongs to which case (its "
        "id, or the path of its CT)",
    )
    cts: tuple[Path, ...] = Field(
        (), description="The CT files that were taken in, or their folder: gives {stem} its meaning"
    )
    device: str = Field(
        "cpu",
        pattern=r"^(cpu|gpu(:\d+)?)$",
        description="cpu, gpu or gpu:N",
        json_schema_extra={"flag": "-d/--device"},
    )
    minimum_cover: float = Field(
        0.99,
        gt=0,
        le=1,
        description="Share of a CT that a prediction on another grid must cover to be resampled",
    )
    check_sides: bool = Field(
        True, description="Refuse predictions in which left and right are exchanged everywhere"
    )
    policy: Policy = Field(
        "priority",
        description="Where several models see one structure: priority, union, or vote (from 3 on)",
    )
    policies: Mapping[str, Policy] = Field(
        default_factory=dict,
        description="The same by structure; goes before policy",
        json_schema_extra={"cli": "hidden"},
    )
    overlap_limit_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Two structures are put up for review if they share more of the smaller one",
    )
    overlap_limit_ml: float = Field(0.5, ge=0, description="... and more millilitres than this")
    weights: Mapping[str, str] = Field(
        default_factory=dict,
        description="Where the files of a model are, by card name; goes before the card",
        json_schema_extra={"cli": "hidden"},
    )
    configs: Path | None = Field(
        None, description="The settings folder with the cards", json_schema_extra={"cli": "hidden"}
    )

    @property
    def configs_folder(self) -> Path:
        """The settings folder; the shipped one if none was given."""
        return self.configs or shipped_configs()

    @property
    def merging(self) -> Policies:
        """What counts where several models see one structure."""
        return Policies(self.policy, dict(self.policies))

    @property
    def overlap_limits(self) -> OverlapLimits:
        """How much two structures may share."""
        return OverlapLimits(self.overlap_limit_share, self.overlap_limit_ml)

    def run_policy(self) -> RunPolicy:
        """Give the part that every runner obeys."""
        return RunPolicy(
            device=self.device,
            prediction_pattern=self.prediction_pattern,
            prediction_table=self.prediction_table is not None,
            minimum_cover=self.minimum_cover,
            check_sides=self.check_sides,
        )
