"""What one call of `masksmith` was asked for: the options that every command shares."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pipeline.engine import Engine
    from pipeline.workspace import Workspace

WORKSPACE_VARIABLE = "MASKSMITH_WORKSPACE"
CONFIGS_VARIABLE = "MASKSMITH_CONFIGS"


@dataclass
class Call:
    """The shared options of one call, filled while the command line is read.

    They may stand before or after the subcommand; the later one wins.
    """

    workspace: Path | None = None
    configs: Path | None = None
    as_json: bool = False
    no_progress: bool = False
    quiet: bool = False
    verbose: int = 0
    jobs: int | None = None
    debug: bool = False

    @property
    def workspace_path(self) -> Path:
        """The workspace folder: the flag, else the variable, else `workspace/`."""
        return self.workspace or Path(os.environ.get(WORKSPACE_VARIABLE) or "workspace")

    @property
    def configs_path(self) -> Path:
        """The settings folder: flag, variable, `configs/` here, the shipped one; in this order."""
        given = self.configs or os.environ.get(CONFIGS_VARIABLE)
        if given:
            return Path(given)
        if Path("configs").is_dir():
            return Path("configs")
        from pipeline.anatomy import shipped_configs

        return shipped_configs()

    def open_workspace(self) -> Workspace:
        """Open the workspace this call works on.

        Raises
        ------
        NothingToDo
            There is no such folder.
        WorkspaceError
            The folder is no workspace.
        """
        from pipeline.errors import NothingToDo
        from pipeline.workspace import Workspace

        path = self.workspace_path
        if not path.exists():
            raise NothingToDo(f"no workspace {path}: make it with 'masksmith init {path}'")
        return Workspace.open(path)

    def engine(self) -> Engine:
        """Return where per-case work runs: in this process for one job, else in local processes."""
        from pipeline.engine import make_engine

        return make_engine(self.jobs or len(os.sched_getaffinity(0)))


class SharedOption(click.Option):
    """An option that every command takes and that ends up in the `Call`."""

    def __init__(self, *names: str, **settings: Any) -> None:
        super().__init__(list(names), expose_value=False, callback=_remember, **settings)


def _remember(context: click.Context, option: click.Parameter, value: Any) -> None:
    """Keep a value that was really given, so that a default never undoes an earlier flag."""
    if context.get_parameter_source(option.name) is click.core.ParameterSource.COMMANDLINE:
        setattr(call_of(context), option.name, value)


def call_of(context: click.Context) -> Call:
    """Return the `Call` that the contexts of one command line share."""
    call: Call = context.find_root().ensure_object(Call)
    return call


pass_call = click.make_pass_decorator(Call, ensure=True)


def shared_options() -> list[click.Parameter]:
    """Return fresh copies of the options that every command takes."""
    folder = click.Path(file_okay=False, path_type=Path)
    return [
        SharedOption(
            "--workspace",
            type=folder,
            metavar="DIR",
            help="The folder with cases, masks and ledger  "
            f"[default: {WORKSPACE_VARIABLE} or workspace/]",
        ),
        SharedOption(
            "--configs",
            type=click.Path(file_okay=False, exists=True, path_type=Path),
            metavar="DIR",
            help="The folder with the settings files  "
            f"[default: {CONFIGS_VARIABLE}, configs/ or the shipped]",
        ),
        SharedOption("-j", "--jobs", type=click.IntRange(1), metavar="N",
                     help="Processes for per-case work  [default: all processors]"),
        SharedOption("--json", "as_json", is_flag=True, help="Write one JSON document to stdout."),
        SharedOption("--no-progress", is_flag=True, help="Show neither a bar nor a line per case."),
        SharedOption("-q", "--quiet", is_flag=True, help="Say nothing but errors and the answer."),
        SharedOption("-v", "--verbose", count=True, help="Say more; -vv for everything."),
        SharedOption("--debug", is_flag=True, help="Show the traceback of an error."),
    ]  # fmt: skip


def is_terminal() -> bool:
    """Return whether a person is watching the progress stream."""
    return sys.stderr.isatty()
