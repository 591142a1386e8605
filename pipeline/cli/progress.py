"""Progress on stderr: a bar for a person, one line a case for a file, nothing when asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

from pipeline.cli.call import Call, is_terminal
from pipeline.cli.log import listening, log_through

if TYPE_CHECKING:
    from pipeline.engine import Engine, TaskResult
    from pipeline.stage import Outcome

Item = TypeVar("Item")
Value = TypeVar("Value")


class Progress(Protocol):
    """What hears of the work while it goes on."""

    def expect(self, count: int) -> None:
        """Hear that so many more cases will come."""

    def hear(self, outcome: Outcome) -> None:
        """Hear how one case ended."""

    def say(self, text: str) -> None:
        """Hear how far one long piece of work is, such as a training."""


class Silence:
    """Show nothing."""

    def expect(self, count: int) -> None:
        """Ignore the number of cases."""

    def hear(self, outcome: Outcome) -> None:
        """Ignore the outcome."""

    def say(self, text: str) -> None:
        """Ignore how far it is."""


class Lines:
    """Write one line a case: what happened, to whom, why."""

    def expect(self, count: int) -> None:
        """Ignore the number of cases: a line needs none."""

    def hear(self, outcome: Outcome) -> None:
        """Write the outcome as one line."""
        click.echo(outcome_line(outcome), err=True)

    def say(self, text: str) -> None:
        """Write how far it is as one line."""
        click.echo(f"       {text}", err=True)


class Bar:
    """Draw one bar with the counts so far and the case last heard of."""

    def __init__(self, bar: Any, task: Any) -> None:
        self._bar, self._task = bar, task
        self._total = 0
        self._counts: Counter[str] = Counter()

    def expect(self, count: int) -> None:
        """Make the bar longer by so many cases."""
        self._total += count
        self._bar.update(self._task, total=self._total)

    def hear(self, outcome: Outcome) -> None:
        """Advance by one case; a failure is also written above the bar."""
        self._counts[outcome.status] += 1
        counts = ", ".join(f"{count} {status}" for status, count in self._counts.items())
        self._bar.update(self._task, advance=1, counts=counts, subject=outcome.subject)
        if outcome.status == "failed":
            self._bar.console.print(outcome_line(outcome), markup=False, highlight=False)

    def say(self, text: str) -> None:
        """Show how far it is behind the bar."""
        self._bar.update(self._task, subject=text)


class WatchedEngine:
    """An engine that tells the progress how many cases it was handed."""

    def __init__(self, engine: Engine, progress: Progress) -> None:
        self._engine, self._progress = engine, progress

    @property
    def jobs(self) -> int:
        """How many tasks run at once."""
        return self._engine.jobs

    def map(
        self,
        function: Callable[[Item], Value],
        items: Sequence[Item],
        *,
        timeout_s: float | None = None,
    ) -> Iterator[TaskResult[Item, Value]]:
        """Pass the work on, after saying how much it is."""
        self._progress.expect(len(items))
        return self._engine.map(function, items, timeout_s=timeout_s)


def outcome_line(outcome: Outcome) -> str:
    """Return `status subject: note` for one outcome."""
    note = f": {outcome.note}" if outcome.note else ""
    return f"{outcome.status:<6} {outcome.subject}{note}"


@contextmanager
def progress_for(call: Call, title: str) -> Iterator[Progress]:
    """Yield the progress that fits this call and this terminal."""
    if call.quiet or call.no_progress:
        yield Silence()
    elif not is_terminal():
        lines = Lines()
        with nullcontext() if call.verbose else listening(lines.say):
            yield lines
    else:
        with _bar(title) as bar, listening(bar.say):
            yield bar


@contextmanager
def _bar(title: str) -> Iterator[Bar]:
    """Draw a bar while the block runs; the log goes through its console meanwhile."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("{task.fields[counts]}"), TextColumn("[dim]{task.fields[subject]}"),
    )  # fmt: skip
    with RichProgress(*columns, console=console, transient=True) as drawn, log_through(console):
        yield Bar(drawn, drawn.add_task(title, total=None, counts="", subject=""))
