"""CTs for commands that work on files: found and checked as intake does, kept in no workspace.

Files from outside are parsed in a worker process with a memory limit; what comes back is a NIfTI
file of our own in the scratch folder of a passing workspace.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pipeline.engine import ProcessEngine
from pipeline.errors import BadInput, NothingToDo
from pipeline.intake.arrivals import Arrival
from pipeline.intake.intake import arrivals_of
from pipeline.intake.reading import read_one
from pipeline.intake.settings import IntakeSettings
from pipeline.stage import Outcome
from pipeline.volume import Grid, read_nifti
from pipeline.workspace import Workspace

_ENDING = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class TakenCt:
    """A CT that was read and checked; the file lasts until `forget` or the workspace's end.

    Attributes
    ----------
    file : Path
    digest : str
        Of grid and voxels.
    notes : tuple of str
    """

    file: Path
    digest: str
    notes: tuple[str, ...] = ()

    def load(self) -> tuple[NDArray[Any], Grid]:
        """Read the voxels (int16 HU) and their grid."""
        volume = read_nifti(self.file)
        return volume.array, volume.grid

    def forget(self) -> None:
        """Remove the file."""
        self.file.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class FoundCt:
    """A CT that was found and not yet read.

    Attributes
    ----------
    name : str
        Of its file or folder below the input, fit to name an output by.
    subject : str
        How messages name it: its path.
    """

    name: str
    subject: str
    arrival: Arrival
    timeout_s: float

    def take(self) -> TakenCt:
        """Read and check it.

        Raises
        ------
        BadInput
            Saying what is wrong with it.
        """
        (result,) = ProcessEngine(1).map(read_one, [self.arrival.task], timeout_s=self.timeout_s)
        read = result.value
        if read is None:
            raise BadInput(f"{self.subject}: not read: {result.error}")
        if read.refused or read.scratch_file is None:
            raise BadInput(f"{self.subject}: {read.refused or 'nothing was read'}")
        return TakenCt(read.scratch_file, read.digest, (*self.arrival.notes, *read.notes))


@dataclass(frozen=True, slots=True)
class FoundCts:
    """What lies at a path.

    Attributes
    ----------
    refused : tuple of Outcome
        What should have been a CT and is none.
    is_single : bool
        Whether the path itself is the CT: one file, or a folder with one DICOM series.
    """

    cts: tuple[FoundCt, ...]
    refused: tuple[Outcome, ...]
    is_single: bool


def find_cts(workspace: Workspace, path: Path, settings: IntakeSettings) -> FoundCts:
    """Find the CTs at a path.

    Parameters
    ----------
    workspace : Workspace
        A passing one: its scratch folder is used.
    path : Path
        A NIfTI file, a folder of a DICOM series, or a folder of any of these.

    Raises
    ------
    NothingToDo
        If there is no such path, or neither NIfTI nor DICOM at it.
    BadInput
        If there is no CT among it, saying why.
    """
    if not path.exists():
        raise NothingToDo(f"{path}: no such file or folder")
    arrivals: list[Arrival] = []
    refused: list[Outcome] = []
    for found in arrivals_of(workspace, settings, ProcessEngine(1)):
        if isinstance(found, Arrival):
            arrivals.append(found)
        elif found.status == "failed":
            refused.append(found)
    if not arrivals:
        reasons = " / ".join(f"{each.subject}: {each.note}" for each in refused)
        raise BadInput(f"{path}: no CT: {reasons or 'nothing that could be one'}")
    names = _names([_place(arrival, path) for arrival in arrivals])
    cts = tuple(
        FoundCt(name, arrival.subject, arrival, settings.timeout_s)
        for name, arrival in zip(names, arrivals, strict=True)
    )
    one_series = len(arrivals) == 1 and arrivals[0].source["format"] == "dicom"
    return FoundCts(cts, tuple(refused), path.is_file() or one_series)


def _place(arrival: Arrival, path: Path) -> str:
    """Say where below the input a CT lies; series and dataset subjects by their folder."""
    file = arrival.task.files[0]
    is_file = arrival.source["format"] == "nifti" and "layout" not in arrival.source
    place = file if is_file else file.parent
    inside = place.relative_to(path) if place != path and path in place.parents else place
    text = inside.as_posix() if inside != place else place.name
    return _ENDING.sub("", text)


def _names(places: Sequence[str]) -> list[str]:
    """Turn places into names for files, each only once."""
    taken: set[str] = set()
    names = []
    for place in places:
        plain = _NOT_PLAIN.sub("_", place.replace("/", "-")).lstrip("._-") or "ct"
        name, number = plain, 1
        while name in taken:
            number += 1
            name = f"{plain}-{number}"
        taken.add(name)
        names.append(name)
    return names
