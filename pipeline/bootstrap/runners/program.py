"""What the runners of foreign programs share: start one per case, watch it, read its label map.

A program gets a copy of the CT in a folder of its own, no shell and no standard input. It ends in
time or is killed with all its children. Nothing of it stays but the masks.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from pydantic import Field

from pipeline.bootstrap.card import CardModel, ModelCard
from pipeline.bootstrap.mask_writing import write_label_map
from pipeline.bootstrap.runners.runner import attempt, kept, spread
from pipeline.bootstrap.scratch import scratch_folder
from pipeline.bootstrap.tasks import CaseResult, CaseTask
from pipeline.bootstrap.weights import ModelMissing
from pipeline.engine import Engine
from pipeline.errors import BadInput

INCIDENTAL = ("timeout_s", "parallel", "install")
_TAIL_LINES = 8
_TAIL_CHARACTERS = 1200


class CommandFailed(BadInput):
    """The program ended with an error, ran out of time, or left no label map."""


class ProgramOptions(CardModel):
    """What a card may say about any program.

    Attributes
    ----------
    environment : tuple of str
        Words put before the program: a virtual environment's python, `uv run`, a container line.
    variables : mapping of str to str
        Environment variables set for the program besides ours.
    timeout_s : float
        Seconds that one case may take.
    parallel : bool
        Whether several cases may run at once; else one after the other.
    install : str
        How a person gets the program, for the message that it is missing.
    """

    environment: tuple[str, ...] = ()
    variables: Mapping[str, str] = Field(default_factory=dict)
    timeout_s: float = Field(default=3600.0, gt=0)
    parallel: bool = False
    install: str = ""


@dataclass(frozen=True, slots=True)
class CasePlaces:
    """Where one run of a program works: its folder, the CT it reads, the label map it writes."""

    folder: Path
    given: Path
    output: Path


@dataclass(frozen=True, slots=True)
class ProgramCall:
    """One call of a program.

    Attributes
    ----------
    words : tuple of str
        The program and its words.
    variables : mapping of str to str
        Set besides ours.
    timeout_s : float
        Then it is killed.
    """

    words: tuple[str, ...]
    timeout_s: float
    variables: Mapping[str, str] = field(default_factory=dict)


CallFor = Callable[[CaseTask, CasePlaces], ProgramCall]


@dataclass(frozen=True, slots=True)
class FileNames:
    """The names that a program's input and output must have."""

    given: str = "ct.nii.gz"
    output: str = "labels.nii.gz"


@dataclass(frozen=True, slots=True)
class _Work:
    task: CaseTask
    call_for: CallFor
    names: FileNames


def run_cases(
    tasks: Sequence[CaseTask], engine: Engine, call_for: CallFor, names: FileNames | None = None
) -> Iterator[CaseResult]:
    """Run a program for every case that has no masks of it yet.

    Parameters
    ----------
    tasks : sequence of CaseTask
        Of one model, whose options are `ProgramOptions`.
    engine : Engine
    call_for : callable
        Says what to run for one case; a function of a module, so that a worker can be told of it.
    names : FileNames, optional
    """
    waiting: list[_Work] = []
    for task in tasks:
        there = kept(task, task.sources(), task.model.labels.covered)
        if there is not None:
            yield there
        else:
            waiting.append(_Work(task, call_for, names or FileNames()))
    if waiting and cast("ProgramOptions", waiting[0].task.model.options).parallel:
        yield from spread(engine, _run_one, waiting)
        return
    for work in waiting:
        yield from spread(engine, _run_one, [work])


def require_program(card: ModelCard, options: ProgramOptions, program: str) -> None:
    """Refuse a card whose program, or the first word of its environment, is not there.

    Raises
    ------
    ModelMissing
        Saying how to get it, if the card does.
    """
    word = whole_words((*options.environment, program))[0]
    if shutil.which(word) is None:
        how = options.install or "install it, or name its full path in the card (options)"
        raise ModelMissing(
            f"model '{card.name}': the program '{word}' is not there or may not be run; {how}"
        )


