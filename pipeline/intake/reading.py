"""Reading one CT from outside: the part of intake that runs in a worker process.

The worker reads, checks and digests the CT and writes it under `scratch/intake`, named by
its digest. The driver then decides what it becomes: a new case (the file is moved), a
duplicate or nothing (the file is swept). So a CT never stands in `cases/` unless it is
the case's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadInput
from pipeline.intake.ct_checks import CtRules, require_ct_grid, require_hounsfield
from pipeline.intake.dicom_header import SliceHeader, read_slice_header
from pipeline.intake.dicom_pixels import read_series_voxels
from pipeline.intake.hounsfield import whole_hounsfield_units
from pipeline.intake.nifti_ct import read_nifti_ct
from pipeline.volume import Grid, to_canonical, write_nifti
from pipeline.volume.memory_ceiling import memory_ceiling
from pipeline.workspace import Layout, digest_of, digest_of_ct

CASE_DIGITS = 8


@dataclass(frozen=True, slots=True)
class ReadTask:
    """One CT to read.

    Attributes
    ----------
    files : tuple of Path
        One NIfTI file, or the slices of a series in the order of axis K.
    grid : Grid or None
        Of a series, from its headers; a NIfTI file brings its own.
    write : bool
        Whether to leave the CT in scratch; nothing is written where the case it would
        become stands already.
    case_id : str or None
        The name it would have; by default one made from its content.
    """

    files: tuple[Path, ...]
    grid: Grid | None
    rules: CtRules
    memory_bytes: int
    layout: Layout
    write: bool
    case_id: str | None = None


@dataclass(frozen=True, slots=True)
class ReadCt:
    """What was read: a CT, or the reason why it is none.

    Attributes
    ----------
    digest : str
        Of grid and voxels.
    voxels_digest : str
        Of the voxels alone, turned to RAS: equal for the same image in another orientation
        or at another place.
    """

    refused: str = ""
    grid: Grid | None = None
    digest: str = ""
    voxels_digest: str = ""
    notes: tuple[str, ...] = ()
    scratch_file: Path | None = None


def read_one(task: ReadTask) -> ReadCt:
    """Read one CT within the task's memory; what is wrong with it comes back as text."""
    try:
        with memory_ceiling(task.memory_bytes):
            return _read(task)
    except BadInput as error:
        return ReadCt(refused=_without_path(str(error), task.files[0]))
    except MemoryError:
        return ReadCt(refused=_too_large(task.memory_bytes))


def _read(task: ReadTask) -> ReadCt:
    if task.grid is None:
        values, grid, notes = read_nifti_ct(task.files[0], task.rules)
        grid = stored_grid(grid)
        voxels, changed = whole_hounsfield_units(values)
    else:
        grid, notes = stored_grid(task.grid), ()
        require_ct_grid(grid, task.rules)
        voxels, changed = read_series_voxels(task.files, grid)
    require_hounsfield(voxels, task.rules)
    digest = digest_of_ct(voxels, grid)
    return ReadCt(
        grid=grid,
        digest=digest,
        voxels_digest=_digest_of_voxels(voxels, grid),
        notes=(*notes, *changed),
        scratch_file=_write(task, voxels, grid, digest),
    )


def stored_grid(grid: Grid) -> Grid:
    """Round an affine to what a NIfTI header can hold (float32), as reading it back gives."""
    return Grid(grid.shape, grid.affine.astype(np.float32).astype(np.float64))


def _digest_of_voxels(voxels: NDArray[np.int16], grid: Grid) -> str:
    turned, turned_grid = to_canonical(voxels, grid)
    block = np.ascontiguousarray(turned.T).data.cast("B")
    return digest_of(list(turned_grid.shape), block)[:32]


def scratch_folder(layout: Layout) -> Path:
    """Give the folder for CTs that were read and are not yet cases."""
    return layout.scratch_dir / "intake"


def case_id_of(digest: str) -> str:
    """Name a case after its content: file names may hold patients' names."""
    return f"case-{digest[:CASE_DIGITS]}"


def _write(task: ReadTask, voxels: NDArray[np.int16], grid: Grid, digest: str) -> Path | None:
    record = task.layout.case_file(task.case_id or case_id_of(digest))
    if not task.write or record.exists():
        return None
    path = scratch_folder(task.layout) / f"{digest}.nii.gz"
    if not path.exists():
        write_nifti(path, voxels, grid)
    return path


@dataclass(frozen=True, slots=True)
class HeaderTask:
    """Some DICOM files whose headers to read."""

    files: tuple[Path, ...]
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class ReadHeaders:
    """Headers that were read, and files that have none, each with the reason."""

    headers: tuple[SliceHeader, ...]
    refused: tuple[tuple[Path, str], ...]


def read_headers(task: HeaderTask) -> ReadHeaders:
    """Read the headers of some DICOM files within the task's memory."""
    headers: list[SliceHeader] = []
    refused: list[tuple[Path, str]] = []
    for path in task.files:
        try:
            with memory_ceiling(task.memory_bytes):
                headers.append(read_slice_header(path))
        except BadInput as error:
            refused.append((path, _without_path(str(error), path)))
    return ReadHeaders(tuple(headers), tuple(refused))


def chunks(files: Sequence[Path], size: int) -> list[tuple[Path, ...]]:
    """Cut a list of files into pieces of at most ``size``."""
    return [tuple(files[start : start + size]) for start in range(0, len(files), size)]


def _without_path(message: str, path: Path) -> str:
    return message.removeprefix(f"{path}: ")


def _too_large(memory_bytes: int) -> str:
    return (
        f"reading it takes more than {memory_bytes / 2**30:.3g} GiB; "
        "if it is a CT, raise --memory-limit-gib"
    )
