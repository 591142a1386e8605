"""Models -> label maps: one nnU-Net subprocess predicts many cases, each on its own grid.

The CT is resampled to the model's spacing here, predicted there with the argmax taken at that
spacing, and the labels come back by the vote of the voxels around; logits are never resampled
(MEASURED: 104 classes of a large CT would need 33 GB).

`masksmith predict` puts the label maps of several models together: ``predict_parts``.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadInput, MasksmithError
from pipeline.stage import FileCommand
from pipeline.volume import Grid, resample_image, vote_labels
from pipeline.workspace import Confidence
from training.nnunet_model import NnunetModel, open_model
from training.nnunet_process import NnunetError, NnunetFolders, NnunetProcess, ProcessSettings
from training.predict_settings import PredictFilesSettings

_AXES = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}


@dataclass(frozen=True, slots=True)
class PredictionInput:
    """A case to predict; loaded only when its turn comes.

    Attributes
    ----------
    id : str
        Comes back with the prediction.
    load : callable
        Gives the CT, shape (I, J, K) in HU, and its grid.
    """

    id: str
    load: Callable[[], tuple[NDArray[Any], Grid]]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What became of one case: labels on its grid, or the error that kept it from them.

    Attributes
    ----------
    labels : ndarray of uint8 or uint16, shape (I, J, K), or None
        Values as in ``NnunetModel.names_by_value``.
    confidences : mapping of int to Confidence, or None
        Of every label value of the model, measured at the model's spacing; None unless
        ``PredictSettings.confidence`` asked for it.
    """

    id: str
    labels: NDArray[np.unsignedinteger] | None
    error: str | None = None
    seconds: float = 0.0
    confidences: Mapping[int, Confidence] | None = None


@dataclass(frozen=True, slots=True)
class InnerPrediction:
    """What became of one case on the model's own grid.

    Attributes
    ----------
    labels : ndarray of uint8 or uint16, or None
        On `inner`; None where `error` says why.
    inner, grid : Grid or None
        Of the labels, and of the CT.
    """

    id: str
    labels: NDArray[np.unsignedinteger] | None
    inner: Grid | None = None
    grid: Grid | None = None
    error: str | None = None
    seconds: float = 0.0
    confidences: Mapping[int, Confidence] | None = None

    def on_the_ct(self) -> Prediction:
        """Bring the labels to the CT's grid."""
        labels = self.labels
        if labels is not None and self.inner is not None and self.grid is not None:
            labels = vote_labels(labels, self.inner, self.grid)
        return Prediction(self.id, labels, self.error, self.seconds, self.confidences)


@dataclass(frozen=True, slots=True)
class PredictSettings:
    """How predictions are made.

    Attributes
    ----------
    work_dir : Path
        Temporary arrays and, unless `log` is given, the log ``predict.log``.
    device : str
        ``cpu``, ``gpu`` or ``gpu:N``.
    tile_step : float
        Step of the sliding window as a share of the patch; 0.5 is nnU-Net's.
    confidence : bool
        Whether to measure how sure the model is of each structure.
    plain_weights : bool
        Whether to refuse a checkpoint that holds anything but numbers and names: a file from
        elsewhere could run code when it is read (Python's pickle).
    """

    work_dir: Path
    device: str = "cpu"
    threads: int = 2
    tile_step: float = 0.5
    log: Path | None = None
    confidence: bool = False
    plain_weights: bool = False

    @property
    def process(self) -> ProcessSettings:
        """The part of it that the subprocess is started with."""
        log = self.log or self.work_dir / "predict.log"
        return ProcessSettings(log=log, device=self.device, threads=self.threads)


def predict_label_map(
    model: NnunetModel | Path, ct: NDArray[Any], grid: Grid, settings: PredictSettings
) -> NDArray[np.unsignedinteger]:
    """Predict one CT.

    Parameters
    ----------
    model : NnunetModel or Path
        A model folder, or a zip that is unpacked below ``settings.work_dir``.
    ct : ndarray, shape (I, J, K)
        Hounsfield units.
    grid : Grid
        Any orientation.

    Returns
    -------
    ndarray of uint8 or uint16
        Labels on `grid`.

    Raises
    ------
    BadInput, MissingDependency
        If there is no usable model.
    NnunetError
        If the prediction failed.
    """
    for prediction in predict_label_maps(
        model, [PredictionInput("case", lambda: (ct, grid))], settings
    ):
        if prediction.labels is not None:
            return prediction.labels
        raise NnunetError(f"{prediction.error} (log: {settings.process.log})")
    raise RuntimeError("one case in, none out")


def predict_label_maps(
    model: NnunetModel | Path, cases: Iterable[PredictionInput], settings: PredictSettings
) -> Iterator[Prediction]:
    """Predict many CTs with the model loaded once; results come one by one, in order.

    A case that fails is reported in its `Prediction` and the others go on; if the subprocess
    itself dies of a case (out of memory), a new one is started for the next.

    Raises
    ------
    NnunetError
        If the model cannot be loaded.
    """
    for prediction in predict_at_model_spacing(model, cases, settings):
        yield prediction.on_the_ct()


