"""The ledger: the index of cases and masks, the history of verdicts, rounds and runs.

Only the driver writes it, in short transactions, and only after the files it speaks of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from pipeline.workspace.digest import now_utc
from pipeline.workspace.words import Case, Mask, Origin, Round, Verdict

if TYPE_CHECKING:
    from sqlalchemy import Engine, Table

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of a stage as the ledger keeps it."""

    id: int
    stage: str
    settings: Mapping[str, Any]
    settings_digest: str
    started: str
    ended: str | None


@dataclass(frozen=True, slots=True)
class OutcomeRecord:
    """One outcome of a run as the ledger keeps it."""

    run_id: int
    subject: str
    status: str
    note: str
    figures: Mapping[str, Any]
    created: str


class Ledger:
    """Read and append. Nothing here updates or deletes a verdict or a mask.

    Parameters
    ----------
    url : str
        SQLAlchemy URL. The database is opened when first used, so that a ledger can
        travel to a worker process.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def __reduce__(self) -> tuple[type[Ledger], tuple[str]]:
        """Travel between processes as a URL."""
        return (Ledger, (self.url,))

    @cached_property
    def engine(self) -> Engine:
        """The open database, brought to the newest revision."""
        from pipeline.workspace.database import open_database

        return open_database(self.url)

    def close(self) -> None:
        """Close every connection; the next use opens the database anew."""
        if "engine" in self.__dict__:
            self.engine.dispose()
            del self.__dict__["engine"]

    def cases(self) -> tuple[Case, ...]:
        """List every case, by id."""
        from sqlalchemy import select

        from pipeline.workspace.tables import case_table

        query = select(case_table.c.record).order_by(case_table.c.id)
        return tuple(Case.from_dict(row.record) for row in self._rows(query))

    def masks(self, case_id: str | None = None, structure: str | None = None) -> tuple[Mask, ...]:
        """List mask revisions, oldest first, of one case or structure or of all."""
        from sqlalchemy import select

        from pipeline.workspace.tables import mask_table as table

        query = select(table.c.record).order_by(table.c.case_id, table.c.created, table.c.id)
        if case_id is not None:
            query = query.where(table.c.case_id == case_id)
        if structure is not None:
            query = query.where(table.c.structure == structure)
        return tuple(Mask.from_dict(row.record) for row in self._rows(query))

    def masks_of(self, origins: Sequence[Origin]) -> tuple[Mask, ...]:
        """List the mask revisions of some origins with all they are made from, by case and time.

        Parents are listed whatever their origin; one that the ledger lacks is left out.
        """
        from sqlalchemy import select

        from pipeline.workspace.tables import mask_table as table

        query = select(table.c.record).where(table.c.origin.in_(origins))
        found = [Mask.from_dict(row.record) for row in self._rows(query)]
        known = {mask.id: mask for mask in found}
        while missing := sorted({p for m in found for p in m.provenance.parents} - set(known)):
            found = []
            for first in range(0, len(missing), _CHUNK):
                wanted = table.c.id.in_(missing[first : first + _CHUNK])
                query = select(table.c.record).where(wanted)
                found += [Mask.from_dict(row.record) for row in self._rows(query)]
            known |= {mask.id: mask for mask in found}
        return tuple(sorted(known.values(), key=lambda m: (m.case_id, m.provenance.created, m.id)))

    def mask(self, mask_id: str) -> Mask | None:
        """Find a mask by its id or the beginning of it; None when there is none or several."""
        from sqlalchemy import select

        from pipeline.workspace.tables import mask_table as table

        query = select(table.c.record).where(table.c.id.startswith(mask_id, autoescape=True))
        found = list(self._rows(query.limit(2)))
        return Mask.from_dict(found[0].record) if len(found) == 1 else None

    def verdicts(self, case_id: str | None = None) -> tuple[Verdict, ...]:
        """List verdicts, oldest first, of one case or of all."""
        from sqlalchemy import select

        from pipeline.workspace.tables import verdict_table as table

        names = [c for c in table.c if c.name not in ("sequence", "id")]
        query = select(*names).order_by(table.c.created, table.c.sequence)
        if case_id is not None:
            query = query.where(table.c.case_id == case_id)
        return tuple(Verdict(**row._mapping) for row in self._rows(query))

    def rounds(self) -> tuple[Round, ...]:
        """List the rounds begun so far, by number."""
        from sqlalchemy import select

        from pipeline.workspace.tables import round_table

        query = select(round_table).order_by(round_table.c.number)
        return tuple(Round(**row._mapping) for row in self._rows(query))

    def runs(self, stage: str | None = None) -> tuple[RunRecord, ...]:
        """List runs of stages, oldest first."""
        from sqlalchemy import select

        from pipeline.workspace.tables import run_table

        query = select(run_table).order_by(run_table.c.id)
        if stage is not None:
            query = query.where(run_table.c.stage == stage)
        return tuple(RunRecord(**row._mapping) for row in self._rows(query))

    def outcomes(self, run_id: int) -> tuple[OutcomeRecord, ...]:
        """List the outcomes of one run, in the order they came."""
        from sqlalchemy import select

        from pipeline.workspace.tables import outcome_table as table

        names = [c for c in table.c if c.name != "id"]
        query = select(*names).where(table.c.run_id == run_id).order_by(table.c.id)
        return tuple(OutcomeRecord(**row._mapping) for row in self._rows(query))

    def add_case(self, case: Case) -> None:
        """Record a case; one that is there already is kept."""
        from pipeline.workspace.tables import case_table

        self._insert(case_table, [case_row(case)])

    def add_masks(self, masks: Iterable[Mask]) -> None:
        """Record masks; those that are there already are kept."""
        from pipeline.workspace.tables import mask_table

        self._insert(mask_table, [mask_row(mask) for mask in masks])

    def add_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        """Append verdicts; the same verdict twice is recorded once."""
        from pipeline.workspace.tables import verdict_table

        self._insert(verdict_table, [{"id": v.id, **v.to_dict()} for v in verdicts])

    def add_round(self, round_: Round) -> None:
        """Record a round; one that is there already is kept."""
        from pipeline.workspace.tables import round_table

        self._insert(round_table, [round_.to_dict()], key="number")

    def begin_run(self, stage: str, settings: Mapping[str, Any], digest: str) -> int:
        """Record that a stage begins, and give the run's number."""
        from pipeline.workspace.tables import run_table

        values = {"stage": stage, "settings": dict(settings), "settings_digest": digest}
        with self.engine.begin() as connection:
            result = connection.execute(run_table.insert().values(**values, started=now_utc()))
            return int(result.inserted_primary_key[0])  # type: ignore[index]

    def add_outcome(
        self, run_id: int, subject: str, status: str, note: str, figures: Mapping[str, Any]
    ) -> None:
        """Append what became of one case in a run."""
        from pipeline.workspace.tables import outcome_table

        values = {"subject": subject, "status": status, "note": note, "figures": dict(figures)}
        with self.engine.begin() as connection:
            connection.execute(
                outcome_table.insert().values(run_id=run_id, created=now_utc(), **values)
            )

    def end_run(self, run_id: int) -> None:
        """Record that a run came to its end."""
        from pipeline.workspace.tables import run_table

        with self.engine.begin() as connection:
            change = run_table.update().where(run_table.c.id == run_id)
            connection.execute(change.values(ended=now_utc()))

    def _rows(self, query: Any) -> Iterator[Any]:
        with self.engine.connect() as connection:
            yield from connection.execute(query)

    def _insert(self, table: Table, rows: Sequence[Mapping[str, Any]], key: str = "id") -> None:
        from sqlalchemy.dialects import postgresql, sqlite

        dialect = {"sqlite": sqlite, "postgresql": postgresql}[self.engine.dialect.name]
        remaining = iter(rows)
        with self.engine.begin() as connection:
            while chunk := list(islice(remaining, _CHUNK)):
                statement = dialect.insert(table).on_conflict_do_nothing(index_elements=[key])
                connection.execute(statement, chunk)


def case_row(case: Case) -> dict[str, Any]:
    """Give a case as a row of its table."""
    return {
        "id": case.id,
        "ct_digest": case.ct_digest,
        "patient_id": case.patient_id,
        "exam_id": case.exam_id,
        "created": case.created,
        "record": case.to_dict(),
    }


def mask_row(mask: Mask) -> dict[str, Any]:
    """Give a mask as a row of its table."""
    made = mask.provenance
    return {
        "id": mask.id,
        "case_id": mask.case_id,
        "structure": mask.structure,
        "origin": made.origin,
        "maker": made.maker,
        "round": made.round,
        "created": made.created,
        "record": mask.to_dict(),
    }
