"""Several models -> one label map per case: part by part, at the model's spacing.

Only one model is in memory at a time. Each CT is resampled once and waits on disk as int16; each
part's label map waits there too, in the values of the class map. They are merged at the model's
spacing and brought to the CT's grid last. Cases go in groups, so that a model is loaded once for
many cases and the disk never holds more than one group.
"""

import logging
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap, relabel
from pipeline.errors import MasksmithError
from pipeline.volume import Grid, vote_labels
from training.part_merging import Overlap, PartMerger, ranks_of
from training.part_models import PartModel
from training.predict import (
    InnerPrediction,
    PredictionInput,
    PredictSettings,
    model_grid,
    predict_at_model_spacing,
    save_at,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PartsPlan:
    """What is predicted and how the parts come together.

    Attributes
    ----------
    models : tuple of PartModel
        All of one spacing.
    class_map : ClassMap
        Says the values of what comes out.
    structures : frozenset of str
        What is kept; none: everything the models know.
    cases_at_once : int
        How many cases share one loading of each model.
    """

    models: tuple[PartModel, ...]
    class_map: ClassMap
    process: PredictSettings
    structures: frozenset[str] = frozenset()
    overlap: Overlap = "smaller"
    priority: tuple[str, ...] = ()
    cases_at_once: int = 8

    @property
    def covered(self) -> tuple[str, ...]:
        """Structures that are looked for, in the order of the class map."""
        known = {name for part in self.models for name in part.structures}
        wanted = known & self.structures if self.structures else known
        return tuple(name for name in self.class_map.names if name in wanted)


@dataclass(frozen=True, slots=True)
class WholePrediction:
    """What became of one case.

    Attributes
    ----------
    labels : ndarray of uint8 or uint16, or None
        In the values of the class map, on the CT's grid; None where `error` says why.
    overlap_voxels : int
        Voxels at the model's spacing that two models claimed.
    seconds : float
        Of preprocessing and networks, all models together.
    """

    id: str
    labels: NDArray[np.unsignedinteger] | None
    grid: Grid | None = None
    error: str | None = None
    overlap_voxels: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class _Pending:
    """A case of a group, between its parts."""

    id: str
    folder: Path
    grid: Grid | None = None
    inner: Grid | None = None
    error: str | None = None
    seconds: float = 0.0
    maps: list[Path] = field(default_factory=list)

    @property
    def ct(self) -> Path:
        return self.folder / "ct.npy"

    def load(self) -> tuple[NDArray[Any], Grid]:
        if self.inner is None:
            raise RuntimeError("a case that was not read has no CT")
        return np.load(self.ct, allow_pickle=False, mmap_mode="r"), self.inner


def predict_parts(plan: PartsPlan, cases: Iterable[PredictionInput]) -> Iterator[WholePrediction]:
    """Predict cases with all models of a plan; a case that fails does not stop the others.

    Raises
    ------
    NnunetError
        If a model cannot be loaded.
    """
    plan.process.work_dir.mkdir(parents=True, exist_ok=True)
    if len(plan.models) == 1:
        yield from _with_one_model(plan, cases)
        return
    waiting = iter(cases)
    while group := list(islice(waiting, plan.cases_at_once)):
        with _scratch(plan.process.work_dir) as scratch:
            yield from _group(plan, group, scratch)


def _with_one_model(plan: PartsPlan, cases: Iterable[PredictionInput]) -> Iterator[WholePrediction]:
    """Nothing to merge: results come case by case, with the model loaded once."""
    (part,) = plan.models
    for made in predict_at_model_spacing(part.model, cases, plan.process):
        if made.labels is None or made.inner is None or made.grid is None:
            yield WholePrediction(made.id, None, error=made.error)
            continue
        labels = _in_class_map(made.labels, part, plan)
        labels = vote_labels(labels, made.inner, made.grid)
        yield WholePrediction(made.id, labels, made.grid, seconds=made.seconds)


def _group(
    plan: PartsPlan, cases: Sequence[PredictionInput], scratch: Path
) -> Iterator[WholePrediction]:
    pending = [
        _read(case, plan.models[0], scratch / str(number)) for number, case in enumerate(cases)
    ]
    for number, part in enumerate(plan.models, start=1):
        log.info("part %d of %d: %s", number, len(plan.models), _words(part, plan.class_map))
        alive = {case.id: case for case in pending if case.error is None}
        inputs = [PredictionInput(case.id, case.load) for case in alive.values()]
        for made in predict_at_model_spacing(part.model, inputs, plan.process):
            _keep(alive[made.id], made, part, plan)
    for case in pending:
        yield _whole(case, plan)
        shutil.rmtree(case.folder, ignore_errors=True)


def _read(case: PredictionInput, part: PartModel, folder: Path) -> _Pending:
    """Resample a CT to the spacing of the models and put it on disk."""
    folder.mkdir()
    pending = _Pending(case.id, folder)
    try:
        ct, grid = case.load()
        inner = model_grid(grid, part.model.orientation, part.spacing_mm)
        save_at(inner, ct, grid, pending.ct)
    except (MasksmithError, OSError, ValueError) as error:
        pending.error = f"{case.id}: {error}"
    else:
        pending.grid, pending.inner = grid, inner
    return pending


def _keep(case: _Pending, made: InnerPrediction, part: PartModel, plan: PartsPlan) -> None:
    """Put a part's label map on disk, in the values of the class map."""
    if made.labels is None:
        case.error = made.error or f"{part.name} gave no labels"
        return
    case.seconds += made.seconds
    path = case.folder / f"part-{len(case.maps)}.npy"
    with path.open("wb") as file:
        np.save(file, _in_class_map(made.labels, part, plan), allow_pickle=False)
    case.maps.append(path)


def _in_class_map(
    labels: NDArray[np.unsignedinteger], part: PartModel, plan: PartsPlan
) -> NDArray[np.unsignedinteger]:
    """Renumber a model's labels; structures that nobody asked for become background."""
    covered = set(plan.covered)
    names = {v: name for v, name in part.model.names_by_value.items() if name in covered}
    return relabel(labels, names, plan.class_map).label_map


def _whole(case: _Pending, plan: PartsPlan) -> WholePrediction:
    """Merge a case's parts and bring them to its grid."""
    if case.error is not None or case.inner is None or case.grid is None:
        return WholePrediction(case.id, None, error=case.error or f"{case.id}: not read")
    voxels: dict[int, int] = {}
    for path in case.maps:
        voxels |= _count(np.load(path, allow_pickle=False, mmap_mode="r"))
    ranks = ranks_of(plan.class_map, plan.overlap, voxels=voxels, priority=plan.priority)
    merger = PartMerger(plan.class_map, case.inner.shape, ranks)
    for path in case.maps:
        merger.add(np.load(path, allow_pickle=False))
    labels = vote_labels(merger.labels, case.inner, case.grid)
    return WholePrediction(
        case.id, labels, case.grid, overlap_voxels=merger.overlap_voxels, seconds=case.seconds
    )


def _count(labels: NDArray[np.unsignedinteger]) -> dict[int, int]:
    """Count the voxels of each value but 0, plane by plane."""
    counts = np.zeros(np.iinfo(labels.dtype).max + 1, np.int64)
    for k in range(labels.shape[2]):
        plane = np.asarray(labels[..., k]).ravel(order="K")
        counts += np.bincount(plane, minlength=counts.size)
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts) if value}


def _words(part: PartModel, class_map: ClassMap) -> str:
    named = dict.fromkeys(class_map[name].part or "others" for name in part.structures)
    count = len(part.structures)
    return f"{', '.join(named)} ({count} structure{'' if count == 1 else 's'})"


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    scratch = Path(tempfile.mkdtemp(prefix=".parts-", dir=folder))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
