"""The front end: its own tests, its size, where its packages come from, what its pages may load."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.fixtures.front_end import WEB

MAX_FILE_LINES = 400
SOURCES = sorted(
    path
    for path in WEB.rglob("*")
    if path.suffix in {".ts", ".js", ".mjs", ".css", ".html"} and "node_modules" not in path.parts
)


def test_vitest_passes(node: Path) -> None:
    environment = {**os.environ, "PATH": f"{node.parent}:{os.environ['PATH']}", "CI": "true"}
    done = subprocess.run(
        [node, "node_modules/vitest/vitest.mjs", "run", "--reporter=json"],
        cwd=WEB,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    report = json.loads(done.stdout[done.stdout.index("{") :])
    assert report["numPassedTests"] == report["numTotalTests"] > 80


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(WEB)))
def test_a_file_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES


def test_packages_are_locked_and_come_from_whatever_registry_is_set() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert [name for name, entry in packages.items() if "integrity" not in entry] == []
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    wanted = json.loads((WEB / "package.json").read_text())
    for name in (*wanted["dependencies"], *wanted["devDependencies"]):
        assert f"node_modules/{name}" in packages


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(WEB)))
def test_nothing_is_loaded_from_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"""["'(]https?://|["'(]//\w""", text)


def test_pages_have_neither_script_nor_style_inside(workbench_pages: Path) -> None:
    pages = sorted(workbench_pages.glob("*.html"))
    assert [page.name for page in pages] == [
        "editor.html",
        "index.html",
        "login.html",
        "progress.html",
    ]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "<style" not in text
        assert " style=" not in text
        assert not re.search(r"<script(?![^>]*\bsrc=)", text)
        assert not re.search(r"\bon\w+=", text)


def test_every_key_stands_in_the_page_for_annotators() -> None:
    keymap = (WEB / "src" / "keys" / "keymap.ts").read_text(encoding="utf-8")
    keymap = keymap.partition("export const GESTURES")[0]
    shown = set(re.findall(r'shown: "([^"]+)"', keymap)) | set(
        re.findall(r'letter\("(\w)"', keymap)
    )
    page = (WEB.parents[2] / "docs" / "annotation.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([^`]+)`", page))
    assert sorted(key for key in shown if key not in named) == []
