"""Tables that say which value of a label map is what: CSV, JSON, YAML, ITK-SNAP's descriptions.

A table maps whole numbers to names. It may be written in either direction (``1: liver`` or
``liver: 1``), as rows with a column for each, or as the ``labels`` of nnU-Net's dataset.json.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from annotation.formats.drawing import DrawnFileError
from annotation.formats.refusal import plain_name, refused

ENDINGS = (".csv", ".tsv", ".json", ".yaml", ".yml", ".label", ".txt", ".lbl")
"""Of files that may be a table of names."""

_LARGEST_BYTES = 4 * 2**20
_DEEPEST = 4
_VALUE_COLUMNS = ("value", "label", "id", "index", "key", "label value", "label_id", "labelvalue")
_NAME_COLUMNS = ("name", "structure", "label name", "label_name", "labelname", "roi", "segment")
_BACKGROUND = ("background", "clear label", "unlabeled", "exterior")
_NESTS = ("labels", "label_map", "structures", "classes")

# ITK-SNAP writes: index, red, green, blue, alpha, visible, mesh, "name" (its own header lines,
# which begin with #, say so; ColorLabelTable.cxx).
_SNAP_LINE = re.compile(r'\s*(\d+)\s+\d+\s+\d+\s+\d+\s+[\d.eE+-]+\s+\d+\s+\d+\s+"([^"]*)"\s*')
_PLAIN_LINE = re.compile(r"\s*(\d+)\s*[:=,;\t ]\s*(\S.*)")


class NotANameTableError(DrawnFileError):
    """A file that is, by its form, something else than a table of names."""


def read_name_table(path: Path) -> dict[int, str]:
    """Read a table of names.

    Returns
    -------
    dict
        Value to name; background (0) is left out.

    Raises
    ------
    NotANameTableError
        If it is something else.
    DrawnFileError
        If it is a table, but gives one value two names.
    """
    text = _text(path)
    kind = path.suffix.lower()
    try:
        if kind == ".json":
            rows = _rows_of(json.loads(text, object_pairs_hook=_Pairs))
        elif kind in (".yaml", ".yml"):
            rows = _yaml_rows(text)
        elif kind in (".csv", ".tsv"):
            rows = _csv_rows(text)
        else:
            rows = snap_rows(text) or _plain_rows(text)
    except (ValueError, RecursionError, csv.Error) as error:
        raise _no_table(path, plain_name(error, 80)) from None
    return _table(path, rows)


def is_snap_description(path: Path) -> bool:
    """Tell whether a text file is a label description of ITK-SNAP."""
    try:
        return bool(snap_rows(_text(path)))
    except DrawnFileError:
        return False


def snap_rows(text: str) -> list[tuple[int, str]]:
    """Take values and names from a label description; empty if a line is of another form."""
    rows = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _SNAP_LINE.fullmatch(line)
        if match is None:
            return []
        rows.append((int(match[1]), match[2]))
    return rows


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object, doubled keys and all."""


def _text(path: Path) -> str:
    if path.stat().st_size > _LARGEST_BYTES:
        raise _no_table(path, f"more than {_LARGEST_BYTES:,} bytes")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise _no_table(path, "no UTF-8 text") from None


def _rows_of(content: object) -> list[tuple[int, str]]:
    """Find values and names in what JSON or YAML gave (objects as lists of pairs)."""
    if isinstance(content, _Pairs):
        inner = [value for key, value in content if key in _NESTS and not _is_number(value)]
        if inner:
            return _rows_of(inner[0])
        return [row for key, value in content if (row := _row(key, value)) is not None]
    if isinstance(content, list):
        rows = []
        for number, entry in enumerate(content):
            if isinstance(entry, str):  # nnU-Net's older lists: the place is the value
                rows.append((number, entry))
            elif isinstance(entry, _Pairs):
                rows.extend(_record(dict(entry)))
        return rows
    return []


def _record(entry: Mapping[str, Any]) -> list[tuple[int, str]]:
    low = {str(key).lower(): value for key, value in entry.items()}
    values = [low[key] for key in _VALUE_COLUMNS if _is_number(low.get(key))]
    names = [low[key] for key in (*_NAME_COLUMNS, "label") if isinstance(low.get(key), str)]
    names = [name for name in names if not _is_number(name)]
    return [(int(values[0]), names[0])] if values and names else []


def _row(key: object, value: object) -> tuple[int, str] | None:
    if _is_number(key) and isinstance(value, str):
        return int(str(key)), value
    if _is_number(value) and not _is_number(key):
        return int(str(value)), str(key)
    return None


def _is_number(value: object) -> bool:
    is_plain = isinstance(value, str | int) and not isinstance(value, bool)
    return is_plain and re.fullmatch(r"\d{1,9}", str(value)) is not None


def _yaml_rows(text: str) -> list[tuple[int, str]]:
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    return _rows_of(_plain(node, {}, 0))


def _plain(node: Any, known: dict[int, object], depth: int) -> object:
    """Turn a YAML node into text, lists and pairs; an alias gives the same list, not a copy."""
    import yaml

    if depth > _DEEPEST:
        return ""
    if id(node) in known:
        return known[id(node)]
    found: object = node.value if isinstance(node, yaml.ScalarNode) else ""
    if isinstance(node, yaml.MappingNode):
        found = _Pairs(
            (str(key.value), _plain(value, known, depth + 1)) for key, value in node.value
        )
    elif isinstance(node, yaml.SequenceNode):
        found = [_plain(entry, known, depth + 1) for entry in node.value]
    known[id(node)] = found
    return found


def _csv_rows(text: str) -> list[tuple[int, str]]:
    first = text.lstrip().partition("\n")[0]
    separator = max(",;\t", key=first.count)
    rows = [
        [cell.strip() for cell in row]
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        if any(cell.strip() for cell in row)
    ]
    if not rows or max(map(len, rows)) < 2:
        return []
    header = [cell.lower() for cell in rows[0]]
    value_at = next((header.index(name) for name in _VALUE_COLUMNS if name in header), None)
    name_at = next((header.index(name) for name in _NAME_COLUMNS if name in header), None)
    if value_at is not None and name_at is not None:
        rows = [row for row in rows[1:] if len(row) > max(value_at, name_at)]
    else:
        value_at, name_at = (0, 1) if _is_number(rows[-1][0]) else (1, 0)
        rows = [row for row in rows if len(row) > 1]
    return [(int(row[value_at]), row[name_at]) for row in rows if _is_number(row[value_at])]


def _plain_rows(text: str) -> list[tuple[int, str]]:
    rows = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _PLAIN_LINE.fullmatch(line)
        if match is None:
            return []
        rows.append((int(match[1]), match[2]))
    return rows


def _table(path: Path, rows: Iterable[tuple[int, str]]) -> dict[int, str]:
    names: dict[int, str] = {}
    for value, raw in rows:
        name = plain_name(raw)
        if value == 0 or not name or name.lower() in _BACKGROUND:
            continue
        if names.setdefault(value, name) != name:
            raise refused(
                path,
                f"value {value} as '{names[value]}' and as '{name}'",
                "one name for each value",
                "correct the table",
            )
    if not names:
        raise _no_table(path, "no values with names")
    return names


def _no_table(path: Path, found: str) -> NotANameTableError:
    return NotANameTableError(
        f"{path}: found {found}; expected a table of values and names; "
        "see docs/import-rough.md for the forms that are read"
    )
