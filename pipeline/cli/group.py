"""Click commands that load when they are called, with the shared options on each of them."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click
from click.shell_completion import CompletionItem

from pipeline.cli.call import SharedOption, call_of, shared_options

HEADINGS = ("Options", "Options of every command")


@dataclass(frozen=True, slots=True)
class CommandRef:
    """A command known by name and summary before anything of it is imported."""

    name: str
    summary: str
    load: Callable[[click.Context], click.Command]


def imported(name: str, summary: str) -> CommandRef:
    """Return the command `command` of the module `pipeline.cli.<name>`, imported when called."""

    def load(_: click.Context) -> click.Command:
        command: click.Command = importlib.import_module(
            f"pipeline.cli.{name.replace('-', '_')}"
        ).command
        return command

    return CommandRef(name, summary, load)


class Command(click.Command):
    """A command that takes the shared options and sets the log up before it runs."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params.extend(shared_options())

    def invoke(self, context: click.Context) -> Any:
        """Set up the log as asked for, then run."""
        from pipeline.cli.log import set_up_log

        set_up_log(call_of(context))
        return super().invoke(context)

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options first and the shared ones apart."""
        write_options(self, context, formatter)


class Group(click.Group):
    """A group of commands; the shared options may stand before the subcommand too."""

    command_class = Command

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params.extend(shared_options())

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the subcommands first, as they are what a reader looks for."""
        self.format_commands(context, formatter)
        write_options(self, context, formatter)

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand; a misspelt one gets the nearest name as an answer."""
        if self.get_command(context, args[0]) is None and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], self.list_commands(context), 1, 0.5)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            context.fail(f"there is no command '{args[0]}'.{hint}")
        return super().resolve_command(context, args)


class LazyGroup(Group):
    """A group whose commands are imported only when they are called.

    Parameters
    ----------
    sections
        Commands by the heading under which `--help` lists them.
    """

    def __init__(
        self, *args: Any, sections: Mapping[str, tuple[CommandRef, ...]], **settings: Any
    ) -> None:
        super().__init__(*args, **settings)
        self.sections = sections
        self._refs = {ref.name: ref for refs in sections.values() for ref in refs}
        self._loaded: dict[str, click.Command] = {}

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names in the order of `--help`."""
        return list(self._refs)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import and return the command, or None for an unknown name."""
        if name not in self._refs:
            return None
        if name not in self._loaded:
            self._loaded[name] = self._refs[name].load(context)
        return self._loaded[name]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names from the table alone, so that a press of Tab imports nothing."""
        found = [
            CompletionItem(ref.name, help=ref.summary)
            for ref in self._refs.values()
            if ref.name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, from their summaries alone."""
        for heading, refs in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl([(ref.name, ref.summary) for ref in refs])


def write_options(
    command: click.Command, context: click.Context, formatter: click.HelpFormatter
) -> None:
    """Write a command's own options and, under another heading, the shared ones.

    Its arguments click has written by then.
    """
    records: dict[str, list[tuple[str, str]]] = {name: [] for name in HEADINGS}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1] and not isinstance(parameter, click.Argument):
            heading = HEADINGS[1] if isinstance(parameter, SharedOption) else HEADINGS[0]
            records[heading].append(record)
    for heading, found in records.items():
        if found:
            with formatter.section(heading):
                formatter.write_dl(found)
