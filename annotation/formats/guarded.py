"""Reading files from outside in processes of their own, with limits on memory and time.

Declared sizes are checked in the readers before anything is allocated; this is the second net.
A file that kills, hangs or bloats its process is refused, and the others go on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from annotation.formats.drawing import DrawnFile, DrawnFileError, ReadLimits
from pipeline.engine import ProcessEngine
from pipeline.volume.memory_ceiling import memory_ceiling

DEFAULT_MEMORY_BYTES = 8 * 2**30
DEFAULT_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Guard:
    """What the reading of one file may take.

    Attributes
    ----------
    limits : ReadLimits
        On what the file declares.
    memory_bytes : int
        Beyond what the process has when it begins.
    timeout_s : float
    """

    limits: ReadLimits = field(default_factory=ReadLimits)
    memory_bytes: int = DEFAULT_MEMORY_BYTES
    timeout_s: float = DEFAULT_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class _Task:
    path: Path
    guard: Guard
    name_table: Path | None


@dataclass(frozen=True, slots=True, eq=False)
class GuardedRead:
    """What became of one file: its drawings, or why there are none."""

    path: Path
    drawn: DrawnFile | None = None
    error: str = ""


def read_guarded(
    path: Path,
    limits: ReadLimits | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    *,
    name_table: Path | None = None,
) -> DrawnFile:
    """Read one file of drawings in a process of its own.

    Raises
    ------
    DrawnFileError
        If it cannot be read, or takes more memory or time than allowed.
    """
    guard = Guard(limits or ReadLimits(), memory_bytes, timeout_s)
    (result,) = read_all_guarded([path], guard, name_table=name_table)
    if result.drawn is None:
        raise DrawnFileError(result.error)
    return result.drawn


def read_all_guarded(
    paths: Sequence[Path],
    guard: Guard | None = None,
    *,
    jobs: int = 1,
    name_table: Path | None = None,
) -> Iterator[GuardedRead]:
    """Read files of drawings in other processes; results come as they are ready.

    The processes are kept from file to file, so that many small files cost little; one that is
    killed is replaced.

    Parameters
    ----------
    paths : sequence of Path
    guard : Guard, optional
    jobs : int
        Processes at once.
    name_table : Path, optional
        Counts for all of the files.
    """
    chosen = guard or Guard()
    tasks = [_Task(Path(path), chosen, name_table) for path in paths]
    engine = ProcessEngine(max(jobs, 1))
    for result in engine.map(read_within, tasks, timeout_s=chosen.timeout_s):
        if result.value is not None:
            yield result.value
            continue
        yield GuardedRead(
            result.item.path,
            error=(
                f"{result.item.path}: found a file whose reading {_how(result.error)}; expected "
                f"one that takes less than {chosen.memory_bytes / 2**30:.3g} GiB and "
                f"{chosen.timeout_s:g} s; check what it is, or export fewer segments into it"
            ),
        )


def read_within(task: _Task) -> GuardedRead:
    """Read one file within the task's memory; what is wrong with it comes back as text."""
    from annotation.formats import read_drawn_file

    _import_before_the_ceiling()
    try:
        with memory_ceiling(task.guard.memory_bytes):
            drawn = read_drawn_file(task.path, task.guard.limits, name_table=task.name_table)
            return GuardedRead(task.path, drawn)
    except DrawnFileError as error:
        return GuardedRead(task.path, error=str(error))


def _import_before_the_ceiling() -> None:
    """Load what readers import as they go: libraries take address space that is not the file's."""
    from importlib import import_module

    for name in ("nibabel", "nrrd", "pydicom.pixels", "scipy.ndimage", "defusedxml.ElementTree"):
        import_module(name)


def _how(error: str | None) -> str:
    return error if error and error.startswith(("took", "needs")) else f"failed ({error})"
