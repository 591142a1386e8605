"""`masksmith simulate`: rounds with a computed annotator, to compare how cases are chosen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from pipeline.cli.call import Call, call_of
from pipeline.cli.group import Command
from pipeline.cli.output import write_json, write_table
from pipeline.cli.progress import progress_for
from pipeline.cli.settings_options import flags_given, options_of
from pipeline.cli.stage_command import settings_file

if TYPE_CHECKING:
    from pipeline.simulation.results import Simulation
    from pipeline.simulation.settings import SimulationSettings
    from pipeline.stage import FileCommand
    from pipeline.stages import FileCommandRef

HELP = """Try strategies on synthetic bodies before people's time is spent.

    A simulated person labels a few bodies roughly; a model learns from them and proposes the next
    ones, chosen by each strategy; the person corrects the worst first; and so on, as in the paper.
    Training and choice are the real ones. Written: simulation.csv, .json and .png, with Dice and
    minutes per case of each round, beside labelling everything by hand.

    Interrupted, the same call goes on where it stopped.
    """


def command_of(ref: FileCommandRef, context: click.Context) -> click.Command:
    """Return the command, with one option per setting."""
    command = ref.load()
    out = click.Option(
        ["--out", "-o"],
        required=True,
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        help="Everything that is made.",
    )

    @click.pass_context
    def callback(inner: click.Context, /, out: Path, **values: Any) -> None:
        _run(command, call_of(inner), out, flags_given(inner, values))

    options = options_of(command.Settings, settings_file(ref.name, call_of(context)))
    return Command(ref.name, callback=callback, params=[out, *options], help=HELP)


def _run(command: FileCommand, call: Call, out: Path, flags: dict[str, Any]) -> None:
    """Simulate, write the results, and print the table."""
    from pipeline.simulation.curves import draw_curves
    from pipeline.simulation.loop import prepare
    from pipeline.simulation.results import write_results
    from pipeline.stage import load_settings

    loaded = load_settings(command, call.configs_path, flags)
    settings = cast("SimulationSettings", loaded)
    with progress_for(call, command.name) as progress:
        loop = prepare(out, settings, call.configs_path, call.engine(), progress.hear)
        progress.expect(loop.steps)
        simulation = loop.run()
    files = [*write_results(out, simulation), draw_curves(out / "simulation.png", simulation)]
    if call.as_json:
        write_json({**simulation.to_dict(), "files": files})
        return
    _write_answer(simulation)
    click.echo(f"\nWritten: {', '.join(map(str, files))}")


def _write_answer(simulation: Simulation) -> None:
    """Write the table of rounds and the figures by hand."""
    columns = (
        "strategy", "round", "cases", "minutes per case", "by hand", "roughly by hand", "Dice",
        "minutes per new case",
    )  # fmt: skip
    rows = [
        (
            each.strategy,
            each.round,
            each.cases,
            round(each.minutes_per_case, 1),
            round(each.hand_minutes_per_case, 1),
            round(each.rough_minutes_per_case, 1),
            round(each.dice, 3),
            round(each.minutes_per_new_case, 1),
        )
        for each in simulation.rounds
    ]
    write_table(columns, rows)
    hand = simulation.by_hand
    click.echo(
        f"\nA new case without proposals takes {hand.minutes:.1f} minutes by hand, "
        f"{hand.rough_minutes:.1f} roughly; rough drawings have a Dice of {hand.rough_dice:.3f}."
    )
