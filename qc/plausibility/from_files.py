"""A CT and a segmentation from files, for who only wants them checked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import find_class_map, shipped_configs
from pipeline.errors import UsageError
from pipeline.volume import Grid
from pipeline.volume.label_reading import Segmentation, read_placed, read_segmentation
from qc.measurement_table import age_years
from qc.plausibility.case_check import sex_among
from qc.plausibility.scene import CaseScene, make_scene
from qc.plausibility.scene_measures import Context
from qc.plausibility.settings import PlausibilitySettings

_DEFAULT_MAP = "class_map"


@dataclass(frozen=True, slots=True, eq=False)
class FileCt:
    """A CT from a file or a folder.

    Attributes
    ----------
    ct : ndarray of int16, shape (I, J, K)
        Hounsfield units.
    grid : Grid
    facts : mapping of str to str
        What its header says, as in a case: ``sex`` and ``age`` count here.
    notes : tuple of str
        What a person should know about reading it.
    """

    ct: NDArray[np.int16]
    grid: Grid
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


ReadCt = Callable[[Path], FileCt]


@dataclass(frozen=True, slots=True)
class FileScene:
    """A scene from files.

    Attributes
    ----------
    scene : CaseScene
    segmentation : Segmentation
        What its label map is and what the class map lacks.
    notes : tuple of str
        What a person should know about reading CT and segmentation.
    """

    scene: CaseScene
    segmentation: Segmentation
    notes: tuple[str, ...]


def read_nifti_ct(path: Path) -> FileCt:
    """Read a NIfTI file as it is; the command reads it, and DICOM, with the checks of intake.

    Raises
    ------
    UsageError
        If it is a folder.
    BadInput
        If it cannot be read.
    """
    if path.is_dir():
        raise UsageError(
            f"plausibility: {path} is a folder, expected a NIfTI file; a DICOM series is read by "
            "the command 'masksmith plausibility'"
        )
    volume = read_placed(path)
    if volume.array.dtype == np.int16:
        return FileCt(np.asarray(volume.array, np.int16), volume.grid)
    values = np.nan_to_num(volume.array.astype(np.float32), nan=-1024.0)
    return FileCt(np.rint(np.clip(values, -32768, 32767)).astype(np.int16), volume.grid)


def scene_from_files(settings: PlausibilitySettings, read_ct: ReadCt = read_nifti_ct) -> FileScene:
    """Read what the settings name.

    Parameters
    ----------
    settings : PlausibilitySettings
        A sex among them counts more than that of the CT's header.
    read_ct : callable, optional
        Reads the CT.

    Raises
    ------
    UsageError
        If there is no segmentation among the settings, or the CT is none that can be read here.
    ClassMapError
        If there is no such class map.
    NothingToDo, BadInput
        If a file cannot be read, is on another grid, or knows none of the structures.
    """
    if settings.segmentation is None:
        raise UsageError("plausibility: with --input also give --segmentation PATH")
    configs = settings.configs or shipped_configs()
    class_map = find_class_map(settings.class_map or _DEFAULT_MAP, configs)
    read = None if settings.input is None else read_ct(settings.input)
    ct, grid, facts, notes = (
        (None, None, {}, ()) if read is None else (read.ct, read.grid, read.facts, read.notes)
    )
    labels = read_segmentation(settings.segmentation, class_map, grid, ignore_unknown=True)
    context = Context(
        sex=settings.sex or sex_among(facts),
        phase=settings.phase,
        age_years=age_years(facts),
        decided=labels.covered,
        overlaps=labels.overlaps,
    )
    scene = make_scene(labels.labels, labels.grid, class_map, ct, context)
    return FileScene(scene, labels, (*notes, *labels.notes))
