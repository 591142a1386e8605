"""A table that says which file belongs to which case: CSV with columns ``file`` and ``case``."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import BadInput

_COLUMNS = ("file", "case")
_LARGEST_BYTES = 64 * 2**20


class CaseTableError(BadInput):
    """A table of files and cases that cannot be used."""


def read_case_table(path: Path, ids: frozenset[str]) -> Mapping[Path, str]:
    """Read a table of files and cases.

    Parameters
    ----------
    path : Path
        CSV in UTF-8 with `,`, `;` or tabs; files count from the current folder or the table's.
    ids : frozenset of str
        The cases there are.

    Returns
    -------
    mapping of Path to str
        Resolved path of a file, or of a folder that holds files, to case id.

    Raises
    ------
    CaseTableError
        If it cannot be read, lacks a column, names a file twice or a case that is not there; with
        its line.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise CaseTableError(f"{path}: more than {_LARGEST_BYTES:,} bytes, no table of files")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CaseTableError(f"{path}: cannot be read as UTF-8 text ({error})") from None
    first = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=first.count))
    names = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
    missing = [column for column in _COLUMNS if column not in names]
    if missing:
        raise CaseTableError(f"{path}, line 1: no column {' or '.join(missing)}")
    table: dict[Path, str] = {}
    try:
        for row in reader:
            file, case = ((row[names[column]] or "").strip() for column in _COLUMNS)
            if file or case:
                _add(table, f"{path}, line {reader.line_num}", _resolved(path, file), case, ids)
    except csv.Error as error:
        raise CaseTableError(f"{path}, line {reader.line_num}: {error}") from None
    return table


def case_in_table(table: Mapping[Path, str], path: Path) -> str | None:
    """Find the row of a file, or else of the nearest folder it lies in."""
    here = path.resolve()
    return next((table[place] for place in (here, *here.parents) if place in table), None)


def _resolved(table: Path, file: str) -> Path:
    beside = table.parent / file
    return (beside if beside.exists() else Path(file)).resolve()


def _add(table: dict[Path, str], where: str, file: Path, case: str, ids: frozenset[str]) -> None:
    if not file.exists():
        raise CaseTableError(f"{where}: there is no file or folder of this name")
    if case not in ids:
        raise CaseTableError(f"{where}: there is no case '{case}'; see 'masksmith status --cases'")
    if file in table:
        raise CaseTableError(f"{where}: this file is there already; keep one row")
    table[file] = case
