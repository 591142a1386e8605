"""Verdicts: from the editor and the gallery, by whoever is signed in."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from annotation.server.access import Annotator, Bench
from annotation.server.refusals import Refusal

router = APIRouter()


async def _document(request: Request) -> Any:
    import json

    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Refusal(415, "a verdict document is JSON", "send it as application/json")
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError):
        raise Refusal(422, "the verdict document is no JSON", "load the page anew") from None


@router.post("/api/verdicts")
def verdicts(
    bench: Bench, person: Annotator, document: Annotated[Any, Depends(_document)]
) -> dict[str, Any]:
    """Record what was decided; whoever the document names, it was the person signed in."""
    from annotation.verdict_document import apply_verdict_document

    with bench.verdict_lock:
        applied = apply_verdict_document(
            bench.workspace,
            document,
            by=person.name,
            may_decide=cache(lambda case_id: bench.may_edit(person, case_id)),
        )
    for result in applied.results:
        bench.cards.touch(result.request.case_id)
    return applied.to_dict()
