"""The gallery's page: an HTML file with its data, a script and a style beside it.

It opens from disk and from the server alike. The data stand in the page as JSON, since a page from
disk may not read other files; whatever comes from outside (ids, phases, makers) is escaped there
and set as text in the browser, never as HTML. The page's policy allows no script that stands in
the page itself, so that nothing written into it can ever run.
"""

import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pipeline.volume import write_file_atomically
from pipeline.workspace import Workspace
from qc.page_data import page_data

SCRIPTS = (
    "cases",
    "verdicts",
    "server",
    "live",
    "filters",
    "grid",
    "pick_map",
    "viewer",
    "compare",
    "plate",
    "deciding",
    "aside",
    "column",
    "keys",
    "start",
)
"""The parts of the script, in the order in which they stand in the page."""


POLICY = "; ".join(
    (
        "default-src 'none'",
        # A page from disk is of no origin that 'self' would mean, hence file:.
        "script-src 'self' file:",
        "style-src 'self' file:",
        "img-src 'self' file: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
"""What the page may load: what lies beside it, and its own server."""

_LETTERS_OF_DIGEST = 12


def write_page(workspace: Workspace, failures: Mapping[str, str]) -> None:
    """Write ``gallery/index.html`` from the records beside the pictures.

    Parameters
    ----------
    workspace : Workspace
    failures : mapping
        Case id to the reason why it could not be drawn in this run.
    """
    write_page_files(workspace.layout.gallery_dir, page_data(workspace, failures))


def write_page_files(gallery: Path, data: Mapping[str, Any]) -> None:
    """Write the page with its script and style, the page last; others of its kind go."""
    parts = _script_and_style()
    for name, content in parts.items():
        write_file_atomically(gallery / "page" / name, content.encode())
    write_file_atomically(gallery / "index.html", page_html(data).encode())
    for old in (gallery / "page").iterdir():
        if old.name not in parts:
            old.unlink()


def page_html(data: Mapping[str, Any]) -> str:
    """Put the data and the names of script and style into the page."""
    script, style = _script_and_style()
    parts = {
        "/*POLICY*/": POLICY,
        "/*STYLE*/": f"page/{style}",
        "/*SCRIPT*/": f"page/{script}",
        "/*DATA*/": script_safe_json(data),
    }
    before, page = "", _part("gallery.html")
    for mark, content in sorted(parts.items(), key=lambda part: page.index(part[0])):
        ahead, _, page = page.partition(mark)
        before += ahead + content
    return before + page


def script_safe_json(data: Mapping[str, Any]) -> str:
    """Give JSON that cannot end the script element it stands in, nor open another."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _script_and_style() -> dict[str, str]:
    """Give both by file name; it changes with the content, so that no browser keeps an old one."""
    contents = {
        "js": "".join(_part(f"scripts/{name}.js") for name in SCRIPTS),
        "css": _part("gallery.css"),
    }
    return {
        f"gallery-{hashlib.sha256(text.encode()).hexdigest()[:_LETTERS_OF_DIGEST]}.{ending}": text
        for ending, text in contents.items()
    }


def _part(name: str) -> str:
    return resources.files("qc").joinpath("page_files", *name.split("/")).read_text("utf-8")
