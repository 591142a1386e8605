"""Measuring one case as a task for a worker: mask files in, a record of numbers out.

The record holds what the voxels say. What people decided is asked of the ledger when a table is
written, so that a verdict does not need the CT to be read again.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.volume import measure_mask, write_file_atomically
from pipeline.workspace import Case, CaseRecord, Layout, Mask, digest_of, read_mask
from pipeline.workspace.case_file import read_ct

MEASURING_VERSION = 1
"""Raise it when the same masks give other numbers: all are then measured anew."""


@dataclass(frozen=True, slots=True)
class MeasureTask:
    """One case to measure.

    Attributes
    ----------
    masks : tuple of (str, str, Path)
        Structure, id and file of each mask in force.
    digest : str
        Of everything the numbers depend on.
    """

    case: Case
    ct: Path
    masks: tuple[tuple[str, str, Path], ...]
    file: Path
    digest: str


def measure_task(layout: Layout, record: CaseRecord) -> MeasureTask:
    """Collect what a worker needs to measure the masks in force of a case."""
    case, in_force = record.case, record.in_force()
    return MeasureTask(
        case=case,
        ct=layout.ct(case.id),
        masks=tuple(
            (name, mask.id, layout.mask(case.id, name, mask.id)) for name, mask in in_force.items()
        ),
        file=layout.stats_record(case.id),
        digest=measuring_digest(case, in_force),
    )


def measuring_digest(case: Case, in_force: Mapping[str, Mask]) -> str:
    """Digest of everything a record depends on: the CT and the masks in force."""
    masks = {name: mask.id for name, mask in in_force.items()}
    return digest_of([MEASURING_VERSION, case.ct_digest, masks])


def read_measurements(layout: Layout, record: CaseRecord) -> dict[str, Any] | None:
    """Read a case's record; None if there is none of the masks that are in force now."""
    try:
        found = json.loads(layout.stats_record(record.case.id).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    current = measuring_digest(record.case, record.in_force())
    is_current = isinstance(found, dict) and found.get("digest") == current
    return found if is_current else None


def measure_case(task: MeasureTask) -> dict[str, Any]:
    """Measure every mask of a case and write the record.

    Returns
    -------
    dict
        digest, and for each structure its mask and the fields of
        :class:`pipeline.volume.Measurement`. Masks that overlap are each measured whole.
    """
    ct, structures = read_ct(task.ct, task.case), {}
    for name, mask_id, path in task.masks:
        mask, crop = read_mask(path)
        measured = measure_mask(crop, mask.box, ct, task.case.grid)
        structures[name] = {"mask": mask_id, **asdict(measured)}
    record = {"case": task.case.id, "digest": task.digest, "structures": structures}
    write_file_atomically(task.file, json.dumps(record).encode())
    return record
