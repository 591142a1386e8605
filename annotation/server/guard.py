"""The door: what no route needs to see, and the headers that every answer carries."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException

from annotation.server.settings import ServeSettings

log = logging.getLogger(__name__)
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_LONGEST_QUERY = 2048
_LONGEST_PATH = 1024
_BODY_BYTES = 1 << 16
_VERDICT_BYTES = 8 << 20
_BODY_TIMEOUT_S = 120
_SAFE = ("GET", "HEAD", "OPTIONS")
TOO_MUCH = "more was sent than this address takes"
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (b"content-security-policy", CONTENT_POLICY.encode()),
)


class Guard:
    """Checks Host, origin and sizes before the application sees a request.

    Parameters
    ----------
    app : ASGI application
    settings : ServeSettings
    """

    def __init__(self, app: App, settings: ServeSettings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        started = time.monotonic()
        answer = _Answer(send, is_private=scope["path"].startswith(("/api/", "/gallery/")))
        limit = self._body_limit(scope)
        refused = self._refusal(scope, limit)
        if refused is not None:
            await answer.refuse(*refused)
        else:
            await self._app(scope, _measured(receive, limit), answer.send)
        _log(scope, answer.status, time.monotonic() - started)

    def _refusal(self, scope: Message, body_limit: int) -> tuple[int, str, str] | None:
        headers = _headers(scope)
        host = headers.get(b"host", b"").decode("latin-1")
        if _host_name(host) not in self._settings.names or headers.get(b"host") is None:
            advice = "add the name to `hosts` in serve.yaml, or use the address that was printed"
            return 400, "this server is not known under that name", advice
        if len(scope.get("query_string", b"")) > _LONGEST_QUERY or (
            len(scope.get("raw_path") or b"") > _LONGEST_PATH
        ):
            return 414, "the address is too long", "go back to the worklist"
        if scope["method"] not in _SAFE and not _is_same_site(headers, host):
            return 403, "the request came from another site", "use the workbench's own pages"
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length[:20]) > body_limit:
            return 413, TOO_MUCH, "send less at once"
        return None

    def _body_limit(self, scope: Message) -> int:
        path = scope["path"]
        if scope["method"] == "PUT" and "/draft/" in path:
            return self._settings.max_stroke_mb << 20
        return _VERDICT_BYTES if path == "/api/verdicts" else _BODY_BYTES


class _Answer:
    """Sends an answer with the headers of the house."""

    def __init__(self, send: Send, *, is_private: bool) -> None:
        self._send, self._is_private = send, is_private
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = list(message.get("headers", []))
            names = {name.lower() for name, _ in given}
            given += [(name, value) for name, value in _HEADERS if name not in names]
            if b"cache-control" not in names:
                # Patients' pictures do not stay on an annotator's disk.
                given.append((b"cache-control", b"no-store" if self._is_private else b"no-cache"))
            message = {**message, "headers": given}
        await self._send(message)

    async def refuse(self, status: int, error: str, what_to_do: str) -> None:
        body = json.dumps({"error": error, "what_to_do": what_to_do}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _headers(scope: Message) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        # Of a header that comes twice none is believed.
        found[name] = value if name not in found else found[name] + b"," + value
    return found


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _is_same_site(headers: dict[bytes, bytes], host: str) -> bool:
    """Tell whether a changing request comes from a page of this server, or from no page."""
    if headers.get(b"sec-fetch-site", b"same-origin") != b"same-origin":
        return False
    origin = headers.get(b"origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin.decode("latin-1")).netloc == host
    except ValueError:
        return False


def _measured(receive: Receive, limit: int) -> Receive:
    """Hand a body on as it is asked for, refusing what is larger than the limit or comes too late.

    A route asks for large ones only after it has seen who sends them, so that nobody else's are
    ever kept in memory.
    """
    taken, is_whole = 0, False
    ends = asyncio.get_running_loop().time() + _BODY_TIMEOUT_S

    async def measured() -> Message:
        nonlocal taken, is_whole
        if is_whole:
            return await receive()
        try:
            async with asyncio.timeout_at(ends):
                message = await receive()
        except TimeoutError:
            raise _too_much() from None
        taken += len(message.get("body", b""))
        if taken > limit:
            raise _too_much()
        is_whole = not message.get("more_body")
        return message

    return measured


def _too_much() -> HTTPException:
    return HTTPException(413, headers={"Connection": "close"})


def _log(scope: Message, status: int, seconds: float) -> None:
    """Log the route, never the address that was asked for: it names cases."""
    route = getattr(scope.get("route"), "path", "-")
    log.info("%s %s %d %.0f ms", scope["method"], route, status, seconds * 1000)
