"""The people who may sign in: names, roles, Argon2 password hashes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, get_args

from annotation.server.server_store import ServerStore
from pipeline.errors import NothingToDo, UsageError
from pipeline.workspace import now_utc

if TYPE_CHECKING:
    from argon2 import PasswordHasher

Role = Literal["annotator", "reviewer", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
_RANK = {role: rank for rank, role in enumerate(ROLES)}
SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200
_NAME = re.compile(r"[\w.@+-]+(?: [\w.@+-]+)*")
LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signed in, or may."""

    name: str
    role: Role

    def is_at_least(self, role: Role) -> bool:
        """Tell whether this person's role holds everything that another one does."""
        return _RANK[self.role] >= _RANK[role]


@dataclass(frozen=True, slots=True)
class Account:
    """A person as the list shows one."""

    name: str
    role: Role
    has_password: bool
    created: str


class People:
    """The accounts of a workspace."""

    def __init__(self, store: ServerStore) -> None:
        self._store = store

    def accounts(self) -> tuple[Account, ...]:
        """List everybody, by name."""
        rows = self._store.rows("SELECT * FROM person ORDER BY name")
        return tuple(
            Account(r["name"], r["role"], r["password_hash"] is not None, r["created"])
            for r in rows
        )

    def find(self, name: str) -> Person | None:
        """Give the person of a name."""
        row = self._store.row("SELECT name, role FROM person WHERE name = ?", (name,))
        return None if row is None else Person(row["name"], row["role"])

    def add(self, name: str, role: Role, password: str | None) -> Person:
        """Make an account.

        Parameters
        ----------
        password : str or None
            None: this person comes in through the proxy only.

        Raises
        ------
        UsageError
            When the name is taken or cannot be, or the password is too short or long.
        """
        checked = checked_name(name)
        hashed = None if password is None else _hash(password)
        with self._store.change() as connection:
            if connection.execute("SELECT 1 FROM person WHERE name = ?", (checked,)).fetchone():
                raise UsageError(
                    f"there is somebody called '{checked}'; take another name, or change the "
                    f"password with 'masksmith users password {checked}'"
                )
            connection.execute(
                "INSERT INTO person VALUES (?, ?, ?, ?)", (checked, role, hashed, now_utc())
            )
        return Person(checked, role)

    def set_password(self, name: str, password: str) -> None:
        """Change a password; every session of this person ends."""
        hashed = _hash(password)
        self._change(name, "UPDATE person SET password_hash = ? WHERE name = ?", (hashed, name))

    def set_role(self, name: str, role: Role) -> None:
        """Change a role; every session of this person ends."""
        self._change(name, "UPDATE person SET role = ? WHERE name = ?", (role, name))

    def remove(self, name: str) -> None:
        """Take an account away; what this person drew and decided stays."""
        self._change(name, "DELETE FROM person WHERE name = ?", (name,))

    def _change(self, name: str, statement: str, values: tuple[str, ...]) -> None:
        with self._store.change() as connection:
            if not connection.execute(statement, values).rowcount:
                raise NothingToDo(f"nobody is called '{name}'; see 'masksmith users list'")
            connection.execute("DELETE FROM session WHERE name = ?", (name,))

    def with_password(self, name: str, password: str) -> Person | None:
        """Give the person if the password is right; takes as long for a name nobody has."""
        from argon2.exceptions import InvalidHashError, VerificationError

        row = self._store.row("SELECT * FROM person WHERE name = ?", (name,))
        known = None if row is None else row["password_hash"]
        try:
            _hasher().verify(known or _nobodys_hash(), password[:LONGEST_PASSWORD])
        except (VerificationError, InvalidHashError):
            return None
        if row is None or known is None:
            return None
        return Person(row["name"], row["role"])


def checked_name(name: str) -> str:
    """Give a name back if somebody may be called so.

    Raises
    ------
    UsageError
        When it holds anything but letters, digits, blanks and ``. _ @ + -``.
    """
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        raise UsageError(
            f"the name '{name[:LONGEST_NAME]}' cannot be: use up to {LONGEST_NAME} letters, "
            "digits, single blanks and . _ @ + -"
        )
    return name


def _hash(password: str) -> str:
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise UsageError(
            f"a password of {len(password)} characters; use {SHORTEST_PASSWORD} to "
            f"{LONGEST_PASSWORD}, such as four words"
        )
    return _hasher().hash(password)


@lru_cache(maxsize=1)
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()


@lru_cache(maxsize=1)
def _nobodys_hash() -> str:
    return _hasher().hash("the password of nobody at all")
