"""`masksmith demo`: the whole way once, on synthetic bodies, by the commands a user types.

Another hospital trains a model of some large structures; our workspace uses it as the existing
model, a person accepts five cases drawn by hand, and round 1 learns all structures from them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.call import Call, pass_call
from pipeline.cli.group import Command
from pipeline.cli.output import heading, write_json, write_table

if TYPE_CHECKING:
    from pipeline.cli.demo_score import Score
    from pipeline.cli.demo_steps import Demo


@click.command("demo", cls=Command)
@click.option(
    "--folder",
    default=Path("demo"),
    show_default=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Everything the demo makes.",
)
@click.option("--fresh", is_flag=True, help="Delete what an earlier demo made there first.")
@click.option(
    "--profile",
    default="tiny",
    show_default=True,
    metavar="NAME",
    help="The training profile of configs/retrain.yaml for both models.",
)
@pass_call
def command(call: Call, /, folder: Path, fresh: bool, profile: str) -> None:
    """Go the whole way once, on synthetic bodies, in minutes.

    Each command is shown as you would type it. Interrupted, the same call goes on where it
    stopped; called again, it keeps what is there.
    """  # fmt: skip
    from pipeline.cli.demo_score import score
    from pipeline.cli.demo_steps import Demo

    demo = Demo(call, folder, profile)
    demo.prepare(fresh=fresh)
    demo.run()
    scores = score(demo.workspace_path, demo.truth)
    gallery = (demo.workspace_path / "gallery" / "index.html").resolve()
    if call.as_json:
        write_json({"gallery": gallery, "steps": demo.shell.steps, "scores": scores})
        return
    _write_steps(demo)
    _write_scores(scores)
    click.echo(f"\nThe gallery: {gallery}")
    click.echo(f"See also:    masksmith --workspace {demo.workspace_path} status")


def _write_steps(demo: Demo) -> None:
    """Write what happened: each command, its time, its answer."""
    click.echo(f"\n{heading('What happened')}")
    rows = [(step.title, f"{step.seconds:.0f} s", step.answer) for step in demo.shell.steps]
    total = sum(step.seconds for step in demo.shell.steps)
    write_table(("step", "time", "outcome"), [*rows, ("all of it", f"{total:.0f} s", "")])


def _write_scores(scores: list[Score]) -> None:
    """Write how well the masks fit the truth, which the workspace has never seen."""
    click.echo(f"\n{heading('Dice against the truth of the CTs without masks')}")
    click.echo(
        "mean over the CTs that hold the structure; the existing model knows only the first ones"
    )
    rows = [(item.name, item.structures, item.cases, item.bootstrap, item.round) for item in scores]
    write_table(("", "structures", "CTs", "existing model", "round 1"), rows)
