"""Files that are either whole under their final name or not there at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import BadInput

PARTIAL_SUFFIX = ".part"


def is_partial(path: Path) -> bool:
    """Tell whether a path is a temporary file an interrupted write left behind."""
    return path.name.startswith(".") and path.name.endswith(PARTIAL_SUFFIX)


def remove_partial_files(folder: Path) -> int:
    """Delete what interrupted writes left below a folder that nobody else is writing to."""
    partials = [path for path in folder.rglob(".*") if is_partial(path)]
    for path in partials:
        path.unlink(missing_ok=True)
    return len(partials)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its name when the block ends well.

    The file is flushed to disk before it is renamed and its folder after, so that a power
    cut leaves the old state or the new one. A failed flush is raised, never retried: after
    it the kernel may already have dropped the data.

    Parameters
    ----------
    path : Path
        The final name. Its folder is made when it does not exist.

    Raises
    ------
    OSError
        When the file cannot be written, flushed or renamed; nothing then stands under
        ``path`` that was not there before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.parent / f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{PARTIAL_SUFFIX}"
    try:
        yield partial
        _flush(partial, os.O_RDONLY)
        partial.replace(path)
        _flush(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    finally:
        partial.unlink(missing_ok=True)


def write_file_atomically(path: Path, data: bytes) -> None:
    """Write bytes to ``path`` so that no half-written file is ever seen there."""
    with atomic_path(path) as partial:
        partial.write_bytes(data)


def write_output_file(path: Path, data: bytes) -> None:
    """Write a file that a person named, atomically.

    Raises
    ------
    BadInput
        When it cannot be written.
    """
    try:
        write_file_atomically(path, data)
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be written ({error.strerror}); name a place that may be written"
        ) from None


def _flush(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
