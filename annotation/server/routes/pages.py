"""Files: the pages of the workbench, and the gallery of the workspace."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response

from annotation.server.access import Annotator, Bench
from annotation.server.closeups import see_to_closeup
from annotation.server.confined_files import confined_file
from annotation.server.refusals import Refusal

router = APIRouter()
STATIC = Path(__file__).parents[1] / "static"
_UNBUILT = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Masksmith</title>"
    "<h1>The workbench is not built</h1><p>Run <code>make setup</code> in the folder of Masksmith, "
    "then load this page again.</p></html>"
)
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}


@router.get("/gallery/{path:path}")
def gallery(bench: Bench, person: Annotator, path: str) -> Response:
    """Send a file of the gallery; close-ups are drawn when they are asked for."""
    see_to_closeup(bench, path)
    return _file(bench.workspace.layout.gallery_dir, path or "index.html")


@router.get("/{path:path}", include_in_schema=False)
def page(bench: Bench, path: str) -> Response:
    """Send a page or script of the workbench; nothing in them is about a patient."""
    if path.startswith(("api/", "gallery/")):
        raise Refusal(404, "there is no such address", "go back to the worklist")
    if not (STATIC / "index.html").is_file():
        return HTMLResponse(_UNBUILT, status_code=503)
    return _file(STATIC, path or "index.html")


def _file(root: Path, path: str) -> FileResponse:
    found = confined_file(root, path, _TYPES)
    if found is None:
        raise Refusal(404, "there is no such file", "go back to the worklist")
    return FileResponse(found, media_type=_TYPES[found.suffix])
