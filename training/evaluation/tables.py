"""The tables of an evaluation as CSV and JSON: rows, groups, comparison, summary."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.anatomy import ClassMap
from pipeline.volume import write_file_atomically
from training.evaluation.rows import CaseFacts, Row

METRICS = "metrics.csv"
COMPARE_METRICS = "metrics_compare.csv"
GROUPS = "groups.csv"
COMPARISON = "comparison.csv"
SUMMARY = "summary.json"

_ROW_COLUMNS = (
    "case",
    "patient",
    "structure",
    "part",
    "category",
    "found",
    "dice",
    "nsd",
    "truth_ml",
    "prediction_ml",
    "both_ml",
    "truth_from_prediction",
)


def write_rows(
    path: Path, rows: Sequence[Row], class_map: ClassMap, facts: Mapping[str, CaseFacts]
) -> None:
    """Write one line per structure and case, with the groups of the case at the end."""
    kinds = sorted({kind for each in facts.values() for kind in each.groups})
    place = {name: number for number, name in enumerate(class_map.names)}
    lines = []
    for row in sorted(rows, key=lambda row: (row.case, place[row.structure])):
        structure = class_map[row.structure]
        groups = facts[row.case].groups
        cells = asdict(row) | {"part": structure.part, "category": structure.category}
        cells["truth_from_prediction"] = "yes" if row.truth_from_prediction else ""
        lines.append(cells | {kind: groups.get(kind, "") for kind in kinds})
    write_csv(path, (*_ROW_COLUMNS, *kinds), lines)


def write_csv(path: Path, columns: Sequence[str], lines: Sequence[Mapping[str, Any]]) -> None:
    """Write a CSV; an empty cell for None, no more than twelve figures of a number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(line.get(column)) for column in columns] for line in lines)
    write_file_atomically(path, text.getvalue().encode())


def write_summary(path: Path, document: Mapping[str, Any]) -> None:
    """Write the summary as JSON."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    write_file_atomically(path, f"{text}\n".encode())


def _cell(value: object) -> object:
    if value is None:
        return ""
    return f"{value:.12g}" if isinstance(value, float) else value
