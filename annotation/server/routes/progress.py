"""The progress page's figures."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from annotation.server.access import Annotator, Bench

router = APIRouter()


@router.get("/api/progress")
def progress(bench: Bench, person: Annotator) -> dict[str, Any]:
    """Give pace, hours left and agreement; annotators see of people only themselves."""
    document = bench.progress.document()
    if person.is_at_least("reviewer"):
        return document
    own = [group for group in document["by_annotator"] if group["name"] == person.name]
    return document | {"by_annotator": own}
