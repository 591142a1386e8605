"""The application: routes behind the guard, every error an answer a person can act on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from annotation.server.guard import TOO_MUCH, Guard
from annotation.server.refusals import Refusal, answer_to
from annotation.server.routes import blind, cases, drafts, pages, progress, sign_in, verdicts
from annotation.server.workbench import Workbench
from pipeline.errors import MasksmithError

if TYPE_CHECKING:
    from annotation.server.guard import App

log = logging.getLogger(__name__)


def make_routes(bench: Workbench) -> FastAPI:
    """Put the routes together; :func:`make_app` stands the guard before them."""
    app = FastAPI(
        title="Masksmith workbench", docs_url=None, redoc_url=None, openapi_url=None, debug=False
    )
    app.state.bench = bench
    for routes in (sign_in, cases, drafts, blind, verdicts, progress, pages):
        app.include_router(routes.router)
    app.add_exception_handler(MasksmithError, _masksmith_error)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _fault)
    return app


def make_app(bench: Workbench) -> App:
    """Give the ASGI application of a workbench."""
    return Guard(make_routes(bench), bench.settings)


async def _masksmith_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, MasksmithError)
    status, document = answer_to(error)
    wants_page = "text/html" in request.headers.get("accept", "")
    if status == 401 and wants_page and request.method == "GET":
        return RedirectResponse("/login.html", status_code=303)
    if status >= 500 and not isinstance(error, Refusal):
        log.error("%s: %s", type(error).__name__, error)
    return JSONResponse(document, status_code=status)


async def _not_understood(request: Request, error: Exception) -> Response:
    """Name the field that is wrong, and never repeat what was sent."""
    assert isinstance(error, RequestValidationError)
    wrong = sorted({".".join(map(str, each["loc"][1:]))[:60] or "body" for each in error.errors()})
    what = f"not understood: {', '.join(wrong[:5])}"
    advice = "load the page anew"
    return JSONResponse({"error": what, "what_to_do": advice}, status_code=422)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {
        404: "there is no such address",
        405: "this address takes no such request",
        413: TOO_MUCH,
    }
    document = {
        "error": words.get(error.status_code, "the request cannot be served"),
        "what_to_do": "go back to the worklist",
    }
    return JSONResponse(document, status_code=error.status_code, headers=error.headers)


async def _fault(request: Request, error: Exception) -> Response:
    log.error("a fault of the server", exc_info=error)
    document = {
        "error": "the server made a mistake",
        "what_to_do": "what was acknowledged is kept; try again, then look into the server's log",
    }
    return JSONResponse(document, status_code=500)
