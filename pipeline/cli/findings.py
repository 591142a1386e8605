"""`masksmith status --findings`: what stages noticed and a person should look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.call import Call
from pipeline.cli.output import write_json, write_table

if TYPE_CHECKING:
    from pipeline.workspace import Workspace
    from pipeline.workspace.case_findings import CaseFinding, CaseFindings

FEW_FINDINGS = 30


def show_findings(
    call: Call, workspace: Workspace, case_id: str | None, structure: str | None, *, whole: bool
) -> None:
    """Print the findings about one case, or about all that are not excluded."""
    findings = findings_of_case(workspace, case_id) if case_id else findings_to_look_at(workspace)
    if structure is not None:
        findings = findings.about(structure)
    if call.as_json:
        write_json(findings_document(findings) | {"findings": findings.most_severe_first})
        return
    click.echo(findings_line(findings) or "findings: none")
    if findings.found:
        click.echo()
        if whole or case_id or len(findings.found) <= FEW_FINDINGS:
            write_findings_table(findings.most_severe_first, with_case=True)
        else:
            click.echo(
                f"{len(findings.found)} findings: --cases lists them all, "
                "--case CASE those of one case"
            )
    write_damaged(findings)


def findings_to_look_at(workspace: Workspace) -> CaseFindings:
    """Read the findings about all cases that are not excluded."""
    from pipeline.workspace.case_findings import case_findings

    excluded = workspace.excluded()
    wanted = [case.id for case in workspace.cases() if case.id not in excluded]
    return case_findings(workspace.layout, wanted)


def findings_of_case(workspace: Workspace, case_id: str) -> CaseFindings:
    """Read the findings about one case; raises NothingToDo where there is no such case."""
    from pipeline.workspace.case_findings import case_findings

    return case_findings(workspace.layout, [workspace.case(case_id).id])


def findings_line(findings: CaseFindings, *, in_cases: bool = True) -> str:
    """Count findings by kind in one line; nothing where there are none."""
    parts = [f"{number} {kind}" for kind, number in findings.by_kind.items()]
    if findings.damaged:
        parts.append(f"{_number(len(findings.damaged), 'file')} not readable")
    if not parts:
        return ""
    cases = len({each.case_id for each in findings.found})
    where = f" in {_number(cases, 'case')}" if in_cases and cases else ""
    return f"findings{where}: {', '.join(parts)}"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def findings_document(findings: CaseFindings) -> dict[str, object]:
    """Give what a JSON document says of findings in short."""
    return {"findings_by_kind": findings.by_kind, "damaged_findings": findings.damaged}


def write_findings_table(found: tuple[CaseFinding, ...], *, with_case: bool) -> None:
    """Write one line for each finding, the words last so that they may be long."""
    columns = ("case", "severity", "found by", "kind", "structures", "what")
    rows = [
        (
            each.case_id,
            each.finding.severity,
            each.maker,
            each.finding.kind,
            ", ".join(each.finding.structures) or None,
            " ".join(each.finding.words.split()),
        )
        for each in found
    ]
    skipped = 0 if with_case else 1
    write_table(columns[skipped:], [row[skipped:] for row in rows])


def write_damaged(findings: CaseFindings) -> None:
    """Name the files that cannot be read."""
    for line in findings.damaged:
        click.echo(f"not read: {line}")
