"""The doctor compares files with the ledger and says what is wrong and what to do.

An orphan (a file the ledger does not know, left by an interrupted command) is harmless:
running that command again, or a rebuild, takes it in. Only an ``error`` means that
something a person or a model made is missing or was changed.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from pipeline.errors import BadInput
from pipeline.volume import is_partial
from pipeline.volume.nifti import read_nifti_grid
from pipeline.workspace.case_file import read_case, verify_ct
from pipeline.workspace.case_findings import finding_files, read_case_findings
from pipeline.workspace.digest import digest_of_manifest
from pipeline.workspace.layout import Layout
from pipeline.workspace.mask_file import verify_mask
from pipeline.workspace.planted import removed_plants, removed_verdicts
from pipeline.workspace.verdict_file import read_verdicts, verdict_files
from pipeline.workspace.workspace import CaseRecord, Workspace

Severity = Literal["error", "note"]
Each = Callable[
    [Callable[[CaseRecord], list["Finding"]], list[CaseRecord]], Iterable[list["Finding"]]
]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something the doctor saw.

    Attributes
    ----------
    kind : str
        Such as ``"digest"``, ``"missing"``, ``"orphan"``, ``"grid"``, ``"partial"``.
    severity : {"error", "note"}
    subject : str
        The file or case.
    message : str
        What was found, what was expected, what to do.
    """

    kind: str
    severity: Severity
    subject: str
    message: str


def examine(workspace: Workspace, *, each: Each = map) -> list[Finding]:
    """Check every file against the ledger.

    Parameters
    ----------
    workspace : Workspace
    each : callable
        Applies a function to every case; by default one after the other in this process.

    Returns
    -------
    list of Finding
        Errors first.
    """
    records = list(workspace.records(planted=True))
    findings = [*_examine_ledger(workspace), *_examine_verdicts(workspace)]
    findings += _examine_rounds(workspace)
    findings += _unknown_cases(workspace.layout, {record.case.id for record in records})
    findings += _partial_files(workspace.layout)
    for found in each(partial(examine_case, workspace.layout), records):
        findings += found
    return sorted(findings, key=lambda finding: (finding.severity, finding.kind, finding.subject))


def examine_case(layout: Layout, record: CaseRecord) -> list[Finding]:
    """Check one case: its record, CT, masks the ledger knows, orphans, and files of findings."""
    case = record.case
    findings = []
    try:
        if read_case(layout, case.id).to_dict() != case.to_dict():
            findings.append(_error("record", case.id, "case.json and ledger differ"))
        verify_ct(layout, case)
    except BadInput as error:
        findings.append(_error("ct", case.id, str(error)))
    known = {layout.mask(case.id, mask.structure, mask.id): mask for mask in record.masks}
    for path, mask in known.items():
        try:
            verify_mask(path, case)
            expected = case.grid.crop(mask.box)
            expected.require_same(read_nifti_grid(path), what=str(path))
        except BadInput as error:
            kind = "digest" if path.exists() else "missing"
            findings.append(_error(kind, str(path), str(error)))
    for path in mask_files(layout, case.id):
        if path not in known:
            findings.append(_note("orphan", str(path), "a mask the ledger does not know"))
    for path in finding_files(layout, case.id):
        try:
            read_case_findings(layout, case.id, path)
        except BadInput as error:
            findings.append(_error("finding", str(path), str(error)))
    return findings


def mask_files(layout: Layout, case_id: str) -> Iterator[Path]:
    """Go through the mask files of a case, by structure and name."""
    for path in sorted(layout.masks_dir(case_id).glob("*/*.nii.gz")):
        if not is_partial(path):
            yield path


def case_ids_on_disk(layout: Layout) -> list[str]:
    """List the cases whose record is written, by id."""
    return sorted(path.parent.name for path in layout.cases_dir.glob("*/case.json"))


def _examine_ledger(workspace: Workspace) -> Iterator[Finding]:
    from sqlalchemy import text

    engine = workspace.ledger.engine
    if engine.dialect.name != "sqlite":
        return
    with engine.connect() as connection:
        for (line,) in connection.execute(text("PRAGMA integrity_check")):
            if line != "ok":
                advice = "run 'masksmith doctor --rebuild'"
                yield _error("ledger", workspace.ledger.url, f"{line}; {advice}")


def _examine_verdicts(workspace: Workspace) -> Iterator[Finding]:
    recorded = {verdict.id for verdict in workspace.ledger.verdicts(planted=True)}
    known = recorded | removed_verdicts(workspace.layout)
    there = {case.id for case in workspace.cases(planted=True)}
    taken_out = removed_plants(workspace.layout) - there
    filed: set[str] = set()
    for path in verdict_files(workspace.layout):
        try:
            verdicts = read_verdicts(path)
        except BadInput as error:
            yield _error("verdict", str(path), str(error))
            continue
        filed |= {verdict.id for verdict in verdicts}
        missing = sum(
            verdict.id not in known and verdict.case_id not in taken_out
            for verdict in verdicts
        )
        if missing:
            advice = "'masksmith doctor --rebuild' takes them in"
            yield _note("verdict", str(path), f"{missing} verdicts not in the ledger; {advice}")
    unfiled = len(recorded - filed)
    if unfiled:
        text = f"{unfiled} verdicts of the ledger have no file; 'masksmith doctor --rebuild'"
        yield _error("verdict", str(workspace.layout.verdicts_dir), f"{text} writes them")


def _examine_rounds(workspace: Workspace) -> Iterator[Finding]:
    for round_ in workspace.ledger.rounds():
        path = workspace.layout.manifest(round_.number)
        if not path.is_file():
            yield _error("missing", str(path), f"the manifest of round {round_.number} is gone")
        elif not _is_manifest(path, round_.manifest_digest):
            yield _error("digest", str(path), "the manifest was changed after it was frozen")


def _is_manifest(path: Path, digest: str) -> bool:
    try:
        return digest_of_manifest(path) == digest
    except (OSError, ValueError):
        return False


def _unknown_cases(layout: Layout, known: set[str]) -> Iterator[Finding]:
    for folder in sorted(layout.cases_dir.glob("*")):
        if folder.name not in known and folder.is_dir():
            whole = layout.case_file(folder.name).exists()
            what = "a case the ledger does not know" if whole else "an unfinished intake"
            advice = "run the same intake again, or 'masksmith doctor --rebuild'"
            yield _note("orphan", str(folder), f"{what}; {advice}")
            if (folder / "findings").is_dir():
                text = "findings of an unknown case are shown nowhere; take it in, or move the folder away"
                yield _note("orphan", str(folder / "findings"), text)


def _partial_files(layout: Layout) -> Iterator[Finding]:
    for path in sorted(layout.root.rglob(".*")):
        if is_partial(path):
            yield _note("partial", str(path), "left by an interrupted write; may be deleted")


def _error(kind: str, subject: str, message: str) -> Finding:
    return Finding(kind, "error", subject, message)


def _note(kind: str, subject: str, message: str) -> Finding:
    return Finding(kind, "note", subject, message)
