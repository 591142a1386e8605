"""The gallery's page: one HTML file with everything in it, to be opened from disk.

Its data stand in the page as JSON, since a page from disk may not read other files. Whatever comes
from outside (ids, phases, makers) is escaped there and set as text in the browser, never as HTML.
"""

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from pipeline.volume import write_file_atomically
from pipeline.workspace import CaseRecord, Workspace, now_utc
from pipeline.workspace.status import workspace_status
from qc.drawing import PictureFiles, source_of
from qc.legend import count_sources

_SHOWN_META = ("age", "gender", "sex", "institute", "site", "study_type", "pathology")


def write_page(workspace: Workspace, failures: Mapping[str, str]) -> None:
    """Write ``gallery/index.html`` from the records beside the pictures.

    Parameters
    ----------
    workspace : Workspace
    failures : mapping
        Case id to the reason why it could not be drawn in this run.
    """
    states = {case.id: case.state for case in workspace_status(workspace, planted=True).cases}
    names = {name: place for place, name in enumerate(workspace.class_map.names)}
    cases = [
        _case(workspace, record, names, failures.get(record.case.id, ""))
        | {"state": states.get(record.case.id, "")}
        for record in workspace.records(planted=True)
    ]
    data = {
        "workspace": workspace.path.resolve().name,
        "class_map": workspace.class_map.name,
        "structures": list(names),
        "written": now_utc(),
        "cases": cases,
    }
    page = page_html(data)
    write_file_atomically(workspace.layout.gallery_dir / "index.html", page.encode())


def page_html(data: Mapping[str, Any]) -> str:
    """Put style, script and data into the page."""
    parts = {
        "/*STYLE*/": _part("gallery.css"),
        "/*SCRIPT*/": _part("gallery.js"),
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


def _case(
    workspace: Workspace, record: CaseRecord, places: Mapping[str, int], failure: str
) -> dict[str, Any]:
    case = record.case
    drawn = PictureFiles(workspace.layout.gallery_dir, case.id).read_record()
    in_force = {name: mask for name, mask in record.in_force().items() if name in places}
    meta = [f"{key} {case.meta[key]}" for key in _SHOWN_META if case.meta.get(key)]
    return {
        "id": case.id,
        "phase": case.phase or "",
        "meta": meta,
        "grid": str(case.grid).partition(", origin")[0],
        "sources": count_sources([source_of(mask) for mask in in_force.values()]),
        "accepted": len(record.accepted()),
        "excluded": record.excluded,
        "failure": failure,
        "picture": None if drawn is None else _picture(drawn, places),
    }


def _picture(drawn: Mapping[str, Any], places: Mapping[str, int]) -> dict[str, Any]:
    return {
        "version": drawn["digest"][:12],
        "size": [drawn["width"], drawn["height"]],
        "present": [places[name] for name in drawn["present"] if name in places],
        "cut": [places[name] for name in drawn["cut"] if name in places],
        "unknown": drawn["unknown_values"],
    }


def _part(name: str) -> str:
    return (resources.files("qc") / "page_files" / name).read_text(encoding="utf-8")