def require_all(card: ModelCard, *checks: Callable[[], object]) -> None:
    """Do all checks, so that a person learns at once of everything that is missing.

    Raises
    ------
    ModelMissing
        With the reasons of all checks that failed.
    """
    reasons = []
    for check in checks:
        try:
            check()
        except ModelMissing as error:
            reasons.append(str(error).removeprefix(f"model '{card.name}': "))
    if reasons:
        raise ModelMissing(f"model '{card.name}': {'; and '.join(reasons)}")


def whole_words(words: Sequence[str]) -> tuple[str, ...]:
    """Write out `~` at the beginning of the first word; the others stay as they are."""
    return (os.path.expanduser(words[0]), *words[1:])


def visible_gpus(device: str) -> str:
    """Say what CUDA_VISIBLE_DEVICES must be for a device: cpu, gpu or gpu:N."""
    if device == "cpu":
        return ""
    number = device.partition(":")[2]
    return number or os.environ.get("CUDA_VISIBLE_DEVICES", "0")


def run_program(call: ProgramCall, folder: Path, what: str) -> None:
    """Run a program to its end, and with all its children no longer than it may.

    Parameters
    ----------
    call : ProgramCall
    folder : Path
        Where it works, and where what it says is kept.
    what : str
        Names the task in messages.

    Raises
    ------
    CommandFailed
        With its exit code and the end of what it wrote to stderr.
    """
    program = call.words[0]
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("w+b") as stderr:
        try:
            code = _wait(call, folder, stdout, stderr)
        except OSError as error:
            raise CommandFailed(f"{what}: cannot start '{program}': {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(
                f"{what}: stopped after {call.timeout_s:g} s (options: timeout_s in the card)"
                f"{_tail(stderr)}"
            ) from error
        if code != 0:
            ending = f"exit code {code}" if code > 0 else f"signal {-code}"
            raise CommandFailed(f"{what}: '{program}' ended with {ending}{_tail(stderr)}")


def _run_one(work: _Work) -> CaseResult:
    return attempt(work.task, lambda: _masks_of(work))


def _masks_of(work: _Work) -> CaseResult:
    task = work.task
    with scratch_folder(task.model.layout) as folder:
        given, wanted = folder / "in", folder / "out"
        given.mkdir()
        wanted.mkdir()
        places = CasePlaces(folder, given / work.names.given, wanted / work.names.output)
        shutil.copyfile(task.model.layout.ct(task.case.id), places.given)
        run_program(work.call_for(task, places), folder, task.what)
        if not places.output.is_file() or places.output.stat().st_size == 0:
            raise CommandFailed(_no_output(task.what, places.output))
        return write_label_map(task, places.output, task.sources(), exact_grid=True)


def _wait(call: ProgramCall, folder: Path, stdout: IO[bytes], stderr: IO[bytes]) -> int:
    process = subprocess.Popen(
        call.words,
        cwd=folder,
        env={**os.environ, **call.variables},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )
    try:
        return process.wait(call.timeout_s)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tail(stderr: IO[bytes]) -> str:
    size = stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, size - 4 * _TAIL_CHARACTERS))
    lines = stderr.read().decode(errors="replace").split("\n")
    said = " | ".join(line.strip() for line in lines if line.strip())
    end = " | ".join(said.split(" | ")[-_TAIL_LINES:])[-_TAIL_CHARACTERS:]
    return f"; it said: {end}" if end else "; it said nothing on stderr"


def _no_output(what: str, output: Path) -> str:
    if output.is_file():
        return f"{what}: the label map it wrote is empty (0 bytes)"
    others = sorted(path.name for path in output.parent.iterdir())
    wrote = f"it wrote {', '.join(others[:5])}" if others else "it wrote nothing"
    return f"{what}: expected a label map named {output.name}, {wrote} (options: output_name)"
