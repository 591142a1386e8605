"""Coming in and going out."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from annotation.server.access import (
    Bench,
    Signed,
    address_of,
    cookie_name,
    drop_cookie,
    proxy_person,
    set_cookie,
)
from annotation.server.people import LONGEST_NAME, LONGEST_PASSWORD
from annotation.server.refusals import Refusal, not_signed_in
from annotation.server.sessions import Session
from annotation.server.workbench import Workbench
from pipeline.anatomy import ClassMap
from pipeline.workspace import Workspace

router = APIRouter()


class Login(BaseModel):
    """A name and a password."""

    name: str = Field(max_length=LONGEST_NAME)
    password: str = Field(max_length=LONGEST_PASSWORD)


@router.get("/api/way-in")
def way_in(bench: Bench) -> dict[str, str]:
    """Say how people come in here: by password, by the printed link, or through a proxy."""
    if bench.settings.proxy_header:
        return {"way": "proxy"}
    return {"way": "link" if bench.link is not None else "password"}


@router.get("/api/session")
def session(request: Request, response: Response, bench: Bench) -> dict[str, Any]:
    """Say who is signed in; behind a proxy this is where a session begins."""
    from annotation.server.access import signed_in

    if bench.settings.proxy_header:
        begun = _begin_behind_proxy(request, response, bench)
        if begun is not None:
            return begun
    signed = signed_in(request)
    return _document(bench, signed.person.name, signed.person.role, signed.session.csrf)


@router.post("/api/login")
def login(request: Request, response: Response, bench: Bench, given: Login) -> dict[str, Any]:
    """Sign in with a password; a session that was there ends."""
    if bench.settings.proxy_header:
        raise Refusal(403, "passwords are not taken here", "sign in at the proxy")
    address = address_of(request)
    with bench.throttle.one_at_a_time(address, given.name):
        person = bench.people.with_password(given.name, given.password)
        if person is None:
            bench.throttle.count(address, given.name)
            raise Refusal(401, "name or password is wrong", "try again, or ask an administrator")
    _end(request, bench)
    begun = _begin(bench, response, person.name, "password")
    return _document(bench, person.name, person.role, begun.csrf)


@router.post("/api/logout")
def logout(request: Request, response: Response, bench: Bench, signed: Signed) -> dict[str, bool]:
    """End the session."""
    _end(request, bench)
    drop_cookie(bench, response)
    return {"signed_in": False}


@router.get("/enter", include_in_schema=True)
def enter(request: Request, bench: Bench, token: str = "") -> Response:
    """Take the one-time link."""
    person = bench.link.take(token) if bench.link is not None and token else None
    if person is None:
        raise Refusal(
            403, "this link was used or never was", "start 'masksmith serve' again for a new one"
        )
    _end(request, bench)
    answer = RedirectResponse("/", status_code=303)
    set_cookie(bench, answer, bench.sessions.begin(person.name, "link"))
    return answer


def _begin_behind_proxy(
    request: Request, response: Response, bench: Workbench
) -> dict[str, Any] | None:
    person = proxy_person(request, bench)
    if person is None:
        raise not_signed_in()
    token = request.cookies.get(cookie_name(bench), "")
    known = bench.sessions.find(token) if token else None
    if known is not None and known.name == person.name:
        return None
    _end(request, bench)
    begun = _begin(bench, response, person.name, "proxy")
    return _document(bench, person.name, person.role, begun.csrf)


def _begin(bench: Workbench, response: Response, name: str, way: Any) -> Session:
    token = bench.sessions.begin(name, way)
    set_cookie(bench, response, token)
    begun = bench.sessions.find(token)
    if begun is None:
        raise Refusal(503, "the session could not be kept", "try again")
    return begun


def _end(request: Request, bench: Workbench) -> None:
    token = request.cookies.get(cookie_name(bench))
    if token:
        bench.sessions.end(token)


def _document(bench: Workbench, name: str, role: str, csrf: str) -> dict[str, Any]:
    from pipeline.workspace.pseudonym import pseudonym

    layout = bench.workspace.layout
    return {
        "user": name,
        "role": role,
        "csrf": csrf,
        "version": version("masksmith"),
        "workspace": bench.workspace.path.resolve().name,
        "workspace_id": pseudonym(layout, "workspace", "id")[:16],
        "class_map": _class_map(bench.workspace),
        "windows": [
            {"name": w.name, "low_hu": w.range_hu[0], "high_hu": w.range_hu[1]}
            for w in bench.windows.windows.values()
        ],
        "lease_seconds": bench.settings.lease_minutes * 60,
        "blind_share": bench.settings.blind_share,
    }


def _class_map(workspace: Workspace) -> dict[str, Any]:
    class_map: ClassMap = workspace.class_map
    return {
        "name": class_map.name,
        "structures": [
            {
                "name": s.name,
                "value": s.value,
                "colour": "#{:02x}{:02x}{:02x}".format(*s.colour),
                "part": s.part,
                "category": s.category,
                "side": s.side,
                "mirror": s.mirror,
            }
            for s in class_map
        ],
    }
