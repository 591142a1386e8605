"""Runner `command`: any program that turns a CT into a label map.

It gets the CT as a NIfTI file in a folder of its own and must write a label map on the same grid.
It may live in another environment or a container: `environment` is put before its own words. There
is no shell in between.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from pydantic import BaseModel, Field, field_validator

from pipeline.bootstrap.card import CardModel, ModelCard
from pipeline.bootstrap.mask_writing import write_label_map
from pipeline.bootstrap.runners.runner import FoundModel, Search, attempt, kept, spread
from pipeline.bootstrap.scratch import scratch_folder
from pipeline.bootstrap.tasks import CaseResult, CaseTask
from pipeline.bootstrap.weights import ModelMissing, require_weights, weights_digest
from pipeline.engine import Engine
from pipeline.errors import BadInput

PLACEHOLDERS = ("input", "output", "input_folder", "output_folder", "device", "weights")
_TAIL_LINES = 8
_TAIL_CHARACTERS = 1200
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class CommandFailed(BadInput):
    """The program ended with an error, ran out of time, or left no label map."""


class CommandOptions(CardModel):
    """What a card says about a program.

    Attributes
    ----------
    argv : tuple of str
        The program and its words, with placeholders: `{input}` and `{output}` (files),
        `{input_folder}` and `{output_folder}`, `{device}` (cpu, gpu, gpu:N), `{weights}`.
    environment : tuple of str
        Words put before `argv`: a virtual environment's python, `uv run`, a container line.
    variables : mapping of str to str
        Environment variables set for the program besides ours.
    timeout_s : float
        Seconds that one case may take.
    input_name, output_name : str
        The files' names, for programs that insist on some.
    parallel : bool
        Whether several cases may run at once; else one after the other.
    """

    argv: tuple[str, ...] = Field(min_length=1)
    environment: tuple[str, ...] = ()
    variables: Mapping[str, str] = Field(default_factory=dict)
    timeout_s: float = Field(default=3600.0, gt=0)
    input_name: str = Field(default="ct.nii.gz", pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")
    output_name: str = Field(default="labels.nii.gz", pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")
    parallel: bool = False

    @field_validator("argv")
    @classmethod
    def _placeholders_are_known(cls, argv: tuple[str, ...]) -> tuple[str, ...]:
        used = set(_PLACEHOLDER.findall(" ".join(argv)))
        strange = sorted(used - set(PLACEHOLDERS))
        if strange:
            known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            raise ValueError(f"unknown placeholder {{{strange[0]}}}; known: {known}")
        for way in ("input", "output"):
            if not used & {way, f"{way}_folder"}:
                raise ValueError(f"expected {{{way}}} or {{{way}_folder}} among the words")
        return argv


@dataclass(frozen=True, slots=True)
class _Command:
    task: CaseTask


class CommandRunner:
    """Runs a program once per case."""

    name = "command"
    options: type[BaseModel] = CommandOptions
    needs_approval = False
    incidental_options = ("timeout_s", "parallel")

    def find(self, card: ModelCard, options: BaseModel, search: Search) -> FoundModel:
        """Find the program and, if the card names any, its weights; raises ModelMissing."""
        said = cast("CommandOptions", options)
        program = (*said.environment, *said.argv)[0]
        if shutil.which(program) is None:
            raise ModelMissing(
                f"model '{card.name}': the program '{program}' is not there or may not be run; "
                "install it, or name its full path in the card (options: argv, environment)"
            )
        needs_weights = any("{weights}" in word for word in said.argv)
        if search.place is None and not needs_weights:
            return FoundModel(None)
        place = require_weights(card, search.place)
        return FoundModel(place, weights_digest(place))

    def run(self, tasks: Sequence[CaseTask], engine: Engine) -> Iterator[CaseResult]:
        """Run the program for every case that has no masks of it yet."""
        waiting: list[_Command] = []
        for task in tasks:
            there = kept(task, task.sources(), task.model.labels.covered)
            if there is not None:
                yield there
            else:
                waiting.append(_Command(task))
        if waiting and cast("CommandOptions", waiting[0].task.model.options).parallel:
            yield from spread(engine, _run_one, waiting)
            return
        for command in waiting:
            yield from spread(engine, _run_one, [command])


def _run_one(command: _Command) -> CaseResult:
    return attempt(command.task, lambda: _masks_of(command.task))


def _masks_of(task: CaseTask) -> CaseResult:
    model = task.model
    options = cast("CommandOptions", model.options)
    with scratch_folder(model.layout) as folder:
        given, wanted = folder / "in", folder / "out"
        given.mkdir()
        wanted.mkdir()
        given_file, output = given / options.input_name, wanted / options.output_name
        shutil.copyfile(model.layout.ct(task.case.id), given_file)
        argv = fill_argv(options, given_file, output, model.policy.device, model.place)
        run_program(argv, options, folder, task.what)
        if not output.is_file() or output.stat().st_size == 0:
            raise CommandFailed(_no_output(task.what, output, wanted))
        return write_label_map(task, output, task.sources(), exact_grid=True)


def fill_argv(
    options: CommandOptions, given: Path, output: Path, device: str, weights: Path | None
) -> list[str]:
    """Put the places into the words of a command; words without placeholders stay as they are."""
    values = {
        "input": str(given),
        "output": str(output),
        "input_folder": str(given.parent),
        "output_folder": str(output.parent),
        "device": device,
        "weights": str(weights),
    }
    filled = [_PLACEHOLDER.sub(lambda found: values[found[1]], word) for word in options.argv]
    return [*options.environment, *filled]


def run_program(argv: list[str], options: CommandOptions, folder: Path, what: str) -> None:
    """Run a program to its end, and with all its children no longer than it may.

    Raises
    ------
    CommandFailed
        With its exit code and the end of what it wrote to stderr.
    """
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("w+b") as stderr:
        try:
            code = _wait(argv, options, folder, stdout, stderr)
        except OSError as error:
            raise CommandFailed(f"{what}: cannot start '{argv[0]}': {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(
                f"{what}: stopped after {options.timeout_s:g} s (options: timeout_s in the card)"
                f"{_tail(stderr)}"
            ) from error
        if code != 0:
            ending = f"exit code {code}" if code > 0 else f"signal {-code}"
            raise CommandFailed(f"{what}: '{argv[0]}' ended with {ending}{_tail(stderr)}")


def _wait(
    argv: list[str], options: CommandOptions, folder: Path, stdout: IO[bytes], stderr: IO[bytes]
) -> int:
    process = subprocess.Popen(
        argv,
        cwd=folder,
        env={**os.environ, **options.variables},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )
    try:
        return process.wait(options.timeout_s)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tail(stderr: IO[bytes]) -> str:
    size = stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, size - 4 * _TAIL_CHARACTERS))
    lines = stderr.read().decode(errors="replace").split("\n")
    said = " | ".join(line.strip() for line in lines if line.strip())
    kept = " | ".join(said.split(" | ")[-_TAIL_LINES:])[-_TAIL_CHARACTERS:]
    return f"; it said: {kept}" if kept else "; it said nothing on stderr"


def _no_output(what: str, output: Path, folder: Path) -> str:
    if output.is_file():
        return f"{what}: the label map it wrote is empty (0 bytes)"
    others = sorted(path.name for path in folder.iterdir())
    wrote = f"it wrote {', '.join(others[:5])}" if others else "it wrote nothing"
    return f"{what}: expected a label map named {output.name}, {wrote} (options: output_name)"
