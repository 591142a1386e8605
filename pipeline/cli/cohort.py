"""`masksmith cohort`: age, sex, site and image type of the cases, as a figure and tables."""

from __future__ import annotations

import json
from pathlib import Path

import click

from pipeline.cli.call import Call, pass_call
from pipeline.cli.group import Command
from pipeline.cli.output import plain, write_json
from pipeline.errors import NothingToDo

_COLUMNS: dict[str, type] = {"panel": str, "value": str, "cases": int}


@click.command("cohort", cls=Command)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    required=True,
    help="Folder for cohort.png, cohort.csv and cohort.json.",
)
@pass_call
def command(call: Call, /, out: Path) -> None:
    """Draw who and what the dataset is of: age, sex, site and image type of its cases.

    What is not known is drawn as a bar of its own; excluded cases are left out and counted.
    """
    from pipeline.volume import write_output_file
    from qc.cohort import cohort_of
    from qc.cohort_figure import draw_cohort, heading
    from qc.figure_style import save_png
    from qc.measurement_table import write_table

    workspace = call.open_workspace()
    cohort = cohort_of(workspace)
    if not cohort.cases:
        raise NothingToDo(f"{workspace.path}: no case; take CTs in with 'masksmith intake'")
    save_png(draw_cohort(cohort), out / "cohort.png")
    rows = [row for panel in cohort.panels for row in panel.rows()]
    write_table(out / "cohort.csv", _COLUMNS, rows)
    document = json.dumps(plain(cohort), indent=2, ensure_ascii=False) + "\n"
    write_output_file(out / "cohort.json", document.encode())
    if call.as_json:
        write_json(cohort)
        return
    click.echo(heading(cohort))
    for panel in cohort.panels:
        known = cohort.cases - panel.unknown
        click.echo(f"{panel.title}: {len(panel.counts)} values, known of {known} cases")
    click.echo(
        f"written: {', '.join(str(out / f'cohort.{end}') for end in ('png', 'csv', 'json'))}"
    )
