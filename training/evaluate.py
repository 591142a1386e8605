"""STAGE evaluate: Dice and NSD of predictions against truth, with intervals by patient.

Metrics and average are those of the paper (section 2.4): per structure and case, then the mean over
all of them (micro-average); NSD at 3 mm. Works on files, and on one side of a workspace's split.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.engine import Engine
from pipeline.errors import UsageError
from pipeline.stage import Outcome, Stage
from pipeline.volume import remove_partial_files
from pipeline.workspace import Workspace
from training.evaluation.from_files import gather_files
from training.evaluation.from_workspace import gather_workspace
from training.evaluation.plan import COMPARE, PREDICTIONS, Plan, make_plan
from training.evaluation.report import Evaluated, write_report
from training.evaluation.results import GroupResult, Setting, group_results, paired_results
from training.evaluation.rows import CaseRows, Row, compare_case
from training.evaluation.settings import EvaluateSettings

log = logging.getLogger(__name__)

TABLE = ("group", "rows", "dice", "dice_95", "nsd", "nsd_95", "missed", "false_positives")
_TABLE_KINDS = ("all", "part", "category")
_ALL = "all cases"
_TIMEOUT_S = 1800.0


def run(workspace: Workspace, settings: EvaluateSettings, engine: Engine) -> Iterator[Outcome]:
    """Evaluate predictions against what people accepted in a workspace; one outcome per case."""
    plan = make_plan(gather_workspace(workspace, settings), settings)
    out = settings.out or workspace.layout.evaluation_dir(_slug(settings))
    for outcome in _evaluate(plan, settings, out, engine):
        yield _without_paths(outcome)


def run_on_files(settings: EvaluateSettings, engine: Engine) -> Iterator[Outcome]:
    """Evaluate files against files; one outcome per case.

    Raises
    ------
    UsageError
        If a path is missing among the settings.
    """
    plan = make_plan(gather_files(settings), settings)
    if settings.out is None:
        raise UsageError("evaluate: with --truth also give --out DIR")
    yield from _evaluate(plan, settings, settings.out, engine)


STAGE = Stage(
    name="evaluate",
    summary="Score predictions against truth: Dice and NSD, with intervals by patient.",
    Settings=EvaluateSettings,
    run=run,
    run_on_files=run_on_files,
    after=("retrain",),
    table=TABLE,
)


@dataclass(slots=True)
class _Collected:
    """What the cases gave so far."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def add(self, case: CaseRows) -> None:
        for name, rows in case.rows.items():
            self.rows.setdefault(name, []).extend(rows)


def _evaluate(
    plan: Plan, settings: EvaluateSettings, out: Path, engine: Engine
) -> Iterator[Outcome]:
    collected = _Collected()
    for problem in plan.problems:
        collected.failures[problem.case_id] = problem.reason
        yield Outcome(problem.case_id, "failed", problem.reason)
    for result in engine.map(compare_case, list(plan.tasks), timeout_s=_TIMEOUT_S):
        case_id = result.item.case_id
        if result.value is None:
            reason = result.error or "no figures"
            collected.failures[case_id] = reason
            yield Outcome(case_id, "failed", reason)
        else:
            collected.add(result.value)
            yield _outcome(case_id, result.value)
    if any(collected.rows.values()):
        yield _report(plan, settings, out, collected)


def _without_paths(outcome: Outcome) -> Outcome:
    """Keep names of files, which may name a patient, out of the ledger; a person sees them."""
    if outcome.status == "failed":
        return replace(outcome, note="could not be scored", shown=outcome)
    if outcome.subject == _ALL:
        return replace(outcome, note="tables and figures were written", shown=outcome)
    return outcome


def _report(plan: Plan, settings: EvaluateSettings, out: Path, collected: _Collected) -> Outcome:
    for note in plan.notes:
        log.info("evaluate: %s", note)
    for warning in plan.warnings:
        log.warning("evaluate: %s", warning)
    setting = Setting(plan.class_map, plan.facts, settings.resamples, settings.seed)
    rows, others = (collected.rows.get(name, []) for name in (PREDICTIONS, COMPARE))
    groups = group_results(rows, setting)
    evaluated = Evaluated(
        plan=plan,
        settings=settings,
        rows=rows,
        others=others,
        groups=groups,
        pairs=paired_results(rows, others, setting) if COMPARE in plan.names else [],
        failures=collected.failures,
    )
    out.mkdir(parents=True, exist_ok=True)
    remove_partial_files(out)
    write_report(evaluated, out)
    there = [group for group in groups if group.rows or group.false_positives]
    shown = [_line(group) for group in there if group.kind in _TABLE_KINDS]
    return Outcome(_ALL, "done", f"written to {out}", {"rows": shown})


def _outcome(case_id: str, case: CaseRows) -> Outcome:
    rows = case.rows[PREDICTIONS]
    counted = [row for row in rows if row.counts]
    missing = case.without_mask[PREDICTIONS]
    figures: dict[str, Any] = {
        "structures": len(counted),
        "missed": sum(row.found == "missed" for row in rows),
        "false_positives": sum(row.found == "false_positive" for row in rows),
    }
    note = f"{len(counted)} structures"
    if counted:
        for metric in ("dice", "nsd"):
            figures[metric] = round(sum(getattr(row, metric) for row in counted) / len(counted), 6)
        note += f", Dice {figures['dice']:.3f}, NSD {figures['nsd']:.3f}"
    if missing:
        note += (
            f"; no mask of {', '.join(missing[:3])}{' ...' if missing[3:] else ''}: counted as 0"
        )
    return Outcome(case_id, "done", note, figures)


def _line(group: GroupResult) -> dict[str, Any]:
    values = group.to_dict()
    return {
        "group": "all" if group.kind == "all" else f"{group.kind} {group.name}",
        "rows": group.rows,
        "dice": _three(values["dice"]),
        "dice_95": _range(values["dice_low"], values["dice_high"]),
        "nsd": _three(values["nsd"]),
        "nsd_95": _range(values["nsd_low"], values["nsd_high"]),
        "missed": group.missed,
        "false_positives": group.false_positives,
    }


def _three(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


def _range(low: float | None, high: float | None) -> str | None:
    return None if low is None or high is None else f"{low:.3f}-{high:.3f}"


def _slug(settings: EvaluateSettings) -> str:
    """Name the folder of an evaluation after what is evaluated."""
    name = Path(settings.predictions or "").name or "predictions"
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)
