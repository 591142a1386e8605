"""STAGE plausibility: rules that a body obeys, applied to the masks in force of every case.

Rules about voxels run in workers and are kept while nothing they depend on changes; sizes over the
cases are compared in the driver, from the ledger alone, in every run.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.engine import Engine
from pipeline.stage import Outcome, Stage, Status
from pipeline.volume import remove_partial_files, write_file_atomically
from pipeline.volume.label_reading import listed
from pipeline.workspace import CaseRecord, Finding, Layout, Workspace, write_findings
from qc.plausibility.case_check import (
    CheckTask,
    check_masks,
    sex_of,
    sizes_of,
    task_of,
)
from qc.plausibility.checking import Checked, apply_rules, most_severe_first
from qc.plausibility.cohort import Cohort, Size, make_cohort
from qc.plausibility.from_files import ReadCt, read_nifti_ct, scene_from_files
from qc.plausibility.rules import SIZES
from qc.plausibility.rules.sizes import size_findings
from qc.plausibility.settings import PlausibilitySettings

MAKER = "plausibility"
TABLE = ("severity", "kind", "structures", "what")
_TIMEOUT_S = 1800.0


def run(workspace: Workspace, settings: PlausibilitySettings, engine: Engine) -> Iterator[Outcome]:
    """Check the cases of a workspace and write their findings; one outcome per case.

    Raises
    ------
    NothingToDo
        If a named case does not exist.
    """
    folder = _cache_dir(workspace.layout)
    remove_partial_files(folder)
    compared = SIZES in [rule.name for rule in settings.chosen()]
    cohort = _cohort(workspace) if compared else None
    rules = tuple(rule.name for rule in settings.chosen_for_voxels())
    waiting: dict[str, _Case] = {}
    for record in _chosen(workspace, settings.cases):
        task = task_of(workspace.layout, workspace.class_map, record, settings.thresholds, rules)
        if not task.masks and not task.context.absent:
            continue
        case = _Case(task, sizes_of(record) if compared else {})
        known = None if settings.again else _read_known(folder, task)
        if known is not None:
            yield _finish(workspace, case, known, cohort, was_known=True)
        else:
            waiting[record.case.id] = case
    tasks = [case.task for case in waiting.values()]
    for result in engine.map(check_masks, tasks, timeout_s=_TIMEOUT_S):
        if result.value is None:
            yield Outcome(result.item.case.id, "failed", result.error or "could not be checked")
            continue
        _write_known(folder, result.item, result.value)
        case = waiting[result.item.case.id]
        yield _finish(workspace, case, result.value, cohort, was_known=False)


def run_on_files(
    settings: PlausibilitySettings, engine: Engine, read_ct: ReadCt = read_nifti_ct
) -> Iterator[Outcome]:
    """Check one segmentation; its findings are the rows of the outcome.

    Parameters
    ----------
    settings : PlausibilitySettings
    engine : Engine
    read_ct : callable, optional
        Reads the CT; the command line hands in the reader of intake.

    Raises
    ------
    UsageError, BadInput, ClassMapError
        If the files cannot be checked, see `scene_from_files`.
    """
    found = scene_from_files(settings, read_ct)
    read, known = found.segmentation, found.scene.context
    rules = settings.chosen()
    checked = apply_rules(rules, found.scene, settings.thresholds)
    silent = [rule.name for rule in rules if rule.needs_ct and found.scene.ct is None]
    figures: dict[str, Any] = {
        **_figures(checked.findings),
        "structures": len(found.scene.names),
        "unknown": list(read.unknown),
        "notes": list(found.notes),
        "known": {"sex": known.sex, "age_years": known.age_years, "phase": known.phase},
        "silent_without_ct": silent,
        "details": [finding.to_dict() for finding in checked.findings],
        "rows": [_row(finding) for finding in checked.findings],
    }
    assert settings.segmentation is not None
    status, note = _said(checked, "done")
    if read.unknown:
        note += f"; not in the class map and left out: {listed(read.unknown)}"
    if silent:
        note += f"; without a CT these rules say nothing: {', '.join(silent)}"
    note = "; ".join([note, *found.notes])
    yield Outcome(settings.segmentation.name, status, note, figures)


STAGE = Stage(
    name="plausibility",
    summary="Find what cannot be: rules of anatomy, density and size on every case's masks.",
    Settings=PlausibilitySettings,
    run=run,
    run_on_files=run_on_files,
    after=("bootstrap", "retrain"),
    table=TABLE,
)


@dataclass(frozen=True, slots=True)
class _Case:
    """A case in the making: its task, and its sizes for the comparison with the others."""

    task: CheckTask
    sizes: Mapping[str, Size]


def _chosen(workspace: Workspace, wanted: tuple[str, ...]) -> Iterator[CaseRecord]:
    if wanted:
        yield from (workspace.record(case_id) for case_id in dict.fromkeys(wanted))
        return
    # A planted case must not differ from the others in that nobody found anything in it.
    yield from (record for record in workspace.records(planted=True) if not record.excluded)


def _cohort(workspace: Workspace) -> Cohort:
    """Collect the sizes of all cases that are not excluded."""
    records = (record for record in workspace.records() if not record.excluded)
    return make_cohort((sex_of(record.case), sizes_of(record)) for record in records)


def _finish(
    workspace: Workspace, case: _Case, checked: Checked, cohort: Cohort | None, *, was_known: bool
) -> Outcome:
    """Add what the sizes say, write the findings, and say what there is."""
    task = case.task
    sized = size_findings(case.sizes, task.context, task.thresholds, cohort)
    findings = most_severe_first([*checked.findings, *sized])
    written = write_findings(workspace.layout, task.case.id, MAKER, findings)
    status: Status = "kept" if was_known and written is None else "done"
    whole = Checked(findings, checked.failures)
    status, note = _said(whole, status)
    return Outcome(task.case.id, status, note, _figures(findings))


def _said(checked: Checked, status: Status) -> tuple[Status, str]:
    counts = Counter(finding.severity for finding in checked.findings)
    words = [f"{counts[name]} {name}" for name in ("high", "medium", "low") if counts[name]]
    note = f"findings: {', '.join(words)}" if words else "no findings"
    if checked.failures:
        why = "; ".join(f"rule {name}: {reason}" for name, reason in checked.failures.items())
        return "failed", f"{why}; the other rules gave {note}"
    return status, note


def _figures(findings: tuple[Finding, ...]) -> dict[str, Any]:
    severities = Counter(finding.severity for finding in findings)
    kinds = Counter(finding.kind for finding in findings)
    return {
        "findings": len(findings),
        **{name: severities[name] for name in ("high", "medium", "low")},
        "kinds": dict(sorted(kinds.items())),
    }


def _row(finding: Finding) -> dict[str, str]:
    return {
        "severity": finding.severity,
        "kind": finding.kind,
        "structures": ", ".join(finding.structures),
        "what": finding.words,
    }


def _cache_dir(layout: Layout) -> Path:
    return layout.scratch_dir / "plausibility"


def _read_known(folder: Path, task: CheckTask) -> Checked | None:
    """Read what was found before on the same voxels; None if anything changed since."""
    try:
        said = json.loads((folder / f"{task.case.id}.json").read_text(encoding="utf-8"))
        if said["key"] != task.key:
            return None
        return Checked(tuple(Finding.from_dict(each) for each in said["findings"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write_known(folder: Path, task: CheckTask, checked: Checked) -> None:
    """Keep what was found, unless a rule failed: then the case is checked again next time."""
    path = folder / f"{task.case.id}.json"
    if checked.failures:
        path.unlink(missing_ok=True)
        return
    said = {"key": task.key, "findings": [finding.to_dict() for finding in checked.findings]}
    folder.mkdir(parents=True, exist_ok=True)
    write_file_atomically(path, json.dumps(said).encode())
