"""`masksmith models`: the models that bootstrap knows, what they cover, and trust in their weights.

None of it needs a workspace: where there is one, its class map counts, else that of the settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.call import Call, pass_call
from pipeline.cli.exit_codes import BAD_INPUT, MISSING_DEPENDENCY
from pipeline.cli.group import Group
from pipeline.cli.output import write_json, write_table

if TYPE_CHECKING:
    from pipeline.bootstrap.coverage import Coverage
    from pipeline.bootstrap.models import ModelStatus
    from pipeline.workspace import Workspace

PARTLY_SHOWN = 4


@click.group("models", cls=Group)
def command() -> None:
    """List, check and run the models that make first masks; trust their weights.

    A model is a card: one YAML file in configs/bootstrap/models/ that says how it runs, where its
    weights come from and what its labels mean. What is not on this machine is left out of a run.
    """


@command.command("list")
@pass_call
def list_command(call: Call) -> None:
    """List every model card and whether it can run."""
    from pipeline.bootstrap.models import list_models

    with some_workspace(call) as workspace:
        found = list_models(workspace, call.configs_path)
    if call.as_json:
        write_json({"models": found})
        return
    if not found:
        click.echo(f"no model cards in {call.configs_path / 'bootstrap' / 'models'}")
        return
    columns = ("model", "runner", "priority", "structures", "state", "weights", "what it is")
    write_table(columns, [_row(model) for model in found])
    for model in found:
        if model.state in ("bad", "missing", "not approved") and model.active:
            click.echo(f"{model.name} cannot run: {model.problem}")
    if any(model.state == "not here" for model in found):
        click.echo("what is not here is left out of a run; masksmith models check NAME says more")


def _row(model: ModelStatus) -> tuple[object, ...]:
    """Return the line of one model."""
    digest = (model.digest or "")[:12] or None
    if digest and model.trusted:
        digest += ", trusted"
    covered = len(model.covered)
    return (
        model.name, model.runner, model.priority, covered, model.state, digest, model.summary
    )  # fmt: skip


@command.command("check")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@pass_call
def check_command(call: Call, names: tuple[str, ...]) -> None:
    """Say of each card what is missing and what to do.

    Without names, cards that take part only where they are found are no fault. Exit: 0 all is
    well, 4 a card or its files are bad, 5 something is missing or not approved.
    """
    from pipeline.bootstrap.models import check_models

    with some_workspace(call) as workspace:
        found, clash = check_models(workspace, call.configs_path, names)
    code = _exit_code(found, clash, is_named=bool(names))
    if call.as_json:
        write_json({"models": found, "clash": clash, "exit_code": code})
    else:
        for model in found:
            click.echo(_line(model, is_named=bool(names)))
        if clash:
            click.echo(f"together: {clash}")
    click.get_current_context().exit(code)


def _line(model: ModelStatus, *, is_named: bool) -> str:
    """Return what `check` says about one model, on one line."""
    if not model.problem:
        approved = ", weights approved" if model.trusted else ""
        return f"{model.name}: ok, {len(model.covered)} structures{approved}"
    if model.state == "off" and not is_named:
        return f"{model.name}: off (enabled: false)"
    said = model.problem.removeprefix(f"model '{model.name}': ")
    return f"{model.name}: {model.state}: {said}"


def _exit_code(found: Sequence[ModelStatus], clash: str, *, is_named: bool) -> int:
    states = {model.state for model in found}
    if clash or "bad" in states or (is_named and "no structure" in states):
        return BAD_INPUT
    absent = {"missing", "not approved"} | ({"not here", "off"} if is_named else set())
    return MISSING_DEPENDENCY if states & absent else 0


@command.command("coverage")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@pass_call
def coverage_command(call: Call, names: tuple[str, ...]) -> None:
    """Show which card covers which structure, and what is left.

    The rest is for people to draw. Without names: all cards that are not switched off, whether
    or not their weights are here.
    """
    from pipeline.bootstrap.coverage import coverage_of

    with some_workspace(call) as workspace:
        found = coverage_of(workspace.class_map, call.configs_path, names)
    if call.as_json:
        write_json(_coverage_document(found))
        return
    structures = found.by_structure().items()
    rows = [(name, ", ".join(cards) or None) for name, cards in structures]
    write_table(("structure", "cards, highest priority first"), rows)
    click.echo()
    write_table(("card", "structures"), [(card.name, len(card.covered)) for card in found.cards])
    for line in _coverage_words(found):
        click.echo(line)


def _coverage_words(found: Coverage) -> Iterator[str]:
    """Say how many structures that is, and why the paper counts one more."""
    from pipeline.bootstrap.coverage import PAPER_SOURCE

    yield ""
    yield _left_for_people(found, "all these cards")
    paper = found.of(PAPER_SOURCE)
    if not paper.cards:
        return
    count = paper.paper_count()
    yield _left_for_people(paper, "the sources of the TotalSegmentator paper")
    raw = " + ".join(f"{number} ({name})" for name, number in count.by_card.items())
    yield (
        f"The paper counts {count.claimed}: {raw} = {sum(count.by_card.values())}, less "
        f"{len(count.repeated)} that two have ({', '.join(count.repeated)}), less "
        f"{len(count.without_target)} that is no structure here "
        f"({', '.join(count.without_target)}). Of those, {len(count.reviewed)} more has no "
        f"structure here either ({', '.join(count.reviewed)}, for review), which leaves "
        f"{count.covered}."
    )


def _left_for_people(found: Coverage, what: str) -> str:
    total, left = len(found.class_map), found.uncovered
    carried = [name for name in left if name in _carried()]
    by_transfer = (
        f", of which {len(carried)} by heart transfer ({', '.join(carried)})" if carried else ""
    )
    return (
        f"{what}: {len(found.covered)} of {total} structures; "
        f"{len(left)} left for people{by_transfer}"
    )


def _carried() -> tuple[str, ...]:
    from pipeline.transfer.heart_manifest import HEART_STRUCTURES

    return HEART_STRUCTURES


def _coverage_document(found: Coverage) -> dict[str, object]:
    from pipeline.bootstrap.coverage import PAPER_SOURCE

    paper = found.of(PAPER_SOURCE)
    count = paper.paper_count()
    return {
        "class_map": found.class_map.name,
        "structures": found.by_structure(),
        "cards": {card.name: len(card.covered) for card in found.cards},
        "covered": len(found.covered),
        "left_for_people": found.uncovered,
        "paper": {
            "cards": [card.name for card in paper.cards],
            "covered": len(paper.covered),
            "claimed": count.claimed,
            "labels": count.by_card,
            "repeated": count.repeated,
            "without_target": count.without_target,
            "variants": count.reviewed,
            "left_for_people": paper.uncovered,
            "left_for_heart_transfer": [n for n in paper.uncovered if n in _carried()],
        },
    }


@command.command("run")
@click.argument("name")
@click.option(
    "-i", "--input", "ct", metavar="CT", required=True,
    type=click.Path(exists=True, path_type=Path),
    help="A NIfTI file, or a folder with one DICOM series.",
)  # fmt: skip
@click.option(
    "-o", "--output", metavar="OUT", required=True, type=click.Path(path_type=Path),
    help="A label map (name it .nii.gz), else a folder: labels.nii.gz and a mask per structure.",
)  # fmt: skip
@click.option(
    "-d", "--device", default="cpu", show_default=True, metavar="DEVICE",
    help="cpu, gpu or gpu:N.",
)  # fmt: skip
@click.option(
    "--vertebrae", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A label map in the values of the class map; its vertebrae number the ribs.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace what is at OUT.")
@pass_call
def run_command(
    call: Call,
    name: str,
    ct: Path,
    output: Path,
    device: str,
    vertebrae: Path | None,
    force: bool,
) -> None:
    """Predict one CT with one model.

    What comes out has the names and values of the class map and lies on the grid of the CT. The
    weights must have been approved; nothing gets into a workspace.
    """
    from pipeline.bootstrap.single_prediction import SingleRun
    from pipeline.cli.models_run import run_model

    run = SingleRun(name, call.configs_path, device, vertebrae)
    run_model(call, run, ct, output, force=force)


@command.command("trust")
@click.argument("name")
@pass_call
def trust_command(call: Call, name: str) -> None:
    """Approve the weights of a model as they are on this machine now.

    Checkpoints are Python pickles: loading one runs what it says. Trust only weights whose
    source you trust; if the file changes, it has to be approved again.
    """
    from pipeline.bootstrap.models import trust_model

    with some_workspace(call) as workspace:
        approval = trust_model(workspace, call.configs_path, name)
    if call.as_json:
        write_json(approval)
        return
    click.echo(f"model {approval.model}: sha256 {approval.digest} is trusted")


@contextmanager
def some_workspace(call: Call) -> Iterator[Workspace]:
    """Open the workspace, or make one for a moment where there is none and none was named."""
    if call.workspace is not None or call.workspace_path.exists():
        yield call.open_workspace()
        return
    with passing_workspace(call.configs_path / "class_map.yaml") as workspace:
        yield workspace


@contextmanager
def passing_workspace(class_map: Path, below: Path | None = None) -> Iterator[Workspace]:
    """Make a workspace with a ledger of its own, which is gone afterwards.

    It lies in the folder `below`, else where the system keeps temporary files.
    """
    import tempfile

    from pipeline.workspace import Ledger, Workspace
    from pipeline.workspace.database import sqlite_url

    with tempfile.TemporaryDirectory(prefix="masksmith-models-", dir=below) as folder:
        made = Workspace.create(Path(folder) / "workspace", class_map)
        # Never the lab's own database, which a variable may name.
        ledger = Ledger(sqlite_url(made.layout.ledger_file))
        try:
            yield Workspace(made.layout, made.class_map, ledger)
        finally:
            ledger.close()
