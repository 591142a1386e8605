"""Who did something."""

import getpass

import pytest

from annotation.person import person_or_login
from pipeline.errors import UsageError


def test_a_person_is_named_or_logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    assert person_or_login("  Anna   B. ") == "Anna B."
    monkeypatch.setenv("LOGNAME", "cleo")
    assert person_or_login("") == "cleo"


def test_a_name_longer_than_a_line_is_refused() -> None:
    with pytest.raises(UsageError, match="longer than 200"):
        person_or_login("x" * 201)


def test_a_system_without_login_names_asks_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    with pytest.raises(UsageError, match="say who: --by NAME"):
        person_or_login("")
