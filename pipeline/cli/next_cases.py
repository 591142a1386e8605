"""`masksmith next-cases`: the cases to correct next, and why each was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.call import Call, pass_call
from pipeline.cli.group import Command
from pipeline.cli.output import write_json, write_table
from pipeline.errors import NothingToDo, UsageError

if TYPE_CHECKING:
    from pipeline.workspace import Workspace
    from training.case_choice import CaseChoice
    from training.choice_settings import NextCasesSettings


@click.command("next-cases", cls=Command)
@click.option(
    "--round",
    "round_number",
    type=click.IntRange(0),
    metavar="N",
    help="After which round; 0: before the first  [default: the last one begun]",
)
@click.option(
    "--count", type=click.IntRange(1), metavar="N", help="How many cases  [default: settings]"
)
@click.option(
    "--weights",
    metavar="NAME=WEIGHT,...",
    help="Share of each strategy: random, uncertainty, disagreement, findings, rarity  "
    "[default: settings]",
)
@click.option("--structures", metavar="NAME,...", help="Only what is to be corrected in these.")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Of what is drawn.")
@click.option("--again", is_flag=True, help="Choose anew, from what is undecided now.")
@pass_call
def command(call: Call, /, round_number: int | None, again: bool, **given: Any) -> None:
    """List the cases to correct next, with the strategy that chose each, its score and the reason.

    The choice is made once and kept with the round, rounds/N/next_cases.json; --again or other
    settings replace it. Settings: `next_cases` in configs/retrain.yaml.
    """
    settings = _settings(call, given)
    workspace = call.open_workspace()
    number = _round(workspace, round_number)
    asked = again or any(value is not None for value in given.values())
    kept = None if asked else _kept(workspace, number)
    choice = _choose(call, workspace, settings, number) if kept is None else kept
    undecided = _undecided(workspace, choice)
    if call.as_json:
        write_json(choice.to_dict() | {"undecided_now": undecided})
        return
    if not choice.chosen:
        raise NothingToDo(f"{workspace.path}: no case has anything undecided in what was asked for")
    _write(choice, undecided)
    if kept is not None:
        click.echo("note: chosen earlier and kept; --again chooses from what is known now")


def _settings(call: Call, given: dict[str, Any]) -> NextCasesSettings:
    """Put together what the settings of `retrain` say and what was typed."""
    from pydantic import ValidationError

    from pipeline.stage import load_settings
    from training.choice_settings import NextCasesSettings
    from training.retrain import STAGE
    from training.retrain_settings import RetrainSettings

    retrain = load_settings(STAGE, call.configs_path)
    assert isinstance(retrain, RetrainSettings)
    typed = {name: value for name, value in given.items() if value is not None}
    if "weights" in typed:
        typed["weights"] = _weights(typed["weights"])
    if "structures" in typed:
        typed["structures"] = [w.strip() for w in typed["structures"].split(",") if w.strip()]
    try:
        return NextCasesSettings.model_validate(retrain.next_cases.model_dump() | typed)
    except ValidationError as error:
        said = "; ".join(each["msg"].removeprefix("Value error, ") for each in error.errors())
        shown = " ".join(f"--{name} {given[name]}" for name in typed)
        raise UsageError(f"{shown}: {said}") from None


def _weights(text: str) -> dict[str, str]:
    """Read `random=0.6,uncertainty=0.4`."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not pairs or not all(name.strip() and value.strip() for name, _, value in pairs):
        raise UsageError(f"--weights is '{text}', expected such as random=0.6,uncertainty=0.4")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _round(workspace: Workspace, given: int | None) -> int:
    """Return the round to choose after: the one given, else the last begun, else 0."""
    begun = [round_.number for round_ in workspace.ledger.rounds()]
    if given is None:
        return max(begun, default=0)
    if given and given not in begun:
        known = ", ".join(map(str, begun)) or "none"
        raise NothingToDo(f"round {given} was not begun; begun so far: {known}")
    return given


def _kept(workspace: Workspace, number: int) -> CaseChoice | None:
    from training.case_choice import recorded_choice

    return recorded_choice(workspace.layout, number)


def _choose(
    call: Call, workspace: Workspace, settings: NextCasesSettings, number: int
) -> CaseChoice:
    from training.case_choice import CaseChoiceSettings, next_cases

    if not settings.count:
        raise UsageError("the settings ask for 0 cases (next_cases in retrain.yaml); give --count")
    how = CaseChoiceSettings.model_validate(settings.model_dump(exclude={"count"}))
    return next_cases(
        workspace, how, count=settings.count, round_number=number, engine=call.engine()
    )


def _undecided(workspace: Workspace, choice: CaseChoice) -> dict[str, int]:
    """Count what is undecided by now in each chosen case that is still there."""
    from training.case_prediction import undecided

    names = tuple(choice.settings.get("structures") or workspace.class_map.names)
    known = {case.id for case in workspace.cases()}
    records = (workspace.record(c.case_id) for c in choice.chosen if c.case_id in known)
    return {
        record.case.id: 0 if record.excluded else len(undecided(record, names))
        for record in records
    }


def _write(choice: CaseChoice, undecided: dict[str, int]) -> None:
    """Write how was chosen, a line for each case, and what a strategy could not do."""
    shares = ", ".join(f"{number} {name}" for name, number in choice.quotas.items() if number)
    when = f"after round {choice.round}" if choice.round else "before the first round"
    click.echo(
        f"{when}: {len(choice.chosen)} of {choice.candidates} cases with something undecided "
        f"(asked for: {shares}; seed {choice.settings['seed']})"
    )
    rows = [
        (case.case_id, case.strategy, case.score, undecided.get(case.case_id), case.reason)
        for case in choice.chosen
    ]
    write_table(("case", "strategy", "score", "undecided", "why"), rows)
    for note in choice.notes:
        click.echo(f"note: {note}")
