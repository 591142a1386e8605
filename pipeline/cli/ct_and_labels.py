"""A CT and its segmentation from files, for commands that need no workspace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.call import Call
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.anatomy import ClassMap
    from pipeline.intake.settings import IntakeSettings
    from pipeline.volume import Grid
    from pipeline.volume.label_reading import Segmentation

_FEWEST_SLICES = 2
"""Looking needs fewer slices than a dataset: anything that is a volume."""


@dataclass(frozen=True, slots=True)
class OneCt:
    """The CT that `-i` named, checked as intake does.

    Attributes
    ----------
    name : str
        Of its file or folder, without what could stand in no file name.
    ct : ndarray of int16, shape (I, J, K)
        Hounsfield units.
    grid : Grid
    facts : mapping of str to str
        What a DICOM header says of person and scan, as intake keeps it in a case; empty for NIfTI.
    notes : tuple of str
        What a person should know about reading it.
    """

    name: str
    ct: NDArray[Any]
    grid: Grid
    facts: Mapping[str, str]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CtAndLabels:
    """What `-i` and `-s` named.

    Attributes
    ----------
    name : str
        Of the CT's file or folder, without what could stand in no file name.
    ct : ndarray of int16, shape (I, J, K)
        Hounsfield units.
    grid : Grid
        Of both.
    segmentation : Segmentation
    facts : mapping of str to str
        As of :class:`OneCt`.
    notes : tuple of str
        What a person should know about reading them.
    """

    name: str
    ct: NDArray[Any]
    grid: Grid
    segmentation: Segmentation
    facts: Mapping[str, str]
    notes: tuple[str, ...]


def ct_and_labels_options() -> list[click.Parameter]:
    """Return the options `-i` and `-s`, as `ct` and `segmentation`."""
    there = click.Path(exists=True, path_type=Path)
    return [
        click.Option(
            ["-i", "--input", "ct"], required=True, metavar="CT", type=there,
            help="A NIfTI file or a folder with a DICOM series.",
        ),
        click.Option(
            ["-s", "--segmentation"], required=True, metavar="SEG", type=there,
            help="A label map, or a folder with one mask per structure.",
        ),
    ]  # fmt: skip


def class_map_for_files(call: Call, named: str | None) -> tuple[ClassMap, Path]:
    """Return the class map that was named, else the workspace's, else the settings', and its file.

    Raises
    ------
    ClassMapError
        If there is none of that name, or it is no good.
    """
    from pipeline.anatomy import class_map_path, load_class_map
    from pipeline.workspace import Layout

    own = Layout(call.workspace_path).class_map_file
    file = own if own.is_file() else call.configs_path / "class_map.yaml"
    if named is not None:
        file = class_map_path(named, call.configs_path)
    return load_class_map(file), file


def read_one_ct(call: Call, path: Path, class_map_file: Path) -> OneCt:
    """Read the one CT at a path with all checks of intake.

    Parameters
    ----------
    call : Call
    path : Path
        A NIfTI file, or a folder with one DICOM series.
    class_map_file : Path
        Of the passing workspace that reading needs.

    Raises
    ------
    UsageError
        If there are several CTs.
    NothingToDo, BadInput
        If there is none, or it is no good.
    """
    from pipeline.cli.models import passing_workspace
    from pipeline.intake.ct_files import find_cts

    with passing_workspace(class_map_file) as workspace:
        found = find_cts(workspace, path, _intake_settings(call, path))
        if len(found.cts) > 1:
            raise UsageError(f"{path}: holds {len(found.cts)} CTs; name one of them")
        one = found.cts[0]
        taken = one.take()
        ct, grid = taken.load()
    return OneCt(one.name, ct, grid, one.arrival.identity.meta, taken.notes)


def read_ct_and_labels(
    call: Call,
    files: tuple[Path, Path],
    class_map: tuple[ClassMap, Path],
    *,
    ignore_unknown: bool = False,
) -> CtAndLabels:
    """Read a CT with all checks of intake, and its segmentation on the same grid.

    Parameters
    ----------
    call : Call
    files : tuple of Path
        CT and segmentation.
    class_map : tuple of (ClassMap, Path)
        What :func:`class_map_for_files` gave.
    ignore_unknown : bool
        As for :func:`pipeline.volume.label_reading.read_segmentation`.

    Raises
    ------
    UsageError
        If there are several CTs.
    BadInput
        Saying what is wrong with one of them.
    """
    from pipeline.volume.label_reading import read_segmentation

    ct_path, labels_path = files
    meaning, class_map_file = class_map
    one = read_one_ct(call, ct_path, class_map_file)
    segmentation = read_segmentation(labels_path, meaning, one.grid, ignore_unknown=ignore_unknown)
    notes = (*one.notes, *segmentation.notes)
    return CtAndLabels(one.name, one.ct, one.grid, segmentation, one.facts, notes)


def _intake_settings(call: Call, ct: Path) -> IntakeSettings:
    from pipeline.intake.intake import STAGE
    from pipeline.intake.settings import IntakeSettings
    from pipeline.stage import load_settings

    given = {"paths": (ct,), "min_slices": _FEWEST_SLICES}
    settings = load_settings(STAGE, call.configs_path, given)
    if not isinstance(settings, IntakeSettings):
        raise TypeError(f"expected IntakeSettings, found {type(settings).__name__}")
    return settings
