"""What people changed in the proposals: every saved mask compared with the one it was made from.

Masks never change, so a comparison is made once and kept in the workspace's scratch folder.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from annotation.effort_items import EffortItem
from pipeline.engine import Engine, SerialEngine
from pipeline.errors import MasksmithError
from pipeline.volume import write_file_atomically
from pipeline.workspace import Layout, Mask, Workspace
from pipeline.workspace.mask_change import MaskChange, mask_change

log = logging.getLogger(__name__)
_FORMAT = 1
# Fewer comparisons than these are done before other processes have started.
_FEW = 64
_Spacing = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class _Task:
    """The pairs of one case."""

    layout: Layout
    spacing_mm: _Spacing
    pairs: tuple[tuple[Mask, Mask], ...]


def changes_of(
    workspace: Workspace, items: Iterable[EffortItem], engine: Engine
) -> tuple[dict[str, MaskChange], list[str]]:
    """Compare saved masks with their proposals.

    Returns
    -------
    changes : dict
        By the id of the saved mask.
    failed : list of str
        What could not be compared, and why; the others are.
    """
    pairs = [
        (item.proposal, item.mask)
        for item in items
        if item.what == "corrected" and item.proposal is not None and item.mask is not None
    ]
    kept = _read_kept(workspace.layout)
    missing = [pair for pair in pairs if _key(*pair) not in kept]
    made, failed = _compare(workspace, missing, engine)
    if made:
        kept |= made
        _write_kept(workspace.layout, kept)
    found = {
        after.id: kept[_key(before, after)]
        for before, after in pairs
        if _key(before, after) in kept
    }
    return found, sorted(failed)


def _compare(
    workspace: Workspace, pairs: list[tuple[Mask, Mask]], engine: Engine
) -> tuple[dict[str, MaskChange], list[str]]:
    tasks = []
    ordered = sorted(pairs, key=lambda pair: (pair[1].case_id, pair[1].id))
    for case_id, group in groupby(ordered, key=lambda pair: pair[1].case_id):
        spacing = workspace.case(case_id).grid.spacing_mm
        tasks.append(_Task(workspace.layout, spacing, tuple(group)))
    made: dict[str, MaskChange] = {}
    failed: list[str] = []
    runner = engine if len(pairs) > _FEW else SerialEngine()
    for result in runner.map(_compare_case, tasks):
        if result.value is None:
            case_id = result.item.pairs[0][1].case_id
            failed.append(f"{case_id}: {len(result.item.pairs)} masks: {result.error}")
            continue
        made |= result.value[0]
        failed += result.value[1]
    return made, failed


def _compare_case(task: _Task) -> tuple[dict[str, MaskChange], list[str]]:
    made, failed = {}, []
    for before, after in task.pairs:
        try:
            made[_key(before, after)] = mask_change(task.layout, before, after, task.spacing_mm)
        except MasksmithError as error:
            failed.append(f"{after.case_id}/{after.structure}/{after.id[:12]}: {error}")
    return made, failed


def _key(before: Mask, after: Mask) -> str:
    return f"{before.id} {after.id}"


def _read_kept(layout: Layout) -> dict[str, MaskChange]:
    path = layout.mask_changes
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != _FORMAT:
            return {}
        return {str(key): MaskChange(*change) for key, change in values["changes"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s cannot be read (%s); the masks are compared anew", path, error)
        return {}


def _write_kept(layout: Layout, changes: Mapping[str, MaskChange]) -> None:
    rows = {
        key: [change.before_voxels, change.after_voxels, change.common_voxels, change.nsd]
        for key, change in sorted(changes.items())
    }
    text = json.dumps({"format": _FORMAT, "changes": rows})
    try:
        write_file_atomically(layout.mask_changes, text.encode())
    except OSError as error:
        log.warning("%s cannot be written (%s); next time it is computed again",
                    layout.mask_changes, error.strerror)  # fmt: skip
