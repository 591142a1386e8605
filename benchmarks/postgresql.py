"""A PostgreSQL of its own, from Debian's packages, for as long as a block runs."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DEBIAN = Path("/usr/lib/postgresql")
_INSTALL = Path(__file__).parents[1] / ".ci" / "system-packages"
_OWNER = "postgres"
_TIMEOUT_S = 120


class NoPostgresql(Exception):  # noqa: N818 - a state of this machine
    """PostgreSQL is not here and cannot be installed."""


@contextmanager
def postgresql() -> Iterator[str]:
    """Start a server with an empty database and give its SQLAlchemy URL.

    Raises
    ------
    NoPostgresql
        When it is not installed and may not be.
    """
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="masksmith-postgresql-"))
    owner = _OWNER if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    if os.getuid() == 0:
        shutil.chown(folder, owner)
    data, port = folder / "data", _free_port()

    def run(program: str, *words: str) -> None:
        environment = {"PATH": f"{programs}:{os.environ['PATH']}", "LC_ALL": "C"}
        as_owner = {"user": owner, "group": pwd.getpwnam(owner).pw_gid} if os.getuid() == 0 else {}
        subprocess.run(
            [str(programs / program), *words],
            check=True,
            env=environment,
            cwd=folder,
            timeout=_TIMEOUT_S,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **as_owner,  # type: ignore[call-overload]
        )

    try:
        run("initdb", "-D", str(data), "-A", "trust", "-U", "masksmith", "-E", "UTF8", "--no-sync")
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder}"
        run("pg_ctl", "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql+psycopg://masksmith@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-D", str(data), "-w", "-m", "fast", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """Find Debian's programs, after installing them where that needs no password."""
    for attempt in range(2):
        found = sorted(_DEBIAN.glob("*/bin/initdb"))
        if found:
            return found[-1].parent
        if attempt == 0:
            subprocess.run([_INSTALL, "--required", "postgresql"], check=False, capture_output=True)
    raise NoPostgresql("PostgreSQL is not installed: sudo apt-get install postgresql")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
