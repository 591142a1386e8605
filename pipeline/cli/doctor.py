"""`masksmith doctor`: check the files against the ledger, or rebuild the ledger from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from pipeline.cli.call import Call, pass_call
from pipeline.cli.exit_codes import FAILURE
from pipeline.cli.group import Command
from pipeline.cli.output import write_json

if TYPE_CHECKING:
    from pipeline.workspace import CaseRecord, Workspace
    from pipeline.workspace.doctor import Finding

CASES_FOR_ONE_PROCESS = 40


@click.command("doctor", cls=Command)
@click.option("--rebuild", is_flag=True, help="Make the ledger anew from the files, then check.")
@click.pass_context
@pass_call
def command(call: Call, context: click.Context, /, rebuild: bool) -> None:
    """Check the files against the ledger.

    An error is something that is missing or was changed, and gives exit code 1. A note is
    harmless: what an interrupted command left, which running it again takes in or removes.
    """
    from pipeline.workspace.doctor import examine

    workspace = call.open_workspace()
    rebuilt = _rebuild(workspace) if rebuild else None
    findings = [*(rebuilt or []), *examine(workspace, each=_each(call, workspace))]
    errors = sum(finding.severity == "error" for finding in findings)
    if call.as_json:
        write_json({"errors": errors, "rebuilt": rebuild, "findings": findings})
    else:
        _write(findings, errors)
    context.exit(FAILURE if errors else 0)


def _rebuild(workspace: Workspace) -> list[Finding]:
    """Rebuild the ledger and return what could not be taken in."""
    from pipeline.workspace.rebuild import rebuild

    contents = rebuild(workspace)
    click.echo(
        f"rebuilt from the files: {len(contents.cases)} cases, {len(contents.masks)} masks, "
        f"{len(contents.verdicts)} verdicts, {len(contents.rounds)} rounds",
        err=True,
    )
    return contents.findings


def _each(
    call: Call, workspace: Workspace
) -> Callable[[Callable[[CaseRecord], list[Finding]], list[CaseRecord]], Iterator[list[Finding]]]:
    """Return how to go through the cases: here for a few, in local processes for many."""

    def each(
        examine_case: Callable[[CaseRecord], list[Finding]], records: list[CaseRecord]
    ) -> Iterator[list[Finding]]:
        from pipeline.engine import SerialEngine
        from pipeline.workspace.doctor import Finding

        few = call.jobs is None and len(records) <= CASES_FOR_ONE_PROCESS
        engine = SerialEngine() if few else call.engine()
        for result in engine.map(examine_case, records):
            if result.value is None:
                text = f"could not be examined: {result.error}"
                yield [Finding("case", "error", result.item.case.id, text)]
            else:
                yield result.value

    return each


def _write(findings: list[Finding], errors: int) -> None:
    """Write one line per finding and the count."""
    for finding in findings:
        click.echo(f"{finding.severity:<5} {finding.kind}: {finding.subject}: {finding.message}")
    notes = len(findings) - errors
    if not findings:
        click.echo("files and ledger agree")
    else:
        click.echo(f"{errors} errors, {notes} notes{'' if errors else ' (harmless)'}")
