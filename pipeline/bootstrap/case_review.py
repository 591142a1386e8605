"""After the models: merge, find overlaps, check the numbers of the vertebrae, case by case."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.bootstrap.labels_for_review import store_findings
from pipeline.bootstrap.merging import Merge, masks_of_cards, merged_words, plan_merges, write_merge
from pipeline.bootstrap.overlaps import (
    OverlapLimits,
    ReadMask,
    find_agreements,
    find_overlaps,
    overlap_findings,
    overlap_report,
)
from pipeline.bootstrap.settings import BootstrapSettings
from pipeline.engine import Engine
from pipeline.stage import Outcome, Status
from pipeline.volume import write_file_atomically
from pipeline.workspace import (
    Case,
    CaseRecord,
    Finding,
    Layout,
    Mask,
    Workspace,
    digest_of,
    read_mask,
)
from pipeline.workspace.in_force import paint_order
from qc.plausibility.thresholds import shipped_thresholds
from qc.plausibility.vertebra_numbers import read_vertebrae, vertebra_findings

OVERLAPS, VERTEBRAE = "bootstrap:overlaps", "bootstrap:vertebrae"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class ReviewTask:
    """One case to review.

    Attributes
    ----------
    merges : tuple of Merge
        Merged masks that are missing.
    """

    layout: Layout
    record: CaseRecord
    merges: tuple[Merge, ...]
    limits: OverlapLimits


@dataclass(frozen=True, slots=True)
class Review:
    """What came of it.

    Attributes
    ----------
    masks : tuple of Mask
        Merged, written, for the driver to record.
    report : mapping
        On overlaps, JSON values.
    findings : mapping of str to tuple of Finding
        By maker, for the driver to write.
    """

    masks: tuple[Mask, ...]
    report: Mapping[str, Any]
    findings: Mapping[str, tuple[Finding, ...]]


def review_cases(
    workspace: Workspace, cases: Sequence[Case], settings: BootstrapSettings, engine: Engine
) -> Iterator[Outcome]:
    """Merge what several models see, report overlaps, check vertebra numbers.

    Cases about which nothing changed since the last time are passed over; a case gives an outcome
    only if there is something to say about it.

    Parameters
    ----------
    workspace : Workspace
    cases : sequence of Case
    settings : BootstrapSettings
    engine : Engine
    """
    tasks = []
    for case in cases:
        record = workspace.record(case.id)
        merges = plan_merges(record.masks, settings.merging)
        if record.masks and (merges or not _is_reviewed(workspace, record, settings)):
            tasks.append(ReviewTask(workspace.layout, record, merges, settings.overlap_limits))
    for result in engine.map(review_case, tasks):
        case_id = result.item.record.case.id
        if result.value is None:
            yield Outcome(case_id, "failed", f"merging and overlaps: {result.error}")
            continue
        reported = workspace.layout.overlaps(case_id).exists()
        _store(workspace, result.item, result.value, settings)
        said = _words(result.item, result.value)
        # A report brought up to date after other stages is no new work of this one.
        status: Status = "kept" if reported and not result.item.merges else "done"
        if said:
            yield Outcome(case_id, status, said, _figures(result.item, result.value))


def review_case(task: ReviewTask) -> Review:
    """Do it for one case; writes nothing but merged masks.

    Raises
    ------
    MaskFileError
        If a mask is missing or damaged.
    """
    layout, record = task.layout, task.record
    merged = tuple(write_merge(layout, record.case, merge) for merge in task.merges)
    record = replace(record, masks=(*record.masks, *merged))
    accepted = {mask.id for mask in record.accepted().values()}
    painted = [_read(layout, mask) for mask in paint_order(record.in_force(), accepted)]
    seen = {
        name: [_read(layout, mask) for mask in masks]
        for name, masks in masks_of_cards(record.masks).items()
        if len(masks) > 1
    }
    overlaps = find_overlaps(painted, record.case.grid.voxel_ml, task.limits)
    crops = {read.mask.structure: (read.crop, read.mask.box) for read in painted}
    vertebrae = read_vertebrae(crops, record.case.grid)
    return Review(
        merged,
        overlap_report(overlaps, find_agreements(seen)),
        {
            OVERLAPS: overlap_findings(overlaps),
            VERTEBRAE: vertebra_findings(vertebrae, shipped_thresholds()),
        },
    )


def _read(layout: Layout, mask: Mask) -> ReadMask:
    path = layout.mask(mask.case_id, mask.structure, mask.id)
    return ReadMask(mask, read_mask(path)[1])


def _key(record: CaseRecord, settings: BootstrapSettings) -> str:
    """Give a digest of all that a review depends on."""
    return digest_of(
        {
            "format": _FORMAT,
            "in_force": {name: mask.id for name, mask in record.in_force().items()},
            "models": {
                name: [mask.id for mask in masks]
                for name, masks in masks_of_cards(record.masks).items()
                if len(masks) > 1
            },
            "limits": [settings.overlap_limit_share, settings.overlap_limit_ml],
        }
    )


def _is_reviewed(workspace: Workspace, record: CaseRecord, settings: BootstrapSettings) -> bool:
    path = workspace.layout.overlaps(record.case.id)
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return bool(said["key"] == _key(record, settings))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _store(
    workspace: Workspace, task: ReviewTask, review: Review, settings: BootstrapSettings
) -> None:
    """Record the merged masks, then findings, then the report that says all is done."""
    case_id = task.record.case.id
    workspace.record_masks(review.masks)
    for maker, findings in review.findings.items():
        store_findings(workspace.layout, case_id, maker, findings)
    key = _key(workspace.record(case_id), settings)
    text = json.dumps({"key": key, **review.report}, indent=1) + "\n"
    write_file_atomically(workspace.layout.overlaps(case_id), text.encode())


def _words(task: ReviewTask, review: Review) -> str:
    report = review.report
    said = [f"merged {count} by {policy}" for policy, count in merged_words(task.merges).items()]
    if report["pairs"]:
        said.append(
            f"{report['pairs']} pairs of structures overlap in {report['voxels']} voxels, "
            f"{report['flagged']} to be reviewed"
        )
    said += [finding.words for finding in review.findings[VERTEBRAE]]
    return "; ".join(said)


def _figures(task: ReviewTask, review: Review) -> dict[str, object]:
    return {
        "merged": [merge.structure for merge in task.merges],
        "overlapping_pairs": review.report["pairs"],
        "overlapping_voxels": review.report["voxels"],
        "flagged_pairs": review.report["flagged"],
        "findings": sum(len(found) for found in review.findings.values()),
    }
