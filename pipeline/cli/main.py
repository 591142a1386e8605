"""The `masksmith` command: reads the command line, runs one command, ends with an exit code.

Imports click and nothing else that takes time, so that `--help` answers at once.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pipeline.cli.call import Call
from pipeline.cli.exit_codes import FAILURE, INTERRUPTED
from pipeline.cli.group import CommandRef, LazyGroup, imported
from pipeline.errors import MasksmithError
from pipeline.stages import FILE_COMMANDS, SERVICES, STAGES

if TYPE_CHECKING:
    from pipeline.stages import FileCommandRef, StageRef


def _stage(ref: StageRef) -> CommandRef:
    """Return the command of a stage, built from its settings when it is called."""

    def load(context: click.Context) -> click.Command:
        from pipeline.cli.stage_command import stage_command

        return stage_command(ref, context)

    return CommandRef(ref.name, ref.summary, load)


def _file_command(ref: FileCommandRef) -> CommandRef:
    """Return a command on files; `pipeline.cli.<name>` builds it from its settings."""

    def load(context: click.Context) -> click.Command:
        module = importlib.import_module(f"pipeline.cli.{ref.name.replace('-', '_')}")
        command: click.Command = module.command_of(ref, context)
        return command

    return CommandRef(ref.name, ref.summary, load)


SECTIONS = {
    "Begin": (
        imported("init", "Make a workspace."),
        imported("demo", "Go the whole way once, on synthetic bodies, in minutes."),
    ),
    "Stages, in the order in which a CT travels": tuple(_stage(ref) for ref in STAGES),
    "In the browser": (
        *(_file_command(ref) for ref in SERVICES),
        imported("users", "Say who may sign in to the workbench."),
    ),
    "On files, without a workspace": tuple(_file_command(ref) for ref in FILE_COMMANDS),
    "Look and decide": (
        imported("status", "Show where every case, structure and round stands."),
        imported("verdict", "Accept masks, send them back, call structures absent."),
        imported("verdicts", "Take in what was decided in the gallery."),
        imported("next-cases", "List the cases to correct next, and why each was chosen."),
        imported("effort", "Show what correcting took, from round to round, and what is left."),
        imported("doctor", "Check the files against the ledger."),
    ),
    "Out to other programs, and back": (
        imported("export", "Write masks as NIfTI, 3D Slicer segmentation, DICOM SEG or RTSTRUCT."),
        imported("open", "Make a session for 3D Slicer or ITK-SNAP: CT, masks, names, colours."),
        imported("collect", "Take in what was changed in a session or an export."),
    ),
    "More": (
        imported("benchmark-runtime", "Measure seconds and memory of predict on CTs of any size."),
        imported("models", "List the models that bootstrap knows; trust their weights."),
        imported("phantom", "Make synthetic CTs with truth for every structure."),
        imported("completion", "Print the completion script of a shell."),
    ),
}

EPILOG = (
    "Exit codes: 0 ok, 1 failure, 2 wrong usage, 3 nothing to do or not found, 4 bad input, "
    "5 missing model or dependency, 8 some cases failed, 130 interrupted."
)


@click.group(
    cls=LazyGroup,
    sections=SECTIONS,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(
    package_name="masksmith", prog_name="masksmith", message="%(prog)s %(version)s"
)
def cli() -> None:
    """Make a CT segmentation dataset: from CTs on disk to corrected, retrained masks.

    A first way through: masksmith init, masksmith intake YOUR_CTS, masksmith bootstrap,
    masksmith gallery. Each command has its own --help.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    call = Call()
    try:
        code = cli.main(arguments, prog_name="masksmith", standalone_mode=False, obj=call)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _failed(call, arguments, "interrupted", INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as bare:
        bare.show()
        return bare.exit_code
    except click.ClickException as wrong:
        return _failed(call, arguments, _usage(wrong), wrong.exit_code)
    except MasksmithError as error:
        _show_traceback(call)
        return _failed(call, arguments, str(error), error.exit_code)
    except Exception as error:  # noqa: BLE001 - the last door: a person gets one line, not a traceback
        _show_traceback(call)
        hint = "" if call.debug else "; run again with --debug for the traceback"
        return _failed(call, arguments, f"{type(error).__name__}: {error}{hint}", FAILURE)
    return code if isinstance(code, int) else 0


def _usage(wrong: click.ClickException) -> str:
    """Return what was wrong with the command line and where to read more."""
    context = getattr(wrong, "ctx", None)
    path = context.command_path if context is not None else "masksmith"
    message = wrong.format_message()
    return f"{message}{'' if message.endswith(('.', '?', ')')) else '.'} See: {path} --help"


def _failed(call: Call, arguments: Sequence[str], message: str, code: int) -> int:
    """Say in one line what went wrong, and as a document where one was asked for."""
    line = " ".join(message.split())
    click.echo(f"masksmith: error: {line}", err=True)
    if call.as_json or "--json" in arguments:
        from pipeline.cli.output import write_json

        write_json({"error": line, "exit_code": code})
    return code


def _show_traceback(call: Call) -> None:
    """Print the traceback of the error being handled where it was asked for."""
    if call.debug:
        import traceback

        traceback.print_exc()
