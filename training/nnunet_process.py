"""nnU-Net as a subprocess: explicit environment, one log, progress, and no orphans.

The child is ``nnunet_worker.py`` run as a script. It dies with us on Linux (it asks the kernel
to), its process group is killed when we leave early, and everything it prints goes into the log.
Our own environment is never changed.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self

from pipeline.errors import MasksmithError, MissingDependency, UsageError

Event = dict[str, Any]
WORKER = Path(__file__).with_name("nnunet_worker.py")
TRAINERS = Path(__file__).parent / "nnunet_trainers"
MARK = "@masksmith "
TAIL_LINES = 60
_EPOCH = re.compile(r"(?:^|: )Epoch (\d+)\s*$")
_ERROR = re.compile(r"^(\w+\.)*\w*(Error|Exception|Interrupt|Exit)\b")
_NOISE = re.compile(r"^\s*$|^#+$|it/s\]|s/it\]|\d+%\||resource_tracker|Please cite|^@masksmith ")
# What a child needs to find its programs, libraries, caches and devices; nothing else is passed.
_KEPT = re.compile(
    r"^(PATH|HOME|USER|LANG|LC_.*|TZ|TMPDIR|TEMP|SHELL|VIRTUAL_ENV|LD_LIBRARY_PATH|XDG_.*"
    r"|CUDA_.*|NVIDIA_.*|SYSTEMROOT|PYTHONPATH|SLURM_.*)$"
)


# Process group -> the thread that started it, as long as it may run.
_started_by: dict[int, int] = {}


class NnunetError(MasksmithError):
    """nnU-Net ended with an error; the message holds its last words and the log's path."""


@dataclass(frozen=True, slots=True)
class NnunetFolders:
    """The three folders nnU-Net works in, all below one root."""

    root: Path

    @property
    def raw(self) -> Path:
        """Exported datasets."""
        return self.root / "raw"

    @property
    def preprocessed(self) -> Path:
        """Fingerprint, plans, splits, preprocessed cases."""
        return self.root / "preprocessed"

    @property
    def results(self) -> Path:
        """Trained models."""
        return self.root / "results"


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """How the subprocess runs.

    Attributes
    ----------
    log : Path
        File that everything it prints is appended to.
    device : str
        ``cpu``, ``gpu`` or ``gpu:N``.
    threads : int
        Torch and BLAS threads.
    """

    log: Path
    device: str = "cpu"
    threads: int = 2


def device_kind(device: str) -> tuple[Literal["cpu", "gpu"], int | None]:
    """Split ``gpu:1`` into kind and number.

    Raises
    ------
    UsageError
        For any other word.
    """
    found = re.fullmatch(r"cpu|gpu(?::(\d+))?", device)
    if found is None:
        raise UsageError(f"device '{device}' is unknown: use cpu, gpu or gpu:N")
    number = None if found[1] is None else int(found[1])
    return ("cpu", None) if device == "cpu" else ("gpu", number)


def child_environment(folders: NnunetFolders, settings: ProcessSettings) -> dict[str, str]:
    """Build the whole environment of the subprocess; ours is only read."""
    kind, number = device_kind(settings.device)
    values = {name: value for name, value in os.environ.items() if _KEPT.match(name)}
    values |= {
        "nnUNet_raw": str(folders.raw),
        "nnUNet_preprocessed": str(folders.preprocessed),
        "nnUNet_results": str(folders.results),
        "nnUNet_extTrainer": str(TRAINERS),
        "nnUNet_compile": "f" if kind == "cpu" else "t",
        "nnUNet_n_proc_DA": "1",  # 0 crashes planning; the worker sets its own for training
        "nnUNet_def_n_proc": str(settings.threads),
        # Threads that spin while they wait cost five times the time on a machine others use too.
        "OMP_WAIT_POLICY": "PASSIVE",
        "GOMP_SPINCOUNT": "0",
        "MPLBACKEND": "Agg",
        "PYTHONUNBUFFERED": "1",
        "PYTHONHASHSEED": "0",
    }
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        values[name] = str(settings.threads)
    if kind == "cpu":
        values["CUDA_VISIBLE_DEVICES"] = ""
    elif number is not None:
        values["CUDA_VISIBLE_DEVICES"] = str(number)
    return values


