"""`masksmith aging`: volume and density of structures over age, with a quadratic fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.call import Call, pass_call
from pipeline.cli.group import Command
from pipeline.cli.output import write_json, write_table
from pipeline.errors import NothingToDo, UsageError

if TYPE_CHECKING:
    from qc.aging import AgingStudy, Curve

_COLUMNS = ("quantity", "measure", "group", "scans", "patients", "r2", "turning_age")
_NAMED = 5


@click.command("aging", cls=Command)
@click.option(
    "--structures",
    metavar="NAME,...",
    required=True,
    help="Which; a+b takes several together, such as hip_left+hip_right.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    required=True,
    help="Folder for figures and tables.",
)
@click.option("--phase", metavar="NAME", help="Only cases of this contrast phase.")
@click.option("--accepted", is_flag=True, help="Only masks that a person accepted.")
@pass_call
def command(call: Call, /, structures: str, out: Path, phase: str | None, accepted: bool) -> None:
    """Draw volume and mean HU of structures over age, with a quadratic fit for each sex.

    It works on what `masksmith stats` measured. Cases without an age, structures that the border
    of the CT cuts, and whatever else does not count is counted and named.
    """
    from qc.aging import AgingRequest, aging_study
    from qc.aging_report import write_aging

    quantities = tuple(
        dict.fromkeys(name.strip() for name in structures.split(",") if name.strip())
    )
    if not quantities:
        raise UsageError("aging: name at least one structure with --structures")
    workspace = call.open_workspace()
    study = aging_study(workspace, AgingRequest(quantities, phase, accepted))
    if not study.points:
        raise NothingToDo(
            f"{workspace.path}: no scan counts for {structures} ({_reasons(study)}); measure with "
            "'masksmith stats', and see 'masksmith status'"
        )
    curves = study.curves()
    files = write_aging(study, curves, out)
    _answer(call, study, curves, [out / name for name in files])


def _answer(call: Call, study: AgingStudy, curves: list[Curve], files: list[Path]) -> None:
    from qc.aging_report import fit_row, left_out_counts

    rows = [fit_row(curve) for curve in curves]
    left_out = left_out_counts(study)
    if call.as_json:
        write_json({"fits": rows, "left_out": left_out, "files": files})
        return
    write_table(_COLUMNS, [[row.get(name) for name in _COLUMNS] for row in rows])
    for each in left_out:
        cases = each["cases"]
        more = f" and {len(cases) - _NAMED} more" if len(cases) > _NAMED else ""
        what = f"{each['quantity']}: " if each["quantity"] else ""
        click.echo(
            f"left out: {what}{each['reason']}: {each['count']} ({', '.join(cases[:_NAMED])}{more})"
        )
    click.echo(f"written: {', '.join(str(path) for path in files)}")


def _reasons(study: AgingStudy) -> str:
    from qc.aging_report import left_out_counts

    return "; ".join(f"{each['reason']}: {each['count']}" for each in left_out_counts(study)) or (
        "no case"
    )
