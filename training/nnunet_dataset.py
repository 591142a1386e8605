"""Masks -> nnU-Net raw folder: images, label maps, dataset.json and fixed splits by patient.

``undecided.json`` names the structures that are undecided in a case, for the trainers with partial
labels. It is a file of its own because dataset.json and the plans travel with every model, and
case ids must not.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap
from pipeline.engine import Engine, SerialEngine
from pipeline.errors import BadInput
from pipeline.volume import (
    Grid,
    resample_image,
    resample_labels,
    write_file_atomically,
    write_nifti,
)
from training.predict import hounsfield_int16, turned_grid

DONE = "export.done.json"
SPLITS = "splits_final.json"
UNDECIDED = "undecided.json"
IGNORE = "ignore"  # nnU-Net's name of the label whose voxels count for nothing
_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-_]*")
_VALIDATION_SHARE = 20  # one patient in twenty is kept out of training, as in the paper (4.7 %)


@dataclass(frozen=True, slots=True)
class TrainingCase:
    """One labelled CT; loaded only when it is written.

    Attributes
    ----------
    id : str
        Names the files; letters, digits, dot, dash, underscore.
    patient : str
        Cases of one patient never stand on two sides of a split.
    load : callable
        Gives CT (I, J, K) in HU, labels (I, J, K) in the values of the class map, grid.
    undecided : frozenset of str
        Structures nobody decided; the label map has no voxel of them.
    may_ignore : bool
        Whether the label map may hold :func:`ignore_value`.
    """

    id: str
    patient: str
    load: Callable[[], tuple[NDArray[Any], NDArray[Any], Grid]]
    undecided: frozenset[str] = frozenset()
    may_ignore: bool = False


@dataclass(frozen=True, slots=True)
class DatasetSettings:
    """How a dataset is written.

    Attributes
    ----------
    spacing_mm : float or None
        Isotropic spacing of the export; None keeps each case's own.
    validation_cases : int or None
        Patients kept for validation; 0 validates on the training cases; None: see
        `split_by_patient`.
    seed : int
        Chooses the validation patients.
    held_out : frozenset of str or None
        The validation patients themselves, where they were chosen before.
    """

    spacing_mm: float | None = None
    validation_cases: int | None = None
    seed: int = 1234
    held_out: frozenset[str] | None = None


def write_dataset(
    folder: Path,
    cases: Sequence[TrainingCase],
    class_map: ClassMap,
    settings: DatasetSettings,
    engine: Engine | None = None,
) -> Iterator[str]:
    """Write a raw dataset, yielding each case id when its files are there.

    A folder that was finished with the same contents is kept; a half-written one is redone.

    Parameters
    ----------
    folder : Path
        ``.../raw/DatasetNNN_name``.
    class_map : ClassMap
        Values 1..n without gaps, as from ``ClassMap.subset``.
    engine : Engine, optional
        Where cases are written; in this process by default. With more than one process the
        cases' ``load`` must be picklable.

    Raises
    ------
    BadInput
        If there are no cases, an id is not safe, values have gaps, or a case cannot be written:
        its labels are not in the class map, or are called undecided.
    """
    _check(cases, class_map)
    if is_exported(folder):
        return
    shutil.rmtree(folder, ignore_errors=True)
    tasks = [_ExportTask(folder, case, class_map, settings.spacing_mm) for case in cases]
    ignores = False
    for result in (engine or SerialEngine()).map(_write_case, tasks):
        if result.error is not None:
            raise BadInput(f"{result.item.case.id}: not exported: {result.error}")
        ignores = ignores or bool(result.value)
        yield result.item.case.id
    patients = {case.id: case.patient for case in cases}
    _write_json(folder / SPLITS, split_by_patient(patients, settings))
    _write_json(folder / UNDECIDED, undecided_values(cases, class_map))
    _write_json(folder / "dataset.json", dataset_json(len(cases), class_map, ignores=ignores))
    _write_json(folder / DONE, {"cases": sorted(patients), "class_map": class_map.digest})


def is_exported(folder: Path) -> bool:
    """Tell whether a dataset was written to its end."""
    return (folder / DONE).is_file()


def ignore_value(class_map: ClassMap) -> int:
    """Give the label of voxels that count for nothing: nnU-Net wants the highest."""
    return len(class_map) + 1


def label_dtype(class_map: ClassMap) -> np.dtype[np.unsignedinteger]:
    """Give the type of label maps with room for :func:`ignore_value`."""
    return np.dtype(np.uint8 if ignore_value(class_map) <= 255 else np.uint16)


def undecided_values(cases: Iterable[TrainingCase], class_map: ClassMap) -> dict[str, list[int]]:
    """Give the label values that are undecided, for the cases in which any is."""
    return {
        case.id: sorted(class_map[name].value for name in case.undecided)
        for case in cases
        if case.undecided
    }


def dataset_json(count: int, class_map: ClassMap, *, ignores: bool = False) -> dict[str, Any]:
    """Describe the dataset to nnU-Net: one CT channel, background 0, the structures.

    Parameters
    ----------
    ignores : bool
        Whether a label map holds :func:`ignore_value`; then it is declared.
    """
    labels = {"background": 0} | {each.name: each.value for each in class_map}
    if ignores:
        labels[IGNORE] = ignore_value(class_map)
    return {
        "channel_names": {"0": "CT"},
        "labels": labels,
        "numTraining": count,
        "file_ending": ".nii.gz",
        # Tolerates affines that SimpleITK calls not orthonormal; same axis order.
        "overwrite_image_reader_writer": "NibabelIO",
    }


def split_by_patient(
    patients: Mapping[str, str], settings: DatasetSettings
) -> list[dict[str, list[str]]]:
    """Split cases into training and validation, one fold, never through a patient.

    Without ``validation_cases`` one patient in twenty validates, at least one, but none below
    four patients: then, as with 0, the validation cases are the training cases and nnU-Net's
    pseudo Dice says only that it learns. A patient's side depends on seed and id alone as far
    as the counts allow, so adding cases moves few.

    Parameters
    ----------
    patients : mapping
        Case id to patient.

    Returns
    -------
    list of dict
        nnU-Net's ``splits_final.json``.

    Raises
    ------
    BadInput
        If no patient is left to train on.
    """
    everyone = set(patients.values())
    if settings.held_out is None:
        kept = set(by_seed(everyone, settings.seed)[: validation_count(len(everyone), settings)])
    else:
        kept = everyone & settings.held_out
    train = sorted(case for case, patient in patients.items() if patient not in kept)
    held_out = sorted(case for case, patient in patients.items() if patient in kept)
    if not train:
        raise BadInput(
            f"all {len(everyone)} patients are kept for validation, none is left to train on: "
            "accept masks of other patients"
        )
    return [{"train": train, "val": held_out or train}]


def validation_count(patients: int, settings: DatasetSettings) -> int:
    """Tell how many of so many patients validate.

    Raises
    ------
    BadInput
        If none would be left to train on.
    """
    count = settings.validation_cases
    if count is None:
        count = 0 if patients < 4 else max(1, round(patients / _VALIDATION_SHARE))
    if count and count >= patients:
        raise BadInput(
            f"{count} patients for validation leave none of {patients} to train on: "
            "lower validation_cases"
        )
    return count


def by_seed(patients: Iterable[str], seed: int) -> list[str]:
    """Order patients by a hash of seed and id: adding some does not reorder the others."""
    return sorted(patients, key=lambda each: hashlib.sha256(f"{seed}:{each}".encode()).hexdigest())


def _check(cases: Sequence[TrainingCase], class_map: ClassMap) -> None:
    if not cases:
        raise BadInput("a dataset needs at least one case")
    ids = [case.id for case in cases]
    if len(set(ids)) != len(ids):
        raise BadInput("two training cases share an id")
    for name in ids:
        if not _SAFE_ID.fullmatch(name):
            raise BadInput(f"case id '{name}' cannot name a file")
    if list(class_map.values) != list(range(1, len(class_map) + 1)):
        raise BadInput("nnU-Net needs label values 1..n without gaps: use ClassMap.subset")


@dataclass(frozen=True, slots=True)
class _ExportTask:
    folder: Path
    case: TrainingCase
    class_map: ClassMap
    spacing_mm: float | None


def _write_case(task: _ExportTask) -> bool:
    """Write one case; tell whether its label map has voxels to ignore."""
    folder, case, class_map = task.folder, task.case, task.class_map
    ct, labels, grid = case.load()
    spacing = grid.spacing_mm if task.spacing_mm is None else (task.spacing_mm,) * 3
    canonical = turned_grid(grid, "RAS").with_spacing(_ras_order(grid, spacing))
    image = hounsfield_int16(resample_image(ct, grid, canonical))
    label_map = resample_labels(labels.astype(label_dtype(class_map), copy=False), grid, canonical)
    found = np.unique(label_map)
    _check_labels(case, class_map, found)
    write_nifti(folder / "imagesTr" / f"{case.id}_0000.nii.gz", image, canonical)
    write_nifti(folder / "labelsTr" / f"{case.id}.nii.gz", label_map, canonical, intent="label")
    return bool(ignore_value(class_map) in found)


def _check_labels(case: TrainingCase, class_map: ClassMap, found: NDArray[Any]) -> None:
    allowed = {0, *class_map.values} | ({ignore_value(class_map)} if case.may_ignore else set())
    strange = sorted(set(found.tolist()) - allowed)
    if strange:
        raise BadInput(f"{case.id}: label value {strange[-1]} is not in the class map")
    contradicted = [name for name in case.undecided if class_map[name].value in found]
    if contradicted:
        raise BadInput(
            f"{case.id}: {', '.join(sorted(contradicted))} is called undecided and has voxels"
        )


def _ras_order(grid: Grid, spacing: Iterable[float]) -> tuple[float, ...]:
    """Reorder a spacing along (I, J, K) to one along R, A, S."""
    axes, _ = grid.world_axes()
    by_voxel_axis = tuple(spacing)
    return tuple(by_voxel_axis[int(axis)] for axis in np.argsort(axes))


def _write_json(path: Path, value: object) -> None:
    write_file_atomically(path, (json.dumps(value, indent=2) + "\n").encode())
