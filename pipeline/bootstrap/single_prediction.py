"""One model for one CT, outside the stage: `masksmith models run`.

The CT is a case of a workspace of its own, so that nothing of it gets into a lab's dataset. All
checks of bootstrap hold: the card, the approval of the weights, the grid, the sides.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap, Structure, relabel
from pipeline.anatomy.class_map_file import default_colour
from pipeline.anatomy.structure import mirrored_name, side_in_name
from pipeline.bootstrap.bootstrap import STAGE
from pipeline.bootstrap.card import CardLabels
from pipeline.bootstrap.card_file import CardFile, read_named_card
from pipeline.bootstrap.card_labels import resolve_labels
from pipeline.bootstrap.known_masks import KnownMasks
from pipeline.bootstrap.prediction_files import CaseWords
from pipeline.bootstrap.ready import make_ready
from pipeline.bootstrap.ribs import split_ribs
from pipeline.bootstrap.runners import RUNNERS
from pipeline.bootstrap.settings import BootstrapSettings
from pipeline.bootstrap.tasks import CaseTask, ReadyModel
from pipeline.engine import SerialEngine
from pipeline.errors import BadInput, UsageError
from pipeline.stage import load_settings
from pipeline.volume import Box, Grid, label_boxes, read_nifti
from pipeline.workspace import Case, Mask, Workspace

Vertebrae = Mapping[str, tuple[NDArray[np.bool_], Box]]


@dataclass(frozen=True, slots=True)
class SinglePrediction:
    """What a model says about one CT.

    Attributes
    ----------
    labels : ndarray of uint8 or uint16, shape (I, J, K)
        Values of the class map.
    grid : Grid
        The CT's.
    covered : tuple of str
        Structures the model knows; those without a voxel were looked for and not found.
    voxels : mapping of str to int
        Of each structure that was found.
    without_target : mapping of str to int
        Voxels of labels that the class map has no structure for.
    notes : tuple of str
        What a person should know.
    """

    labels: NDArray[np.unsignedinteger]
    grid: Grid
    covered: tuple[str, ...]
    voxels: Mapping[str, int]
    without_target: Mapping[str, int]
    notes: tuple[str, ...] = ()

    def volume_ml(self, voxels: int) -> float:
        """Turn a number of voxels into millilitres."""
        return voxels * self.grid.voxel_ml


@dataclass(frozen=True, slots=True)
class SingleRun:
    """What to predict with which model.

    Attributes
    ----------
    name : str
        Of the card.
    configs : Path
        The settings folder.
    device : str
        cpu, gpu or gpu:N.
    vertebrae : Path or None
        Label map in the values of the class map, on the CT's grid; it numbers the ribs.
    """

    name: str
    configs: Path
    device: str = "cpu"
    vertebrae: Path | None = None


def predict_one(run: SingleRun, workspace: Workspace, case: Case) -> SinglePrediction:
    """Predict one case with one model.

    Parameters
    ----------
    run : SingleRun
    workspace : Workspace
        Holds the case; its class map says what comes out. Masks are written into it.
    case : Case

    Raises
    ------
    CardError
        If there is no good card of that name.
    UsageError
        If the card only reads predictions that were made elsewhere.
    ModelMissing, NotTrusted
        If the model is not there, or was not approved.
    BadInput
        If the prediction failed, saying why.
    """
    file = read_named_card(run.configs, run.name)
    if file.card.runner == "labelmaps":
        raise UsageError(
            f"model '{run.name}' reads predictions that were made elsewhere and runs nothing; "
            "use masksmith bootstrap --predictions DIR"
        )
    settings = load_settings(STAGE, run.configs, {"device": run.device, "models": (run.name,)})
    if not isinstance(settings, BootstrapSettings):
        raise TypeError(f"expected BootstrapSettings, found {type(settings).__name__}")
    labels = resolve_labels(file, workspace.class_map, run.configs)
    vertebrae = _read_vertebrae(run.vertebrae, workspace.class_map, case.grid)
    model = in_its_own_words(make_ready(file, labels, settings, workspace))
    task = CaseTask(model, case, KnownMasks(), CaseWords(case.id))
    (result,) = RUNNERS[file.card.runner].run([task], SerialEngine())
    if result.status != "done":
        raise BadInput(result.note)
    own = _label_map(workspace, case, model.class_map, result.masks)
    made = _translated(file, labels, workspace.class_map, own, vertebrae)
    strange = cast("Mapping[str, int]", result.figures["unmatched"])
    return replace(made, without_target={**made.without_target, **strange})


def in_its_own_words(model: ReadyModel) -> ReadyModel:
    """Let a model write the labels that its card names, with or without a target.

    So what has no structure in a class map can be counted, and ribs can be split afterwards.
    """
    names = model.labels.names_by_value
    known = set(names.values())
    structures = tuple(
        _structure(name, value, known, model.class_map) for value, name in names.items()
    )
    return replace(
        model,
        card=model.card.model_copy(update={"postprocess": None}),
        class_map=ClassMap(model.card.name, structures),
        labels=CardLabels(names, tuple(s.name for s in structures), ()),
    )


def _structure(name: str, value: int, known: set[str], class_map: ClassMap) -> Structure:
    if name not in class_map:
        other = mirrored_name(name)
        mirror = other if other in known else None
        side = side_in_name(name)
        return Structure(name, value, None, None, side, mirror, default_colour(value), None)
    there = class_map[name]
    mirror = there.mirror if there.mirror in known else None
    return replace(there, value=value, mirror=mirror, neighbours=())


@dataclass(frozen=True, slots=True)
class _OwnLabels:
    """A prediction in the model's own values."""

    labels: NDArray[np.unsignedinteger]
    grid: Grid


