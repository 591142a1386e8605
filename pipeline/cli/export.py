"""`masksmith export`: masks as files for other programs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.call import Call, pass_call
from pipeline.cli.exit_codes import SOME_FAILED
from pipeline.cli.group import Command
from pipeline.cli.output import write_json
from pipeline.cli.progress import progress_for
from pipeline.cli.settings_options import CommaList
from pipeline.errors import NothingToDo

if TYPE_CHECKING:
    from annotation.export import ExportResult

FORMATS = ("nifti", "seg.nrrd", "dicom-seg", "rtstruct")


@click.command("export", cls=Command)
@click.option(
    "--case",
    "cases",
    type=CommaList(click.STRING),
    multiple=True,
    help="The cases to export; none: every case that is not excluded.",
)
@click.option(
    "--structures",
    type=CommaList(click.STRING),
    multiple=True,
    help="The structures to export; none: all that have a mask.",
)
@click.option(
    "--format",
    "format_",
    required=True,
    type=click.Choice(FORMATS),
    help="What to write.",
)
@click.option(
    "-o",
    "--out",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder to write into.",
)
@click.option(
    "--source",
    default="in-force",
    show_default=True,
    metavar="SOURCE",
    help="Which revision: in-force, accepted, or the newest of an origin (human, rough, round, "
    "transfer, merged, model).",
)
@click.option(
    "--per-structure/--multilabel",
    default=False,
    help="A file for each structure, or one for all  [default: --multilabel]",
)
@click.option(
    "--dicom",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    metavar="FOLDER",
    help="Where the series lie that the cases were made from (dicom-seg and rtstruct).",
)
@click.option("--force", is_flag=True, help="Write over files that are there already.")
@click.pass_context
@pass_call
def command(
    call: Call,
    context: click.Context,
    /,
    cases: tuple[list[str], ...],
    structures: tuple[list[str], ...],
    format_: str,
    **words: Any,
) -> None:
    """Write masks as files for other programs.

    Beside them a record says which mask each one is, so that 'masksmith collect' can bring
    corrected files back.
    """  # fmt: skip
    from annotation.export import ExportRequest, export_masks
    from pipeline.stage import Outcome

    request = ExportRequest(
        format=format_,
        cases=tuple(case_id for part in cases for case_id in part),
        structures=tuple(name for part in structures for name in part),
        **words,
    )
    workspace, results = call.open_workspace(), []
    with progress_for(call, "export") as progress:
        progress.expect(len(request.cases) or len(workspace.cases()))
        for result in export_masks(workspace, request):
            progress.hear(Outcome(result.case_id, result.status, result.note))
            results.append(result)
    if not results:
        raise NothingToDo(f"no case has a mask to export ({request.source})")
    _write(call, request.folder, results)
    context.exit(SOME_FAILED if any(result.status == "failed" for result in results) else 0)


def _write(call: Call, folder: Path, results: list[ExportResult]) -> None:
    """Print the answer: counts, files, and what failed."""
    counts = Counter(result.status for result in results)
    if call.as_json:
        write_json({"counts": counts, "folder": folder, "results": results})
        return
    for result in results:
        if result.status == "failed":
            click.echo(f"failed {result.case_id}: {result.note}", err=True)
    files = sum(len(result.files) for result in results)
    masks = sum(result.masks for result in results)
    words = ", ".join(f"{counts[status]} {status}" for status in ("done", "kept", "failed"))
    click.echo(f"export: {words}; {masks} masks in {files} files in {folder}")
