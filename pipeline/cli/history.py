"""`masksmith status --case X --structure Y --history`: where a mask comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.call import Call
from pipeline.cli.output import write_json

if TYPE_CHECKING:
    from pipeline.workspace import Workspace
    from pipeline.workspace.history import HistoryStep


def show_history(call: Call, workspace: Workspace, case_id: str, structure: str) -> None:
    """Print the chain from the mask in force down to its sources, and the other revisions."""
    from pipeline.workspace.history import mask_history

    history = mask_history(workspace, case_id, structure)
    if call.as_json:
        write_json(history)
        return
    click.echo(f"{structure} of case {case_id}, from the mask in force down")
    for step in history.steps:
        click.echo(_line(step))
    others = len(history.revisions) - 1
    if others:
        click.echo(f"{others} further revision{'s' if others > 1 else ''}, not in force:")
    for mask in history.revisions:
        if mask.id != history.steps[0].digest:
            made = mask.provenance
            when = _moment(made.created)
            click.echo(f"  {mask.id[:12]}  {mask.voxels} voxels, by {made.maker}, {when}")


def _line(step: HistoryStep) -> str:
    """Return a step as an indented line: what, its digest, when, and the file."""
    indent = "  " * (step.depth + 1)
    digest = f" {step.digest[:12]}" if step.digest else ""
    created = f" ({_moment(step.created)})" if step.created else ""
    line = f"{indent}{step.kind}{digest}: {step.what}{created}"
    if not step.path:
        return line
    missing = "" if step.found else "  MISSING OR CHANGED: run masksmith doctor"
    return f"{line}\n{indent}  {step.path}{missing}"


def _moment(created: str) -> str:
    """Return a time to the second, as a person reads it."""
    return f"{created[:19].replace('T', ' ')} UTC"
