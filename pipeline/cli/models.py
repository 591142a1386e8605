"""`masksmith models`: the models that bootstrap knows, and the trust in their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.call import Call, pass_call
from pipeline.cli.group import Group
from pipeline.cli.output import write_json, write_table

if TYPE_CHECKING:
    from pipeline.bootstrap.models import ModelStatus


@click.group("models", cls=Group)
def command() -> None:
    """List the models that bootstrap knows; trust their weights.

    A model is a card: one YAML file in configs/bootstrap/models/.
    """


@command.command("list")
@pass_call
def list_command(call: Call) -> None:
    """List every model card and whether it can run."""
    from pipeline.bootstrap.models import list_models

    found = list_models(call.open_workspace(), call.configs_path)
    if call.as_json:
        write_json({"models": found})
        return
    if not found:
        click.echo(f"no model cards in {call.configs_path / 'bootstrap' / 'models'}")
        return
    write_table(
        ("model", "runner", "on", "priority", "structures", "weights"),
        [_row(model) for model in found],
    )
    for model in found:
        if model.problem and model.active:
            click.echo(f"{model.name} cannot run: {model.problem}")


def _row(model: ModelStatus) -> tuple[object, ...]:
    """Return the line of one model."""
    weights = (model.digest or "")[:12] or ("there" if model.weights_there else "missing")
    if model.trusted:
        weights += ", trusted"
    active = "yes" if model.active else "no"
    covered = len(model.covered)
    return (model.name, model.runner, active, model.priority, covered, weights)


@command.command("trust")
@click.argument("name")
@pass_call
def trust_command(call: Call, name: str) -> None:
    """Approve the weights of a model as they are on this machine now.

    Checkpoints are Python pickles: loading one runs what it says. Trust only weights whose
    source you trust; if the file changes, it has to be approved again.
    """
    from pipeline.bootstrap.models import trust_model

    approval = trust_model(call.open_workspace(), call.configs_path, name)
    if call.as_json:
        write_json(approval)
        return
    click.echo(f"model {approval.model}: sha256 {approval.digest} is trusted")
