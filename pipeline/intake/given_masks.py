"""Masks that come with a dataset: checked against their CT and stored as revisions."""

from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadInput
from pipeline.intake.refusal import refusal
from pipeline.intake.totalsegmentator_layout import structure_of
from pipeline.volume import Box, GridMismatch, bounding_box, is_partial, read_nifti
from pipeline.volume.memory_ceiling import memory_ceiling
from pipeline.volume.nifti import read_nifti_header
from pipeline.workspace import Case, Layout, Mask, Provenance, write_mask

_GRID_TOLERANCE_MM = 0.01
_EMPTY_BOX: Box = (slice(0, 1), slice(0, 1), slice(0, 1))
_WRITERS = 8


@dataclass(frozen=True, slots=True)
class GivenTask:
    """The mask files of one case."""

    layout: Layout
    case: Case
    files: tuple[Path, ...]
    structures: Collection[str]
    provenance: Provenance
    memory_bytes: int
    write: bool


@dataclass(frozen=True, slots=True)
class GivenMasks:
    """What became of the mask files of one case.

    Attributes
    ----------
    read : int
        How many are good; in a dry run none of them is in ``masks``.
    unknown : tuple of str
        Names that are no structure of the workspace's class map.
    refused : tuple of (Path, str)
    """

    masks: tuple[Mask, ...]
    read: int
    empty: int
    unknown: tuple[str, ...]
    refused: tuple[tuple[Path, str], ...]


def store_given_masks(task: GivenTask) -> GivenMasks:
    """Read, check and store the masks of one case (in a worker process).

    A mask file that stands already is kept byte for byte. An empty mask is stored as one:
    somebody looked and found nothing.
    """
    known = [path for path in task.files if structure_of(path) in task.structures]
    unknown = sorted({structure_of(path) for path in task.files} - set(task.structures))
    refused: list[tuple[Path, str]] = []
    read = empty = 0
    writing: list[Future[Mask]] = []
    # One mask is in memory at a time; most of the time goes into waiting for the disk,
    # which takes many syncs at once.
    with ThreadPoolExecutor(_WRITERS) as pool:
        for path in known:
            crop = _read_crop(path, task)
            if isinstance(crop, str):
                refused.append((path, crop))
                continue
            read += 1
            empty += not crop.inside.any()
            if task.write:
                writing.append(pool.submit(_write, task, crop))
        masks = tuple(future.result() for future in writing)
    return GivenMasks(masks, read, empty, tuple(unknown), tuple(refused))


@dataclass(frozen=True, slots=True)
class _Crop:
    structure: str
    box: Box
    inside: NDArray[np.bool_]


def _read_crop(path: Path, task: GivenTask) -> _Crop | str:
    """Read one mask and cut it to its box, or say why not."""
    try:
        with memory_ceiling(task.memory_bytes):
            inside = read_binary_mask(path, task.case)
            box = bounding_box(inside) or _EMPTY_BOX
            return _Crop(structure_of(path), box, np.asfortranarray(inside[box]).copy("F"))
    except BadInput as error:
        return str(error).removeprefix(f"{path}: ")
    except MemoryError:
        return f"takes more than {task.memory_bytes / 2**30:.3g} GiB to read"


def _write(task: GivenTask, crop: _Crop) -> Mask:
    given = (task.layout, task.case, crop.structure, crop.inside, task.provenance)
    return write_mask(*given, box=crop.box)


def sweep_partial_masks(layout: Layout, case_id: str) -> None:
    """Remove what a killed run left half-written (driver only: nobody else writes then)."""
    for path in layout.masks_dir(case_id).glob("*/.*"):
        if is_partial(path):
            path.unlink(missing_ok=True)


def read_binary_mask(path: Path, case: Case) -> NDArray[np.bool_]:
    """Read a mask of 0 and 1 that lies on its case's grid.

    Returns
    -------
    ndarray of bool, shape (I, J, K)

    Raises
    ------
    GridMismatch
        If it lies on another grid; the message says both.
    Refused
        If it holds anything but 0 and 1.
    NiftiError
        If it cannot be read.
    """
    header = read_nifti_header(path)
    if not header.grid.same_as(case.grid, _GRID_TOLERANCE_MM):
        raise GridMismatch(
            f"grids differ: the CT has {case.grid}; this mask has {header.grid}; "
            "resample the mask onto its CT"
        )
    values = read_nifti(path).array
    inside: NDArray[np.bool_] = np.equal(values, 1)
    other = values[(values != 0) & ~inside]
    if other.size:
        raise refusal(
            f"{other.size:,} voxels neither 0 nor 1 (such as {other[0]:g})",
            "a binary mask",
            "write it as 0 and 1, one file per structure",
        )
    return inside
