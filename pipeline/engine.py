"""Where per-case work runs. Stages hand tasks to an engine and take results as they come.

A task is a top-level function of one picklable item that returns a picklable value and
writes nothing but immutable files. The same stage therefore runs in this process, in
local processes, or on a cluster: an engine for Dask needs only this protocol.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from pipeline.errors import MasksmithError

Item = TypeVar("Item")
Value = TypeVar("Value")

# Renderers and image libraries hold on to memory; a fresh process gives it back.
_TASKS_PER_PROCESS = 200


@dataclass(frozen=True, slots=True)
class TaskResult(Generic[Item, Value]):
    """What became of one task: a value, or the reason why there is none."""

    item: Item
    value: Value | None = None
    error: str | None = None


class Engine(Protocol):
    """Runs one function over many items."""

    @property
    def jobs(self) -> int:
        """How many tasks run at once."""
        ...

    def map(
        self,
        function: Callable[[Item], Value],
        items: Sequence[Item],
        *,
        timeout_s: float | None = None,
    ) -> Iterator[TaskResult[Item, Value]]:
        """Give one result per item, as they come; a task that fails or dies fails alone."""
        ...


@dataclass(frozen=True, slots=True)
class SerialEngine:
    """Runs every task in this process, one after the other.

    ``timeout_s`` is not enforced here: a task cannot be stopped from within.
    """

    jobs: int = 1

    def map(
        self,
        function: Callable[[Item], Value],
        items: Sequence[Item],
        *,
        timeout_s: float | None = None,
    ) -> Iterator[TaskResult[Item, Value]]:
        """Run the tasks in order; see :meth:`Engine.map`."""
        for item in items:
            try:
                value = function(item)
            except Exception as error:  # noqa: BLE001 - one bad case never stops the batch
                yield TaskResult(item, error=describe_error(error))
            else:
                yield TaskResult(item, value=value)


@dataclass(frozen=True, slots=True)
class ProcessEngine:
    """Runs tasks in fresh local processes; one that dies or hangs takes only its task along.

    Parameters
    ----------
    jobs : int
        Processes at once.
    max_memory_bytes : int, optional
        Address-space limit of each process; tasks beyond it fail with a clear error.
    """

    jobs: int
    max_memory_bytes: int | None = None

    def map(
        self,
        function: Callable[[Item], Value],
        items: Sequence[Item],
        *,
        timeout_s: float | None = None,
    ) -> Iterator[TaskResult[Item, Value]]:
        """Run the tasks, results as they come; see :meth:`Engine.map`."""
        import multiprocessing
        from concurrent.futures import FIRST_COMPLETED, wait

        from pebble import ProcessPool

        if not items:
            return
        pool = ProcessPool(
            max_workers=min(self.jobs, len(items)),
            max_tasks=_TASKS_PER_PROCESS,
            initializer=_prepare_process,
            initargs=[self.max_memory_bytes],
            context=multiprocessing.get_context("spawn"),
        )
        try:
            waiting: dict[Any, Item] = {}
            remaining = iter(items)
            # Few tasks are in flight at once, so that 10,000 cases do not queue in memory.
            for item in remaining:
                waiting[pool.schedule(function, args=[item], timeout=timeout_s)] = item
                if len(waiting) < 2 * self.jobs:
                    continue
                yield from _finished(waiting, wait(waiting, return_when=FIRST_COMPLETED).done)
            while waiting:
                yield from _finished(waiting, wait(waiting, return_when=FIRST_COMPLETED).done)
        finally:
            pool.stop()  # type: ignore[no-untyped-call]
            pool.join()


def make_engine(jobs: int) -> Engine:
    """Give the engine for a number of jobs: this process for one, local processes for more."""
    return SerialEngine() if jobs <= 1 else ProcessEngine(jobs)


def describe_error(error: BaseException) -> str:
    """Put an exception into one line a person can read."""
    from concurrent.futures import TimeoutError as TaskTimeout

    if isinstance(error, MasksmithError):
        return " ".join(str(error).split())
    if isinstance(error, TaskTimeout):
        return "took longer than its time limit and was stopped"
    if isinstance(error, MemoryError):
        return f"needs more memory than its limit allows ({error})"
    if type(error).__name__ == "ProcessExpired":
        return f"its process died (exit code {getattr(error, 'exitcode', '?')})"
    return " ".join(f"{type(error).__name__}: {error}".split())


def _finished(waiting: dict[Any, Item], done: set[Any]) -> Iterator[TaskResult[Item, Any]]:
    for future in done:
        item = waiting.pop(future)
        error = future.exception()
        if error is None:
            yield TaskResult(item, value=future.result())
        else:
            yield TaskResult(item, error=describe_error(error))


def _prepare_process(max_memory_bytes: int | None) -> None:
    import resource
    import signal

    # An interrupt is the driver's to handle: it stops the pool.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if max_memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (max_memory_bytes, max_memory_bytes))
