"""Set-up: the Makefile, what it hands on, and what it says when something is missing."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
INTERNAL_TARGETS = {"system-packages", "front-end", "moved"}


def run(
    *command: str | Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**_outside_make(), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _outside_make() -> dict[str, str]:
    """Leave out what `make test ARGS=...` itself hands to every make below it."""
    ours = ("MAKEFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "MFLAGS")
    return {name: value for name, value in os.environ.items() if name not in ours}


def would_run(*arguments: str, environment: dict[str, str] | None = None) -> str:
    """Return the masksmith line of a dry make."""
    done = run("make", "-n", *arguments, environment=environment)
    assert done.returncode == 0, done.stderr
    [line] = [line for line in done.stdout.splitlines() if "bin/masksmith " in line]
    return " ".join(line.split())


@pytest.fixture
def bare_path(tmp_path: Path) -> dict[str, str]:
    """A PATH with a few tools and neither Python nor apt."""
    for tool in ("bash", "dirname", "env", "id", "ldconfig"):
        found = run("bash", "-c", f"PATH=$PATH:/sbin:/usr/sbin command -v {tool}").stdout.strip()
        (tmp_path / tool).symlink_to(found)
    return {"PATH": str(tmp_path)}


def test_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = {name for line in re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
             for name in line.split()}  # fmt: skip
    listed = set(re.findall(r"^  make ([a-z-]+)", run("make", "help").stdout, re.MULTILINE))
    assert listed == phony - INTERNAL_TARGETS


def test_make_alone_shows_the_help() -> None:
    assert run("make").stdout == run("make", "help").stdout


def test_variables_become_flags_and_keep_their_spaces() -> None:
    line = would_run("retrain", "ROUND=3", "WORKSPACE=/data/a lab", "JOBS=4", "ARGS=--dry-run")
    assert line == (
        ".venv/bin/masksmith retrain --workspace '/data/a lab' --jobs '4' --round '3' --dry-run"
    )


def test_variables_of_a_build_server_are_not_ours() -> None:
    line = would_run("status", environment={"WORKSPACE": "/build/agent", "JOBS": "64"})
    assert line == ".venv/bin/masksmith status"


def test_intake_takes_its_paths_from_the_variable() -> None:
    assert would_run("intake", "FROM=/data/cts").endswith("masksmith intake /data/cts")


def test_intake_without_paths_says_what_to_type() -> None:
    done = run("make", "-n", "intake")
    assert done.returncode == 2
    assert "make intake FROM=/data/cts" in done.stderr


def test_without_python_the_set_up_says_what_to_do(
    bare_path: dict[str, str], tmp_path: Path
) -> None:
    done = run(ROOT / ".ci" / "python-environment", str(tmp_path / "venv"), environment=bare_path)
    assert done.returncode == 1
    assert "No Python 3.11 or 3.12 found" in done.stderr
    assert "make setup PYTHON=" in done.stderr


def test_without_apt_the_exact_command_is_printed(bare_path: dict[str, str]) -> None:
    script = ROOT / ".ci" / "system-packages"
    done = run(script, "--required", "python3.11-venv", environment=bare_path)
    assert done.returncode == 1
    assert "sudo apt-get install python3.11-venv" in done.stderr


@pytest.fixture
def checkout_without_node(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A checkout with the script and one source of the pages, and a PATH without Node."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("bash", "cat", "cut", "dirname", "env", "find", "grep", "mktemp", "realpath", "rm",
                 "sha256sum", "sort", "xargs"):  # fmt: skip
        (tools / tool).symlink_to(run("bash", "-c", f"command -v {tool}").stdout.strip())
    script = tmp_path / "checkout" / ".ci" / "front-end"
    script.parent.mkdir(parents=True)
    script.write_bytes((ROOT / ".ci" / "front-end").read_bytes())
    script.chmod(0o755)
    source = tmp_path / "checkout" / "annotation" / "server" / "web" / "package.json"
    source.parent.mkdir(parents=True)
    source.write_text("{}")
    return script, {"PATH": str(tools)}


def test_without_node_the_set_up_goes_on_and_says_so(
    checkout_without_node: tuple[Path, dict[str, str]],
) -> None:
    script, environment = checkout_without_node
    done = run(script, "no-venv", environment=environment)
    assert done.returncode == 0
    [line] = done.stderr.splitlines()
    assert "pages (masksmith serve) are not built" in line
    assert "install Node.js" in line


def test_pages_that_cannot_be_built_do_not_stop_the_set_up(
    checkout_without_node: tuple[Path, dict[str, str]],
) -> None:
    script, environment = checkout_without_node
    folder = Path(environment["PATH"])
    for name, text in (("node", "exit 0"), ("npm", "echo npm error no such registry; exit 1")):
        (folder / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
        (folder / name).chmod(0o755)
    done = run(script, "no-venv", environment=environment)
    assert done.returncode == 0
    assert "npm error no such registry" in done.stderr
    assert not (script.parents[1] / "annotation" / "server" / "static").exists()


def test_every_dependency_has_a_tested_version_that_fits() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {}
    for line in (line for line in lines if not line.startswith("#")):
        requirement = Requirement(line)
        [specifier] = requirement.specifier
        assert specifier.operator == "=="
        pinned[canonicalize_name(requirement.name)] = specifier.version
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for text in project["dependencies"] + project["optional-dependencies"]["dev"]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(pinned[canonicalize_name(wanted.name)]), text


def test_nothing_names_a_registry() -> None:
    files = [ROOT / "Makefile", ROOT / "constraints.txt", *(ROOT / ".ci").iterdir()]
    assert [
        file.name for file in files if re.search(r"https?://|index-url", file.read_text())
    ] == []


def test_the_interpreter_is_one_we_support() -> None:
    assert (3, 11) <= sys.version_info[:2] < (3, 13)
