"""`masksmith audit`: known errors slipped into the gallery, and what share of them people catch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.call import Call, pass_call
from pipeline.cli.exit_codes import SOME_FAILED
from pipeline.cli.group import Group
from pipeline.cli.output import write_json, write_table
from pipeline.cli.settings_options import CommaList
from pipeline.errors import NothingToDo, UsageError

if TYPE_CHECKING:
    from qc.audit import AuditReport
    from qc.audit.report import Catches
    from qc.planting import Grade

_NAMES = CommaList(click.STRING)


@click.group("audit", cls=Group)
def command() -> None:
    """Slip known errors into the gallery and see what share of them people catch.

    A planted case is a copy of a real one with one error. It looks like any other in the gallery
    and is in nothing else: no training, no release, no evaluation, no list of next cases, no
    count. Only whoever may look into the workspace's folder can tell.
    """


@command.command("plant")
@click.option("--count", type=click.IntRange(1, 500), default=12, help="How many  [default: 12]")
@click.option(
    "--sizes", type=_NAMES, metavar="SIZE,...", help="gross, medium, small  [default: in turn]"
)
@click.option("--kinds", type=_NAMES, metavar="KIND,...", help="See audit kinds  [default: all]")
@click.option("--structures", type=_NAMES, metavar="NAME,...", help="What the errors are about.")
@click.option("--cases", type=_NAMES, metavar="CASE,...", help="The cases to copy.")
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="Of what is drawn.")
@click.pass_context
@pass_call
def plant_command(
    call: Call,
    context: click.Context,
    /,
    count: int,
    seed: int,
    **names: list[str] | None,
) -> None:
    """Put copies of cases with one error each into the gallery.

    Run masksmith plausibility and masksmith gallery afterwards, so that they look like the rest.
    """
    from qc.audit import PlantRequest, slip_in

    given = {name: tuple(values or ()) for name, values in names.items()}
    grades = _grades(given.pop("sizes"))
    workspace = call.open_workspace()
    with workspace.driver_lock("audit plant"):
        request = PlantRequest(count=count, grades=grades, seed=seed, **given)
        result = slip_in(workspace, request)
    if call.as_json:
        planted = [truth.to_dict() for truth in result.planted]
        write_json({"planted": planted, "refused": result.refused})
    else:
        for line in result.refused:
            click.echo(line, err=True)
        click.echo(
            f"{len(result.planted)} errors planted; now run masksmith plausibility and "
            "masksmith gallery. What they are: masksmith audit list"
        )
    if not result.planted:
        raise NothingToDo("no error could be planted; the reasons stand above")
    context.exit(SOME_FAILED if result.refused else 0)


def _grades(given: tuple[str, ...]) -> tuple[Grade, ...]:
    from qc.planting import GRADES

    unknown = [name for name in given if name not in GRADES]
    if unknown:
        raise UsageError(f"--sizes {', '.join(unknown)}: expected {', '.join(GRADES)}")
    return tuple(grade for grade in GRADES if grade in given) or GRADES


@command.command("kinds")
@pass_call
def kinds_command(call: Call) -> None:
    """List the kinds of errors that can be planted."""
    from qc.planting import KINDS

    if call.as_json:
        kinds = [{"kind": k.name, "summary": k.summary, "sizes": k.grades} for k in KINDS]
        write_json({"kinds": kinds})
        return
    write_table(
        ("kind", "sizes", "what it is"), [(k.name, ", ".join(k.grades), k.summary) for k in KINDS]
    )


@command.command("list")
@pass_call
def list_command(call: Call) -> None:
    """List the planted cases and what is wrong in each. Not for the eyes of reviewers."""
    from qc.audit import read_truths

    workspace = call.open_workspace()
    truths = read_truths(workspace.layout.planted_dir)
    if call.as_json:
        write_json({"planted": [truth.to_dict() for truth in truths]})
        return
    if not truths:
        raise NothingToDo(f"{workspace.path}: nothing is planted; see masksmith audit plant --help")
    rows = [(t.case_id, t.copy_of, t.kind, t.grade, t.words) for t in truths]
    write_table(("case", "copy of", "kind", "size", "what is wrong"), rows)


@command.command("report")
@click.option(
    "--count-undecided",
    is_flag=True,
    help="A planted case that a reviewer said nothing about counts as missed: for people who "
    "look at every case and flag only what is wrong.",
)
@pass_call
def report_command(call: Call, /, count_undecided: bool) -> None:
    """Say what share of the planted errors was caught, and by whom."""
    from qc.audit import audit_report

    workspace = call.open_workspace()
    report = audit_report(workspace, count_undecided=count_undecided)
    if call.as_json:
        write_json(report.to_dict())
        return
    if not report.planted + report.removed:
        raise NothingToDo(f"{workspace.path}: nothing was planted; see masksmith audit plant")
    _write_report(report)


def _write_report(report: AuditReport) -> None:
    click.echo(
        f"{report.planted} cases planted, {report.removed} taken out again; caught of decided, "
        "with 95 % intervals"
    )
    everybody = [*report.reviewers, report.people] if report.reviewers else []
    rows = [(c.by, c.total, c.undecided) for c in (*everybody, report.rules)]
    write_table(("by", "caught", "nothing decided"), rows)
    if not report.reviewers:
        click.echo("nobody has decided anything about them yet")
        return
    for title, group in (("size", "by_grade"), ("structure", "by_structure"), ("kind", "by_kind")):
        click.echo()
        columns = (title, *(c.by for c in everybody))
        write_table(columns, _rows(report.people, everybody, group))


def _rows(people: Catches, everybody: list[Catches], group: str) -> list[tuple[object, ...]]:
    return [
        (name, *(getattr(catches, group).get(name) for catches in everybody))
        for name in getattr(people, group)
    ]


@command.command("remove")
@click.argument("cases", metavar="[CASE]...", nargs=-1)
@pass_call
def remove_command(call: Call, cases: tuple[str, ...]) -> None:
    """Take planted cases out; what people said of them stays.

    Without names: all. Take in verdicts that were exported from the gallery first, and draw the
    gallery anew afterwards.
    """
    from qc.audit import remove_plants

    workspace = call.open_workspace()
    with workspace.driver_lock("audit remove"):
        removed = remove_plants(workspace, cases)
    if call.as_json:
        write_json({"removed": [truth.case_id for truth in removed]})
        return
    if not removed:
        raise NothingToDo(f"{workspace.path}: nothing is planted")
    click.echo(f"{len(removed)} planted cases taken out; now run masksmith gallery")
