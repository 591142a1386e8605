"""`masksmith collect`: take in what was changed in a session or an export."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.call import Call, pass_call
from pipeline.cli.exit_codes import SOME_FAILED
from pipeline.cli.group import Command
from pipeline.cli.output import write_json

if TYPE_CHECKING:
    from annotation.collect import CollectResult


@click.command("collect", cls=Command)
@click.argument(
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="What 'masksmith open' or 'masksmith export' wrote.",
)
@click.option("--by", default="", metavar="NAME", help="Who corrected  [default: as opened]")
@click.option("--seconds", type=click.FloatRange(0), help="How long it took.")
@click.option(
    "--mapping",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Names of new segments and the structures they are: 'name in the file: structure'.",
)
@click.pass_context
@pass_call
def command(call: Call, context: click.Context, /, **words: Any) -> None:
    """Take in what was changed, as new revisions; what was not changed is left alone.

    Nothing is replaced: if another mask came into force meanwhile, both are kept.
    """  # fmt: skip
    from annotation.collect import CollectRequest, collect

    request = CollectRequest(configs=call.configs_path, **words)
    results = collect(call.open_workspace(), request)
    _write(call, results)
    context.exit(SOME_FAILED if any(result.status == "failed" for result in results) else 0)


def _write(call: Call, results: list[CollectResult]) -> None:
    """Print what became of each structure: the good ones to stdout, the failed ones to stderr."""
    counts = Counter(result.status for result in results)
    if call.as_json:
        write_json({"counts": counts, "results": results})
        return
    for result in results:
        if result.status == "failed":
            click.echo(f"failed {result.subject}: {result.note}", err=True)
        elif not call.quiet:
            click.echo(f"{result.status:<6} {result.subject}: {result.note}")
    words = ", ".join(f"{counts[status]} {status}" for status in ("done", "kept", "failed"))
    click.echo(f"collect: {words}")
