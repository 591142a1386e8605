"""Compare one case: a row for every structure that both truth and prediction cover."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipeline.volume import Grid, mask_overlap, normalised_surface_dice, on_union_box
from training.evaluation.sources import CaseMasks, Crop, Source

Found = Literal["both", "missed", "false_positive", "absent"]

# Written by programs that store affines as float32 or through quaternions.
GRID_TOLERANCE_MM = 0.01


@dataclass(frozen=True, slots=True)
class Row:
    """One structure in one case.

    Attributes
    ----------
    found : {"both", "missed", "false_positive", "absent"}
        In truth and prediction; in the truth only; in the prediction only; in neither.
    dice, nsd : float or None
        0 for what was missed; None where the truth has nothing to compare with.
    truth_from_prediction : bool
        The truth is this very prediction, accepted or corrected: then the figure flatters.
    """

    case: str
    patient: str
    structure: str
    found: Found
    dice: float | None
    nsd: float | None
    truth_ml: float
    prediction_ml: float
    both_ml: float
    truth_from_prediction: bool = False

    @property
    def counts(self) -> bool:
        """Whether the row enters the averages: the truth has the structure."""
        return self.dice is not None


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What is known of a case besides its masks.

    Attributes
    ----------
    patient : str
        Unit of the bootstrap.
    groups : mapping
        Such as ``{"phase": "native", "age": "60-69"}``.
    """

    patient: str
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CaseTask:
    """What a worker needs to compare one case.

    Attributes
    ----------
    predictions : mapping
        Source by the name of the predictions.
    covered : mapping
        By the same name: the structures that these predictions cover in any case. One that has no
        mask in this case counts as predicted empty.
    structures : frozenset of str
        Those to look at.
    """

    case_id: str
    facts: CaseFacts
    truth: Source
    predictions: Mapping[str, Source]
    covered: Mapping[str, frozenset[str]]
    structures: frozenset[str]
    tolerance_mm: float


@dataclass(frozen=True, slots=True)
class CaseRows:
    """What became of one case: rows by the name of the predictions."""

    rows: Mapping[str, tuple[Row, ...]]
    without_mask: Mapping[str, tuple[str, ...]]


def compare_case(task: CaseTask) -> CaseRows:
    """Compare one case with each of its predictions.

    Raises
    ------
    GridMismatch
        Naming the files and both grids.
    BadInput
        If a file is not what it must be.
    """
    truth = task.truth.load()
    rows: dict[str, tuple[Row, ...]] = {}
    without_mask: dict[str, tuple[str, ...]] = {}
    for name, source in task.predictions.items():
        prediction = source.load()
        truth.grid.require_same(
            prediction.grid,
            what=f"{truth.place} (truth) and {prediction.place} (prediction)",
            tolerance_mm=GRID_TOLERANCE_MM,
        )
        shared = sorted(task.structures & set(truth.crops) & task.covered[name])
        rows[name] = tuple(_row(task, source, truth, prediction, each) for each in shared)
        without_mask[name] = tuple(each for each in shared if each not in prediction.crops)
    return CaseRows(rows, without_mask)


def _row(
    task: CaseTask, source: Source, truth: CaseMasks, prediction: CaseMasks, structure: str
) -> Row:
    ours, theirs = truth.crops[structure], prediction.crops.get(structure)
    dice, nsd, both = _agreement(ours, theirs, truth.grid, task.tolerance_mm)
    voxel_ml = truth.grid.voxel_ml
    origins = task.truth.lineage.get(structure, frozenset())
    return Row(
        case=task.case_id,
        patient=task.facts.patient,
        structure=structure,
        found=_found(ours, theirs),
        dice=dice,
        nsd=nsd,
        truth_ml=ours.voxels * voxel_ml if ours else 0.0,
        prediction_ml=theirs.voxels * voxel_ml if theirs else 0.0,
        both_ml=both * voxel_ml,
        truth_from_prediction=source.ids.get(structure) in origins,
    )


def _agreement(
    truth: Crop | None, prediction: Crop | None, grid: Grid, tolerance_mm: float
) -> tuple[float | None, float | None, int]:
    """Give Dice, NSD and the voxels in both."""
    if truth is None:
        return None, None, 0
    if prediction is None:
        return 0.0, 0.0, 0
    overlap = mask_overlap(truth.mask, truth.box, prediction.mask, prediction.box)
    pair = on_union_box(truth.mask, truth.box, prediction.mask, prediction.box)
    nsd = normalised_surface_dice(*pair, grid.spacing_mm, tolerance_mm)
    return overlap.dice, nsd, overlap.both_voxels


def _found(truth: Crop | None, prediction: Crop | None) -> Found:
    if truth is None:
        return "absent" if prediction is None else "false_positive"
    return "missed" if prediction is None else "both"
