"""One pass over the ledger, case by case, with only what the rule of what is in force needs.

A dataset of 10,000 cases has a million masks: their full records would take minutes to read.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from pipeline.workspace.ledger import Ledger, not_planted
from pipeline.workspace.words import Case, Mask, Origin, Provenance

_NOWHERE = (slice(0, 0), slice(0, 0), slice(0, 0))


def cases_with_masks(
    cases: Iterable[Case], ledger: Ledger, *, about: bool = False, planted: bool = False
) -> Iterator[tuple[Case, list[Mask]]]:
    """Pair each case with its masks while both pass by in the database's order of case ids.

    Parameters
    ----------
    cases : iterable of Case
        As the ledger gives them.
    ledger : Ledger
    planted : bool
        Whether the cases hold planted ones.
    about : bool
        Read ``Provenance.about`` too, which holds how sure a model was.
    """
    rows = _mask_rows(ledger, about=about, planted=planted)
    row = next(rows, None)
    for case in cases:
        masks = []
        while row is not None and row.case_id == case.id:
            masks.append(_light_mask(row))
            row = next(rows, None)
        yield case, masks


def _mask_rows(ledger: Ledger, *, about: bool, planted: bool) -> Iterator[Any]:
    """Stream of every mask only what the rule of what is in force needs."""
    from sqlalchemy import literal, select

    from pipeline.workspace.tables import mask_table as table

    voxels = table.c.record["voxels"].as_integer().label("voxels")
    priority = table.c.record["provenance"]["priority"].as_integer().label("priority")
    facts = table.c.record["provenance"]["about"].as_string() if about else literal(None)
    names = ("id", "case_id", "structure", "origin", "maker", "round", "created")
    query = select(*(table.c[name] for name in names), voxels, priority, facts.label("about"))
    if not planted:
        query = query.where(not_planted(table.c.case_id))
    with ledger.engine.connect().execution_options(yield_per=10_000) as connection:
        yield from connection.execute(query.order_by(table.c.case_id, table.c.created, table.c.id))


def _light_mask(row: Any) -> Mask:
    """Make a mask from the columns of a row; its box stays empty."""
    id_, case_id, structure, origin, maker, number, created, voxels, priority, about = row
    facts = (origin, maker, number, priority, created)
    made = _provenance(*facts, json.loads(about)) if about else _shared_provenance(*facts)
    return Mask(id_, case_id, structure, made, _NOWHERE, voxels)


def _provenance(
    origin: Origin,
    maker: str,
    number: int | None,
    priority: int,
    created: str,
    about: Mapping[str, str] = MappingProxyType({}),
) -> Provenance:
    return Provenance(origin, maker, round=number, priority=priority, created=created, about=about)


_shared_provenance = lru_cache(maxsize=1024)(_provenance)
"""Makes a provenance once for all masks that were made together."""
