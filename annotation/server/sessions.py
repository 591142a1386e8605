"""Who is behind a request: session cookies, one-time links, the throttle on signing in."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Literal

from annotation.server.people import Person
from annotation.server.refusals import Refusal
from annotation.server.server_store import ServerStore

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.strategies import MovingWindowRateLimiter

Way = Literal["password", "link", "proxy"]
_SEEN_EVERY_S = 60


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser.

    Attributes
    ----------
    csrf : str
        What every change must carry in its header; no other site can read it.
    way : {"password", "link", "proxy"}
    """

    name: str
    csrf: str
    way: Way


class Sessions:
    """Sessions on disk, so that a server that was killed knows its people again.

    Parameters
    ----------
    hours : float
        A session ends after so long without a request.
    """

    def __init__(
        self, store: ServerStore, hours: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._store, self._clock = store, clock
        self._seconds = hours * 3600

    def begin(self, name: str, way: Way) -> str:
        """Make a session and return the value of its cookie, which is kept nowhere."""
        token, now = secrets.token_urlsafe(32), self._clock()
        with self._store.change() as connection:
            connection.execute("DELETE FROM session WHERE seen < ?", (now - self._seconds,))
            connection.execute(
                "INSERT INTO session VALUES (?, ?, ?, ?, ?, ?)",
                (_digest(token), name, secrets.token_urlsafe(32), way, now, now),
            )
        return token

    def find(self, token: str) -> Session | None:
        """Give the session of a cookie; None when it was forged, ended or never was."""
        digest, now = _digest(token), self._clock()
        row = self._store.row("SELECT * FROM session WHERE token_digest = ?", (digest,))
        if row is None or now - row["seen"] > self._seconds:
            return None
        if now - row["seen"] > _SEEN_EVERY_S:
            with self._store.change() as connection:
                connection.execute(
                    "UPDATE session SET seen = ? WHERE token_digest = ?", (now, digest)
                )
        return Session(row["name"], row["csrf"], row["way"])

    def end(self, token: str) -> None:
        """End a session."""
        with self._store.change() as connection:
            connection.execute("DELETE FROM session WHERE token_digest = ?", (_digest(token),))


class OneTimeLink:
    """A secret that signs one browser in, once."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.token = secrets.token_urlsafe(32)
        self._is_used = False
        self._lock = Lock()

    def take(self, token: str) -> Person | None:
        """Give the person if the token is right and nobody used it before."""
        with self._lock:
            is_right = hmac.compare_digest(token.encode(), self.token.encode())
            if self._is_used or not is_right:
                return None
            self._is_used = True
            return self.person


class Throttle:
    """At most so many failed tries to sign in, by address and by name."""

    def __init__(self, tries_per_minute: int) -> None:
        self._tries = tries_per_minute
        self._limiter: MovingWindowRateLimiter | None = None
        self._lock = Lock()

    @contextmanager
    def one_at_a_time(self, address: str, name: str) -> Iterator[None]:
        """Let one try in, and refuse those that come after too many.

        All at once would pass the check before the first was counted, each with 64 MiB for Argon2.

        Raises
        ------
        Refusal
            429.
        """
        with self._lock:
            self.check(address, name)
            yield

    def check(self, address: str, name: str) -> None:
        """Refuse when there were too many.

        Raises
        ------
        Refusal
            429.
        """
        for limit, key in self._keys(address, name):
            if not self._window().test(limit, key):
                raise Refusal(
                    429, "too many tries to sign in", "wait a few minutes, then try again"
                )

    def count(self, address: str, name: str) -> None:
        """Count a failed try."""
        for limit, key in self._keys(address, name):
            self._window().hit(limit, key)

    def _keys(self, address: str, name: str) -> Iterator[tuple[RateLimitItem, str]]:
        from limits import RateLimitItemPerHour, RateLimitItemPerMinute

        for key in (f"address {address}", f"name {name}"):
            yield RateLimitItemPerMinute(self._tries), key
            yield RateLimitItemPerHour(self._tries * 6), key

    def _window(self) -> MovingWindowRateLimiter:
        if self._limiter is None:
            from limits.storage import MemoryStorage
            from limits.strategies import MovingWindowRateLimiter

            self._limiter = MovingWindowRateLimiter(MemoryStorage())
        return self._limiter


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
