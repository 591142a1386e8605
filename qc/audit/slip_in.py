"""Slip known errors in: pick cases and kinds, plant, store each as a case of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.errors import NothingToDo
from pipeline.workspace import CaseRecord, Mask, Workspace, now_utc, write_case
from pipeline.workspace.mask_file import write_label_map_masks
from pipeline.workspace.planted import removed_plants
from qc.audit.disguise import disguised_case, disguised_id, provenance_like
from qc.audit.truth import PlantTruth, write_truth
from qc.planting import (
    GRADES,
    KINDS,
    CannotPlant,
    Grade,
    Planted,
    Subject,
    draw_for,
    kind_named,
    plant,
)

_TRIES = 40
_FEWEST_STRUCTURES = 3


@dataclass(frozen=True, slots=True)
class PlantRequest:
    """How many errors to slip in, and which.

    Attributes
    ----------
    count : int
    grades : tuple of Grade
        Taken in turn.
    kinds : tuple of str
        None: all.
    structures : tuple of str
        What the errors are about; none: all.
    cases : tuple of str
        To copy; none: all that are not excluded.
    seed : int
    """

    count: int = 12
    grades: tuple[Grade, ...] = GRADES
    kinds: tuple[str, ...] = ()
    structures: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class PlantResult:
    """What became of one request.

    Attributes
    ----------
    planted : tuple of PlantTruth
    refused : tuple of str
        One line for each error that could not be planted.
    """

    planted: tuple[PlantTruth, ...]
    refused: tuple[str, ...] = field(default=())


def slip_in(workspace: Workspace, request: PlantRequest) -> PlantResult:
    """Plant errors and store each as a case that only the gallery shows.

    The caller holds the driver lock. The same request on the same workspace a second time gives
    other errors: what is there counts into the seed.

    Raises
    ------
    NothingToDo
        If no case has enough masks to copy.
    UsageError
        If there is no such kind of error.
    ClassMapError
        If there is no such structure.
    """
    names = [workspace.class_map[name].name for name in request.structures]
    kinds = [kind_named(name) for name in request.kinds] or list(KINDS)
    records = _records(workspace, request)
    # An id that was taken out names that case's verdicts in the report for ever.
    taken = {case.id for case in workspace.cases(planted=True)} | removed_plants(workspace.layout)
    rng = np.random.default_rng([request.seed, len(taken)])
    planted: list[PlantTruth] = []
    refused: list[str] = []
    for n in range(request.count):
        grade = request.grades[n % len(request.grades)]
        able = [kind.name for kind in kinds if grade in kind.grades]
        order = _in_turn(records, n, rng)
        found = _plant_somewhere(workspace, order, able, grade, names or None, rng)
        if isinstance(found, str):
            refused.append(found)
            continue
        record, error, seed = found
        case_id = disguised_id(record.case.id, taken, rng)
        taken.add(case_id)
        planted.append(_store(workspace, record, error, case_id, seed, rng))
    return PlantResult(tuple(planted), tuple(refused))


def _records(workspace: Workspace, request: PlantRequest) -> list[CaseRecord]:
    """List the real cases that can be copied."""
    if request.cases:
        records = [workspace.record(case_id) for case_id in dict.fromkeys(request.cases)]
    else:
        records = [record for record in workspace.records() if not record.excluded]
    fitting = [
        record
        for record in records
        if not record.case.is_planted and len(_filled(record)) >= _FEWEST_STRUCTURES
    ]
    if not fitting:
        raise NothingToDo(
            f"{workspace.path}: of {len(records)} cases none has {_FEWEST_STRUCTURES} masks; "
            "run 'masksmith bootstrap' or 'masksmith retrain' first"
        )
    return fitting


def _filled(record: CaseRecord) -> dict[str, Mask]:
    return {name: mask for name, mask in record.in_force().items() if mask.voxels}


def _in_turn(
    records: Sequence[CaseRecord], n: int, rng: np.random.Generator
) -> Iterator[CaseRecord]:
    """Go through all cases, another one first each time."""
    others = rng.permutation(len(records))
    first = n % len(records)
    yield records[first]
    yield from (records[int(k)] for k in others if int(k) != first)


def _plant_somewhere(
    workspace: Workspace,
    order: Iterator[CaseRecord],
    kinds: Sequence[str],
    grade: Grade,
    among: Sequence[str] | None,
    rng: np.random.Generator,
) -> tuple[CaseRecord, Planted, int] | str:
    """Try cases and kinds until an error fits; else give the last reason why not."""
    reason = f"no kind of error comes {grade}"
    for record in order:
        subject = Subject.of(
            workspace.label_map(record.case.id),
            record.case.grid,
            workspace.class_map,
            workspace.ct(record.case.id),
        )
        for kind in rng.permutation(list(kinds))[:_TRIES]:
            seed = int(rng.integers(2**31))
            try:
                draw = draw_for(str(kind), grade, seed, among=among)
                return record, plant(subject, draw), seed
            except CannotPlant as error:
                reason = str(error)
    return f"one {grade} error could not be planted in any case: {reason}"


def _store(
    workspace: Workspace,
    record: CaseRecord,
    error: Planted,
    case_id: str,
    seed: int,
    rng: np.random.Generator,
) -> PlantTruth:
    """Write a planted case: what is wrong first, the ledger last."""
    layout, in_force = workspace.layout, record.in_force()
    case, ct = disguised_case(record.case, case_id, workspace.ct(record.case.id), rng)
    truth = PlantTruth(
        case_id=case.id,
        copy_of=record.case.id,
        kind=error.kind,
        grade=error.grade,
        targets=error.targets,
        wrong=tuple(sorted(error.wrong)),
        words=error.words,
        created=now_utc(),
        details={**error.to_dict(), "seed": seed},
    )
    write_truth(layout.planted_dir, truth)
    write_case(layout, case, ct)
    masks = write_label_map_masks(
        layout,
        case,
        error.labels_on(case.grid),
        workspace.class_map,
        provenance_like(in_force),
        include_empty=set(in_force) | set(error.wrong),
    )
    workspace.record_case(case)
    workspace.record_masks(masks)
    return truth
