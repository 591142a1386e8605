"""The settings of `masksmith predict`."""

from pathlib import Path

from pydantic import Field, field_validator

from pipeline.stage import StageSettings
from training.nnunet_process import device_kind
from training.part_merging import Overlap


class PredictFilesSettings(StageSettings):
    """What `masksmith predict` can be told; the files stand on the command line."""

    fast: bool = Field(
        False,
        description="The one 3 mm model instead of the 1.5 mm models of the body parts",
        json_schema_extra={"flag": "-f/--fast"},
    )
    ml: bool = Field(False, description="One label map instead of a file per structure")
    statistics: bool = Field(False, description="Also volume and mean HU, as CSV and JSON")
    preview: bool = Field(False, description="Also a picture of all structures")
    structures: tuple[str, ...] = Field(
        (), description="Only these; models that know none of them are not run"
    )
    parts: tuple[str, ...] = Field((), description="Only the structures of these body parts")
    models: tuple[Path, ...] = Field(
        (),
        description="Trained models: zips, model folders, folders above them; none: "
        "models/final-1.5mm of the workspace, with --fast models/final-3mm",
    )
    class_map: str | None = Field(
        None,
        description="What values mean: a name or a file; none: the workspace's, else the settings'",
    )
    device: str = Field(
        "cpu", description="cpu, gpu or gpu:N", json_schema_extra={"flag": "-d/--device"}
    )
    threads: int | None = Field(None, ge=1, description="Threads of the network; none: as --jobs")
    tile_step: float = Field(
        0.5, gt=0, le=1, description="Step of the sliding window as a share of the patch"
    )
    overlap: Overlap = Field(
        "smaller",
        description="Who gets a voxel that two models claim: the smaller structure, or the body "
        "part that comes first in priority",
    )
    priority: tuple[str, ...] = Field(
        (), description="Body parts, the one that wins first; for --overlap priority"
    )
    cases_at_once: int = Field(
        8, ge=1, description="CTs that share one loading of each model and wait on disk meanwhile"
    )

    @field_validator("device")
    @classmethod
    def _known_device(cls, device: str) -> str:
        device_kind(device)
        return device
