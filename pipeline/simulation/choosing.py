"""Which bodies are labelled next: the choice that a real round makes, kept once made."""

import json
from pathlib import Path

from pipeline.simulation.annotating import is_annotated
from pipeline.simulation.results import write_json
from pipeline.workspace import Workspace
from training.case_choice import CaseChoiceSettings, next_cases

FIRST = "random"
"""How the cases of the first round are chosen, when no model knows anything."""


def cases_to_label(
    workspace: Workspace, path: Path, strategy: str, settings: CaseChoiceSettings, target: int
) -> tuple[str, ...]:
    """Give the cases of one round until `target` are labelled; chosen once, then read again.

    Parameters
    ----------
    path : Path
        Keeps the choice.
    settings : CaseChoiceSettings
        Its weights are replaced by the strategy alone.
    """
    if path.is_file():
        return tuple(json.loads(path.read_text(encoding="utf-8"))["cases"])
    done = {record.case.id for record in workspace.records() if is_annotated(record)}
    wanted = target - len(done)
    round_number = max((each.number for each in workspace.ledger.rounds()), default=0)
    choice = next_cases(
        workspace,
        settings.model_copy(update={"weights": {strategy: 1.0}}),
        # A case in which something was left is a candidate again; a simulated person goes on.
        count=wanted + len(done),
        round_number=round_number,
    )
    fresh = [each for each in choice.chosen if each.case_id not in done][:wanted]
    write_json(
        path,
        {
            "strategy": strategy,
            "cases": [each.case_id for each in fresh],
            "reasons": {each.case_id: each.reason for each in fresh},
            "notes": list(choice.notes),
        },
    )
    return tuple(each.case_id for each in fresh)
