"""Verdicts from a table: ``case,structure,decision,by,reason,seconds[,mask]``, one a line.

The separator may be a comma, a semicolon or a tab; the first line names the columns in any
order. Only ``case`` and ``decision`` must be there. An empty ``structure`` means the whole case.
"""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from annotation.verdict_request import VerdictRequest, VerdictResult, decision_of
from pipeline.errors import BadInput, UsageError

COLUMNS = ("case", "structure", "decision", "by", "reason", "seconds", "mask")
_NEEDED = ("case", "decision")
_SEPARATORS = ",;\t"


class VerdictFileError(BadInput):
    """A table of verdicts that cannot be read at all."""


@dataclass(frozen=True, slots=True)
class VerdictFile:
    """What a table asks for.

    Attributes
    ----------
    requests : tuple of VerdictRequest
        The lines that make sense by themselves, in their order.
    refused : tuple of VerdictResult
        The others, with status ``failed`` and a note that names file and line.
    """

    requests: tuple[VerdictRequest, ...]
    refused: tuple[VerdictResult, ...]


def read_verdict_csv(path: Path) -> VerdictFile:
    """Read a table of verdicts; a bad line does not stop the others.

    Parameters
    ----------
    path : Path
        A CSV file in UTF-8.

    Returns
    -------
    VerdictFile
        Requests and refused lines.

    Raises
    ------
    VerdictFileError
        If the file cannot be read, is no UTF-8 text, or its columns are not those expected.
    """
    path = Path(path)
    requests, refused = [], []
    for line, cells in _rows(path):
        source = f"{path}, line {line}"
        raw = VerdictRequest(
            case_id=cells.get("case", ""),
            decision=cells.get("decision", ""),
            structure=cells.get("structure") or None,
            by=cells.get("by", ""),
            reason=cells.get("reason", ""),
            mask_id=cells.get("mask") or None,
            source=source,
        )
        try:
            requests.append(_checked(raw, cells))
        except UsageError as error:
            refused.append(VerdictResult(raw, "failed", f"{source}: {error}"))
    return VerdictFile(tuple(requests), tuple(refused))


def _checked(raw: VerdictRequest, cells: Mapping[str, str]) -> VerdictRequest:
    if "" in cells:
        raise UsageError(
            f"has more cells than the header ('{cells['']}'); put texts with separators in quotes"
        )
    if not raw.case_id:
        raise UsageError("the cell 'case' is empty")
    decision_of(raw.decision)
    return replace(raw, seconds=_seconds(cells.get("seconds", "")))


def _seconds(text: str) -> float | None:
    if not text:
        return None
    try:
        seconds = float(text.replace(",", "."))
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise UsageError(f"seconds is '{text}', expected a number of seconds, 0 or more")
    return seconds


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number and the stripped cells of every line that is not blank.

    Cells beyond the header are joined under the empty name.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise VerdictFileError(f"{path}: cannot be read as UTF-8 text ({error})") from None
    first = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] | None = None
    try:
        start = 1
        for row in reader:
            cells = [cell.strip() for cell in row]
            if header is None:
                header = _header(path, cells)
            elif any(cells):
                yield start, _by_column(header, cells)
            start = reader.line_num + 1
    except csv.Error as error:
        raise VerdictFileError(f"{path}, line {reader.line_num}: {error}") from None
    if header is None:
        raise VerdictFileError(f"{path}: is empty; expected the columns {','.join(COLUMNS)}")


def _header(path: Path, cells: Sequence[str]) -> list[str]:
    names = [cell.lower() for cell in cells]
    problems = [f"'{name}' is unknown" for name in names if name not in COLUMNS]
    problems += [f"'{name}' is missing" for name in _NEEDED if name not in names]
    problems += [f"'{name}' is there twice" for name in sorted(set(names)) if names.count(name) > 1]
    if problems:
        raise VerdictFileError(
            f"{path}, line 1: of the columns, {', '.join(problems)}; expected "
            f"{','.join(COLUMNS)} (case and decision must be there)"
        )
    return names


def _by_column(header: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    named = dict(zip(header, cells, strict=False))
    beyond = [cell for cell in cells[len(header) :] if cell]
    return {**named, "": " ".join(beyond)} if beyond else named
