"""What every runner can do: find a model's files, and turn cases into masks."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import BaseModel

from pipeline.bootstrap.card import ModelCard
from pipeline.bootstrap.tasks import CaseResult, CaseTask
from pipeline.engine import Engine
from pipeline.errors import MasksmithError


@dataclass(frozen=True, slots=True)
class Search:
    """Where to look for a model's files.

    Attributes
    ----------
    place : Path or None
        What the settings or the card say.
    unpack_into : Path
        Where a zip may be unpacked.
    may_download : bool
        Whether a runner whose card asks for it may fetch what is missing.
    """

    place: Path | None
    unpack_into: Path
    may_download: bool = False


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model's files.

    Attributes
    ----------
    place : Path or None
        Where they are.
    weights_digest : str or None
        sha256 (hex) of the weights, if there are any.
    own_names : mapping of int to str, or None
        What the model itself calls its label values, if it says so.
    """

    place: Path | None
    weights_digest: str | None = None
    own_names: Mapping[int, str] | None = None


class Runner(Protocol):
    """One way to get a prediction out of a model.

    Attributes
    ----------
    name : str
        What a card's `runner` says.
    options : type of pydantic model
        What a card's `options` may hold.
    needs_approval : bool
        Whether loading the weights can run code of theirs.
    incidental_options : tuple of str
        Options that change nothing about a mask (a time limit, where files lie).
    """

    @property
    def name(self) -> str:
        """What a card's `runner` says."""

    @property
    def options(self) -> type[BaseModel]:
        """What a card's `options` may hold."""

    @property
    def needs_approval(self) -> bool:
        """Whether loading the weights can run code of theirs."""

    @property
    def incidental_options(self) -> tuple[str, ...]:
        """Options that change nothing about a mask."""

    def find(self, card: ModelCard, options: BaseModel, search: Search) -> FoundModel:
        """Find the model's files.

        Raises
        ------
        ModelMissing
            Saying what to put where.
        """

    def run(self, tasks: Sequence[CaseTask], engine: Engine) -> Iterator[CaseResult]:
        """Turn cases into masks; every task gives exactly one result, in any order."""


class HasTask(Protocol):
    """A piece of work that belongs to one task."""

    @property
    def task(self) -> CaseTask:
        """The task."""


Work = TypeVar("Work", bound=HasTask)


def spread(
    engine: Engine, function: Callable[[Work], CaseResult], work: Sequence[Work]
) -> Iterator[CaseResult]:
    """Do pieces of work on an engine; a worker that dies becomes a failed result."""
    for done in engine.map(function, work):
        if done.value is not None:
            yield done.value
        else:
            yield failed(done.item.task, done.error or "the worker gave no answer")


def attempt(task: CaseTask, action: Callable[[], CaseResult]) -> CaseResult:
    """Do one piece of work; an error that a person can act on becomes a failed result."""
    try:
        return action()
    except MasksmithError as error:
        return failed(task, str(error))


def kept(
    task: CaseTask, sources: Mapping[str, str], structures: Collection[str]
) -> CaseResult | None:
    """Say that these structures, made from these sources, are there already; None if not."""
    if not task.is_kept(sources, structures):
        return None
    return CaseResult(task.case.id, "kept", f"{len(structures)} structures are there already")


def failed(task: CaseTask, reason: str) -> CaseResult:
    """Say that a task failed, and why."""
    return CaseResult(task.case.id, "failed", reason)
