"""`masksmith effort`: what correcting took and changed, and what is left at this pace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.call import Call, pass_call
from pipeline.cli.group import Command
from pipeline.cli.output import write_json, write_table
from pipeline.errors import NothingToDo

if TYPE_CHECKING:
    from annotation.effort import By, EffortReport
    from annotation.effort_figures import EffortGroup

_SHOWN = 3
_FIRST = {"round": "began with", "structure": "structure", "annotator": "by", "case": "case"}
_COLUMNS = (
    "accepted", "corrected", "drawn", "absent", "unchanged %", "hours", "timed", "unknown",
    "mean s", "median s", "added ml", "removed ml", "Dice", "NSD",
)  # fmt: skip


@click.command("effort", cls=Command)
@click.option(
    "--by",
    type=click.Choice(["round", "structure", "annotator", "case"]),
    default="round",
    show_default=True,
    help="What a line of the table is; round: what people began with.",
)
@click.option("--structures", metavar="NAME,...", default="", help="Only these.")
@click.option(
    "--csv",
    "csv_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write one line for each mask saved and verdict given.",
)
@click.option(
    "--plot",
    "plot_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.png",
    help="Draw the effort from round to round, beside the paper's.",
)
@pass_call
def command(
    call: Call, /, by: By, structures: str, csv_path: Path | None, plot_path: Path | None
) -> None:
    """Show what correcting took and changed, from round to round, and what is left.

    Every mask a person saved is compared with the proposal it was made from. Seconds that
    nobody noted are unknown and never 0: note them with `--seconds` of collect and verdict.
    """
    from annotation.effort import effort_report

    workspace = call.open_workspace()
    names = [name.strip() for name in structures.split(",") if name.strip()]
    report = effort_report(workspace, by=by, structures=names, engine=call.engine())
    if not report.efforts:
        raise NothingToDo(
            f"{workspace.path}: nobody has saved a mask or given a verdict; begin with "
            "'masksmith open' or 'masksmith verdict'"
        )
    if csv_path is not None:
        _write_csv(report, csv_path)
    if plot_path is not None:
        from annotation.effort_plot import write_effort_plot

        drawn = report if by == "round" else effort_report(workspace, structures=names)
        write_effort_plot(drawn, plot_path)
    if call.as_json:
        write_json(_document(report))
        return
    _write(report)
    for path in filter(None, (csv_path, plot_path)):
        click.echo(f"written: {path}")


def _document(report: EffortReport) -> dict[str, object]:
    """Give everything but the single items, which are the CSV's."""
    from annotation.paper_effort import BY_HAND, ROUGH, SOURCE

    return {
        "by": report.by,
        "groups": report.groups,
        "total": report.total,
        "pace": report.pace,
        "left": report.left,
        "paper": {
            "source": SOURCE,
            "by_hand_s": BY_HAND.seconds,
            "rough_s": ROUGH.seconds,
            "masks": report.paper.masks,
            "hours_here": report.paper.hours_here,
            "hours_by_hand": report.paper.hours_by_hand,
            "hours_rough": report.paper.hours_rough,
        },
        "problems": report.problems,
    }


def _write(report: EffortReport) -> None:
    from annotation.paper_effort import spoken_time

    total = report.total
    people = len({effort.item.by for effort in report.efforts})
    click.echo(
        f"{_number(total.masks, 'mask')} by {'1 person' if people == 1 else f'{people} people'}: "
        f"{total.accepted} accepted unchanged, {total.corrected} corrected, {total.drawn} drawn; "
        f"{_number(total.absent, 'structure')} called absent"
    )
    unknown = f"; the time of {total.untimed} more is unknown" if total.untimed else ""
    spent = spoken_time(total.hours * 3600)
    click.echo(f"time: {spent} for {total.timed} masks and absences{unknown}")
    _write_paper(report)
    _write_left(report)
    click.echo()
    groups = report.groups if len(report.groups) < 2 else (*report.groups, report.total)
    write_table((_FIRST[report.by], *_COLUMNS), [_row(group) for group in groups])
    for problem in report.problems[:_SHOWN]:
        click.echo(f"not compared: {problem}")
    if len(report.problems) > _SHOWN:
        click.echo(f"not compared: {len(report.problems) - _SHOWN} more, see --json")


def _write_paper(report: EffortReport) -> None:
    """Say what the same masks would have taken by hand and roughly, from the paper's seconds."""
    from annotation.paper_effort import spoken_time

    paper = report.paper
    if not paper.masks:
        return
    here, hand, rough = (
        f"{spoken_time(hours * 3600)} ({spoken_time(hours * 3600 / paper.masks)} each)"
        for hours in (paper.hours_here, paper.hours_by_hand, paper.hours_rough)
    )
    click.echo(
        f"beside the paper: {_number(paper.masks, 'mask')} took {here} here; at its pace by hand "
        f"{hand}, roughly drawn {rough}"
    )


def _write_left(report: EffortReport) -> None:
    from annotation.paper_effort import spoken_time

    left, pace = report.left, report.pace
    undecided = (
        f"{_number(left.undecided.all, 'structure')} undecided in "
        f"{_number(left.undecided.cases, 'case')}, {left.undecided.begun} of them in the "
        f"{left.undecided.begun_cases} begun"
    )
    if pace is None or left.hours is None or left.hours_begun is None:
        click.echo(f"left: {undecided}; how long that takes is unknown, as no time is known")
        return
    click.echo(f"left: {undecided}")
    click.echo(
        f"at this pace: {spoken_time(left.hours * 3600)} for all, "
        f"{spoken_time(left.hours_begun * 3600)} for those begun, at "
        f"{spoken_time(pace.mean_s)} each (mean of {pace.structures} timed from "
        f"{' and '.join(pace.bases)}; {pace.of_structures} worked on so far; half of them took "
        f"{spoken_time(pace.median_s)} or less)"
    )


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _row(group: EffortGroup) -> tuple[object, ...]:
    share = None if group.accepted_share is None else round(100 * group.accepted_share)
    return (
        group.name, group.accepted, group.corrected, group.drawn, group.absent, share,
        group.hours, group.timed, group.untimed, group.mean_s, group.median_s, group.added_ml,
        group.removed_ml, group.dice, group.nsd,
    )  # fmt: skip


def _write_csv(report: EffortReport, path: Path) -> None:
    """Write the items; a gap is what is not known."""
    import csv
    from io import StringIO

    from annotation.effort_figures import COLUMNS
    from pipeline.volume import write_output_file

    text = StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(effort.to_dict() for effort in report.efforts)
    write_output_file(path, text.getvalue().encode())
