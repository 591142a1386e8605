"""The command of a stage: its options come from its settings, its answer is a summary."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.call import Call, call_of
from pipeline.cli.exit_codes import SOME_FAILED
from pipeline.cli.group import Command
from pipeline.cli.output import write_json, write_table
from pipeline.cli.progress import WatchedEngine, outcome_line, progress_for
from pipeline.cli.settings_options import flags_given, options_of
from pipeline.errors import NothingToDo

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.stage import RunReport, Stage, Status
    from pipeline.stages import StageRef

FAILURES_SHOWN = 20
STATUSES: tuple[Status, ...] = ("done", "kept", "failed")


def stage_command(
    ref: StageRef,
    context: click.Context,
    prepared: Callable[[Stage, Call], Stage] = lambda stage, call: stage,
) -> click.Command:
    """Return the command that runs a stage, with one option per field of its settings.

    Parameters
    ----------
    ref : StageRef
    context : click.Context
    prepared : callable, optional
        Gives the stage what the command line alone can give it, for one call.
    """
    stage = ref.load()
    options = options_of(stage.Settings, settings_file(stage.name, call_of(context)))

    @click.pass_context
    def callback(inner: click.Context, /, **values: Any) -> None:
        call = call_of(inner)
        inner.exit(run(prepared(stage, call), call, flags_given(inner, values)))

    return Command(
        ref.name, callback=callback, params=options, help=stage.summary, epilog=_epilog(ref)
    )


def _epilog(ref: StageRef) -> str:
    """Return where settings come from, weakest first."""
    name = ref.name.replace("-", "_")
    return (
        f"Settings: defaults, then configs/{name}.yaml, then "
        f"MASKSMITH_{name.upper()}_<FIELD>, then the options above. "
        "Exit: 0 ok, 3 nothing to do, 4 bad input, 5 missing model or dependency, "
        "8 some cases failed."
    )


def settings_file(name: str, call: Call) -> Mapping[str, object]:
    """Return what the settings file of a command says, for `--help`; nothing if there is none."""
    import yaml

    path = call.configs_path / f"{name.replace('-', '_')}.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def run(stage: Stage, call: Call, flags: Mapping[str, Any]) -> int:
    """Run a stage on the call's workspace, print how it went and return the exit code."""
    from pipeline.stage import load_settings, run_stage, run_stage_on_files

    settings = load_settings(stage, call.configs_path, flags)
    workspace = call.open_workspace() if settings.needs_workspace else None
    started = time.monotonic()
    with progress_for(call, stage.name) as progress:
        engine = WatchedEngine(call.engine(), progress)
        if workspace is None:
            report = run_stage_on_files(stage, settings, engine, on_outcome=progress.hear)
        else:
            report = run_stage(stage, workspace, settings, engine, on_outcome=progress.hear)
    seconds = time.monotonic() - started
    if not report.outcomes:
        where = f" in {call.workspace_path}" if workspace else ""
        before = f"; run {' or '.join(stage.after)} first" if stage.after else ""
        raise NothingToDo(f"{stage.name}: nothing to do{where}{before}")
    if call.as_json:
        place = None if workspace is None else call.workspace_path
        write_json(_document(stage, place, report, seconds))
    else:
        _write_rows(stage, report)
        _write_summary(stage, report, seconds)
    return SOME_FAILED if report.failures else 0


def _document(
    stage: Stage, workspace: Path | None, report: RunReport, seconds: float
) -> dict[str, object]:
    """Return the run as one JSON document."""
    return {
        "stage": stage.name,
        "workspace": None if workspace is None else str(workspace),
        "seconds": round(seconds, 3),
        "counts": {status: report.count(status) for status in STATUSES},
        "outcomes": [
            {
                "subject": outcome.subject,
                "status": outcome.status,
                "note": outcome.note,
                "figures": dict(outcome.figures),
            }
            for outcome in report.outcomes
        ],
    }


def _write_rows(stage: Stage, report: RunReport) -> None:
    """Write the table that a stage has, one line per row of its outcomes' figures."""
    rows = [row for outcome in report.outcomes for row in outcome.figures.get("rows", ())]
    if stage.table and rows:
        write_table(stage.table, [[row.get(column) for column in stage.table] for row in rows])


def _write_summary(stage: Stage, report: RunReport, seconds: float) -> None:
    """Write the counts to stdout and each failure with its reason to stderr."""
    failed = report.failures
    for outcome in failed[:FAILURES_SHOWN]:
        click.echo(outcome_line(outcome), err=True)
    if len(failed) > FAILURES_SHOWN:
        click.echo(f"... and {len(failed) - FAILURES_SHOWN} more; --json lists all", err=True)
    counts = ", ".join(f"{report.count(s)} {s}" for s in STATUSES)
    click.echo(f"{stage.name}: {counts} in {seconds:.1f} s")
