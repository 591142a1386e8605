"""`masksmith init`: make a workspace."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.call import Call, pass_call
from pipeline.cli.group import Command
from pipeline.cli.output import write_json
from pipeline.errors import UsageError


@click.command("init", cls=Command)
@click.argument("path", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--class-map",
    default="class_map",
    metavar="NAME|FILE",
    help="The structures to work on: class_map (the 104), the name of a file in "
    "configs/class_maps/, or the path of a YAML file  [default: class_map]",
)
@pass_call
def command(call: Call, path: Path | None, class_map: str) -> None:
    """Make a workspace: the folder that holds cases, masks, verdicts and the ledger.

    PATH is the folder to make (by default what --workspace says). A workspace that is there
    already stays as it is.
    """
    from pipeline.anatomy import class_map_path, load_class_map
    from pipeline.workspace import Workspace

    folder = path or call.workspace_path
    wanted = class_map_path(class_map, call.configs_path)
    kept = (folder / "workspace.yaml").is_file()
    workspace = Workspace.open(folder) if kept else Workspace.create(folder, wanted)
    if kept and workspace.class_map.digest != load_class_map(wanted).digest:
        raise UsageError(
            f"{folder} is a workspace with the class map '{workspace.class_map.name}' "
            f"({len(workspace.class_map)} structures), which cannot be changed to '{class_map}': "
            "make another workspace"
        )
    if call.as_json:
        write_json(
            {
                "workspace": folder,
                "status": "kept" if kept else "done",
                "class_map": workspace.class_map.name,
                "structures": len(workspace.class_map),
            }
        )
        return
    what = "is there already and stays as it is" if kept else "is ready"
    click.echo(f"workspace {folder} {what}: {len(workspace.class_map)} structures")
    if not kept:
        click.echo(f"next: {_next_command(folder)}", err=True)


def _next_command(folder: Path) -> str:
    """Return what to type next."""
    where = "" if folder == Path("workspace") else f"--workspace {folder} "
    return f"masksmith {where}intake PATH..."
