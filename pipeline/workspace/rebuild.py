"""Making the ledger anew from the files alone.

Masks explain themselves in their header, cases in ``case.json``, verdicts and manifests
are files. The old SQLite file is kept beside the new one; what it alone knew (runs and
their outcomes, verdicts without a file) is carried over as far as it can be read.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import BadInput
from pipeline.volume import remove_partial_files
from pipeline.workspace.case_file import read_case
from pipeline.workspace.database import LedgerError, sqlite_url
from pipeline.workspace.digest import digest_of_manifest, now_utc
from pipeline.workspace.doctor import (
    Finding,
    case_ids_on_disk,
    mask_files,
)
from pipeline.workspace.layout import Layout
from pipeline.workspace.ledger import Ledger
from pipeline.workspace.locks import serving_lock
from pipeline.workspace.mask_file import verify_mask
from pipeline.workspace.planted import removed_plants, removed_verdicts
from pipeline.workspace.verdict_file import (
    read_verdicts,
    verdict_files,
    write_verdicts,
)
from pipeline.workspace.words import Case, Mask, Round, Verdict
from pipeline.workspace.workspace import Workspace


@dataclass
class Contents:
    """Everything the files of a workspace say.

    Attributes
    ----------
    findings : list of Finding
        Files that could not be taken in.
    """

    cases: list[Case] = field(default_factory=list)
    masks: list[Mask] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def complain(self, kind: str, subject: object, error: Exception) -> None:
        """Note a file that could not be taken in."""
        self.findings.append(Finding(kind, "error", str(subject), str(error)))


def rebuild(workspace: Workspace) -> Contents:
    """Make the ledger anew from the files.

    A SQLite ledger is replaced in one step at the end: interrupted anywhere, the old one
    still stands. A server's database is emptied and filled; interrupted, run it again.

    Returns
    -------
    Contents
        What was taken in, with a finding for every file that could not be.

    Raises
    ------
    WorkspaceBusy
        When another command is changing the workspace, or a server serves it.
    LedgerError
        When the ledger is a server's database that cannot be opened.
    """
    what = "doctor --rebuild"
    with serving_lock(workspace.layout, what), workspace.driver_lock(what):
        remove_partial_files(workspace.path)
        contents = read_contents(workspace.layout)
        contents.verdicts = _with_unfiled(workspace, contents)
        if workspace.ledger.url == sqlite_url(workspace.layout.ledger_file):
            _replace_sqlite(workspace, contents)
        else:
            _fill(workspace.ledger, contents, empty_first=True)
    return contents


def read_contents(layout: Layout) -> Contents:
    """Read every case, mask, verdict and manifest of a workspace from its files."""
    contents = Contents()
    for case_id in case_ids_on_disk(layout):
        try:
            case = read_case(layout, case_id)
        except BadInput as error:
            contents.complain("case", case_id, error)
            continue
        contents.cases.append(case)
        for path in mask_files(layout, case_id):
            try:
                contents.masks.append(verify_mask(path, case))
            except BadInput as error:
                contents.complain("mask", path, error)
    for path in verdict_files(layout):
        try:
            contents.verdicts += read_verdicts(path)
        except BadInput as error:
            contents.complain("verdict", path, error)
    contents.rounds = _read_rounds(layout, contents)
    return contents


def _read_rounds(layout: Layout, contents: Contents) -> list[Round]:
    rounds = []
    for path in sorted(layout.rounds_dir.glob("*/manifest.json")):
        try:
            values = json.loads(path.read_bytes())
            number, target = int(values["round"]), int(values["target_cases"])
            rounds.append(Round(number, target, digest_of_manifest(path), str(values["created"])))
        except (OSError, ValueError, KeyError, TypeError) as error:
            contents.complain("manifest", path, error)
    return rounds


def _with_unfiled(workspace: Workspace, contents: Contents) -> list[Verdict]:
    """Add verdicts that only the old ledger knows, and write them as files."""
    filed = {verdict.id for verdict in contents.verdicts}
    unfiled = [v for v in _readable_verdicts(workspace.ledger) if v.id not in filed]
    if unfiled:
        write_verdicts(workspace.layout, unfiled)
    known = {case.id for case in contents.cases}
    taken_out = removed_plants(workspace.layout)
    every = sorted([*contents.verdicts, *unfiled], key=lambda verdict: verdict.created)
    for verdict in every:
        if verdict.case_id not in known | taken_out:
            error = BadInput("a verdict about a case that has no files; its file is kept")
            contents.complain("verdict", verdict.case_id, error)
    of_plants = removed_verdicts(workspace.layout)
    return [each for each in every if each.case_id in known and each.id not in of_plants]


def _readable_verdicts(ledger: Ledger) -> tuple[Verdict, ...]:
    from sqlalchemy.exc import DatabaseError

    try:
        return ledger.verdicts(planted=True)
    except (LedgerError, DatabaseError):
        return ()


def _replace_sqlite(workspace: Workspace, contents: Contents) -> None:
    path = workspace.layout.ledger_file
    fresh = path.with_name("ledger.rebuilt.sqlite")
    fresh.unlink(missing_ok=True)
    ledger = Ledger(sqlite_url(fresh))
    _fill(ledger, contents)
    _copy_runs(workspace.ledger, ledger)
    ledger.close()
    workspace.ledger.close()
    if path.exists():
        moment = now_utc()[:19].replace(":", "")
        os.link(path, _free(path.with_name(f"ledger.before-{moment}.sqlite")))
    fresh.replace(path)


def _free(path: Path) -> Path:
    """Give a name nothing has yet: an earlier ledger is never overwritten."""
    number = 1
    while path.exists():
        number += 1
        path = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return path


def _fill(ledger: Ledger, contents: Contents, *, empty_first: bool = False) -> None:
    if empty_first:
        _empty(ledger)
    for case in contents.cases:
        ledger.add_case(case)
    ledger.add_masks(contents.masks)
    ledger.add_verdicts(contents.verdicts)
    for round_ in contents.rounds:
        ledger.add_round(round_)


def _empty(ledger: Ledger) -> None:
    from pipeline.workspace.tables import case_table, mask_table, round_table, verdict_table

    with ledger.engine.begin() as connection:
        for table in (verdict_table, mask_table, round_table, case_table):
            connection.execute(table.delete())


def _copy_runs(old: Ledger, new: Ledger) -> None:
    from sqlalchemy import select
    from sqlalchemy.exc import DatabaseError

    from pipeline.workspace.tables import outcome_table, run_table

    for table in (run_table, outcome_table):
        try:
            with old.engine.connect() as connection:
                rows = [dict(row._mapping) for row in connection.execute(select(table))]
        except (DatabaseError, LedgerError):
            return
        if rows:
            with new.engine.begin() as connection:
                connection.execute(table.insert(), rows)
