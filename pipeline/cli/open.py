"""`masksmith open`: a session to correct masks in 3D Slicer or ITK-SNAP."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from pipeline.cli.call import Call, pass_call
from pipeline.cli.group import Command
from pipeline.cli.output import write_json


@click.command("open", cls=Command)
@click.argument("case_id", metavar="CASE", help="The case.")
@click.argument(
    "structures",
    metavar="STRUCTURE...",
    nargs=-1,
    required=True,
    help="The structures to correct or to draw.",
)
@click.option(
    "--with",
    "program",
    required=True,
    type=click.Choice(["slicer", "itksnap"]),
    help="The program to correct in.",
)
@click.option(
    "-o",
    "--out",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder of the session; new or empty.",
)
@click.option("--by", default="", metavar="NAME", help="Who corrects  [default: the login name]")
@click.option(
    "--window",
    type=click.Choice(["soft", "lung", "bone", "brain"]),
    help="Grey values to begin with  [default: by the first structure]",
)
@click.option(
    "--neighbours/--no-neighbours",
    default=True,
    show_default=True,
    help="Show what touches the structures, to look at; changes to it are not collected.",
)
@click.option("--start", "start_it", is_flag=True, help="Start the program on the session.")
@pass_call
def command(
    call: Call,
    /,
    start_it: bool,
    structures: tuple[str, ...],
    window: str | None,
    **words: Any,
) -> None:
    """Make a session: CT, masks in force with names and colours, and a window.

    Correct and save in the program, then take the changes in with 'masksmith collect DIR'.
    """  # fmt: skip
    from annotation.sessions import SessionRequest, open_session, start

    names = tuple(name for part in structures for name in part.split(",") if name)
    request = SessionRequest(structures=names, window=window or "", **words)
    session = open_session(call.open_workspace(), request)
    if start_it:
        start(request.program, session.command)
    if call.as_json:
        write_json(session)
        return
    click.echo(
        f"open: {len(session.masks)} masks to correct, {len(session.to_draw)} to draw, "
        f"{len(session.reference)} to look at in {session.folder}"
    )
    for note in session.notes:
        click.echo(f"  {note}")
    click.echo(shlex.join(session.command))
