"""What the server knows that the ledger does not: people, sessions, leases, assignments.

A small SQLite file of its own, `server/server.sqlite` in the workspace, so that making the ledger
anew from the files (`masksmith doctor --rebuild`) throws nobody out, and password hashes never
travel with a ledger. Every change is one short transaction.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import BadInput

_VERSION = 1
_BUSY_S = 30
_SCHEMA = """
CREATE TABLE person (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL CHECK (role IN ('annotator', 'reviewer', 'admin')),
    password_hash TEXT,
    created TEXT NOT NULL
);
CREATE TABLE session (
    token_digest TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    csrf TEXT NOT NULL,
    way TEXT NOT NULL,
    created REAL NOT NULL,
    seen REAL NOT NULL
);
CREATE TABLE lease (
    case_id TEXT NOT NULL,
    structure TEXT NOT NULL,
    name TEXT NOT NULL,
    until REAL NOT NULL,
    PRIMARY KEY (case_id, structure)
);
CREATE TABLE assignment (
    case_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    by TEXT NOT NULL,
    created TEXT NOT NULL
);
"""


class ServerStoreError(BadInput):
    """The server's own file cannot be used as it is."""


class ServerStore:
    """Reads and short transactions; safe from many threads, each with its own connection.

    Parameters
    ----------
    folder : Path
        `server/` of the workspace; made readable by its owner only.

    Raises
    ------
    ServerStoreError
        When the file is damaged or was made by a newer Masksmith.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "server.sqlite"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.path.exists():
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
        try:
            with self.change() as connection:
                self._bring_up(connection)
        except sqlite3.DatabaseError as error:
            raise ServerStoreError(
                f"{self.path}: cannot be used ({error}); move it away and add the people again "
                "with 'masksmith users add'"
            ) from error

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Give a connection inside a transaction that only one at a time can have."""
        connection = self._connect()
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        finally:
            connection.close()

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Read."""
        connection = self._connect()
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def row(self, query: str, values: Sequence[Any] = ()) -> sqlite3.Row | None:
        """Read the first row, or None."""
        found = self.rows(query, values)
        return found[0] if found else None

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")
        return connection

    def _bring_up(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise ServerStoreError(
                f"{self.path}: made by a newer Masksmith (version {version}, this one knows "
                f"{_VERSION}); install the newer one"
            )
        if version < 1:
            for statement in _SCHEMA.split(";"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version={_VERSION}")
