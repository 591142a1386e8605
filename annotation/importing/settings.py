"""The settings of import-rough: what may be said on the command line and in its settings file."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_serializer

from pipeline.stage import StageSettings

_PERSON = r"^[^\x00-\x1f:/\\]{1,80}$"


class ImportRoughSettings(StageSettings):
    """What to bring in, onto which cases, and what a person answers for."""

    paths: tuple[Path, ...] = Field(
        min_length=1,
        description="Files and folders with drawings; may be given several times.",
        json_schema_extra={"flag": "--from"},
    )
    mapping: Path | None = Field(
        None, description="YAML with 'name in the file: structure' lines, or 'ignore'."
    )
    write_mapping: Path | None = Field(
        None,
        description="Where the names that were not matched are written, to be filled in; without "
        "it import_names.yaml in the workspace, and nowhere in a dry run.",
    )
    numbering: str | None = Field(
        None,
        description="Class map that numbers without names belong to: verse, ribseg, btcv, "
        "totalsegmentator_v2, ..., or a file.",
    )
    name_table: Path | None = Field(
        None,
        description="Table of values and names for label maps that come without one.",
    )
    configs: Path | None = Field(
        None, description="Folder with synonyms.yaml and class_maps/; the shipped one by default."
    )
    case: str | None = Field(None, description="The case that all the files belong to.")
    table: Path | None = Field(
        None, description="CSV with the columns file and case: which file belongs to which case."
    )
    by: str | None = Field(
        None, pattern=_PERSON, description="Who drew, where the file does not say."
    )
    origin: Literal["rough", "human"] = Field(
        "rough", description="What the drawings are: rough, or careful work."
    )
    allow_other_series: bool = Field(
        False, description="Take what was drawn on another series of the exam, by its place."
    )
    accept_sides: bool = Field(
        False, description="Take structures that lie on the wrong side of the body."
    )
    store_empty: bool = Field(
        False, description="Store an empty drawing as an empty mask; else it is left out."
    )
    supersede: bool = Field(
        False, description="Let a drawing come into force over a mask that a person accepted."
    )
    dry_run: bool = Field(False, description="Say what would come in; change nothing.")
    air_limit_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="A mask with more than this share in the air around the body is refused.",
    )
    side_margin_mm: float = Field(
        10.0,
        ge=0,
        description="How far beyond the body's middle a sided structure may lie unremarked.",
    )
    max_voxels: int = Field(
        2_000_000_000, gt=0, description="Most voxels of one file, over all its segments."
    )
    memory_limit_gib: float = Field(
        8.0, gt=0.25, description="Memory that reading one file may take beyond the program's own."
    )
    timeout_s: float = Field(600.0, gt=0, description="Seconds that reading one file may take.")
    isolate: bool = Field(
        True,
        description="Parse files in a process of their own even with one job.",
        json_schema_extra={"cli": "hidden"},
    )

    @field_serializer(
        "paths", "mapping", "write_mapping", "name_table", "table", when_used="json-unless-none"
    )
    def _without_names(self, given: Path | tuple[Path, ...]) -> str:
        """Keep file names, which may hold patients' names, out of the record of a run."""
        count = len(given) if isinstance(given, tuple) else 1
        return "1 path, not recorded" if count == 1 else f"{count} paths, not recorded"

    @property
    def memory_bytes(self) -> int:
        """The memory limit in bytes."""
        return int(self.memory_limit_gib * 2**30)
