"""Giving cases to people: never away from under the hands of somebody who draws there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from annotation.server.leases import Lease
from annotation.server.people import Person
from annotation.server.refusals import Refusal
from annotation.server.workbench import Workbench


def assign_cases(
    bench: Workbench, case_ids: Iterable[str], to: str | None, by: Person
) -> dict[str, Any]:
    """Give cases to a person, or back to everybody; one that cannot be stops none of the others.

    Parameters
    ----------
    bench : Workbench
    case_ids : iterable of str
    to : str or None
        None: to nobody, so that everybody may draw there.
    by : Person

    Returns
    -------
    dict
        How many were assigned, to whom, and which were refused and why.

    Raises
    ------
    Refusal
        404 when nobody has the name.
    """
    if to is not None and bench.people.find(to) is None:
        raise Refusal(404, "nobody has this name", "see the list of people")
    leases = bench.leases.standing()
    wanted = list(dict.fromkeys(case_ids))
    why_not = {
        case_id: _obstacle(bench, case_id, leases.get(case_id, ()), to) for case_id in wanted
    }
    bench.assignments.assign([case_id for case_id in wanted if not why_not[case_id]], to, by.name)
    refused = [{"case": case_id, "why": why} for case_id, why in why_not.items() if why]
    return {"assigned": len(wanted) - len(refused), "to": to, "refused": refused}


def _obstacle(bench: Workbench, case_id: str, leases: Sequence[Lease], to: str | None) -> str:
    """Say why a case cannot be assigned now; empty where it can."""
    try:
        bench.case(case_id)
    except Refusal as refusal:
        return str(refusal.document["error"])
    if to is None:
        return ""
    shut_out = [lease for lease in leases if lease.name != to and _is_bound(bench, lease.name)]
    return f"{shut_out[0].name} is drawing {shut_out[0].structure} there" if shut_out else ""


def _is_bound(bench: Workbench, name: str) -> bool:
    """Whether an assignment to somebody else would keep this person from saving."""
    person = bench.people.find(name)
    return person is not None and not person.is_at_least("reviewer")
