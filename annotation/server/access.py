"""Who asks, and whether they may: every route names the least role that it takes."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response

from annotation.server.people import Person, Role
from annotation.server.refusals import Refusal, not_allowed, not_signed_in
from annotation.server.sessions import Session
from annotation.server.workbench import Workbench

_SAFE = ("GET", "HEAD")
CSRF_HEADER = "x-masksmith-csrf"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person with the session that brought them."""

    person: Person
    session: Session


def bench_of(request: Request) -> Workbench:
    """Give the workbench that is served."""
    bench: Workbench = request.app.state.bench
    return bench


async def _bench(request: Request) -> Workbench:
    # A coroutine, so that it takes no thread of its own.
    return bench_of(request)


def cookie_name(bench: Workbench) -> str:
    """Name the session's cookie; the prefix makes browsers insist on TLS and this host."""
    return "__Host-masksmith" if bench.settings.https else "masksmith"


def set_cookie(bench: Workbench, response: Response, token: str) -> None:
    """Give a browser its session."""
    response.set_cookie(
        cookie_name(bench),
        token,
        max_age=int(bench.settings.session_hours * 3600),
        httponly=True,
        secure=bench.settings.https,
        samesite="strict",
        path="/",
    )


def drop_cookie(bench: Workbench, response: Response) -> None:
    """Take a browser's session away."""
    response.delete_cookie(
        cookie_name(bench), httponly=True, secure=bench.settings.https, samesite="strict", path="/"
    )


def address_of(request: Request) -> str:
    """Give the address of whoever is connected; no header changes it."""
    return request.client.host if request.client else ""


def proxy_person(request: Request, bench: Workbench) -> Person | None:
    """Give whom the proxy signed in, if the request comes from the proxy.

    Raises
    ------
    Refusal
        403 when the workspace knows nobody of this name.
    """
    names = request.headers.getlist(bench.settings.proxy_header)
    if address_of(request) not in bench.settings.proxy_addresses or len(names) != 1 or not names[0]:
        return None
    person = bench.people.find(names[0])
    if person is None:
        raise not_allowed("work here: this workspace has no account of your name")
    return person


def signed_in(request: Request) -> SignedIn:
    """Give who asks, after checking that a change comes from our own page.

    Raises
    ------
    Refusal
        401 or 403.
    """
    bench = bench_of(request)
    token = request.cookies.get(cookie_name(bench), "")
    session = bench.sessions.find(token) if token else None
    person = _person(request, bench, session)
    if person is None or session is None:
        raise not_signed_in()
    if request.method not in _SAFE:
        given = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(given.encode(), session.csrf.encode()):
            facts = {"stale_session": True}
            raise Refusal(403, "the page is not of this session", "load the page anew", facts)
    return SignedIn(person, session)


def _person(request: Request, bench: Workbench, session: Session | None) -> Person | None:
    if bench.settings.proxy_header:
        person = proxy_person(request, bench)
        is_same = session is not None and person is not None and session.name == person.name
        return person if is_same else None
    if session is None:
        return None
    if session.way == "link":
        is_operator = bench.link is not None and bench.link.person.name == session.name
        return bench.link.person if bench.link is not None and is_operator else None
    return bench.people.find(session.name) if session.way == "password" else None


def require(role: Role) -> Callable[[SignedIn], Awaitable[Person]]:
    """Give a dependency that lets only a role and those above it through."""

    async def check(signed: Annotated[SignedIn, Depends(signed_in)]) -> Person:
        if not signed.person.is_at_least(role):
            raise not_allowed(f"do this: it takes the role {role}")
        return signed.person

    return check


Bench = Annotated[Workbench, Depends(_bench)]
Signed = Annotated[SignedIn, Depends(signed_in)]
Annotator = Annotated[Person, Depends(require("annotator"))]
Reviewer = Annotated[Person, Depends(require("reviewer"))]
