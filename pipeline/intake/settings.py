"""The settings of intake: what may be said on the command line and in `configs/intake.yaml`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_serializer

from pipeline.intake.ct_checks import CtRules
from pipeline.stage import StageSettings

_PLAIN = r"^[A-Za-z0-9][\w .+/-]{0,63}$"


class IntakeSettings(StageSettings):
    """What to take in, how it lies on disk, and what makes it a CT."""

    paths: tuple[Path, ...] = Field(
        min_length=1,
        description="Files and folders to take in.",
        json_schema_extra={"cli": "argument"},
    )
    layout: Literal["auto", "nifti", "dicom", "totalsegmentator"] = Field(
        "auto", description="How the input lies on disk; auto looks at every file."
    )
    site: str | None = Field(None, pattern=_PLAIN, description="Site that the CTs come from.")
    phase: str | None = Field(
        None, pattern=_PLAIN, description="Contrast phase, where no table says one."
    )
    table: Path | None = Field(
        None,
        description="CSV that says more about NIfTI files: path, patient, exam, phase, age, ...",
    )
    dataset: str = Field(
        "totalsegmentator",
        pattern=r"^[a-z0-9][a-z0-9._-]{0,40}$",
        description="Name of the dataset that given masks come from (their maker).",
    )
    given_origin: Literal["rough", "human", "model"] = Field(
        "rough", description="What given masks are: drawn roughly, by careful people, by a model."
    )
    dry_run: bool = Field(
        False, description="Say what would come in and what is refused; write no case."
    )
    min_slices: int = Field(8, ge=2, description="Fewest voxels along any axis of a CT.")
    min_spacing_mm: float = Field(0.1, gt=0, description="Smallest spacing of a CT.")
    max_spacing_mm: float = Field(25.0, gt=0, description="Largest spacing of a CT.")
    air_below_hu: int = Field(-200, description="The lowest value of a CT is at most this.")
    tissue_above_hu: int = Field(100, description="The highest value of a CT is at least this.")
    memory_limit_gib: float = Field(
        8.0, gt=0.25, description="Memory that reading one CT may take beyond the program's own."
    )
    timeout_s: float = Field(600.0, gt=0, description="Seconds that reading one CT may take.")
    isolate: bool = Field(
        True,
        description="Parse files in a process of their own even with one job.",
        json_schema_extra={"cli": "hidden"},
    )

    @field_serializer("paths", "table", when_used="json-unless-none")
    def _without_names(self, given: Path | tuple[Path, ...]) -> str:
        """Keep file names, which may hold patients' names, out of the record of a run."""
        count = len(given) if isinstance(given, tuple) else 1
        return "1 path, not recorded" if count == 1 else f"{count} paths, not recorded"

    @property
    def rules(self) -> CtRules:
        """What makes a volume a CT, by these settings."""
        return CtRules(
            spacing_mm=(self.min_spacing_mm, self.max_spacing_mm),
            min_slices=self.min_slices,
            air_below_hu=self.air_below_hu,
            tissue_above_hu=self.tissue_above_hu,
        )

    @property
    def memory_bytes(self) -> int:
        """The memory limit in bytes."""
        return int(self.memory_limit_gib * 2**30)