def _label_map(
    workspace: Workspace, case: Case, class_map: ClassMap, masks: tuple[Mask, ...]
) -> _OwnLabels:
    labels = np.zeros(case.grid.shape, class_map.dtype, order="F")
    for mask in masks:
        if mask.voxels:
            labels[mask.box][workspace.mask_crop(mask)] = class_map[mask.structure].value
    return _OwnLabels(labels, case.grid)


def _translated(
    file: CardFile,
    labels: CardLabels,
    class_map: ClassMap,
    own: _OwnLabels,
    vertebrae: Vertebrae,
) -> SinglePrediction:
    names, values = labels.names_by_value, own.labels
    notes: tuple[str, ...] = ()
    if file.card.postprocess == "split_ribs":
        split = split_ribs(own.labels > 0, own.grid, vertebrae)
        names, values = split.names, split.label_map
        notes = tuple(finding.words for finding in split.findings)
    moved = relabel(values, names, class_map)
    return SinglePrediction(
        labels=moved.label_map,
        grid=own.grid,
        covered=labels.covered,
        voxels=_counted(moved.label_map, class_map),
        without_target={names[value]: voxels for value, voxels in moved.unmatched.items()},
        notes=notes,
    )


def _counted(labels: NDArray[np.unsignedinteger], class_map: ClassMap) -> dict[str, int]:
    boxes = label_boxes(labels)
    return {
        structure.name: int(np.count_nonzero(labels[box] == structure.value))
        for structure in class_map
        if (box := boxes.get(structure.value)) is not None
    }


def _read_vertebrae(path: Path | None, class_map: ClassMap, grid: Grid) -> Vertebrae:
    """Read the crops of vertebrae out of a label map; none without a file.

    Raises
    ------
    NiftiError
        If it cannot be read.
    GridMismatch
        If it lies on another grid.
    """
    if path is None:
        return {}
    volume = read_nifti(path)
    volume.grid.require_same(grid, what=f"{path} and the CT")
    labels = relabel(volume.array, class_map.names_by_value, class_map).label_map
    boxes = label_boxes(labels)
    return {
        structure.name: (labels[boxes[structure.value]] == structure.value, boxes[structure.value])
        for structure in class_map
        if structure.name.startswith("vertebrae_") and structure.value in boxes
    }
