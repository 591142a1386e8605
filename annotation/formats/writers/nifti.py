"""Writes NIfTI: a label map with the values of the class map, or one structure alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from annotation.formats.writers.outgoing import Outgoing, paint
from pipeline.volume import write_nifti

if TYPE_CHECKING:
    from annotation.formats.writers.source_series import SourceSeries


@dataclass(frozen=True, slots=True)
class NiftiWriter:
    """``nifti``: exact, except where two masks claim a voxel in one label map.

    The header holds the names of the values (a JSON comment, code 6), and nothing else that
    is not needed to place the voxels.
    """

    name: str = "nifti"
    suffix: str = ".nii.gz"
    needs_series: bool = False

    def write(
        self, outgoing: Outgoing, path: Path, series: "SourceSeries | None" = None
    ) -> tuple[str, ...]:
        """Write one file; see `Writer.write`. The notes tell the overlaps."""
        painted = paint(outgoing)
        names = {str(outgoing.value_of(segment)): segment.name for segment in outgoing.segments}
        extension = {"class_map": outgoing.class_map, "labels": names}
        write_nifti(path, painted.labels, outgoing.grid, extension=extension, intent="label")
        return painted.notes()
