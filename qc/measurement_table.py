"""The numbers of structures as a table: CSV, Parquet, or JSON by structure."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.volume import Measurement, write_output_file
from pipeline.workspace import CaseRecord, Presence

ENDINGS = (".csv", ".parquet", ".json")

MEASURES: dict[str, type] = {
    "voxels": int,
    "volume_ml": float,
    "mean_hu": float,
    "median_hu": float,
    "sd_hu": float,
    "centroid_x_mm": float,
    "centroid_y_mm": float,
    "centroid_z_mm": float,
    "touches_border": bool,
    "border_sides": str,
}
FILE_COLUMNS: dict[str, type] = {"structure": str, **MEASURES}
CASE_COLUMNS: dict[str, type] = {
    "case": str,
    "patient": str,
    "age": float,
    "sex": str,
    "phase": str,
    "structure": str,
    "presence": str,
    "accepted": bool,
    "origin": str,
    "mask": str,
    **MEASURES,
}

Row = dict[str, Any]
_EMPTY = "empty"
_DIGITS = 4
_FIGURES = 10


def measured_row(of: Measurement) -> Row:
    """Give the cells of one measurement; None where nothing could be measured."""
    x, y, z = of.centroid_mm or (None, None, None)
    return {
        "voxels": of.voxels,
        "volume_ml": of.volume_ml,
        "mean_hu": of.mean_hu,
        "median_hu": of.median_hu,
        "sd_hu": of.sd_hu,
        "centroid_x_mm": x,
        "centroid_y_mm": y,
        "centroid_z_mm": z,
        "touches_border": of.touches_border if of.voxels else None,
        "border_sides": of.border_sides if of.voxels else None,
    }


def case_rows(
    record: CaseRecord, measurements: Mapping[str, Any], names: Iterable[str]
) -> Iterator[Row]:
    """Give a row per structure that has a mask in force or was called absent, in class map order.

    Parameters
    ----------
    record : CaseRecord
    measurements : mapping
        What :func:`qc.measuring.read_measurements` gave for it.
    names : iterable of str
        The structures of the class map. One about which nothing is known has no row.
    """
    case, in_force, accepted = record.case, record.in_force(), record.accepted()
    fixed = {
        "case": case.id,
        "patient": case.patient_id,
        "age": age_years(case.meta),
        "sex": case.meta.get("sex"),
        "phase": case.phase,
    }
    for name, presence in record.presence(names).items():
        mask = in_force.get(name)
        said: Row = {**fixed, "structure": name, "presence": presence.value}
        if mask is not None:
            values = {**measurements["structures"][name]}
            del values["mask"]
            found = measured_row(Measurement(**values))
            state = _EMPTY if presence is Presence.UNDECIDED else presence.value
            about = {"accepted": name in accepted, "origin": mask.origin, "mask": mask.id[:12]}
            yield {**said, "presence": state, **about, **found}
        elif presence is not Presence.UNDECIDED:
            yield said


def age_years(meta: Mapping[str, str]) -> float | None:
    """Give the age in years that a case's facts name; None where there is none."""
    try:
        age = float(meta.get("age", ""))
    except ValueError:
        return None
    return age if 0 <= age < 130 else None


def table_ending(path: Path) -> str:
    """Give the kind of table that a file's name asks for.

    Raises
    ------
    UsageError
        If it is none of :data:`ENDINGS`.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise UsageError(f"{path}: expected a name that ends in {', '.join(ENDINGS)}")
    return ending


def write_table(path: Path, columns: Mapping[str, type], rows: Sequence[Row]) -> None:
    """Write rows as the kind of table that the file's name asks for, atomically.

    Raises
    ------
    UsageError
        If the name asks for none.
    BadInput
        If the file cannot be written.
    """
    encode = {".csv": _csv, ".parquet": _parquet, ".json": _json}[table_ending(path)]
    write_output_file(path, encode(columns, rows))


def _csv(columns: Mapping[str, type], rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.{_FIGURES}g}" if isinstance(value, float) else value


def _parquet(columns: Mapping[str, type], rows: Sequence[Row]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    kinds = {int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    words = pyarrow.string()
    schema = pyarrow.schema([(name, kinds.get(kind, words)) for name, kind in columns.items()])
    table = pyarrow.Table.from_pylist(
        [{name: row.get(name) for name in columns} for row in rows], schema=schema
    )
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _json(columns: Mapping[str, type], rows: Sequence[Row]) -> bytes:
    """Give JSON by structure, with `volume` in mm³ and `intensity` as TotalSegmentator names them.

    With cases it is the same for each case, by case.
    """
    document: dict[str, Any] = {}
    for row in rows:
        group = document.setdefault(row["case"], {}) if "case" in columns else document
        group[row["structure"]] = _named_as_elsewhere(columns, row)
    return (json.dumps(document, indent=2, allow_nan=False) + "\n").encode()


def _named_as_elsewhere(columns: Mapping[str, type], row: Row) -> Row:
    volume_ml, mean_hu = row.get("volume_ml"), row.get("mean_hu")
    values: Row = {
        "volume": None if volume_ml is None else round(volume_ml * 1000, 2),
        "intensity": None if mean_hu is None else round(mean_hu, 2),
    }
    for name in columns:
        if name not in ("case", "structure"):
            value = row.get(name)
            values[name] = round(value, _DIGITS) if isinstance(value, float) else value
    return values