class NnunetProcess:
    """One run of the worker; a context manager that leaves no process behind.

    Start it from a thread that lives as long as the work: Linux kills the child when the
    thread that started it ends.

    Parameters
    ----------
    job : mapping
        What ``nnunet_worker.main`` reads; ``parent_pid``, ``threads`` and ``device`` are added.
    job_file : Path
        Where the job is written as JSON.
    worker : Path, optional
        Another program than ``nnunet_worker.py`` that reads a job and reports events like it.
    """

    def __init__(
        self,
        job: Mapping[str, Any],
        folders: NnunetFolders,
        settings: ProcessSettings,
        job_file: Path,
        worker: Path | None = None,
    ) -> None:
        self._job = dict(job)
        self._folders = folders
        self._settings = settings
        self._job_file = job_file
        self._worker = worker
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._reported: str | None = None
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[str] | None = None

    def __enter__(self) -> Self:
        """Write the job and start the child in a process group of its own."""
        for folder in (self._folders.raw, self._folders.preprocessed, self._folders.results):
            folder.mkdir(parents=True, exist_ok=True)
        self._settings.log.parent.mkdir(parents=True, exist_ok=True)
        kind, _ = device_kind(self._settings.device)
        job = self._job | {
            "parent_pid": os.getpid(),
            "threads": self._settings.threads,
            "device": kind,
            "raw": str(self._folders.raw),
            "preprocessed": str(self._folders.preprocessed),
            "results": str(self._folders.results),
        }
        self._job_file.parent.mkdir(parents=True, exist_ok=True)
        self._job_file.write_text(json.dumps(job))
        self._log = self._settings.log.open("a", encoding="utf-8")
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(self._worker or WORKER), str(self._job_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=child_environment(self._folders, self._settings),
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        _started_by[self._process.pid] = threading.get_ident()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill what still runs and close the log."""
        process = self._running()
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        process.wait()
        _started_by.pop(process.pid, None)
        if self._log is not None:
            self._log.close()

    @property
    def pid(self) -> int:
        """Process id of the child, which is also its process group."""
        return self._running().pid

    def send(self, request: Mapping[str, Any]) -> None:
        """Give the child one request line.

        Raises
        ------
        NnunetError
            If it is gone.
        """
        stdin = self._running().stdin
        try:
            if stdin is not None:
                stdin.write(json.dumps(request) + "\n")
                stdin.flush()
        except OSError:
            raise self._failure() from None

    def finish_input(self) -> None:
        """Tell the child that no more requests come."""
        stdin = self._running().stdin
        if stdin is not None:
            with suppress(OSError):
                stdin.close()

    def events(self) -> Iterator[Event]:
        """Log every line and yield what the child reports, until it ends.

        Yields
        ------
        dict
            ``{"event": "epoch", "epoch": n}`` from nnU-Net's own log, and the worker's events.

        Raises
        ------
        NnunetError
            If the child ended with an error.
        """
        stdout = self._running().stdout
        for line in stdout or ():
            self._write_log(line)
            event = parse_line(line)
            if event is None:
                continue
            if event["event"] == "error":
                self._reported = str(event["error"])
                continue
            yield event
        if self._running().wait() != 0:
            raise self._failure()

    def next_event(self, *names: str) -> Event:
        """Wait for the next event of one of these names.

        Raises
        ------
        NnunetError
            If the child ends before.
        """
        for event in self.events():
            if event["event"] in names:
                return event
        raise self._failure()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise RuntimeError("the process was not started: use it as a context manager")
        return self._process

    def _write_log(self, line: str) -> None:
        self._tail.append(line.rstrip("\n"))
        if self._log is not None:
            self._log.write(line)
            self._log.flush()

    def _failure(self) -> MasksmithError:
        code = self._running().wait()
        words = self._reported or last_words(list(self._tail))
        if code < 0:
            words = f"killed by signal {-code} ({signal.Signals(-code).name}); {words}"
        if "No module named 'nnunetv2'" in words or "No module named 'torch'" in words:
            return MissingDependency("nnU-Net is not installed: pip install nnunetv2==2.8.1 torch")
        return NnunetError(f"nnU-Net stopped: {words} (log: {self._settings.log})")


def kill_started_by(threads: Sequence[int | None]) -> None:
    """Kill the subprocesses that these threads wait for, so that the threads can end."""
    for group, thread in list(_started_by.items()):
        if thread in threads:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)


def run_steps(process: NnunetProcess, on_event: Callable[[Event], None]) -> None:
    """Run a worker to its end, handing every event on.

    Raises
    ------
    NnunetError
        If it ends with an error.
    """
    with process:
        process.finish_input()
        for event in process.events():
            on_event(event)


def parse_line(line: str) -> Event | None:
    """Read a worker's event or nnU-Net's epoch line; None for all other lines."""
    if line.startswith(MARK):
        try:
            event = json.loads(line[len(MARK) :])
        except ValueError:
            return None
        return event if isinstance(event, dict) and "event" in event else None
    found = _EPOCH.search(line)
    return {"event": "epoch", "epoch": int(found[1])} if found else None


def last_words(lines: list[str]) -> str:
    """Pick the lines of a log that say what went wrong: the last error, else the last three."""
    useful = [line.strip() for line in lines if not _NOISE.search(line)]
    errors = [line for line in useful if _ERROR.match(line)]
    if errors:
        return errors[-1]
    return " | ".join(useful[-3:]) or "it printed nothing"
