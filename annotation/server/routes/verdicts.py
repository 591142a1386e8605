"""Verdicts: from the editor and the gallery, by whoever is signed in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from annotation.server.access import Annotator, Bench
from annotation.server.people import Person
from annotation.server.refusals import Refusal
from annotation.server.workbench import Workbench

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

    refused = _refuse_cases_of_others(bench, person, document)
    with bench.verdict_lock:
        applied = apply_verdict_document(bench.workspace, document, by=person.name)
    for result in applied.results:
        bench.cards.touch(result.request.case_id)
    answer = applied.to_dict()
    answer["results"] = [*refused, *answer["results"]]
    answer["counts"]["failed"] += len(refused)
    return answer


def _refuse_cases_of_others(
    bench: Workbench, person: Person, document: Any
) -> list[dict[str, Any]]:
    """Take verdicts about other people's cases out of a document, and say so of each."""
    given = document.get("verdicts") if isinstance(document, dict) else None
    if not isinstance(given, list):
        return []
    owners = bench.assignments.all()
    refused, kept = [], []
    for verdict in given:
        case_id = verdict.get("case") if isinstance(verdict, Mapping) else None
        owner = owners.get(case_id) if isinstance(case_id, str) else None
        if owner in (None, person.name) or person.is_at_least("reviewer"):
            kept.append(verdict)
            continue
        client_id = verdict.get("id")
        note = "the case is assigned to somebody else"
        refused.append({"id": client_id, "subject": case_id, "status": "failed", "note": note})
    document["verdicts"] = kept
    return refused
