"""Who draws on which mask, and whose a case is: no two people edit one mask at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from annotation.server.refusals import Refusal, conflict
from annotation.server.server_store import ServerStore
from pipeline.workspace import now_utc


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to draw on one mask until it lapses.

    Attributes
    ----------
    until : float
        Seconds since 1970.
    """

    case_id: str
    structure: str
    name: str
    until: float

    def to_dict(self) -> dict[str, Any]:
        """Give what the page shows."""
        moment = datetime.fromtimestamp(self.until, UTC).isoformat(timespec="seconds")
        return {"by": self.name, "structure": self.structure, "until": moment}


class Leases:
    """Leases of all masks; one that lapsed is free again."""

    def __init__(
        self, store: ServerStore, minutes: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._store, self._seconds, self._clock = store, minutes * 60, clock

    def take(self, case_id: str, structure: str, name: str, *, force: bool = False) -> Lease:
        """Take or renew a lease.

        Parameters
        ----------
        force : bool
            Take it from whoever has it; their draft stays theirs.

        Raises
        ------
        Refusal
            409 with `by` and `until` when somebody else has it.
        """
        lease = self._take(case_id, structure, name, force=force)
        if lease.name != name:
            raise held_by_another(lease)
        return lease

    def renew(self, case_id: str, structure: str, name: str) -> Lease | None:
        """Renew a lease when half of it is over; give somebody else's where there is one."""
        held = self.of_mask(case_id, structure)
        if held is None or (held.name == name and held.until - self._clock() < self._seconds / 2):
            # Between the look and the taking somebody else may have been first.
            held = self._take(case_id, structure, name)
        return None if held.name == name else held

    def _take(self, case_id: str, structure: str, name: str, *, force: bool = False) -> Lease:
        """Take or renew a lease, and give the one that stands now: somebody else's may."""
        lease = Lease(case_id, structure, name, self._clock() + self._seconds)
        with self._store.change() as connection:
            row = connection.execute(
                "SELECT * FROM lease WHERE case_id = ? AND structure = ?", (case_id, structure)
            ).fetchone()
            if row and row["name"] != name and row["until"] > self._clock() and not force:
                return Lease(case_id, structure, row["name"], row["until"])
            connection.execute(
                "INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?)",
                (case_id, structure, name, lease.until),
            )
        return lease

    def release(self, case_id: str, structure: str, name: str) -> bool:
        """Give a lease back; False when this person had none."""
        with self._store.change() as connection:
            done = connection.execute(
                "DELETE FROM lease WHERE case_id = ? AND structure = ? AND name = ?",
                (case_id, structure, name),
            )
            return bool(done.rowcount)

    def of_mask(self, case_id: str, structure: str) -> Lease | None:
        """Give the lease on a mask, if there is one that has not lapsed."""
        found = self._standing("AND case_id = ? AND structure = ?", (case_id, structure))
        return found[0] if found else None

    def standing(self) -> dict[str, list[Lease]]:
        """Give every lease that has not lapsed, by case."""
        by_case: dict[str, list[Lease]] = {}
        for lease in self._standing("", ()):
            by_case.setdefault(lease.case_id, []).append(lease)
        return by_case

    def _standing(self, more: str, values: tuple[str, ...]) -> list[Lease]:
        query = f"SELECT * FROM lease WHERE until > ? {more} ORDER BY until DESC"
        rows = self._store.rows(query, (self._clock(), *values))
        return [Lease(r["case_id"], r["structure"], r["name"], r["until"]) for r in rows]


class Assignments:
    """Whose a case is; a case of nobody is everybody's."""

    def __init__(self, store: ServerStore) -> None:
        self._store = store

    def all(self) -> dict[str, str]:
        """Give the person of every assigned case."""
        rows = self._store.rows("SELECT case_id, name FROM assignment")
        return {row["case_id"]: row["name"] for row in rows}

    def of(self, case_id: str) -> str | None:
        """Give the person of a case."""
        row = self._store.row("SELECT name FROM assignment WHERE case_id = ?", (case_id,))
        return None if row is None else str(row["name"])

    def assign(self, case_ids: Iterable[str], name: str | None, by: str) -> None:
        """Give cases to a person, or back to everybody."""
        with self._store.change() as connection:
            for case_id in case_ids:
                connection.execute("DELETE FROM assignment WHERE case_id = ?", (case_id,))
                if name is not None:
                    connection.execute(
                        "INSERT INTO assignment VALUES (?, ?, ?, ?)",
                        (case_id, name, by, now_utc()),
                    )


def held_by_another(lease: Lease) -> Refusal:
    """Say who draws on the mask."""
    shown = lease.to_dict()
    return conflict(
        f"{lease.name} is drawing on this mask",
        "take another structure, or come back when the lease has lapsed",
        by=shown["by"],
        until=shown["until"],
    )
