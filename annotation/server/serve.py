"""`masksmith serve`: the workbench over HTTP, until it is told to stop."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from annotation.person import person_or_login
from annotation.server.settings import ServeSettings
from annotation.server.workbench import DrawCloseup, open_workbench
from pipeline.errors import UsageError
from pipeline.stage import FileCommand
from pipeline.workspace import Workspace
from pipeline.workspace.locks import serving_lock

if TYPE_CHECKING:
    from annotation.server.workbench import Workbench

COMMAND = FileCommand("serve", "Serve the workbench: worklist, editor, gallery.", ServeSettings)
log = logging.getLogger(__name__)
_KEEP_ALIVE_S = 30
_BACKLOG = 256


@dataclass(frozen=True, slots=True)
class Opening:
    """Where the workbench can be reached.

    Attributes
    ----------
    address : str
        For people with an account, or behind a proxy.
    link : str or None
        Signs one browser in, once.
    """

    address: str
    link: str | None


def serve(
    workspace: Workspace,
    settings: ServeSettings,
    on_open: Callable[[Opening], None],
    draw_closeup: DrawCloseup | None = None,
) -> None:
    """Serve a workspace until the process is told to end.

    Parameters
    ----------
    on_open : callable
        Called once requests are taken.
    draw_closeup : callable, optional
        Draws a close-up that the gallery lacks or that shows other masks.

    Raises
    ------
    WorkspaceBusy
        When another server serves the workspace.
    UsageError
        When the address cannot be listened at, or others could come in without an account.
    """
    import uvicorn

    from annotation.server.app import make_app

    with serving_lock(workspace.layout, "serve"):
        bench = open_workbench(workspace, settings, _operator())
        bench.draw_closeup = draw_closeup
        listening = _listen(settings)
        with listening:
            config = uvicorn.Config(
                make_app(bench),
                access_log=False,
                log_config=None,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                lifespan="off",
                ws="none",
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=10,
            )
            on_open(_opening(bench, settings, listening.getsockname()[1]))
            uvicorn.Server(config).run(sockets=[listening])


def _listen(settings: ServeSettings) -> socket.socket:
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.host, settings.port))
        listening.listen(_BACKLOG)
    except OSError as error:
        raise UsageError(
            f"cannot listen at {settings.host} port {settings.port} ({error.strerror}); another "
            "server may be there: give another --port, or 0 for any free one"
        ) from None
    return listening


def _operator() -> str:
    """Name whoever started the server, in letters an account may have."""
    from annotation.server.people import checked_name

    try:
        return checked_name(person_or_login(""))
    except UsageError:
        return "operator"


def _opening(bench: Workbench, settings: ServeSettings, port: int) -> Opening:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{port}"
    link = None if bench.link is None else f"{address}/enter?token={bench.link.token}"
    return Opening(address, link)
