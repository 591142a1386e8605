"""The parent's side: starts the two contenders of a benchmark and lets them work in turn."""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from benchmarks.worker import MARK

ROOT = Path(__file__).parents[1]


class ContenderError(Exception):
    """A contender's process ended before it answered."""


@dataclass(frozen=True)
class Contender:
    """One side of a comparison.

    Attributes
    ----------
    name : str
        As it stands in the table.
    command : sequence of str
        A program that calls `benchmarks.worker.serve`.
    environment : mapping
        The whole environment of its process.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]


@dataclass
class Timing:
    """What was measured of one contender: seconds per run and the peak of its resident memory."""

    name: str
    seconds: list[float] = field(default_factory=list)
    peak_mib: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def median_s(self) -> float:
        """The median of the measured runs."""
        return statistics.median(self.seconds)

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return {**vars(self), "median_s": self.median_s}


class Running:
    """A contender's process, started and waiting."""

    def __init__(self, contender: Contender) -> None:
        self._name = contender.name
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._process = subprocess.Popen(
            list(contender.command),
            cwd=ROOT,
            env=dict(contender.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def __enter__(self) -> "Running":
        """Give the running process."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        self._process.terminate()
        self._process.communicate(timeout=60)
        self._log.close()

    def work(self) -> dict[str, Any]:
        """Have the work done once and return what the process answers.

        Raises
        ------
        ContenderError
            The process ended; the message carries the end of its log.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise ContenderError(f"{self._name}: no pipes")
        try:
            self._process.stdin.write("once\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ContenderError(self._last_words()) from None
        for line in self._process.stdout:
            if line.startswith(MARK):
                answer: dict[str, Any] = json.loads(line.removeprefix(MARK))
                return answer
        raise ContenderError(self._last_words())

    def _last_words(self) -> str:
        self._log.seek(0)
        log = self._log.read().decode(errors="replace").strip().splitlines()
        return f"{self._name} ended without an answer:\n" + "\n".join(log[-15:])


def compare(ours: Contender, peer: Contender, *, runs: int) -> tuple[Timing, Timing]:
    """Let both warm up once, then work in turn, `runs` times each.

    Both processes live through the whole comparison, so neither pays for imports or a first call.
    """
    timings = Timing(ours.name), Timing(peer.name)
    with Running(ours) as first, Running(peer) as second:
        for number in range(runs + 1):
            for timing, running in zip(timings, (first, second), strict=True):
                answer = running.work()
                _say(f"  {timing.name}: {answer['seconds']:.3f} s" + (" (warm-up)" * (not number)))
                timing.peak_mib = max(timing.peak_mib, answer["peak_mib"])
                timing.facts = answer["facts"]
                if number:
                    timing.seconds.append(answer["seconds"])
    return timings


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
