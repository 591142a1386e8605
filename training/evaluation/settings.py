"""Settings of the stage evaluate."""

from pathlib import Path

from pydantic import Field

from pipeline.stage import StageSettings
from training.final_split import Side

ALL_CASES = "all"


class EvaluateSettings(StageSettings):
    """What `masksmith evaluate` can be told."""

    truth: Path | None = Field(
        None,
        description="Label map, folder of masks, or folder of cases with the truth; none: the "
        "accepted masks of the workspace",
    )
    predictions: str | None = Field(
        None,
        description="Label map or folder as for --truth; on a workspace also a maker of masks in "
        "it, such as round:2 or model:totalsegmentator_v2",
    )
    compare: str | None = Field(
        None, description="Other predictions, compared on the structures that both cover"
    )
    out: Path | None = Field(
        None,
        description="Folder for tables and figures; on a workspace by default "
        "evaluations/PREDICTIONS in it",
    )
    class_map: str | None = Field(
        None,
        description="Class map of the label maps, by name or file; none: the workspace's, or the "
        "104 structures",
    )
    predictions_class_map: str | None = Field(
        None, description="Class map of --predictions where it is another one"
    )
    compare_class_map: str | None = Field(
        None, description="Class map of --compare where it is another one"
    )
    structures: tuple[str, ...] = Field((), description="Structures to look at; none: all")
    ignore_unknown: bool = Field(
        False, description="Leave out label values and mask files that are not in the class map"
    )
    split: str | None = Field(
        None,
        description="On a workspace: a CSV with the columns case_id and split, the name of a final "
        "model that has one, or all for every case",
    )
    side: Side = Field("test", description="Side of the split that is evaluated")
    cases: Path | None = Field(
        None,
        description="On files: a CSV with the columns case, patient and, if wanted, groups such as "
        "phase, age, site; without it every case is a patient",
    )
    tolerance_mm: float = Field(
        3.0, ge=0, le=100, description="Surfaces this near to each other agree in the NSD"
    )
    resamples: int = Field(
        10_000, ge=100, le=1_000_000, description="Resamples of the bootstrap by patient"
    )
    seed: int = Field(0, ge=0, description="Of the bootstrap")
    figures: bool = Field(True, description="Draw the figures")
    configs: Path | None = Field(
        None,
        description="The settings folder with the class maps",
        json_schema_extra={"cli": "hidden"},
    )

    @property
    def needs_workspace(self) -> bool:
        """Whether the truth is that of a workspace; two paths need none."""
        return self.truth is None
