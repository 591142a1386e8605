"""Writers: one file per format; `WRITERS` is all that the rest of the house knows of them."""

from annotation.formats.writers.dicom_seg import DicomSegWriter
from annotation.formats.writers.nifti import NiftiWriter
from annotation.formats.writers.outgoing import (
    CannotExport,
    Making,
    Outgoing,
    Segment,
    Writer,
    outgoing_masks,
    paint,
)
from annotation.formats.writers.rtstruct import RtStructWriter
from annotation.formats.writers.seg_nrrd import SegNrrdWriter
from pipeline.errors import UsageError

__all__ = [
    "WRITERS",
    "CannotExport",
    "Making",
    "Outgoing",
    "Segment",
    "Writer",
    "outgoing_masks",
    "paint",
    "writer_of",
]

WRITERS: tuple[Writer, ...] = (
    NiftiWriter(),
    SegNrrdWriter(),
    DicomSegWriter(),
    RtStructWriter(),
)


def writer_of(name: str) -> Writer:
    """Return the writer of a format.

    Raises
    ------
    UsageError
        If there is none, with the formats there are.
    """
    for writer in WRITERS:
        if writer.name == name:
            return writer
    known = ", ".join(writer.name for writer in WRITERS)
    raise UsageError(f"there is no format '{name}' to export to; expected one of {known}")
