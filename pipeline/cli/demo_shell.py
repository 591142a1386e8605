"""Real commands in processes of their own, shown as a user would type them before they run."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import click

from pipeline.cli.call import Call
from pipeline.cli.output import heading
from pipeline.errors import MasksmithError

COMMAND = (sys.executable, "-P", "-m", "pipeline.cli")


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the demo: what it was for, how long it took, its last line."""

    title: str
    command: str
    seconds: float
    answer: str


@dataclass
class Shell:
    """Runs `masksmith` commands one after the other and keeps what became of them.

    Attributes
    ----------
    trust_file : Path
        Where approvals of weights are kept, so that the demo leaves the user's own alone.
    """

    call: Call
    trust_file: Path
    steps: list[Step] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Write a heading."""
        self.echo(f"\n{heading(f'# {text}')}")

    def echo(self, text: str) -> None:
        """Write to the person, and past a JSON document where one was asked for."""
        click.echo(text, err=self.call.as_json)

    def masksmith(self, title: str, *words: str) -> None:
        """Show a command as a user would type it, run it, and note how it went.

        Raises
        ------
        MasksmithError
            If it failed; the demo can be called again and goes on there.
        """
        command = shlex.join(["masksmith", *words])
        self.echo(f"\n$ {command}")
        started = time.monotonic()
        code, answer = self._run(words)
        self.steps.append(Step(title, command, time.monotonic() - started, answer))
        if code:
            raise MasksmithError(
                f"the demo stopped at '{command}' (exit code {code}); call it again to go on there"
            )

    def _run(self, words: tuple[str, ...]) -> tuple[int, str]:
        """Run a command in a process of its own; its last line of output is its answer."""
        shared = [] if self.call.jobs is None else ["--jobs", str(self.call.jobs)]
        argv = [*COMMAND, *words, *shared, *self._loudness()]
        trust = str(self.trust_file.resolve())
        answer = ""
        with subprocess.Popen(
            argv,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "MASKSMITH_TRUST_FILE": trust},
        ) as process:
            for line in process.stdout or ():
                self.echo(line.rstrip("\n"))
                answer = line.strip() or answer
        return process.returncode, answer

    def _loudness(self) -> list[str]:
        """Hand on how much the person wants to see."""
        loud = ["-" + "v" * self.call.verbose] if self.call.verbose else []
        quiet = ["--quiet"] if self.call.quiet else []
        return [*loud, *quiet, *(["--no-progress"] if self.call.no_progress else [])]
