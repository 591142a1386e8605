"""The gallery's page: one HTML file with everything in it, to be opened from disk.

Its data stand in the page as JSON, since a page from disk may not read other files. Whatever comes
from outside (ids, phases, makers) is escaped there and set as text in the browser, never as HTML.
The page's own policy lets no other script run than the one that was put in here, and the pick maps
beside it.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from pipeline.volume import write_file_atomically
from pipeline.workspace import Workspace
from qc.page_data import page_data

SCRIPTS = (
    "cases",
    "verdicts",
    "server",
    "filters",
    "grid",
    "pick_map",
    "viewer",
    "compare",
    "deciding",
    "aside",
    "column",
    "keys",
    "start",
)
"""The parts of the script, in the order in which they stand in the page."""


def write_page(workspace: Workspace, failures: Mapping[str, str]) -> None:
    """Write ``gallery/index.html`` from the records beside the pictures.

    Parameters
    ----------
    workspace : Workspace
    failures : mapping
        Case id to the reason why it could not be drawn in this run.
    """
    page = page_html(page_data(workspace, failures))
    write_file_atomically(workspace.layout.gallery_dir / "index.html", page.encode())


def page_html(data: Mapping[str, Any]) -> str:
    """Put style, script and data into the page."""
    style = _part("gallery.css")
    script = "".join(_part(f"scripts/{name}.js") for name in SCRIPTS)
    parts = {
        "/*POLICY*/": _policy(style, script),
        "/*STYLE*/": style,
        "/*SCRIPT*/": script,
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


def _policy(style: str, script: str) -> str:
    """Say what the page may load: itself, pictures and pick maps beside it, its own server."""
    # A page from disk is of no origin that 'self' would mean, hence file:.
    rules = {
        "default-src": "'none'",
        "script-src": f"{_hash(script)} 'self' file:",
        "style-src": _hash(style),
        "img-src": "'self' file:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _part(name: str) -> str:
    return resources.files("qc").joinpath("page_files", *name.split("/")).read_text("utf-8")
