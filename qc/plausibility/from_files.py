"""A CT and a segmentation from files, for who only wants them checked."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import find_class_map, shipped_configs
from pipeline.errors import UsageError
from pipeline.volume import Grid
from pipeline.volume.label_reading import Segmentation, read_placed, read_segmentation
from qc.plausibility.scene import CaseScene, make_scene
from qc.plausibility.scene_measures import Context
from qc.plausibility.settings import PlausibilitySettings

_DEFAULT_MAP = "class_map"


@dataclass(frozen=True, slots=True)
class FileScene:
    """A scene from files.

    Attributes
    ----------
    scene : CaseScene
    segmentation : Segmentation
        What its label map is, what the class map lacks, and what a person should know.
    """

    scene: CaseScene
    segmentation: Segmentation


def scene_from_files(settings: PlausibilitySettings) -> FileScene:
    """Read what the settings name.

    Raises
    ------
    UsageError
        If there is no segmentation among the settings, or the CT is no file.
    ClassMapError
        If there is no such class map.
    NothingToDo, BadInput
        If a file cannot be read, is on another grid, or knows none of the structures.
    """
    if settings.segmentation is None:
        raise UsageError("plausibility: with --input also give --segmentation PATH")
    configs = settings.configs or shipped_configs()
    class_map = find_class_map(settings.class_map or _DEFAULT_MAP, configs)
    ct, grid = (None, None) if settings.input is None else _read_ct(settings.input)
    read = read_segmentation(settings.segmentation, class_map, grid, ignore_unknown=True)
    context = Context(settings.sex, settings.phase, decided=read.covered, overlaps=read.overlaps)
    return FileScene(make_scene(read.labels, read.grid, class_map, ct, context), read)


def _read_ct(path: Path) -> tuple[NDArray[np.int16], Grid]:
    if path.is_dir():
        raise UsageError(
            f"plausibility: {path} is a folder, expected a NIfTI file; 'masksmith preview' reads "
            "DICOM series and applies the same rules"
        )
    volume = read_placed(path)
    if volume.array.dtype == np.int16:
        return np.asarray(volume.array, np.int16), volume.grid
    values = np.nan_to_num(volume.array.astype(np.float32), nan=-1024.0)
    return np.rint(np.clip(values, -32768, 32767)).astype(np.int16), volume.grid
