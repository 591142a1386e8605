"""A finished final model measured on the cases it never learned from: Dice and NSD.

On the grid of each CT, against the frozen masks. What is undecided in a case is not measured; a
structure that is absent there can only be found wrongly, and that is counted, not averaged.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap
from pipeline.errors import MasksmithError
from pipeline.stage import Outcome
from pipeline.volume import Grid, label_boxes, label_overlaps, normalised_surface_dice
from pipeline.volume import write_file_atomically as write_atomically
from training.case_prediction import predict_cases
from training.final_manifest import FinalManifest, FinalModel
from training.final_split import Side
from training.nnunet_model import NnunetModel
from training.predict import Prediction
from training.round_cases import FrozenCase
from training.training_record import read_json, write_json

TOLERANCE_MM = 3.0  # Wasserthal et al. 2023, section 2.4


@dataclass(frozen=True, slots=True)
class Row:
    """One structure of one case.

    Attributes
    ----------
    dice, nsd : float or None
        None where the structure is absent in truth.
    """

    case: str
    split: str
    structure: str
    dice: float | None
    nsd: float | None
    truth_ml: float
    prediction_ml: float


def measure_model(
    model: FinalModel, manifest: FinalManifest, trained: NnunetModel
) -> Iterator[Outcome]:
    """Predict and measure the cases of the sides asked for; measured ones are kept.

    Yields
    ------
    Outcome
        One per case; a case that fails does not stop the others.
    """
    waiting = []
    for side in model.settings.measure:
        for case in cases_of(manifest, side):
            if _file(model, case).is_file():
                yield Outcome(f"{model.name} {case}", "kept", f"measured before ({side})")
            else:
                waiting.append(model.workspace.case(case))
    if not waiting:
        return
    plan = model.plan(manifest)
    predictions = predict_cases(trained, plan, model.workspace, waiting, confidence=False)
    for prediction in predictions:
        yield _measure(model, manifest, prediction, plan.class_map)


def cases_of(manifest: FinalManifest, side: Side) -> tuple[str, ...]:
    """Give the cases of a side that are measured."""
    return manifest.validation if side == "val" else tuple(sorted(manifest.test))


def rows_of(model: FinalModel, manifest: FinalManifest) -> tuple[Row, ...]:
    """Read all that was measured of a model so far."""
    rows: list[Row] = []
    for side in model.settings.measure:
        for case in cases_of(manifest, side):
            path = _file(model, case)
            if path.is_file():
                rows += (Row(**row) for row in read_json(path)["rows"])
    return tuple(rows)


def write_table(rows: Iterable[Row], path: Path) -> None:
    """Write one line per case and structure as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [each.name for each in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _plain(value) for name, value in asdict(row).items()} for row in rows)
    write_atomically(path, text.getvalue().encode())


def measure_case(
    truth: NDArray[Any], prediction: NDArray[Any], grid: Grid, values: Mapping[str, int]
) -> dict[str, dict[str, float | None]]:
    """Compare two label maps of one grid, structure by structure.

    Parameters
    ----------
    truth, prediction : ndarray of integer, shape (I, J, K)
        One value per structure.
    values : mapping
        Structure to its value; others are not looked at.

    Returns
    -------
    dict
        Structure to ``dice``, ``nsd``, ``truth_ml``, ``prediction_ml``; Dice and NSD are None
        where the structure is absent in truth.
    """
    overlaps = label_overlaps(truth, prediction)
    boxes = [label_boxes(truth), label_boxes(prediction)]
    voxel_ml = math.prod(grid.spacing_mm) / 1000
    measured: dict[str, dict[str, float | None]] = {}
    for name, value in values.items():
        overlap = overlaps.get(value)
        in_truth = overlap.truth_voxels if overlap else 0
        found = overlap.prediction_voxels if overlap else 0
        figures: dict[str, float | None] = {
            "truth_ml": in_truth * voxel_ml,
            "prediction_ml": found * voxel_ml,
        }
        if overlap is None or not in_truth:
            measured[name] = {"dice": None, "nsd": None, **figures}
            continue
        box = _union([known[value] for known in boxes if value in known])
        nsd = normalised_surface_dice(
            truth[box] == value, prediction[box] == value, grid.spacing_mm, TOLERANCE_MM
        )
        measured[name] = {"dice": overlap.dice, "nsd": nsd, **figures}
    return measured


def summary_of(rows: Sequence[Row], structures: Sequence[str]) -> dict[str, Any]:
    """Sum up by side and structure, as the model card has it.

    Means are over cases in which the structure is present; over all, the mean of every pair of
    case and structure (micro-average). A missed structure counts as 0.
    """
    return {
        side: {
            "cases": len({row.case for row in rows if row.split == side}),
            "all": _mean_of([row for row in rows if row.split == side]),
            "structures": {
                name: _mean_of([r for r in rows if r.split == side and r.structure == name])
                for name in structures
            },
        }
        for side in sorted({row.split for row in rows}, reverse=True)
    }


def _measure(
    model: FinalModel, manifest: FinalManifest, prediction: Prediction, class_map: ClassMap
) -> Outcome:
    subject = f"{model.name} {prediction.id}"
    if prediction.labels is None:
        return Outcome(subject, "failed", prediction.error or "no prediction")
    states, side = manifest.states(prediction.id), manifest.split.sides[prediction.id]
    case = model.workspace.case(prediction.id)
    try:
        _, truth, grid = FrozenCase(model.workspace.layout, case, states, class_map)()
        values = {each.name: each.value for each in class_map if each.name in states}
        found = measure_case(truth, prediction.labels, grid, values)
    except (MasksmithError, OSError) as error:
        return Outcome(subject, "failed", str(error))
    rows = [Row(case.id, side, name, **figures) for name, figures in found.items()]  # type: ignore[arg-type]
    write_json(_file(model, case.id), {"rows": [asdict(row) for row in rows]})
    mean = _mean_of(rows)
    words = "nothing of it is present" if mean["dice"] is None else f"Dice {mean['dice']:.2f}"
    return Outcome(subject, "done", f"{words} ({side})", {"split": side, **mean})


def _mean_of(rows: Sequence[Row]) -> dict[str, Any]:
    present = [row for row in rows if row.dice is not None]
    wrong = [row for row in rows if row.dice is None and row.prediction_ml > 0]
    return {
        "present": len(present),
        "dice": _mean([row.dice for row in present]),
        "nsd": _mean([row.nsd for row in present]),
        "missed": sum(row.prediction_ml == 0 for row in present),
        "absent": len(rows) - len(present),
        "found_though_absent": len(wrong),
        "found_though_absent_ml": round(sum(row.prediction_ml for row in wrong), 3),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 6) if known else None


def _union(boxes: Sequence[Sequence[slice]]) -> tuple[slice, slice, slice]:
    i, j, k = (
        slice(min(box[axis].start for box in boxes), max(box[axis].stop for box in boxes))
        for axis in range(3)
    )
    return i, j, k


def _plain(value: object) -> object:
    return "" if value is None else round(value, 6) if isinstance(value, float) else value


def _file(model: FinalModel, case_id: str) -> Path:
    return model.folder / "metrics" / f"{case_id}.json"
