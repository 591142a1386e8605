"""A table that says whose each case is: ``case,patient`` and, if wanted, what groups it is in."""

import csv
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import BadInput
from training.evaluation.groups import age_decade
from training.evaluation.rows import CaseFacts

_CASE, _PATIENT = "case", "patient"


def read_case_table(path: Path) -> dict[str, CaseFacts]:
    """Read a CSV with the column ``case``; ``patient`` and any others are taken as given.

    Every further column is a kind of group; ``age`` in years becomes decades.

    Raises
    ------
    BadInput
        If it cannot be read, has no column ``case``, an empty cell there, or a case twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            columns = list(reader.fieldnames or ())
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path}: cannot be read as a CSV: {error}") from error
    if _CASE not in columns:
        raise BadInput(
            f"{path}: found the columns {', '.join(columns) or 'none'}, expected 'case', 'patient' "
            "and, if wanted, groups such as phase, age, site"
        )
    table: dict[str, CaseFacts] = {}
    for number, row in enumerate(rows, start=2):
        cells = {name: (row.get(name) or "").strip() for name in columns}
        case = cells.pop(_CASE)
        if not case or case in table:
            found = f"the case '{case}' a second time" if case else "no case"
            raise BadInput(f"{path}:{number}: found {found}, expected one line for each case")
        table[case] = _facts(case, cells)
    return table


def _facts(case: str, cells: Mapping[str, str]) -> CaseFacts:
    groups = {
        name: age_decade(value) if name == "age" else value
        for name, value in cells.items()
        if name != _PATIENT
    }
    patient = cells.get(_PATIENT) or case
    return CaseFacts(patient, {name: value for name, value in groups.items() if value})
