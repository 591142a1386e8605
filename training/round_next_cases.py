"""The last step of a round: choose the cases that people correct next."""

from collections.abc import Iterator

from pipeline.engine import Engine
from pipeline.errors import MasksmithError
from pipeline.stage import Outcome
from pipeline.workspace import Workspace
from training.case_choice import next_cases
from training.choice_record import CaseChoice, recorded_choice
from training.choice_settings import CaseChoiceSettings, NextCasesSettings
from training.round_manifest import Manifest

_SUBJECT = "next cases"


def choose_after_round(
    workspace: Workspace, settings: NextCasesSettings, manifest: Manifest, engine: Engine
) -> Iterator[Outcome]:
    """Choose the next cases once; a round that is run again keeps its choice.

    Parameters
    ----------
    workspace : Workspace
    settings : NextCasesSettings
        Without structures of its own, what the round was asked to learn counts.
    manifest : Manifest
    engine : Engine
    """
    if not settings.count:
        return
    asked = settings.structures or _structures(workspace, manifest)
    values = settings.model_dump(exclude={"count"}) | {"structures": asked}
    how = CaseChoiceSettings.model_validate(values)
    try:
        kept = recorded_choice(workspace.layout, manifest.round)
        if kept is not None and kept.made_with(how, settings.count):
            yield Outcome(_SUBJECT, "kept", _note(kept))
            return
        choice = next_cases(
            workspace, how, count=settings.count, round_number=manifest.round, engine=engine
        )
    except MasksmithError as error:
        yield Outcome(_SUBJECT, "failed", str(error))
        return
    yield Outcome(_SUBJECT, "done", _note(choice), {"cases": [c.case_id for c in choice.chosen]})


def _structures(workspace: Workspace, manifest: Manifest) -> tuple[str, ...]:
    """Give what the round was asked to learn, in the order of the class map; none for all."""
    asked = {
        name
        for choice in manifest.models.values()
        for name in (*choice.structures, *choice.left_out_structures)
    }
    names = workspace.class_map.names
    return () if asked >= set(names) else tuple(name for name in names if name in asked)


def _note(choice: CaseChoice) -> str:
    number = len(choice.chosen)
    if not number:
        return "nothing is undecided in any case"
    cases = "1 case" if number == 1 else f"{number} cases"
    return f"{cases} to correct next; masksmith next-cases --round {choice.round} lists them"
