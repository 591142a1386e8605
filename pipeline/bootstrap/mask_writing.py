"""From a model's prediction to masks of the workspace: placed, renamed, checked, written.

Nothing is written before every check has passed, so a refused prediction leaves no trace.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import relabel
from pipeline.bootstrap.placement import Placed, place_on_grid
from pipeline.bootstrap.sides import (
    Crop,
    centres_of_crops,
    centres_of_labels,
    compare_sides,
    refuse_mirrored,
)
from pipeline.bootstrap.tasks import CaseResult, CaseTask
from pipeline.errors import BadInput
from pipeline.volume import (
    Grid,
    GridMismatch,
    NiftiLimits,
    NiftiVolume,
    bounding_box,
    read_nifti,
)
from pipeline.workspace import Mask, Provenance, write_label_map_masks, write_mask

_NAMES_SHOWN = 5
_LARGEST_AFFINE_GAP_MM = 0.5
# Four times finer along each axis than the CT, in the widest voxel type.
_LARGEST_BYTES_PER_VOXEL = 4**3 * 8


def write_label_map(
    task: CaseTask, path: Path, sources: Mapping[str, str], *, exact_grid: bool = False
) -> CaseResult:
    """Make masks from one label map on disk, in the model's own numbering.

    Parameters
    ----------
    task : CaseTask
    path : Path
        NIfTI file with whole numbers.
    sources : mapping of str to str
        Digests for the provenance.
    exact_grid : bool
        Refuse any other grid instead of resampling.

    Raises
    ------
    BadInput
        If the file is unreadable, lies on a grid that does not fit, holds no whole numbers, or is
        mirrored.
    """
    volume = read_prediction(task, path)
    placed = _place(task, volume.array, volume.grid, path, exact_grid=exact_grid)
    return write_labels(task, placed.labels, sources, what=str(path), note=placed.note)


def write_labels(
    task: CaseTask,
    labels: NDArray[Any],
    sources: Mapping[str, str],
    *,
    what: str,
    note: str = "",
) -> CaseResult:
    """Make masks from labels on the case's grid, in the model's own numbering.

    Every structure of the class map that the model knows gets a mask; an empty one says that the
    model looked and found nothing.

    Parameters
    ----------
    task : CaseTask
    labels : ndarray of whole numbers, shape (I, J, K)
    sources : mapping of str to str
        Digests for the provenance.
    what : str
        Where the labels come from, for messages.
    note : str
        What was done to them before.

    Raises
    ------
    BadInput
        If they are no whole numbers, or mirrored.
    """
    model = task.model
    names = model.labels.names_by_value
    try:
        relabelled = relabel(labels, names, model.class_map)
    except BadInput as error:
        raise BadInput(f"{what}: {error}") from error
    side_note = _check_sides(
        task, centres_of_labels(relabelled.label_map, model.class_map, task.case.grid), what
    )
    masks = write_label_map_masks(
        model.layout,
        task.case,
        relabelled.label_map,
        model.class_map,
        provenance_for(task, sources),
        include_empty=model.labels.covered,
    )
    unmatched = {names.get(value, f"value {value}"): n for value, n in relabelled.unmatched.items()}
    return _result(task, masks, unmatched, [note, side_note])


def write_binary_masks(
    task: CaseTask, files: Mapping[str, Path], sources: Mapping[str, str]
) -> CaseResult:
    """Make masks from one binary file per structure, named in the model's own words.

    A structure without a file gets no mask: nobody can say that the model looked for it.

    Parameters
    ----------
    task : CaseTask
    files : mapping of str to Path
        The model's structure name to its file.
    sources : mapping of str to str
        Digests for the provenance.

    Raises
    ------
    BadInput
        As `write_label_map`, and if a file is not binary.
    """
    model = task.model
    named = set(model.labels.names_by_value.values())
    crops: dict[str, Crop] = {}
    unmatched: dict[str, int] = {}
    notes: list[str] = []
    for name in sorted(set(files) & named):
        placed = _read_binary(task, files[name])
        notes.append(placed.note)
        if name in model.class_map:
            crops[name] = _crop(placed.labels)
        elif placed.labels.any():
            unmatched[name] = int(np.count_nonzero(placed.labels))
    notes.append(
        _check_sides(task, centres_of_crops(crops, model.class_map, task.case.grid), "the masks")
    )
    provenance = provenance_for(task, sources)
    masks = [
        write_mask(model.layout, task.case, name, crops[name][0], provenance, box=crops[name][1])
        for name in model.class_map.names
        if name in crops
    ]
    notes.append(_list_note("no file for", [n for n in model.labels.covered if n not in crops]))
    notes.append(_list_note("files not named by the card, not read:", sorted(set(files) - named)))
    return _result(task, masks, unmatched, notes)


def read_prediction(task: CaseTask, path: Path) -> NiftiVolume:
    """Read a prediction whose header says in one way where it lies.

    Raises
    ------
    NiftiError
        If it cannot be read, or is out of all proportion to the case.
    GridMismatch
        If its sform and qform disagree, or it has neither, so that left and right are unknown.
    """
    largest = _LARGEST_BYTES_PER_VOXEL * math.prod(task.case.grid.shape)
    limits = NiftiLimits()
    volume = read_nifti(path, limits=replace(limits, max_bytes=min(limits.max_bytes, largest)))
    header = volume.header
    if header.sform_code <= 0 and header.qform_code <= 0:
        raise GridMismatch(f"{path}: says not where it lies (sform_code and qform_code are 0)")
    if header.affine_gap_mm > _LARGEST_AFFINE_GAP_MM:
        raise GridMismatch(
            f"{path}: sform and qform place it {header.affine_gap_mm:.3g} mm apart; "
            "set both to the right one"
        )
    return volume


def provenance_for(task: CaseTask, sources: Mapping[str, str]) -> Provenance:
    """Say where the masks of a task come from."""
    return Provenance(
        origin="model",
        maker=task.model.maker,
        priority=task.model.card.priority,
        settings_digest=task.model.policy.settings_digest(),
        software={"masksmith": version("masksmith")},
        sources=dict(sources),
    )


def _place(
    task: CaseTask, labels: NDArray[Any], grid: Grid, path: Path, *, exact_grid: bool
) -> Placed:
    cover = None if exact_grid else task.model.policy.minimum_cover
    return place_on_grid(labels, grid, task.case.grid, what=str(path), minimum_cover=cover)


def _read_binary(task: CaseTask, path: Path) -> Placed:
    volume = read_prediction(task, path)
    inside = volume.array != 0
    values = volume.array[inside]
    if values.size and not (values == values[0]).all():
        found = ", ".join(str(value) for value in np.unique(values)[:4].tolist())
        raise BadInput(f"{path}: expected a mask of 0 and one other value, found 0, {found}")
    return _place(task, inside, volume.grid, path, exact_grid=False)


def _crop(mask: NDArray[np.bool_]) -> Crop:
    box = bounding_box(mask)
    if box is None:
        box = (slice(0, 1), slice(0, 1), slice(0, 1))
    return np.asfortranarray(mask[box]), box


def _check_sides(task: CaseTask, centre_x_mm: Mapping[str, float], what: str) -> str:
    sides = compare_sides(centre_x_mm, task.model.class_map)
    if task.model.policy.check_sides:
        refuse_mirrored(sides, f"{what} ({task.what})")
    return _list_note("lies on its mirror's side:", list(sides.exchanged))


def _result(
    task: CaseTask, masks: list[Mask], unmatched: Mapping[str, int], notes: list[str]
) -> CaseResult:
    found = sum(mask.voxels > 0 for mask in masks)
    left = [f"{name} ({voxels} voxels)" for name, voxels in unmatched.items()]
    said = [
        f"{found} of {len(masks)} structures found" if found else "no voxel labelled",
        _list_note("no structure in the class map for", left, shown=len(left)),
        *dict.fromkeys(notes),
    ]
    figures = {
        "structures": len(masks),
        "not_empty": found,
        "voxels": sum(mask.voxels for mask in masks),
        "unmatched": dict(unmatched),
    }
    note = "; ".join(part for part in said if part)
    return CaseResult(task.case.id, "done", note, tuple(masks), figures)


def _list_note(words: str, names: list[str], shown: int = _NAMES_SHOWN) -> str:
    if not names:
        return ""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"{words} {', '.join(names[:shown])}{more}"
