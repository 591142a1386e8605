"""`masksmith verdicts import`: what people decided in the gallery, from the file it exported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.call import Call, pass_call
from pipeline.cli.exit_codes import SOME_FAILED
from pipeline.cli.group import Group
from pipeline.cli.output import write_json
from pipeline.errors import BadInput, NothingToDo

if TYPE_CHECKING:
    from annotation.verdict_document import AppliedDocument

LINES_SHOWN = 30


@click.group("verdicts", cls=Group)
def command() -> None:
    """Take in verdicts that were given in the gallery."""


@command.command("import")
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "--by", default=None, metavar="NAME", help="Who decided  [default: the name in the file]"
)
@click.option(
    "--any-workspace", is_flag=True, help="Take in also what was decided in another workspace."
)
@click.pass_context
@pass_call
def import_command(
    call: Call,
    context: click.Context,
    /,
    files: tuple[Path, ...],
    by: str | None,
    any_workspace: bool,
) -> None:
    """Record the verdicts in files that the gallery exported.

    Doing it twice records nothing twice. What cannot be recorded is named with its reason (a mask
    that is no longer in force, a decision somebody made later), and the rest is recorded.
    """
    from annotation.verdict_document import apply_verdict_document, read_verdict_document

    workspace = call.open_workspace()
    documents: dict[str, Any] = {}
    is_whole = True
    for path in dict.fromkeys(files):
        document = read_verdict_document(path)
        try:
            applied = apply_verdict_document(workspace, document, by, any_workspace=any_workspace)
        except BadInput as error:
            raise type(error)(f"{path}: {error}") from None
        is_whole = is_whole and not applied.counts["failed"]
        documents[str(path)] = applied
        if not call.as_json:
            _show(call, path, applied)
    if call.as_json:
        write_json({"files": documents})
    if not any(applied.results for applied in documents.values()):
        raise NothingToDo(f"{', '.join(documents)}: no verdicts in there")
    context.exit(0 if is_whole else SOME_FAILED)


def _show(call: Call, path: Path, applied: AppliedDocument) -> None:
    """Print what was recorded to stdout, and each line that was not to stderr."""
    for result in applied.results:
        line = f"{result.status:<6} {result.subject}: {result.note}".replace(" : ", " ")
        if result.status == "failed":
            click.echo(line, err=True)
        elif len(applied.results) <= LINES_SHOWN and not call.quiet:
            click.echo(line)
    words = ", ".join(f"{number} {status}" for status, number in applied.counts.items())
    click.echo(f"{path.name}: {words}; {applied.recorded} verdicts recorded")
