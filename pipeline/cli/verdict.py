"""`masksmith verdict`: what a person decided about masks, structures and cases."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.call import Call, pass_call
from pipeline.cli.exit_codes import SOME_FAILED
from pipeline.cli.group import Command
from pipeline.cli.output import write_json
from pipeline.cli.settings_options import CommaList
from pipeline.errors import NothingToDo, UsageError

if TYPE_CHECKING:
    from annotation.verdicts import VerdictRequest, VerdictResult

LINES_SHOWN = 30
HELP = """Record what a person decided. Nothing is ever overwritten; the last verdict counts.

\b
accept          the mask in force is right (without --structure: all of the case)
fix             the mask in force is a proposal to correct; not trained on
absent_fov      the structure lies outside the field of view
absent_anatomy  this body does not have it
exclude         leave the case out of everything (give a --reason)
include         take it back in
"""


@click.command("verdict", cls=Command, help=HELP)
@click.argument("decision", required=False, metavar="[DECISION]")
@click.option(
    "--case",
    "cases",
    type=CommaList(click.STRING),
    multiple=True,
    help="The cases it is about.",
)
@click.option(
    "--structure",
    "structures",
    type=CommaList(click.STRING),
    multiple=True,
    help="The structures it is about; none: the whole case (accept, exclude, include).",
)
@click.option("--by", default="", metavar="NAME", help="Who decided  [default: the login name]")
@click.option("--reason", default="", metavar="TEXT", help="Why; needed to exclude.")
@click.option("--seconds", type=click.FloatRange(0), help="How long it took.")
@click.option(
    "--mask",
    "mask_id",
    metavar="ID",
    help="The revision that was looked at; refused if another one is in force by now.",
)
@click.option(
    "--rest-absent",
    type=click.Choice(["fov", "anatomy"]),
    help="With a whole case accepted: the structures without a mask are absent, because they "
    "lie outside the field of view or are not in this body.",
)
@click.option(
    "--from",
    "table",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="CSV",
    help="A table with the columns case, structure, decision, by, reason, seconds.",
)
@click.pass_context
@pass_call
def command(
    call: Call, context: click.Context, /, decision: str | None, table: Path | None, **words: Any
) -> None:
    """Record what a person decided."""
    from annotation.verdicts import decide, read_verdict_csv

    if (decision is None) == (table is None):
        raise UsageError("say either a decision (accept, fix, ...) or --from a table, not both")
    workspace = call.open_workspace()
    results: list[VerdictResult] = []
    if table is not None:
        _refuse_words_beside_a_table(words)
        read = read_verdict_csv(table)
        results += [*read.refused, *decide(workspace, read.requests)]
    else:
        results += decide(workspace, _requests(str(decision), **words))
    if not results:
        raise NothingToDo(f"{table} holds no verdicts")
    _write(call, results)
    context.exit(SOME_FAILED if any(result.status == "failed" for result in results) else 0)


def _requests(
    decision: str, cases: tuple[list[str], ...], structures: tuple[list[str], ...], **words: Any
) -> list[VerdictRequest]:
    """Return one request per case and structure that was named.

    Raises
    ------
    UsageError
        If no case is named, or the decision is not known.
    """
    from annotation.verdict_request import VerdictRequest, decision_of

    decision_of(decision)
    case_ids = [case_id for part in cases for case_id in part]
    names: list[str | None] = [name for part in structures for name in part]
    if not case_ids:
        raise UsageError("say which cases: --case s0001,s0002")
    return [
        VerdictRequest(case_id, decision, structure=name, **words)
        for case_id in dict.fromkeys(case_ids)
        for name in dict.fromkeys(names or [None])
    ]


def _refuse_words_beside_a_table(words: dict[str, Any]) -> None:
    """Refuse options that a table says line by line."""
    given = [name for name, value in words.items() if value not in ((), "", None)]
    if given:
        raise UsageError(f"--from says everything itself; leave out: {', '.join(given)}")


def _write(call: Call, results: list[VerdictResult]) -> None:
    """Print what became of each request: the good ones to stdout, the failed ones to stderr."""
    counts = Counter(result.status for result in results)
    recorded = sum(len(result.recorded) for result in results)
    if call.as_json:
        lines = [
            {"subject": r.subject, "status": r.status, "note": r.note, "recorded": len(r.recorded)}
            for r in results
        ]
        write_json({"counts": counts, "recorded": recorded, "results": lines})
        return
    for result in results:
        line = f"{result.status:<6} {result.subject}: {result.note}"
        if result.status == "failed":
            click.echo(line, err=True)
        elif len(results) <= LINES_SHOWN and not call.quiet:
            click.echo(line)
    words = ", ".join(f"{counts[status]} {status}" for status in ("done", "kept", "failed"))
    click.echo(f"verdict: {words}; {recorded} verdicts recorded")
