"""A small workspace behind the workbench, and browsers to reach it with."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from annotation.server.app import make_app
from annotation.server.settings import ServeSettings
from annotation.server.voxel_order import box_text
from annotation.server.workbench import Workbench, open_workbench
from pipeline.anatomy import shipped_configs
from pipeline.workspace import Case, Mask, Provenance, Workspace, write_mask

PASSWORD = "four plain words here"
ADDRESS = "http://127.0.0.1:8104"
PEOPLE = {"anna": "annotator", "ben": "annotator", "rita": "reviewer", "ada": "admin"}


class Browser:
    """One person's browser, signed in or not."""

    def __init__(self, bench: Workbench, name: str | None = None) -> None:
        self.client = TestClient(
            make_app(bench),
            base_url=ADDRESS,
            raise_server_exceptions=False,
            client=("127.0.0.1", 1),
        )
        self.headers: dict[str, str] = {}
        if name is not None:
            given = {"name": name, "password": PASSWORD}
            answer = self.client.post("/api/login", json=given)
            assert answer.status_code == 200, answer.text
            self.headers = {"X-Masksmith-CSRF": answer.json()["csrf"]}

    def request(self, method: str, path: str, **more: Any) -> Any:
        headers = self.headers | more.pop("headers", {})
        return self.client.request(method, path, headers=headers, **more)

    def get(self, path: str, **more: Any) -> Any:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> Any:
        return self.request("POST", path, **more)

    def stroke(
        self, mask: str, sequence: int, box: tuple, voxels: Any, base: str | None, **more: Any
    ) -> Any:
        """Send a stroke as the editor does: gzip, one byte a voxel, Fortran order."""
        query = {
            "base": base or "none",
            "box": box_text(box),
            "client": more.pop("client", "tab-1"),
            "blind": more.pop("blind", False),
        }
        body = np.asarray(voxels, np.uint8).tobytes(order="F")
        return self.request(
            "PUT",
            f"/api/cases/{mask}/draft/{sequence}",
            params=query,
            content=gzip.compress(body),
            headers={"Content-Encoding": "gzip"},
        )

    def commit(self, mask: str, sequence: int, base: str | None, **more: Any) -> Any:
        """Ask for a revision."""
        wish = {
            "base": base,
            "client": "tab-1",
            "sequence": sequence,
            "seconds": 12.5,
            "strokes": 3,
        }
        return self.post(f"/api/cases/{mask}/commit", json=wish | more)


@pytest.fixture
def settings() -> ServeSettings:
    return ServeSettings(configs=shipped_configs(), login_tries_per_minute=100)


@pytest.fixture
def lab(
    workspace: Workspace, add_case: Callable[..., Case], add_masks: Callable[..., dict[str, Mask]]
) -> Workspace:
    """Give a workspace of two cases with three model masks each."""
    for case_id in ("s0001", "s0002"):
        add_masks(add_case(case_id), Provenance("model", "model:btcv"))
    return workspace


@pytest.fixture
def draw_revision(lab: Workspace) -> Callable[..., Mask]:
    """Give a function that corrects a mask: ``draw_revision("s0001", "liver", "anna")``."""

    def draw(case_id: str, structure: str, by: str) -> Mask:
        base = lab.in_force(case_id)[structure]
        crop = lab.mask_crop(base).copy()
        crop[:2] = False
        made = Provenance("human", f"person:{by}", parents=(base.id,), about={"seconds": "30.0"})
        mask = write_mask(lab.layout, lab.case(case_id), structure, crop, made, box=base.box)
        lab.record_masks([mask])
        return mask

    return draw


@pytest.fixture
def bench(lab: Workspace, settings: ServeSettings, quick_hashes: None) -> Workbench:
    """Give the workbench of :func:`lab` with accounts for :data:`PEOPLE`."""
    opened = open_workbench(lab, settings)
    opened.link = None
    for name, role in PEOPLE.items():
        opened.people.add(name, role, PASSWORD)  # type: ignore[arg-type]
    return opened


@pytest.fixture
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with little work: what is tested is who may do what, not Argon2."""
    from argon2 import PasswordHasher

    from annotation.server import people

    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(people, "_hasher", lambda: quick)
    people._nobodys_hash.cache_clear()


@pytest.fixture
def browse(bench: Workbench) -> Callable[..., Browser]:
    """Give a function that opens somebody's browser: ``browse("anna")``."""
    return lambda name=None: Browser(bench, name)


@pytest.fixture
def built_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in for the built front end: a page, and nothing beside it."""
    from annotation.server.routes import pages

    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html><title>the workbench</title>")
    monkeypatch.setattr(pages, "STATIC", folder)
    return folder


@pytest.fixture
def anna(browse: Callable[..., Browser]) -> Browser:
    return browse("anna")
