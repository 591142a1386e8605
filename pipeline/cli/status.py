"""`masksmith status`: where every case, structure and round stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.call import Call, pass_call
from pipeline.cli.group import Command
from pipeline.cli.output import write_json, write_table
from pipeline.errors import NothingToDo, UsageError

if TYPE_CHECKING:
    from pipeline.workspace import Workspace
    from pipeline.workspace.status import CaseStatus, Counts, WorkspaceStatus

FEW_CASES = 30
COUNT_COLUMNS = ("present", "absent", "undecided", "accepted", "proposed", "sent back")


@click.command("status", cls=Command)
@click.option("--cases", "all_cases", is_flag=True, help="List every case, however many.")
@click.option("--structures", is_flag=True, help="List every structure of the class map.")
@click.option(
    "--state",
    type=click.Choice(["new", "proposed", "in review", "reviewed", "complete", "excluded"]),
    help="List only the cases in this state.",
)
@click.option("--case", "case_id", metavar="CASE", help="Show the structures of one case.")
@click.option("--structure", metavar="NAME", help="Only this structure (with --case).")
@click.option(
    "--history",
    is_flag=True,
    help="Where the mask in force comes from, down to manifest, model or person "
    "(with --case and --structure).",
)
@pass_call
def command(
    call: Call,
    all_cases: bool,
    structures: bool,
    state: str | None,
    case_id: str | None,
    structure: str | None,
    history: bool,
) -> None:
    """Show where every case, structure and round stands.

    A mask in force is accepted by a person or proposed and waits for one. A structure that
    nobody decided about is undecided, never taken for absent.
    """
    if history and not (case_id and structure):
        raise UsageError("--history needs --case and --structure: it follows one mask")
    if structure and not case_id:
        raise UsageError(
            "--structure needs --case; for all cases see: masksmith status --structures"
        )
    workspace = call.open_workspace()
    if structure and structure not in workspace.class_map:
        raise UsageError(f"no structure '{structure}' in the class map {workspace.class_map.name}")
    if case_id and structure and history:
        from pipeline.cli.history import show_history

        show_history(call, workspace, case_id, structure)
    elif case_id:
        _show_case(call, workspace, case_id, structure)
    else:
        _show_workspace(call, workspace, state, all_cases=all_cases, structures=structures)


def _show_workspace(
    call: Call, workspace: Workspace, state: str | None, *, all_cases: bool, structures: bool
) -> None:
    """Print the whole workspace: the summary first, then what was asked for."""
    from pipeline.workspace.status import workspace_status

    status = workspace_status(workspace)
    listed = [case for case in status.cases if state in (None, case.state)]
    if state is not None and not listed:
        raise NothingToDo(f"no case is {state} in {status.workspace}")
    if call.as_json:
        from dataclasses import replace

        write_json(replace(status, cases=tuple(listed)))
        return
    _write_summary(status)
    if structures:
        rows = [(item.name, *_count_cells(item.counts)) for item in status.structures]
        click.echo()
        write_table(("structure", *COUNT_COLUMNS), rows)
    if listed:
        click.echo()
        _write_cases(listed, whole=all_cases or state is not None or len(listed) <= FEW_CASES)


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
        click.echo(
            f"round {item.number}: of {item.target_cases} cases, manifest "
            f"{item.manifest_digest[:12]}, predicted {item.predicted_masks} masks in "
            f"{item.predicted_cases} cases, {item.in_force} in force"
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


def _show_case(call: Call, workspace: Workspace, case_id: str, structure: str | None) -> None:
    """Print how each structure of one case stands."""
    from pipeline.workspace.structure_state import case_structures

    record = workspace.record(case_id)
    names = [structure] if structure else workspace.class_map.names
    states = case_structures(names, record.masks, record.verdicts)
    if call.as_json:
        write_json(
            {"case": record.case.to_dict(), "excluded": record.excluded, "structures": states}
        )
        return
    grid = record.case.grid
    spacing = " × ".join(f"{mm:.3g}" for mm in grid.spacing_mm)
    shape = " × ".join(str(size) for size in grid.shape)
    click.echo(
        f"case {case_id}: {shape} voxels of {spacing} mm{', excluded' if record.excluded else ''}"
    )
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
        if structure or state.mask or state.presence != "undecided"
    ]
    write_table(("structure", "presence", "verdict", "made by", "ml", "mask"), rows)
    if len(rows) < len(states):
        click.echo(f"{len(states) - len(rows)} further structures are undecided and have no mask")
