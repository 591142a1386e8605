"""What goes to stdout: one JSON document, or a table that a person and `grep` can read."""

from __future__ import annotations

import dataclasses
import enum
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click


def write_json(document: object) -> None:
    """Write one JSON document to stdout."""
    click.echo(json.dumps(plain(document), indent=2, ensure_ascii=False))


def plain(value: Any) -> Any:
    """Return a value made of dicts, lists, numbers and text only.

    Raises
    ------
    TypeError
        The value is of a kind that has no plain form.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "to_dict"):
        return plain(value.to_dict())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    raise TypeError(f"no JSON form for {type(value).__name__}")


def write_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a table to stdout in columns as wide as their content, numbers to the right.

    It is never cut, so that a pipe gets everything.
    """
    texts = [[cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *texts, strict=True)]
    right = [_is_numeric([row[i] for row in rows]) for i in range(len(columns))]
    click.echo(heading(_line(columns, widths, right)))
    for row in texts:
        click.echo(_line(row, widths, right))


def heading(text: str) -> str:
    """Return the text in bold for a terminal, plain where colour is not wanted."""
    return text if os.environ.get("NO_COLOR") else click.style(text, bold=True)


def _is_numeric(values: Sequence[object]) -> bool:
    """Tell whether a column holds numbers and gaps only."""
    return any(value is not None for value in values) and all(
        value is None or isinstance(value, int | float) for value in values
    )


def _line(texts: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    """Return the cells side by side."""
    cells = zip(texts, widths, right, strict=True)
    return "  ".join(t.rjust(w) if r else t.ljust(w) for t, w, r in cells).rstrip()


def cell(value: object) -> str:
    """Return a cell's text: a dash for nothing, two decimals below one, else three figures."""
    if value is None:
        return "–"
    if not isinstance(value, float):
        return str(value)
    if abs(value) <= 1:
        return f"{value:.2f}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
