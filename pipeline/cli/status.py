"""`masksmith status`: where every case, structure and round stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.call import Call, pass_call
from pipeline.cli.findings import (
    findings_document,
    findings_line,
    findings_of_case,
    findings_to_look_at,
    show_findings,
    write_damaged,
    write_findings_table,
)
from pipeline.cli.group import Command
from pipeline.cli.output import plain, write_json, write_table
from pipeline.errors import NothingToDo, UsageError

if TYPE_CHECKING:
    from pipeline.workspace import CaseRecord, Workspace
    from pipeline.workspace.status import CaseStatus, Counts, WorkspaceStatus
    from pipeline.workspace.structure_state import StructureState

FEW_CASES = 30
COUNT_COLUMNS = ("present", "absent", "undecided", "accepted", "proposed", "sent back")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one call of `status` asks for."""

    all_cases: bool
    structures: bool
    state: str | None
    case_id: str | None
    structure: str | None
    history: bool
    findings: bool
    lineage: str | None


@click.command("status", cls=Command)
@click.option("--cases", "all_cases", is_flag=True, help="List every line, however many.")
@click.option("--structures", is_flag=True, help="List every structure of the class map.")
@click.option(
    "--state",
    type=click.Choice(["new", "proposed", "in review", "reviewed", "complete", "excluded"]),
    help="List only the cases in this state.",
)
@click.option(
    "--case", "case_id", metavar="CASE", help="Show the structures and findings of one case."
)
@click.option(
    "--structure", metavar="NAME", help="Only this one (with --case, --findings or --lineage)."
)
@click.option(
    "--history",
    is_flag=True,
    help="Where the mask in force comes from, down to manifest, model or person "
    "(with --case and --structure).",
)
@click.option(
    "--findings", is_flag=True, help="List what stages noticed and a person should look at."
)
@click.option(
    "--lineage",
    metavar="SOURCE",
    help="List the masks in force that still carry a source nobody corrected: a model such as "
    "ribfrac, or a word of its card's lineage.",
)
@pass_call
def command(call: Call, /, **given: Any) -> None:
    """Show where every case, structure and round stands.

    A mask in force is accepted by a person or proposed and waits for one. A structure that
    nobody decided about is undecided, never taken for absent.
    """
    asked = _Asked(**given)
    _refuse_what_does_not_fit(asked)
    workspace = call.open_workspace()
    if asked.structure and asked.structure not in workspace.class_map:
        raise UsageError(
            f"no structure '{asked.structure}' in the class map {workspace.class_map.name}"
        )
    _show(call, workspace, asked)


def _show(call: Call, workspace: Workspace, asked: _Asked) -> None:
    """Print what was asked for."""
    if asked.lineage is not None:
        from pipeline.cli.lineage import show_lineage

        show_lineage(call, workspace, asked.lineage, asked.structure, whole=asked.all_cases)
    elif asked.findings:
        show_findings(call, workspace, asked.case_id, asked.structure, whole=asked.all_cases)
    elif asked.case_id and asked.structure and asked.history:
        from pipeline.cli.history import show_history

        show_history(call, workspace, asked.case_id, asked.structure)
    elif asked.case_id:
        _show_case(call, workspace, asked)
    else:
        _show_workspace(call, workspace, asked)


def _refuse_what_does_not_fit(asked: _Asked) -> None:
    """Refuse options that make no sense together."""
    if asked.history and not (asked.case_id and asked.structure):
        raise UsageError("--history needs --case and --structure: it follows one mask")
    alone = "--lineage" if asked.lineage is not None else "--findings" if asked.findings else ""
    others = {
        "--state": asked.state,
        "--structures": asked.structures,
        "--history": asked.history,
        "--findings": asked.findings and asked.lineage is not None,
        "--case": asked.case_id and asked.lineage is not None,
    }
    given = [name for name, value in others.items() if value]
    if alone and given:
        raise UsageError(f"{alone} does not go with {', '.join(given)}: ask for one at a time")
    if asked.structure and not (asked.case_id or alone):
        raise UsageError(
            "--structure needs --case; for all cases see: masksmith status --structures"
        )


