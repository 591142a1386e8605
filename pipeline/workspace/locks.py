"""The rights to change and to serve a workspace; the system frees them if the process dies.

A server holds no driver lock, so that people go on drawing while a stage runs for hours
(docs/decisions/0049). What must not happen beside it is another server, or a new ledger in place
of the one it writes to.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import MasksmithError
from pipeline.workspace.layout import Layout


class WorkspaceBusy(MasksmithError):  # noqa: N818 - a state, not a fault
    """Another command is changing this workspace."""


@contextmanager
def driver_lock(layout: Layout, what: str) -> Iterator[None]:
    """Hold the right to change a workspace.

    Raises
    ------
    WorkspaceBusy
        When another command holds it, naming that command and its process.
    """
    with _held(layout.lock_file, what, "is changing this workspace; wait until it ends"):
        yield


@contextmanager
def serving_lock(layout: Layout, what: str) -> Iterator[None]:
    """Hold the right to serve a workspace: one server, and none while the ledger is replaced.

    Raises
    ------
    WorkspaceBusy
        When a server runs or the ledger is being replaced, naming command and process.
    """
    busy = "holds this workspace; stop it first, then try again"
    with _held(layout.serving_lock_file, what, busy):
        yield


@contextmanager
def _held(path: Path, what: str, busy: str) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock, holder = FileLock(path), path.with_suffix(".txt")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        who = holder.read_text() if holder.exists() else "another process"
        raise WorkspaceBusy(f"{path.parent}: {who} {busy}") from error
    try:
        holder.write_text(f"'masksmith {what}' (process {os.getpid()})")
        yield
        holder.unlink(missing_ok=True)
    finally:
        lock.release()
