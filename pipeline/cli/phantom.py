"""`masksmith phantom`: synthetic CTs with truth for every structure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.cli.call import Call, pass_call
from pipeline.cli.group import Command
from pipeline.cli.output import write_json
from pipeline.cli.progress import progress_for

FIELDS = ("mixed", "whole", "head_neck", "thorax", "thorax_abdomen", "abdomen", "pelvis")
PHASES = ("mixed", "native", "arterial", "portal_venous", "late")


@click.command("phantom", cls=Command)
@click.argument(
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="OUT",
    help="The folder to write into.",
)
@click.option("--count", default=5, show_default=True, type=click.IntRange(1), help="How many.")
@click.option(
    "--seed",
    default=0,
    show_default=True,
    help="Chooses the people; the same seed gives the same bytes.",
)
@click.option("--spacing-mm", default=3.0, show_default=True, help="Voxel size.")
@click.option(
    "--layout",
    default="totalsegmentator",
    show_default=True,
    type=click.Choice(["totalsegmentator", "plain"]),
    help="A folder per body with a file per structure, or one file per CT.",
)
@click.option(
    "--masks/--no-masks",
    "with_masks",
    default=True,
    show_default=True,
    help="Write the truth beside the CTs.",
)
@click.option(
    "--field-of-view",
    default="mixed",
    show_default=True,
    type=click.Choice(FIELDS),
    help="How much of the body is in the picture.",
)
@click.option(
    "--phase",
    default="mixed",
    show_default=True,
    type=click.Choice(PHASES),
    help="Contrast phase.",
)
@click.option("--noise-hu", default=12.0, show_default=True, help="Standard deviation of noise.")
@click.option(
    "--class-map",
    default="class_map",
    show_default=True,
    metavar="NAME|FILE",
    help="The structures that get masks.",
)
@pass_call
def command(call: Call, /, folder: Path, class_map: str, **wish: Any) -> None:
    """Make synthetic CTs with truth for every structure.

    The bodies differ in sex, size, girth, field of view and contrast phase, as in a hospital.
    """  # fmt: skip
    from pipeline.anatomy import find_class_map
    from pipeline.phantom import DatasetSettings, write_phantoms
    from pipeline.stage import Outcome

    settings = DatasetSettings(**wish)
    structures = find_class_map(class_map, call.configs_path)
    written = []
    with progress_for(call, "phantom") as progress:
        progress.expect(settings.count)
        for body in write_phantoms(folder, structures, settings):
            field = body.settings.field_of_view
            note = f"{body.settings.sex}, {field}, {body.settings.phase}"
            progress.hear(Outcome(body.image_id, "done", note))
            written.append(body)
    if call.as_json:
        write_json({"folder": folder, "seed": settings.seed, "bodies": written})
    else:
        click.echo(f"phantom: {len(written)} bodies in {folder}")
