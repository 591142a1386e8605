"""The log of the command line: on stderr, above the progress bar if there is one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from pipeline.cli.call import Call

if TYPE_CHECKING:
    from rich.console import Console

LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
OUR_PACKAGES = ("pipeline", "annotation", "training", "qc")


class StderrHandler(logging.Handler):
    """Write each record as one line to stderr, through the bar's console while one is drawn."""

    console: Console | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; what cannot be written must not stop the work."""
        try:
            text = self.format(record)
            if self.console is None:
                click.echo(text, err=True)
            else:
                self.console.print(text, markup=False, highlight=False, soft_wrap=True)
        except (OSError, ValueError):
            self.handleError(record)


def set_up_log(call: Call) -> None:
    """Send the log to stderr at the level the call asked for.

    The libraries we use only warn, unless everything was asked for with -vv.
    """
    level = logging.ERROR if call.quiet else LEVELS[min(call.verbose, len(LEVELS) - 1)]
    root = logging.getLogger()
    root.setLevel(level if level != logging.INFO else logging.WARNING)
    for name in OUR_PACKAGES:
        logging.getLogger(name).setLevel(min(level, logging.INFO))
    for old in _handlers():
        root.removeHandler(old)
    handler = StderrHandler(level)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)


class Listener(logging.Handler):
    """Hands what our packages say of long work on to a function."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Hand on a record that is information; a warning is the log's to write."""
        if record.levelno == logging.INFO:
            self._say(record.getMessage())


@contextmanager
def listening(say: Callable[[str], None]) -> Iterator[None]:
    """Call `say` with each piece of information that our packages log while the block runs."""
    listener = Listener(say)
    loggers = [logging.getLogger(name) for name in OUR_PACKAGES]
    for logger in loggers:
        logger.addHandler(listener)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(listener)


@contextmanager
def log_through(console: Console) -> Iterator[None]:
    """Write the log through the console of a bar while the block runs."""
    for handler in _handlers():
        handler.console = console
    try:
        yield
    finally:
        for handler in _handlers():
            handler.console = None


def _handlers() -> list[StderrHandler]:
    """Return the handlers that this module put on the root logger."""
    return [h for h in logging.getLogger().handlers if isinstance(h, StderrHandler)]
