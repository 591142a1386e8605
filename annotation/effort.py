"""Effort: what correcting took and changed, from round to round, and what is left at this pace.

::

    report = effort_report(workspace, by="round")
    for group in report.groups:
        group.name, group.accepted_share, group.dice, group.mean_s

Seconds that nobody noted are unknown: they are counted apart and never as 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from annotation.effort_changes import changes_of
from annotation.effort_figures import (
    Effort,
    EffortGroup,
    Left,
    Pace,
    PaperComparison,
    beside_the_paper,
    group_of,
    hours_left,
    pace_of,
)
from annotation.effort_items import EffortItem, basis_order, read_work
from pipeline.engine import Engine, SerialEngine
from pipeline.workspace import Workspace
from pipeline.workspace.mask_change import MaskChange

By = Literal["round", "structure", "annotator", "case"]
GROUPINGS: tuple[By, ...] = get_args(By)


@dataclass(frozen=True, slots=True)
class EffortReport:
    """Everything `masksmith effort` shows."""

    by: By
    groups: tuple[EffortGroup, ...]
    total: EffortGroup
    pace: Pace | None
    left: Left
    paper: PaperComparison
    efforts: tuple[Effort, ...]
    problems: tuple[str, ...]


def effort_report(
    workspace: Workspace,
    *,
    by: By = "round",
    structures: Sequence[str] = (),
    engine: Engine | None = None,
) -> EffortReport:
    """Compute what correcting took and changed.

    Parameters
    ----------
    workspace : Workspace
        Its scratch folder keeps the comparisons; nothing else is written.
    by : {"round", "structure", "annotator", "case"}
        Round: what the person began with, see :class:`annotation.effort_items.EffortItem`.
    structures : sequence of str
        Only these; none: all.
    engine : Engine, optional
        Where masks are compared; this process by default.

    Raises
    ------
    ClassMapError
        When there is no such structure.
    """
    work = read_work(workspace, structures)
    changes, failed = changes_of(workspace, work.items, engine or SerialEngine())
    voxel_ml = {case.id: case.grid.voxel_ml for case in workspace.cases()}
    efforts = [_effort(item, changes, voxel_ml[item.case_id]) for item in work.items]
    pace = pace_of(work.items)
    return EffortReport(
        by=by,
        groups=tuple(_groups(efforts, by)),
        total=group_of("all", efforts),
        pace=pace,
        left=hours_left(work.undecided, pace),
        paper=beside_the_paper(work.items),
        efforts=tuple(efforts),
        problems=(*work.lost, *failed),
    )


def _groups(efforts: Sequence[Effort], by: By) -> list[EffortGroup]:
    keys: dict[By, Callable[[EffortItem], str]] = {
        "round": lambda item: item.basis,
        "structure": lambda item: item.structure or "whole case",
        "annotator": lambda item: item.by,
        "case": lambda item: item.case_id,
    }
    grouped: dict[str, list[Effort]] = {}
    for effort in efforts:
        grouped.setdefault(keys[by](effort.item), []).append(effort)
    order = basis_order(grouped) if by == "round" else sorted(grouped)
    return [group_of(name, grouped[name]) for name in order]


def _effort(item: EffortItem, changes: Mapping[str, MaskChange], voxel_ml: float) -> Effort:
    """Say what an item changed: compared, or known without."""
    if item.mask is None:
        return Effort(item)
    if item.what == "accepted":
        return Effort(item, 0, 0, 0.0, 0.0, 1.0, 1.0)
    if item.what == "drawn":
        return Effort(item, item.mask.voxels, 0, item.mask.voxels * voxel_ml, 0.0)
    change = changes.get(item.mask.id)
    if change is None:
        return Effort(item)
    added, removed = change.added_voxels, change.removed_voxels
    return Effort(
        item, added, removed, added * voxel_ml, removed * voxel_ml, change.dice, change.nsd
    )
