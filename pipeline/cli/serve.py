"""`masksmith serve`: the workbench in the browser."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.call import Call, call_of
from pipeline.cli.group import Command
from pipeline.cli.output import write_json
from pipeline.cli.settings_options import flags_given, options_of
from pipeline.cli.stage_command import settings_file

if TYPE_CHECKING:
    from annotation.server.serve import Opening
    from pipeline.stage import FileCommand
    from pipeline.stages import FileCommandRef
    from qc.close_up_on_demand import CloseUpDesk

HELP = """Serve the workbench: worklist, editor, gallery, progress.

On this machine alone (127.0.0.1) the printed link signs one browser in. For others to come in, make
accounts with 'masksmith users add', and put a proxy with TLS in front."""

EPILOG = (
    "Settings: defaults, then configs/serve.yaml, then MASKSMITH_SERVE_<FIELD>, then the options "
    "above. Ends with Ctrl+C; nothing that was acknowledged is lost however it ends."
)


def command_of(ref: FileCommandRef, context: click.Context) -> click.Command:
    """Return the command, with one option per field of its settings."""
    command = ref.load()
    options = options_of(command.Settings, settings_file(ref.name, call_of(context)))

    @click.pass_context
    def callback(inner: click.Context, /, **values: Any) -> None:
        run(command, call_of(inner), flags_given(inner, values))

    return Command(ref.name, callback=callback, params=options, help=HELP, epilog=EPILOG)


def run(command: FileCommand, call: Call, flags: dict[str, Any]) -> None:
    """Serve until the process is told to end."""
    from annotation.server.serve import serve
    from annotation.server.settings import ServeSettings
    from pipeline.stage import load_settings

    settings = load_settings(command, call.configs_path, flags)
    if not isinstance(settings, ServeSettings):
        raise TypeError(f"expected ServeSettings, found {type(settings).__name__}")

    def say(opening: Opening) -> None:
        if call.as_json:
            write_json({"address": opening.address, "link": opening.link})
        elif opening.link is not None:
            click.echo(f"open this link, it works once: {opening.link}")
        else:
            click.echo(f"people sign in at {opening.address}")
        sys.stdout.flush()

    desk = _close_up_desk(call)
    try:
        serve(call.open_workspace(), settings, say, draw_closeup=desk.see_to)
    finally:
        desk.close()


def _close_up_desk(call: Call) -> CloseUpDesk:
    """Draw close-ups as `masksmith gallery` does, by the settings of the gallery."""
    from pipeline.stage import load_settings
    from qc.close_up_on_demand import CloseUpDesk
    from qc.gallery import STAGE, GallerySettings

    settings = load_settings(STAGE, call.configs_path)
    if not isinstance(settings, GallerySettings):
        raise TypeError(f"expected GallerySettings, found {type(settings).__name__}")
    return CloseUpDesk(settings)
