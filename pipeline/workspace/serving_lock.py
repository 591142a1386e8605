"""The right to serve a workspace: one server at a time, and none while the ledger is replaced.

A server holds no driver lock, so that people go on drawing while a stage runs for hours
(docs/decisions/0049). What must not happen beside it is another server, or a new ledger in place
of the one it writes to.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.workspace.layout import Layout
from pipeline.workspace.workspace import WorkspaceBusy


@contextmanager
def serving_lock(layout: Layout, what: str) -> Iterator[None]:
    """Hold the right to serve a workspace; the system frees it if the process dies.

    Raises
    ------
    WorkspaceBusy
        When a server runs or the ledger is being replaced, naming command and process.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(layout.serving_lock_file)
    holder = layout.serving_lock_file.with_suffix(".txt")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        who = holder.read_text() if holder.exists() else "another process"
        raise WorkspaceBusy(
            f"{layout.root}: {who} holds this workspace; stop it first, then try again"
        ) from error
    try:
        holder.write_text(f"'masksmith {what}' (process {os.getpid()})")
        yield
        holder.unlink(missing_ok=True)
    finally:
        lock.release()
