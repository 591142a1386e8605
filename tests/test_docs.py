"""The documents stay true: every command and setting is named, every link leads somewhere."""

import re
from pathlib import Path

import click
import pytest

from pipeline.cli.main import cli
from pipeline.stages import STAGES, StageRef

ROOT = Path(__file__).parents[1]
PAGES = sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md"))
COMMANDS = cli.list_commands(click.Context(cli))


def targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))


def code_in(page: str) -> str:
    """Return what stands between backticks, in lines and in blocks."""
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", page, re.DOTALL))


def spoken(setting: str) -> str:
    """Return a setting's name as a page says it: several `paths` are `PATH...` to a reader."""
    return {"paths": "path"}.get(setting, setting)


@pytest.mark.parametrize("ref", STAGES, ids=lambda ref: ref.name)
def test_a_stages_page_names_every_setting(ref: StageRef) -> None:
    page = (ROOT / "docs" / f"{ref.name}.md").read_text(encoding="utf-8")
    named = set(re.findall(r"[a-z][a-z0-9_]*", code_in(page).replace("-", "_").lower()))
    assert {spoken(name) for name in ref.load().Settings.model_fields} - named == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_described_somewhere(command: str) -> None:
    assert any(f"masksmith {command}" in page.read_text(encoding="utf-8") for page in PAGES)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_names_only_commands_that_exist(path: Path) -> None:
    code = code_in(path.read_text(encoding="utf-8"))
    called = set(re.findall(r"\bmasksmith ([a-z][a-z-]*)\b", code))
    made = set(re.findall(r"\bmake ([a-z][a-z-]*)\b", code))
    assert called - set(COMMANDS) == set()
    assert made - targets() == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8"))
    inside = [link for link in links if "://" not in link]
    assert [link for link in inside if not (path.parent / link).exists()] == []
