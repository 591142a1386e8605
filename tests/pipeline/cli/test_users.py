"""`masksmith users`: accounts from the command line."""

import json
from pathlib import Path

import pytest

from annotation.server.people import People, Person
from annotation.server.server_store import ServerStore
from pipeline.cli.main import main
from pipeline.workspace import Layout, Workspace


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Workspace.create(tmp_path / "workspace").path


def users(path: Path, *words: str) -> int:
    return main(["users", *words, "--workspace", str(path)])


def people_of(path: Path) -> People:
    return People(ServerStore(Layout(path).server_dir))


def type_in(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))


def test_add_list_change_and_remove(path, monkeypatch, capsys) -> None:
    type_in(monkeypatch, "four plain words here")
    assert users(path, "add", "anna", "--role", "reviewer", "--password-stdin") == 0
    assert users(path, "add", "via proxy", "--no-password") == 0
    assert people_of(path).with_password("anna", "four plain words here") == Person(
        "anna", "reviewer"
    )
    type_in(monkeypatch, "another good password")
    assert users(path, "password", "anna", "--password-stdin") == 0
    assert people_of(path).with_password("anna", "four plain words here") is None
    assert users(path, "role", "anna", "admin") == 0
    capsys.readouterr()
    assert users(path, "list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)["people"]
    assert [(p["name"], p["role"], p["has_password"]) for p in listed] == [
        ("anna", "admin", True),
        ("via proxy", "annotator", False),
    ]
    assert users(path, "list") == 0
    assert "proxy" in capsys.readouterr().out
    assert users(path, "remove", "anna") == 0
    assert users(path, "remove", "anna") == 3


def test_what_cannot_be_is_refused(path, monkeypatch, capsys) -> None:
    assert users(path, "list") == 3
    type_in(monkeypatch, "short")
    assert users(path, "add", "anna", "--password-stdin") == 2
    assert users(path, "add", "<script>", "--no-password") == 2
    assert users(path, "add", "anna", "--no-password", "--password-stdin") == 2
    assert users(path, "add", "anna", "--role", "king", "--no-password") == 2
    assert "king" in capsys.readouterr().err
    assert people_of(path).accounts() == ()
