"""A CT and a segmentation from files, for who only wants them checked."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap, find_class_map, shipped_configs
from pipeline.errors import BadInput, UsageError
from pipeline.volume import Box, Grid, bounding_box, read_nifti
from qc.plausibility.case_check import paint
from qc.plausibility.scene import CaseScene, make_scene
from qc.plausibility.scene_measures import Context, Overlapping
from qc.plausibility.settings import PlausibilitySettings

_DEFAULT_MAP = "class_map"
_SUFFIXES = (".nii.gz", ".nii")
_LARGEST = 65535


@dataclass(frozen=True, slots=True)
class FileScene:
    """A scene from files.

    Attributes
    ----------
    unknown : tuple of str
        Mask files or label values that the class map lacks; they were left out.
    """

    scene: CaseScene
    unknown: tuple[str, ...]


def scene_from_files(settings: PlausibilitySettings) -> FileScene:
    """Read what the settings name.

    Raises
    ------
    UsageError
        If there is no segmentation among the settings.
    ClassMapError
        If there is no such class map.
    BadInput
        If a file cannot be read, is on another grid, or knows none of the structures.
    """
    if settings.segmentation is None:
        raise UsageError("plausibility: with --input also give --segmentation PATH")
    configs = settings.configs or shipped_configs()
    class_map = find_class_map(settings.class_map or _DEFAULT_MAP, configs)
    read = _read_folder if settings.segmentation.is_dir() else _read_label_map
    labels, grid, found = read(settings.segmentation, class_map)
    ct = None if settings.input is None else _read_ct(settings.input, grid, settings.segmentation)
    context = Context(
        sex=settings.sex, phase=settings.phase, decided=found.decided, overlaps=found.overlaps
    )
    return FileScene(make_scene(labels, grid, class_map, ct, context), found.unknown)


@dataclass(frozen=True, slots=True)
class _Found:
    decided: frozenset[str]
    unknown: tuple[str, ...]
    overlaps: tuple[Overlapping, ...] = ()


def _read_label_map(
    path: Path, class_map: ClassMap
) -> tuple[NDArray[np.unsignedinteger], Grid, _Found]:
    volume = read_nifti(path)
    labels = _whole_numbers(volume.array, path)
    values = np.flatnonzero(np.bincount(labels.ravel(order="K"))).tolist()
    known = set(class_map.values)
    unknown = tuple(str(value) for value in values if value and value not in known)
    if unknown and not known & set(values):
        raise BadInput(
            f"{path}: none of its values {', '.join(unknown[:8])} is in class map "
            f"'{class_map.name}'; name the right one with --class-map"
        )
    # A label map says of every structure whether it is there.
    return labels, volume.grid, _Found(frozenset(class_map.names), unknown)


def _read_folder(
    folder: Path, class_map: ClassMap
) -> tuple[NDArray[np.unsignedinteger], Grid, _Found]:
    files = {name: path for path in sorted(folder.iterdir()) if (name := _stem(path))}
    known = {name: path for name, path in files.items() if name in class_map}
    if not known:
        raise BadInput(
            f"{folder}: no file is named after a structure of class map '{class_map.name}' "
            f"(found {', '.join(list(files)[:4]) or 'no .nii.gz'}); name the right one with "
            "--class-map"
        )
    first = next(iter(known.values()))
    grid = read_nifti(first).grid
    labels, overlaps = paint(_crops(known, grid, class_map), grid, class_map)
    unknown = tuple(name for name in files if name not in class_map)
    return labels, grid, _Found(frozenset(known), unknown, overlaps)


def _crops(
    files: dict[str, Path], grid: Grid, class_map: ClassMap
) -> Iterator[tuple[int, NDArray[np.bool_], Box]]:
    for name, path in files.items():
        volume = read_nifti(path)
        grid.require_same(volume.grid, what=str(path))
        box = bounding_box(volume.array)
        if box is not None:
            yield class_map[name].value, volume.array[box] != 0, box


def _read_ct(path: Path, grid: Grid, segmentation: Path) -> NDArray[np.int16]:
    volume = read_nifti(path)
    grid.require_same(volume.grid, what=f"{path} against {segmentation}")
    values = np.nan_to_num(volume.array.astype(np.float32), nan=-1024.0)
    return np.rint(np.clip(values, -32768, 32767)).astype(np.int16)


def _whole_numbers(array: NDArray[np.generic], path: Path) -> NDArray[np.unsignedinteger]:
    values = array.astype(np.int64) if array.dtype.kind in "iub" else np.rint(array)
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    whole = array.dtype.kind in "iub" or bool((values == array).all())
    if not (whole and low >= 0 and high <= _LARGEST):
        raise BadInput(
            f"{path}: values from {low:g} to {high:g} of {array.dtype}, expected a label map of "
            f"whole numbers from 0 to {_LARGEST}"
        )
    return np.asfortranarray(values.astype(np.uint8 if high <= 255 else np.uint16))


def _stem(path: Path) -> str:
    for suffix in _SUFFIXES:
        if path.name.endswith(suffix) and path.is_file() and not path.name.startswith("._"):
            return path.name.removesuffix(suffix)
    return ""