def _show_workspace(call: Call, workspace: Workspace, asked: _Asked) -> None:
    """Print the whole workspace: the summary first, then what was asked for."""
    from pipeline.workspace.status import workspace_status

    status = workspace_status(workspace)
    listed = [case for case in status.cases if asked.state in (None, case.state)]
    if asked.state is not None and not listed:
        raise NothingToDo(f"no case is {asked.state} in {status.workspace}")
    findings = findings_to_look_at(workspace)
    if call.as_json:
        write_json(plain(replace(status, cases=tuple(listed))) | plain(findings_document(findings)))
        return
    _write_summary(status)
    if line := findings_line(findings):
        click.echo(f"{line}; masksmith status --findings lists them")
    if asked.structures:
        rows = [(item.name, *_count_cells(item.counts)) for item in status.structures]
        click.echo()
        write_table(("structure", *COUNT_COLUMNS), rows)
    if listed:
        click.echo()
        whole = asked.all_cases or asked.state is not None or len(listed) <= FEW_CASES
        _write_cases(listed, whole=whole)


def _write_summary(status: WorkspaceStatus) -> None:
    """Write a few lines that say how the whole stands."""
    counts, origins = status.counts, status.counts.by_origin
    click.echo(
        f"workspace {status.workspace}: {status.case_count} cases, class map "
        f"{status.class_map} ({status.structure_count} structures)"
    )
    states = ", ".join(f"{number} {state}" for state, number in status.states.items() if number)
    click.echo(f"cases: {states or 'none yet; masksmith intake PATH... takes CTs in'}")
    if not status.case_count:
        return
    absent = counts.absent_fov + counts.absent_anatomy
    click.echo(
        f"structures: {counts.present} present ({counts.accepted} accepted, {counts.proposed} "
        f"proposed), {absent} absent, {counts.undecided} undecided"
    )
    by_origin = ", ".join(f"{number} from {origin}" for origin, number in origins.items())
    click.echo(f"masks in force: {by_origin or 'none'}")
    for item in status.rounds:
        held_back = f", not promoted: {', '.join(item.not_promoted)}" if item.not_promoted else ""
        click.echo(
            f"round {item.number}: of {item.target_cases} cases, manifest "
            f"{item.manifest_digest[:12]}, predicted {item.predicted_masks} masks in "
            f"{item.predicted_cases} cases, {item.in_force} in force{held_back}"
        )


def _write_cases(cases: list[CaseStatus], *, whole: bool) -> None:
    """Write the table of cases, or say how to get it where it is long."""
    if not whole:
        click.echo(f"{len(cases)} cases: --cases lists them all, --state STATE some")
        return
    rows = [(case.id, case.state, case.phase, *_count_cells(case.counts)) for case in cases]
    write_table(("case", "state", "phase", *COUNT_COLUMNS), rows)


def _count_cells(counts: Counts) -> tuple[int, ...]:
    """Return the numbers under `COUNT_COLUMNS`."""
    absent = counts.absent_fov + counts.absent_anatomy
    return (
        counts.present, absent, counts.undecided, counts.accepted, counts.proposed,
        counts.sent_back,
    )  # fmt: skip


def _show_case(call: Call, workspace: Workspace, asked: _Asked) -> None:
    """Print how the structures of one case stand and what was noticed about it."""
    from pipeline.workspace.structure_state import case_structures

    record = workspace.record(str(asked.case_id))
    findings = findings_of_case(workspace, record.case.id)
    names = workspace.class_map.names
    if asked.structure:
        names, findings = (asked.structure,), findings.about(asked.structure)
    states = case_structures(names, record.masks, record.verdicts)
    if call.as_json:
        write_json(
            {
                "case": record.case.to_dict(),
                "excluded": record.excluded,
                "structures": states,
                "findings": findings.most_severe_first,
                **findings_document(findings),
            }
        )
        return
    _write_structures(record, states, whole=bool(asked.structure))
    if line := findings_line(findings, in_cases=False):
        click.echo(f"\n{line}")
    if findings.found:
        write_findings_table(findings.most_severe_first, with_case=False)
    write_damaged(findings)


def _write_structures(record: CaseRecord, states: Sequence[StructureState], *, whole: bool) -> None:
    """Write what is known about the structures of one case."""
    grid = record.case.grid
    spacing = " × ".join(f"{mm:.3g}" for mm in grid.spacing_mm)
    shape = " × ".join(str(size) for size in grid.shape)
    excluded = ", excluded" if record.excluded else ""
    click.echo(f"case {record.case.id}: {shape} voxels of {spacing} mm{excluded}")
    rows = [
        (
            state.structure,
            state.presence,
            "accepted" if state.accepted else "sent back" if state.sent_back else None,
            state.mask and state.mask.provenance.maker,
            state.mask and state.mask.voxels * grid.voxel_ml,
            state.mask and state.mask.id[:12],
        )
        for state in states
        if whole or state.mask or state.presence != "undecided"
    ]
    write_table(("structure", "presence", "verdict", "made by", "ml", "mask"), rows)
    if len(rows) < len(states):
        click.echo(f"{len(states) - len(rows)} further structures are undecided and have no mask")
