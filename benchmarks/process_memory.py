"""Runs a program and measures the memory of it and all its children together."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

PERIOD_S = 0.2


@dataclass(frozen=True)
class Measured:
    """What a program took.

    Attributes
    ----------
    peak_gib : float
        Largest sum of the resident memory of its processes; what several share counts in each.
    peak_own_gib : float
        The same by proportional set size, where what is shared counts once.
    stopped : str
        Why it did not end by itself or failed; empty if it went well.
    """

    seconds: float
    peak_gib: float
    peak_own_gib: float
    stopped: str = ""


@dataclass(frozen=True)
class Limits:
    """When a program is stopped.

    The memory limit stands in for the machine's own: reaching that would let the kernel choose
    whom to kill.
    """

    memory_gib: float
    minutes: float = 60.0


def run_measured(
    command: Sequence[str], environment: Mapping[str, str], log: Path, limits: Limits
) -> Measured:
    """Run a program to its end, or until all its processes together pass a limit."""
    started = time.monotonic()
    peak = own = 0.0
    stopped = ""
    with log.open("wb") as said:
        process = subprocess.Popen(
            list(command), env=dict(environment), stdout=said, stderr=said, start_new_session=True
        )
        try:
            while process.poll() is None and not stopped:
                now, now_own = memory_gib(process.pid)
                peak, own = max(peak, now), max(own, now_own)
                stopped = _passed(limits, now_own, time.monotonic() - started)
                time.sleep(PERIOD_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode != 0 and not stopped:
        lines = log.read_text(errors="replace").strip().splitlines()
        stopped = f"exit {process.returncode}: {lines[-1] if lines else 'no word'}"
    return Measured(time.monotonic() - started, peak, own, stopped)


def _passed(limits: Limits, own_gib: float, seconds: float) -> str:
    if own_gib > limits.memory_gib:
        return f"needs more than {limits.memory_gib:.1f} GiB"
    if seconds > limits.minutes * 60:
        return f"not ready after {limits.minutes:g} minutes"
    return ""


def memory_gib(pid: int) -> tuple[float, float]:
    """Sum resident and proportional memory of a process and its descendants."""
    resident = own = 0
    with suppress(psutil.Error):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with suppress(psutil.Error):
                memory = process.memory_full_info()
                resident, own = resident + memory.rss, own + memory.pss
    return resident / 2**30, own / 2**30
