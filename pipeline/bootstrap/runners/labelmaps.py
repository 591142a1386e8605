"""Runner `labelmaps`: the model was run elsewhere, its predictions lie on disk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydantic import BaseModel, Field

from pipeline.bootstrap.card import CardModel, ModelCard
from pipeline.bootstrap.mask_writing import write_binary_masks, write_label_map
from pipeline.bootstrap.prediction_files import (
    PredictionFiles,
    check_patterns,
    find_by_patterns,
    find_listed,
)
from pipeline.bootstrap.runners.runner import FoundModel, Search, attempt, failed, kept, spread
from pipeline.bootstrap.tasks import CaseResult, CaseTask
from pipeline.bootstrap.weights import ModelMissing
from pipeline.engine import Engine
from pipeline.errors import MasksmithError
from pipeline.workspace import digest_of, digest_of_file

DEFAULT_PATTERNS = (
    "{case}.nii.gz",
    "{stem}.nii.gz",
    "{case}/segmentations/{structure}.nii.gz",
    "{case}/{structure}.nii.gz",
    "{stem}/{structure}.nii.gz",
)


class LabelmapsOptions(CardModel):
    """What a card may say about predictions on disk."""

    patterns: tuple[str, ...] = Field(default=DEFAULT_PATTERNS, min_length=1)


@dataclass(frozen=True, slots=True)
class _Found:
    task: CaseTask
    files: PredictionFiles


class LabelmapsRunner:
    """Reads label maps, or one binary mask per structure, below `weights.path`."""

    name = "labelmaps"
    options: type[BaseModel] = LabelmapsOptions
    needs_approval = False
    incidental_options = ("patterns",)

    def find(self, card: ModelCard, options: BaseModel, search: Search) -> FoundModel:
        """Find the folder of the predictions; raises ModelMissing if it is not there."""
        if search.place is None or not search.place.is_dir():
            found = f"no folder {search.place}" if search.place else "no folder is named"
            raise ModelMissing(
                f"model '{card.name}': predictions missing: {found}; name the folder that holds "
                f"them with --predictions DIR (or in configs/bootstrap.yaml as "
                f"weights: {{{card.name}: DIR}}), or leave the card out with --models"
            )
        return FoundModel(search.place)

    def run(self, tasks: Sequence[CaseTask], engine: Engine) -> Iterator[CaseResult]:
        """Read the predictions that are there; the other cases have `no_prediction`."""
        found: list[_Found] = []
        for task, files in _look_for_all(tasks):
            if isinstance(files, str):
                yield failed(task, files)
            elif files is None:
                yield CaseResult(task.case.id, "no_prediction")
            else:
                found.append(_Found(task, files))
        yield from spread(engine, _read_one, found)


def _look_for_all(
    tasks: Sequence[CaseTask],
) -> Iterator[tuple[CaseTask, PredictionFiles | str | None]]:
    """Find each task's files; a text instead says why the search failed."""
    if not tasks:
        return
    model = tasks[0].model
    folder = cast("Path", model.place)
    policy = model.policy
    given = policy.prediction_pattern
    patterns = (given,) if given else cast("LabelmapsOptions", model.options).patterns
    if not policy.prediction_table:
        check_patterns(patterns, len(tasks), model.card.name)
    for task in tasks:
        try:
            if policy.prediction_table:
                yield task, find_listed(folder, task.words)
            else:
                yield task, find_by_patterns(folder, patterns, task.words)
        except MasksmithError as error:
            yield task, str(error)


def _read_one(found: _Found) -> CaseResult:
    return attempt(found.task, lambda: _masks_of(found))


def _masks_of(found: _Found) -> CaseResult:
    task, files = found.task, found.files
    sources = task.sources(predictions=_digest(files))
    covered = task.model.labels.covered
    expected = covered if files.label_map else tuple(n for n in covered if n in files.masks)
    there = kept(task, sources, expected)
    if there is not None:
        return there
    if files.label_map is not None:
        return write_label_map(task, files.label_map, sources)
    return write_binary_masks(task, files.masks, sources)


def _digest(files: PredictionFiles) -> str:
    """Digest of a prediction: of the one file, or of all masks with their names."""
    if files.label_map is not None:
        return digest_of_file(files.label_map)
    return digest_of({name: digest_of_file(path) for name, path in files.masks.items()})
