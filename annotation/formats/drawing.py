"""What a file drawn elsewhere holds, whatever its format: drawings with names and places.

A *drawing* is one thing that somebody outlined or painted: a segment of 3D Slicer, a label of
ITK-SNAP, an ROI of a treatment-planning system. A reader turns a file into drawings; what they are
called in our class map, which case they belong to and how they come onto its grid is decided later
and alike for every format.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadInput
from pipeline.volume import Box, Grid


class DrawnFileError(BadInput):
    """A file of drawings that cannot be read: damaged, lying, too large, or of no known format."""


@dataclass(frozen=True, slots=True, eq=False)
class VoxelShape:
    """Painted voxels.

    Attributes
    ----------
    grid : Grid
        The whole grid of the file, in world RAS+ mm.
    box : tuple of slice
        Where the crop lies in it.
    crop : ndarray of bool, shape of the box
    """

    grid: Grid
    box: Box
    crop: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Contour:
    """One planar curve.

    Attributes
    ----------
    points_mm : ndarray of float, shape (n, 3)
        World RAS+ mm, in the order of the curve; the last point joins the first.
    image_uid : str
        SOP instance UID of the slice it was drawn on; empty if unknown.
    """

    points_mm: NDArray[np.float64]
    image_uid: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ContourShape:
    """Closed planar curves; where two of them in one plane overlap, the inner one is a hole."""

    contours: tuple[Contour, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """One thing that was drawn.

    Attributes
    ----------
    name : str
        As the file calls it; empty if it has only a value.
    shape : VoxelShape or ContourShape
    value : int or None
        Its number in the file.
    snomed : str
        SNOMED CT code (SCT) of what it is, with its laterality in `side`; empty if not given.
    side : str
        ``left``, ``right`` or empty, where the file codes it apart from the name.
    drawn_by, drawn_at : str
        Person and time (ISO 8601) as far as the file says; empty otherwise.
    """

    name: str
    shape: VoxelShape | ContourShape
    value: int | None = None
    snomed: str = ""
    side: str = ""
    drawn_by: str = ""
    drawn_at: str = ""


@dataclass(frozen=True, slots=True)
class References:
    """The DICOM objects that a file says it was drawn on; empty where it says nothing.

    Raw UIDs: they are turned into pseudonyms to find the case and never stored or logged.
    """

    series_uids: tuple[str, ...] = ()
    study_uid: str = ""
    frame_of_reference_uid: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class DrawnFile:
    """All that was read from one file.

    Attributes
    ----------
    path : Path
        The file itself, without those beside it (a label description).
    format : str
        Name of the reader.
    drawings : tuple of Drawing
        In the order of the file.
    references : References
    software : mapping
        What wrote it, as far as it says: name to version.
    notes : tuple of str
        What was found odd and is worth telling a person.
    """

    path: Path
    format: str
    drawings: tuple[Drawing, ...]
    references: References = References()
    software: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What a file may ask of this machine.

    Attributes
    ----------
    max_voxels : int
        Of one grid, times its segments.
    max_bytes : int
        That a file may expand to.
    max_drawings : int
    max_points : int
        Of all contours together.
    """

    max_voxels: int = 2_000_000_000
    max_bytes: int = 8_000_000_000
    max_drawings: int = 2000
    max_points: int = 20_000_000


class Reader(Protocol):
    """Reads one format. A new one is one file and one entry in `annotation.formats.READERS`."""

    @property
    def name(self) -> str:
        """Short name of the format, such as ``seg.nrrd``."""

    def recognises(self, path: Path) -> bool:
        """Tell from the name and the first bytes whether the file is of this format."""

    def read(self, path: Path, limits: ReadLimits) -> DrawnFile:
        """Read the file.

        Raises
        ------
        DrawnFileError
            Naming the file, what was found, what was expected and what to do.
        """
