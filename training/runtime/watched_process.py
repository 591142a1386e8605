"""Run a program and watch what it takes: seconds, memory of all its processes, GPU memory.

Memory is the resident set, summed over the program and everything it started, sampled twenty times
a second; memory that processes share counts for each. GPU memory is what the card holds beyond
what it held before, as its driver reports it: the CUDA context counts.
"""

import shutil
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_STEP_S = 0.05
_GPU_STEP_S = 0.25
_LAST_LINES = 3


@dataclass(frozen=True, slots=True)
class Taken:
    """What a program took.

    Attributes
    ----------
    gpu_bytes : int or None
        None without a GPU or its driver's tool.
    failure : str
        How it ended, if not well; else empty.
    """

    seconds: float
    ram_bytes: int
    gpu_bytes: int | None
    failure: str = ""


def watch(command: Sequence[str], log: Path, *, gpu: int | None = None) -> Taken:
    """Run a program to its end.

    Parameters
    ----------
    command : sequence of str
    log : Path
        Gets what it writes.
    gpu : int, optional
        Number of the card to watch.
    """
    card = None if gpu is None else _Card(gpu)
    peak = 0
    with log.open("wb") as file:
        started = time.monotonic()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        )
        watched = psutil.Process(process.pid)
        try:
            while process.poll() is None:
                peak = max(peak, _resident_bytes(watched))
                time.sleep(_STEP_S)
        finally:
            _end(process, watched)
            gpu_bytes = None if card is None else card.end()
        seconds = time.monotonic() - started
    return Taken(seconds, peak, gpu_bytes, _failure(process.returncode, log))


def _end(process: "subprocess.Popen[bytes]", watched: psutil.Process) -> None:
    """Leave nothing behind when the watching is interrupted."""
    if process.poll() is not None:
        return
    for each in [*_family(watched)[1:], watched]:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()


def _resident_bytes(process: psutil.Process) -> int:
    total = 0
    for each in _family(process):
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return [process]


def _failure(code: int, log: Path) -> str:
    if code == 0:
        return ""
    lines = log.read_text(errors="replace").strip().splitlines()[-_LAST_LINES:]
    # A signal shows as a negative code; 9 is what the kernel sends when memory is out.
    how = "was killed, perhaps for memory" if code == -9 else f"ended with exit code {code}"
    return f"{how}: {' / '.join(line.strip() for line in lines)}" if lines else how


class _Card:
    """Asks the driver's tool for the memory of a card until it is told to end."""

    def __init__(self, number: int) -> None:
        self._tool = shutil.which("nvidia-smi")
        self._number = number
        self._before = self._used()
        self._peak = self._before
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def end(self) -> int | None:
        """Stop and give the peak beyond what was there before."""
        self._over.set()
        self._thread.join()
        if self._before is None or self._peak is None:
            return None
        return self._peak - self._before

    def _sample(self) -> None:
        while not self._over.wait(_GPU_STEP_S):
            used = self._used()
            if used is not None and self._peak is not None:
                self._peak = max(self._peak, used)

    def _used(self) -> int | None:
        if self._tool is None:
            return None
        query = ("--query-gpu=memory.used", "--format=csv,noheader,nounits")
        asked = subprocess.run(
            [self._tool, *query, "-i", str(self._number)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        text = asked.stdout.strip()
        return int(text) * 2**20 if text.isdigit() else None
