"""`masksmith serve` as a process of its own, and annotators who talk to it over HTTP."""

import gzip
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from annotation.server.people import People
from annotation.server.server_store import ServerStore
from annotation.server.voxel_order import box_text
from pipeline.volume import Box
from pipeline.workspace import Workspace

PASSWORD = "four plain words here"
_START_S = 120.0


def add_annotators(workspace: Workspace, count: int) -> list[str]:
    """Make accounts `reader 1`, `reader 2`, ... ."""
    people = People(ServerStore(workspace.layout.server_dir))
    names = [f"reader {number}" for number in range(1, count + 1)]
    for name in names:
        people.add(name, "annotator", PASSWORD)
    return names


@dataclass
class Served:
    """A server process; `with Served(path) as served: served.address`.

    Attributes
    ----------
    ledger_url : str
        Of the ledger; empty: SQLite inside the workspace.
    settings : dict
        Settings of `serve` by name, as text.
    """

    workspace: Path
    ledger_url: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    port: int = 0
    address: str = ""
    link: str | None = None
    process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Served":
        """Start, and wait until requests are taken."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def stop(self) -> None:
        """Stop as a person would, if it runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def start(self) -> None:
        """Start, again at the same port after :meth:`kill`."""
        environment = dict(os.environ) | {"PYTHONPATH": str(Path(__file__).parents[1])}
        environment |= {"MASKSMITH_SERVE_LOGIN_TRIES_PER_MINUTE": "1000"}
        environment |= {f"MASKSMITH_SERVE_{k.upper()}": v for k, v in self.settings.items()}
        if self.ledger_url:
            environment["MASKSMITH_LEDGER_URL"] = self.ledger_url
        command = [sys.executable, "-m", "pipeline.cli", "serve", "--json", "--quiet"]
        command += ["--workspace", str(self.workspace), "--port", str(self.port)]
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert self.process.stdout is not None
        document = ""
        while not document.strip().endswith("}"):
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError(f"the server ended with {self.process.wait(10)}")
            document += line
        opening = json.loads(document)
        if "error" in opening:
            raise RuntimeError(f"the server ended with {self.process.wait(60)}: {opening}")
        self.address, self.link = opening["address"], opening["link"]
        self.port = int(self.address.rpartition(":")[2])

    def kill(self) -> None:
        """Kill it as a power cut would: no signal that it could hear."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(60)


@dataclass
class Annotator:
    """Somebody who draws over HTTP and notes how long every save took.

    Attributes
    ----------
    saves_s : list of float
        Strokes and commits that were acknowledged.
    """

    address: str
    name: str
    saves_s: list[float] = field(default_factory=list)
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        """Sign in."""
        self.client = httpx.Client(base_url=self.address, timeout=60)
        given = {"name": self.name, "password": PASSWORD}
        answer = self.client.post("/api/login", json=given)
        answer.raise_for_status()
        self.client.headers["X-Masksmith-CSRF"] = answer.json()["csrf"]

    def lease(self, case_id: str, structure: str) -> dict[str, Any]:
        """Take the right to draw on a mask."""
        path = f"/api/cases/{case_id}/masks/{structure}/lease"
        answer = self.client.post(path, json={"take": True})
        answer.raise_for_status()
        document: dict[str, Any] = answer.json()
        return document

    def stroke(
        self, mask: str, sequence: int, box: Box, voxels: NDArray[np.bool_], base: str | None
    ) -> httpx.Response:
        """Save one stroke."""
        started = time.perf_counter()
        answer = self.client.put(
            f"/api/cases/{mask}/draft/{sequence}",
            params={"base": base or "none", "box": box_text(box), "client": "bench"},
            content=gzip.compress(voxels.astype(np.uint8).tobytes(order="F"), 1),
            headers={"Content-Encoding": "gzip"},
        )
        if answer.status_code == 200:
            self.saves_s.append(time.perf_counter() - started)
        return answer

    def commit(self, mask: str, sequence: int, base: str | None) -> httpx.Response:
        """Make a revision of what was drawn."""
        started = time.perf_counter()
        wish = {"base": base, "client": "bench", "sequence": sequence, "seconds": 5, "strokes": 1}
        answer = self.client.post(f"/api/cases/{mask}/commit", json=wish)
        if answer.status_code in (200, 201, 409):
            self.saves_s.append(time.perf_counter() - started)
        return answer
