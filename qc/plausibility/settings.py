"""Settings of the stage plausibility."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from pipeline.stage import StageSettings
from qc.plausibility.rule import Rule
from qc.plausibility.rules import RULES, SIZES
from qc.plausibility.thresholds import Thresholds, shipped_thresholds, with_shipped

Sex = Literal["f", "m"]


class PlausibilitySettings(StageSettings):
    """What `masksmith plausibility` can be told."""

    cases: tuple[str, ...] = Field(
        (), description="Cases to check; none: every case that is not excluded"
    )
    again: bool = Field(False, description="Check every case anew, also unchanged ones")
    rules: tuple[str, ...] = Field((), description="Rules to apply, by name; none: all")
    input: Path | None = Field(
        None,
        description="On files: the CT, a NIfTI file or a folder with a DICOM series; without it "
        "rules about density are silent",
        json_schema_extra={"flag": "-i/--input"},
    )
    segmentation: Path | None = Field(
        None,
        description="On files, without a workspace: a label map, or a folder with a mask per "
        "structure",
        json_schema_extra={"flag": "-s/--segmentation"},
    )
    class_map: str | None = Field(
        None,
        description="On files: class map of the segmentation, by name or file; none: the "
        "workspace's, else the settings'",
    )
    phase: str | None = Field(
        None, description="On files: contrast phase, such as native or portal_venous"
    )
    sex: Sex | None = Field(None, description="On files: sex of the person; none: the header's")
    thresholds: Thresholds = Field(
        default_factory=shipped_thresholds,
        description="Where the rules draw the line, see configs/plausibility.yaml",
        json_schema_extra={"cli": "hidden"},
    )
    configs: Path | None = Field(
        None,
        description="The settings folder with the class maps",
        json_schema_extra={"cli": "hidden"},
    )

    @field_validator("thresholds", mode="before")
    @classmethod
    def _completed(cls, given: Any) -> Any:
        return with_shipped(given) if isinstance(given, Mapping) else given

    @field_validator("rules")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = [rule.name for rule in RULES]
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise ValueError(f"no rule {', '.join(unknown)}; there are {', '.join(known)}")
        return names

    @property
    def needs_workspace(self) -> bool:
        """Whether a workspace is checked; files need none."""
        return self.input is None and self.segmentation is None

    def chosen(self) -> tuple[Rule, ...]:
        """Give the rules to apply, in their order."""
        return tuple(rule for rule in RULES if not self.rules or rule.name in self.rules)

    def chosen_for_voxels(self) -> tuple[Rule, ...]:
        """Give those that look at voxels: all but the one that compares sizes over cases."""
        return tuple(rule for rule in self.chosen() if rule.name != SIZES)