def predict_at_model_spacing(
    model: NnunetModel | Path, cases: Iterable[PredictionInput], settings: PredictSettings
) -> Iterator[InnerPrediction]:
    """Predict many CTs as :func:`predict_label_maps`, but leave the labels on the model's grid."""
    if isinstance(model, Path):
        model = open_model(model, unpack_into=settings.work_dir / "models")
    settings.work_dir.mkdir(parents=True, exist_ok=True)
    waiting = iter(cases)
    case = next(waiting, None)
    with _scratch(settings.work_dir) as scratch:
        while case is not None:
            with _start(model, settings, scratch) as process:
                spacing_mm = process.next_event("ready")["spacing_mm"]
                alive = True
                while case is not None and alive:
                    prediction, alive = _predict(process, case, model, spacing_mm, scratch)
                    yield prediction
                    del prediction
                    case = next(waiting, None)


def turned_grid(grid: Grid, orientation: str) -> Grid:
    """Turn a grid's axes to `orientation`; they stay parallel to the scan's own."""
    axes, signs = grid.world_axes()
    affine = np.array(grid.affine)
    shape = []
    for position, letter in enumerate(orientation):
        world, sign = _AXES[letter]
        source = axes.index(world)
        step = grid.affine[:3, source]
        if signs[source] != sign:
            affine[:3, 3] += step * (grid.shape[source] - 1)
            step = -step
        affine[:3, position] = step
        shape.append(grid.shape[source])
    return Grid((shape[0], shape[1], shape[2]), affine)


def model_grid(grid: Grid, orientation: str, spacing_mm: Iterable[float]) -> Grid:
    """Give the grid on which a model predicts: turned, and of the model's spacing or nearly so.

    A tilted scan is not straightened. The spacing is that which divides the field of view into
    whole voxels, as nnU-Net does: over the whole scan it differs from the model's by less than
    half a voxel. With the exact spacing the outermost slices of a thin scan could lie outside the
    grid and would never be labelled.
    """
    turned = turned_grid(grid, orientation)
    extent_mm = np.array(turned.extent_mm)
    voxels = np.maximum(np.rint(extent_mm / np.array(tuple(spacing_mm))), 1)
    return turned.with_spacing(tuple(extent_mm / voxels))


def hounsfield_int16(values: NDArray[Any]) -> NDArray[np.int16]:
    """Round HU to int16, as in the exported training data."""
    limits = np.iinfo(np.int16)
    return np.asfortranarray(np.clip(np.rint(values), limits.min, limits.max).astype(np.int16))


def _start(model: NnunetModel, settings: PredictSettings, scratch: Path) -> NnunetProcess:
    job = {
        "steps": ["predict"],
        "model": str(model.folder),
        "folds": list(model.folds),
        "checkpoint": model.checkpoint,
        "tile_step": settings.tile_step,
        "confidence": settings.confidence,
        "plain_weights": settings.plain_weights,
    }
    folders = NnunetFolders(scratch / "nnunet")
    return NnunetProcess(job, folders, settings.process, scratch / "predict.json")


def _predict(
    process: NnunetProcess,
    case: PredictionInput,
    model: NnunetModel,
    spacing_mm: list[float],
    scratch: Path,
) -> tuple[InnerPrediction, bool]:
    """Predict one case; the second value says whether the subprocess still lives."""
    request = {
        "id": case.id,
        "input": str(scratch / "input.npy"),
        "output": str(scratch / "output.npy"),
    }
    try:
        grid, inner = _hand_over(case, model, spacing_mm, Path(request["input"]))
    except (MasksmithError, OSError, ValueError) as error:
        return InnerPrediction(case.id, None, error=f"{case.id}: {error}"), True
    try:
        process.send(request)
        event = process.next_event("predicted", "failed")
    except NnunetError as error:
        return InnerPrediction(case.id, None, error=str(error)), False
    if event["event"] == "failed":
        return InnerPrediction(case.id, None, error=f"{case.id}: {event['error']}"), True
    labels = np.load(request["output"], allow_pickle=False)
    made = InnerPrediction(
        case.id,
        labels,
        inner,
        grid,
        seconds=float(event["seconds"]),
        confidences=_confidences(event.get("confidence"), inner.voxel_ml),
    )
    return made, True


def _confidences(
    sums: Mapping[str, Mapping[str, float]] | None, voxel_ml: float
) -> dict[int, Confidence] | None:
    """Read what the subprocess says of each label value."""
    if sums is None:
        return None
    return {
        int(value): Confidence(
            mean_probability=of["probability"],
            mean_entropy=of["entropy_bits"],
            uncertain_ml=of["uncertain_voxels"] * voxel_ml,
        )
        for value, of in sums.items()
    }


def _hand_over(
    case: PredictionInput, model: NnunetModel, spacing_mm: list[float], path: Path
) -> tuple[Grid, Grid]:
    """Save the CT at the model's spacing; give the case's grid and the model's."""
    ct, grid = case.load()
    if ct.shape != grid.shape:
        raise BadInput(f"the CT has shape {ct.shape}, its grid {grid.shape}")
    inner = model_grid(grid, model.orientation, spacing_mm)
    save_at(inner, ct, grid, path)
    return grid, inner


def save_at(inner: Grid, ct: NDArray[Any], grid: Grid, path: Path) -> None:
    """Save a CT on a model's grid as .npy of int16; one that is there already as it is."""
    if not (ct.dtype == np.int16 and inner.same_as(grid, 1e-6)):
        ct = hounsfield_int16(resample_image(ct, grid, inner))
    with path.open("wb") as file:
        np.save(file, np.asfortranarray(ct), allow_pickle=False)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    scratch = Path(tempfile.mkdtemp(prefix=".predict-", dir=folder))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


COMMAND = FileCommand(
    name="predict",
    summary="Segment CTs with trained models: files in, label maps out.",
    Settings=PredictFilesSettings,
)
