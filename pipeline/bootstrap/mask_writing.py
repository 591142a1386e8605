"""From a model's prediction to masks of the workspace: placed, renamed, checked, written.

Nothing is written before every check has passed, so a refused prediction leaves no trace.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import relabel
from pipeline.bootstrap.labels_for_review import keep_for_review
from pipeline.bootstrap.rib_masks import split_rib_labels
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
from pipeline.volume.placement import Placed, place_on_grid
from pipeline.volume.sides import (
    Crop,
    centres_of_crops,
    centres_of_labels,
    compare_sides,
    refuse_mirrored,
)
from pipeline.workspace import Finding, Mask, Provenance, write_label_map_masks, write_mask

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
    try:
        read = _read_labels(task, labels)
    except BadInput as error:
        raise BadInput(f"{what}: {error}") from error
    side_note = _check_sides(
        task, centres_of_labels(read.label_map, model.class_map, task.case.grid), what
    )
    masks = write_label_map_masks(
        model.layout,
        task.case,
        read.label_map,
        model.class_map,
        provenance_for(task, sources),
        include_empty=model.labels.covered,
    )
    findings = [*read.findings, *_labels_for_review(task, labels, read.unmatched)]
    return _result(task, masks, read.unmatched, [note, side_note], findings)


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """Labels in the values of the class map; voxels by name of what has no place in it."""

    label_map: NDArray[Any]
    unmatched: dict[str, int]
    findings: tuple[Finding, ...] = ()


def _read_labels(task: CaseTask, labels: NDArray[Any]) -> _Read:
    model = task.model
    if model.card.postprocess == "split_ribs":
        ribs = split_rib_labels(task, labels)
        split = relabel(ribs.split.label_map, ribs.split.names, model.class_map)
        strange = {f"value {value}": n for value, n in ribs.unmatched.items()}
        missing = {ribs.split.names[value]: n for value, n in split.unmatched.items()}
        return _Read(split.label_map, strange | missing, ribs.split.findings)
    names = model.labels.names_by_value
    found = relabel(labels, names, model.class_map)
    unmatched = {names.get(value, f"value {value}"): n for value, n in found.unmatched.items()}
    return _Read(found.label_map, unmatched)


def _labels_for_review(
    task: CaseTask, labels: NDArray[Any], unmatched: Mapping[str, int]
) -> list[Finding]:
    """Keep the voxels of labels without a structure that the card wants looked at."""
    values = {name: value for value, name in task.model.labels.names_by_value.items()}
    wanted = [name for name in task.model.card.review if name in unmatched]
    return [keep_for_review(task, name, *_crop(labels == values[name])) for name in wanted]


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
    if model.card.postprocess is not None:
        return _write_joined(task, files, sources)
    named = set(model.labels.names_by_value.values())
    crops: dict[str, Crop] = {}
    unmatched: dict[str, int] = {}
    notes: list[str] = []
    findings: list[Finding] = []
    for name in sorted(set(files) & named):
        placed = _read_binary(task, files[name])
        notes.append(placed.note)
        if name in model.class_map:
            crops[name] = _crop(placed.labels)
        elif placed.labels.any():
            unmatched[name] = int(np.count_nonzero(placed.labels))
            if name in model.card.review:
                findings.append(keep_for_review(task, name, *_crop(placed.labels)))
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
    return _result(task, masks, unmatched, notes, findings)


def _write_joined(
    task: CaseTask, files: Mapping[str, Path], sources: Mapping[str, str]
) -> CaseResult:
    """Make one label map of binary files for a postprocess that wants all labels at once."""
    labels = np.zeros(task.case.grid.shape, np.uint16, order="F")
    notes = []
    for value, name in task.model.labels.names_by_value.items():
        if name in files:
            placed = _read_binary(task, files[name])
            notes.append(placed.note)
            labels[placed.labels] = value
    note = "; ".join(dict.fromkeys(note for note in notes if note))
    return write_labels(task, labels, sources, what="the masks", note=note)


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
        parents=tuple(sorted(mask.id for mask in task.vertebrae)),
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
    task: CaseTask,
    masks: list[Mask],
    unmatched: Mapping[str, int],
    notes: list[str],
    findings: list[Finding],
) -> CaseResult:
    found = sum(mask.voxels > 0 for mask in masks)
    left = [f"{name} ({voxels} voxels)" for name, voxels in unmatched.items()]
    said = [
        f"{found} of {len(masks)} structures found" if found else "no voxel labelled",
        _list_note("no structure in the class map for", left, shown=len(left)),
        *dict.fromkeys(notes),
        f"{len(findings)} findings to look at" if findings else "",
    ]
    figures = {
        "structures": len(masks),
        "not_empty": found,
        "voxels": sum(mask.voxels for mask in masks),
        "unmatched": dict(unmatched),
        "findings": [finding.kind for finding in findings],
    }
    note = "; ".join(part for part in said if part)
    return CaseResult(task.case.id, "done", note, tuple(masks), figures, tuple(findings))


def _list_note(words: str, names: list[str], shown: int = _NAMES_SHOWN) -> str:
    if not names:
        return ""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"{words} {', '.join(names[:shown])}{more}"
