"""The patients that no round is ever trained on: every round is measured on the same ones.

Kept in ``rounds/validation.json``, chosen by a seed, and only ever added to. A patient that an
earlier round was trained on is never chosen, and a chosen one is never trained on again.
"""

import json
import logging
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from pipeline.errors import BadInput
from pipeline.volume import write_file_atomically
from pipeline.workspace import Layout
from training.nnunet_dataset import DatasetSettings, by_seed, validation_count
from training.round_choice import Choice
from training.training_record import read_json

log = logging.getLogger(__name__)
_FORMAT = 1


def read_validation(layout: Layout) -> tuple[str, ...]:
    """List the validation patients, in the order in which they were chosen.

    Raises
    ------
    BadInput
        If the file is damaged.
    """
    return tuple(entry["patient"] for entry in _entries(layout))


def grow_validation(
    layout: Layout,
    chosen: Collection[str],
    trained: Collection[str],
    settings: DatasetSettings,
    round_number: int,
) -> tuple[str, ...]:
    """Give the validation patients of a round, after adding some where it has grown.

    Parameters
    ----------
    chosen : collection of str
        Patients the round would be trained on, validation patients among them.
    trained : collection of str
        Patients that some round is trained on.
    settings : DatasetSettings
        How many are wanted, and the seed.

    Returns
    -------
    tuple of str
        All of them, those without a case in this round too.

    Raises
    ------
    BadInput
        If the file is damaged, or none would be left to train on.
    """
    entries = _entries(layout)
    known = {entry["patient"] for entry in entries}
    missing = validation_count(len(set(chosen)), settings) - len(known)
    candidates = by_seed(set(chosen) - known - set(trained), settings.seed)
    added = candidates[: max(0, missing)]
    if missing > len(added):
        log.info(
            "%d of %d further validation patients found: rounds were trained on the others",
            len(added),
            missing,
        )
    if not added:
        return tuple(entry["patient"] for entry in entries)
    entries += [{"patient": patient, "since_round": round_number} for patient in added]
    values = {"format": _FORMAT, "patients": entries}
    write_file_atomically(layout.validation_file, (json.dumps(values, indent=1) + "\n").encode())
    return tuple(entry["patient"] for entry in entries)


def without_unseen(choice: Choice, validating: Collection[str]) -> Choice:
    """Leave out the structures that are present in validation cases alone: nobody learns them.

    Parameters
    ----------
    validating : collection of str
        Cases that are not trained on.

    Raises
    ------
    BadInput
        If no structure is left.
    """
    trained = [states for case, states in choice.cases.items() if case not in validating]
    seen = tuple(
        name
        for name in choice.structures
        if any(name in states and states[name].kind == "mask" for states in trained)
    )
    if len(seen) == len(choice.structures):
        return choice
    if not seen:
        raise BadInput(
            "every case in which a structure is present validates, and none is left to train on: "
            "accept masks of other patients"
        )
    unseen = {
        name: "present in none of the cases that are trained on, only in validation cases"
        for name in choice.structures
        if name not in seen
    }
    kept = {
        case: {name: state for name, state in states.items() if name in seen}
        for case, states in choice.cases.items()
    }
    return replace(
        choice,
        structures=seen,
        cases={case: states for case, states in kept.items() if states},
        left_out_structures={**choice.left_out_structures, **unseen},
    )


def _entries(layout: Layout) -> list[dict[str, Any]]:
    path = layout.validation_file
    if not path.is_file():
        return []
    values = read_json(path)
    entries = values.get("patients")
    readable = isinstance(entries, list) and all(
        isinstance(entry, dict) and isinstance(entry.get("patient"), str) for entry in entries
    )
    if values.get("format") != _FORMAT or not isinstance(entries, list) or not readable:
        raise BadInput(
            f"{path}: expected format {_FORMAT} with a list of patients; restore it from a backup, "
            "or the next rounds are not comparable with the earlier ones"
        )
    return entries
