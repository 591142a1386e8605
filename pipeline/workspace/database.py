"""Opening the ledger's database: SQLite inside the workspace, or PostgreSQL by URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, MissingDependency

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

NEWEST_REVISION = "0001"
# Rollback journal, not WAL: SQLite before 3.51.3 (but for 3.44.6 and 3.50.7) can silently
# lose committed writes in WAL mode with several processes, and WAL is unsafe on network
# file systems. secure_delete: deleted rows otherwise stay readable in free pages.
_PRAGMAS = (
    "PRAGMA journal_mode=DELETE",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",
    "PRAGMA busy_timeout=30000",
)


class LedgerError(BadInput):
    """The ledger's database cannot be used as it is."""


def sqlite_url(path: Path) -> str:
    """Give the URL of a SQLite file."""
    return f"sqlite:///{path.resolve()}"


def open_database(url: str) -> Engine:
    """Open a database and bring its tables to the newest revision.

    Raises
    ------
    LedgerError
        When it cannot be opened, is damaged, or was written by a newer Masksmith.
    MissingDependency
        When the driver of the URL is not installed.
    """
    from sqlalchemy import create_engine, event
    from sqlalchemy.exc import DatabaseError, NoSuchModuleError

    try:
        engine = create_engine(url, connect_args=_connect_args(url))
    except (ImportError, NoSuchModuleError) as error:
        raise MissingDependency(
            f"ledger {_without_password(url)}: no driver ({error}); for PostgreSQL run "
            "'pip install psycopg[binary]' and use a postgresql+psycopg:// URL"
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_pragmas)
    try:
        with engine.begin() as connection:
            current = _revision(connection) == NEWEST_REVISION
        if not current:
            with engine.begin() as connection, _whole_or_not_at_all(connection):
                _migrate(connection, url)
    except DatabaseError as error:
        raise LedgerError(
            f"ledger {_without_password(url)}: cannot be used ({error.orig}); "
            "'masksmith doctor --rebuild' makes it anew from the files"
        ) from error
    return engine


def _connect_args(url: str) -> dict[str, Any]:
    return {"timeout": 30} if url.startswith("sqlite") else {}


def _set_pragmas(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


@contextmanager
def _whole_or_not_at_all(connection: Connection) -> Iterator[None]:
    """Make changes of tables one transaction in SQLite too.

    Python's driver commits before each such statement; a process killed in between would
    leave a ledger with half its tables. It stops doing so when told to leave transactions
    to us.
    """
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name != "sqlite":
        yield
        return
    before = driver.isolation_level
    driver.isolation_level = None
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        yield
        connection.exec_driver_sql("COMMIT")
    finally:
        if driver.in_transaction:
            connection.exec_driver_sql("ROLLBACK")
        driver.isolation_level = before


def _migrate(connection: Connection, url: str) -> None:
    found = _revision(connection)
    if found == NEWEST_REVISION:
        return
    if found is not None and found > NEWEST_REVISION:
        raise LedgerError(
            f"ledger {_without_password(url)}: revision {found} is newer than this Masksmith "
            f"knows ({NEWEST_REVISION}); install the newer version"
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    from sqlalchemy import inspect, text

    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _without_password(url: str) -> str:
    from sqlalchemy import make_url

    return make_url(url).render_as_string(hide_password=True)
