"""Tables from outside: `meta.csv` of a dataset, and the table a person gives for NIfTI files.

Both are read the same way: UTF-8 with or without a byte order mark, `;` or `,` or tabs
between the columns, column names without regard to case. Only known columns are taken
over: a table of a hospital may hold names and dates of birth.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.intake.refusal import Refused, refusal

_LARGEST_TABLE_BYTES = 64 * 2**20
_LONGEST_VALUE = 120

# Column in the file -> name in the case. v1 and v2 of the TotalSegmentator dataset, and ours.
META_COLUMNS: Mapping[str, str] = {
    "age": "age",
    "gender": "sex",
    "sex": "sex",
    "institute": "site",
    "site": "site",
    "study_type": "study_type",
    "split": "split",
    "manufacturer": "manufacturer",
    "scanner_model": "scanner_model",
    "kvp": "kvp",
    "kernel": "kernel",
    "slice_thickness": "slice_thickness_mm",
    "pathology": "pathology",
    "pathology_location": "pathology_location",
}
PATIENT_COLUMNS = ("patient", "patient_id", "subject", "subject_id")
EXAM_COLUMNS = ("exam", "exam_id", "study", "study_id")
PHASE_COLUMNS = ("phase", "contrast_phase")


@dataclass(frozen=True, slots=True)
class TableRow:
    """What a table says about one image. Patient and exam are still in clear: never stored."""

    patient: str = ""
    exam: str = ""
    phase: str = ""
    meta: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows by the value of the key column, and the columns that were left out."""

    rows: Mapping[str, TableRow]
    unknown_columns: tuple[str, ...] = ()


def read_table(path: Path, key_columns: tuple[str, ...]) -> Table:
    """Read a table of images.

    Parameters
    ----------
    path : Path
    key_columns : tuple of str
        Names the column that identifies the image may have.

    Raises
    ------
    Refused
        If the file is missing, no UTF-8 text, has no key column, or names an image twice.
    """
    reader = csv.DictReader(io.StringIO(_text(path)), delimiter=_delimiter(path))
    names = {name: name.strip().lower() for name in reader.fieldnames or () if name}
    key = next((name for name, lower in names.items() if lower in key_columns), None)
    if key is None:
        raise refusal(
            f"{path}: no column {' or '.join(key_columns)}",
            "one column that says which image a row is about",
            "name it in the first line",
        )
    rows: dict[str, TableRow] = {}
    try:
        for cells in reader:
            _add_row(rows, path, key, {names[n]: v for n, v in cells.items() if n in names})
    except csv.Error as error:
        raise refusal(f"{path}: {error}", "a plain CSV table", "export it again") from None
    known = {*META_COLUMNS, *PATIENT_COLUMNS, *EXAM_COLUMNS, *PHASE_COLUMNS, *key_columns}
    return Table(rows, tuple(sorted(set(names.values()) - known)))


def _add_row(rows: dict[str, TableRow], path: Path, key: str, cells: Mapping[str, object]) -> None:
    values = {name: value.strip() for name, value in cells.items() if isinstance(value, str)}
    image = values.get(key.strip().lower(), "")
    if not image:
        return
    if image in rows:
        raise refusal(
            f"{path}: {image} is there twice", "one row per image", "remove one of the rows"
        )
    rows[image] = TableRow(
        patient=_first(values, PATIENT_COLUMNS),
        exam=_first(values, EXAM_COLUMNS),
        phase=_first(values, PHASE_COLUMNS),
        meta={
            name: values[column][:_LONGEST_VALUE]
            for column, name in META_COLUMNS.items()
            if values.get(column)
        },
    )


def _first(values: Mapping[str, str], columns: tuple[str, ...]) -> str:
    return next((values[column] for column in columns if values.get(column)), "")


def _text(path: Path) -> str:
    if not path.is_file():
        raise Refused(f"{path}: no such file")
    if path.stat().st_size > _LARGEST_TABLE_BYTES:
        raise Refused(f"{path}: more than {_LARGEST_TABLE_BYTES:,} bytes, no table of images")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refusal(
            f"{path}: byte {error.start} is no UTF-8", "UTF-8 text", "save it as CSV UTF-8"
        ) from None


def _delimiter(path: Path) -> str:
    """Take the separator that the first line holds most of."""
    first = _text(path).split("\n", 1)[0]
    return max(";,\t", key=first.count)
