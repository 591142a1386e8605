"""One model for one CT, outside the stage: `masksmith models run`.

The CT is a case of a workspace of its own, so that nothing of it gets into a lab's dataset. All
checks of bootstrap hold: the card, the approval of the weights, the grid, the sides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import relabel, vertebra_number
from pipeline.bootstrap.bootstrap import STAGE
from pipeline.bootstrap.card_file import read_named_card
from pipeline.bootstrap.card_labels import resolve_labels
from pipeline.bootstrap.known_masks import KnownMasks
from pipeline.bootstrap.labels_for_review import LABEL_WITHOUT_STRUCTURE
from pipeline.bootstrap.prediction_files import CaseWords
from pipeline.bootstrap.ready import make_ready
from pipeline.bootstrap.runners import RUNNERS
from pipeline.bootstrap.settings import BootstrapSettings
from pipeline.bootstrap.tasks import CaseTask
from pipeline.engine import SerialEngine
from pipeline.errors import BadInput, UsageError
from pipeline.stage import load_settings
from pipeline.volume import Grid, read_nifti
from pipeline.workspace import Case, Mask, Provenance, Workspace, write_label_map_masks


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

    labels: NDArray[np.integer[Any]]
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
    vertebrae = _vertebrae(run.vertebrae, workspace, case)
    model = make_ready(file, labels, settings, workspace)
    task = CaseTask(model, case, KnownMasks(), CaseWords(case.id), vertebrae)
    (result,) = RUNNERS[file.card.runner].run([task], SerialEngine())
    if result.status != "done":
        raise BadInput(result.note)
    label_map = workspace.label_map(case.id, {mask.structure: mask for mask in result.masks})
    return SinglePrediction(
        labels=label_map,
        grid=case.grid,
        covered=labels.covered,
        voxels={mask.structure: mask.voxels for mask in result.masks if mask.voxels},
        without_target=cast("Mapping[str, int]", result.figures["unmatched"]),
        # Voxels kept for review are gone with the passing workspace; their label is counted.
        notes=tuple(f.words for f in result.findings if f.kind != LABEL_WITHOUT_STRUCTURE),
    )


def _vertebrae(path: Path | None, workspace: Workspace, case: Case) -> tuple[Mask, ...]:
    """Store the vertebrae of a label map as masks of the case; none without a file.

    Raises
    ------
    NiftiError
        If it cannot be read.
    GridMismatch
        If it lies on another grid.
    """
    if path is None:
        return ()
    class_map = workspace.class_map
    volume = read_nifti(path)
    volume.grid.require_same(case.grid, what=f"{path} and the CT")
    names = {
        value: name
        for value, name in class_map.names_by_value.items()
        if vertebra_number(name) is not None
    }
    labels = relabel(volume.array, names, class_map).label_map
    made = Provenance("rough", "file:vertebrae")
    return tuple(write_label_map_masks(workspace.layout, case, labels, class_map, made))
