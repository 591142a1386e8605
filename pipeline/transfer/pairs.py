"""Which contrast scan lends its heart to which native scan: by exam, or by a table."""

import csv
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BadInput
from pipeline.transfer.heart_manifest import lendable
from pipeline.workspace import CaseRecord
from pipeline.workspace.phases import phase_kind

log = logging.getLogger(__name__)
_COLUMNS = ("contrast", "native")


@dataclass(frozen=True, slots=True)
class ScanPair:
    """Two cases of one exam.

    Attributes
    ----------
    contrast, native : str
        Case ids.
    why : str
        What led to the choice, for the outcome.
    """

    contrast: str
    native: str
    why: str


def pairs_by_exam(records: Iterable[CaseRecord], structures: Sequence[str]) -> list[ScanPair]:
    """Pair the cases of each exam; excluded ones do not count.

    A case is contrast or native by its phase, else contrast if DICOM says that an agent was
    given. DICOM that says nothing is native if another case of the exam is contrast by its words.
    Else a case is contrast if it has masks of the heart. Each native case gets, of the contrast
    cases of its exam that have any mask of the structures, the one with most of them, then
    arterial before other phases, then the first by id.

    Parameters
    ----------
    records : iterable of CaseRecord
    structures : sequence of str
        What is to be carried.
    """
    exams: dict[str, list[CaseRecord]] = {}
    for record in records:
        if record.case.exam_id and not record.excluded:
            exams.setdefault(record.case.exam_id, []).append(record)
    found: list[ScanPair] = []
    for _, members in sorted(exams.items()):
        found += _pairs_of_exam(members, structures)
    return sorted(found, key=lambda pair: (pair.native, pair.contrast))


def pairs_from_table(path: Path, known: Iterable[str]) -> list[ScanPair]:
    """Read pairs from a CSV with the columns contrast and native, both case ids.

    Raises
    ------
    BadInput
        Naming file and line, what was found and what to do.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise BadInput(f"{path}: cannot be read ({error}); name a CSV file in UTF-8") from error
    reader = csv.DictReader(text.splitlines())
    header = [name.strip() for name in reader.fieldnames or []]
    if missing := [name for name in _COLUMNS if name not in header]:
        raise BadInput(
            f"{path}:1: columns {', '.join(header) or 'none'}, expected contrast,native; "
            f"add {', '.join(missing)} to the first line"
        )
    reader.fieldnames = header
    ids, pairs = set(known), list[ScanPair]()
    native_lines: dict[str, int] = {}
    for row in reader:
        line = reader.line_num
        contrast, native = ((row.get(name) or "").strip() for name in _COLUMNS)
        _check_row(f"{path}:{line}", (contrast, native), ids)
        if native in native_lines:
            raise BadInput(
                f"{path}:{line}: native case {native} stands in line {native_lines[native]} too; "
                "leave one contrast case for it"
            )
        native_lines[native] = line
        pairs.append(ScanPair(contrast, native, f"{path.name}, line {line}"))
    if not pairs:
        raise BadInput(f"{path}: no pair below the first line; add lines of two case ids")
    return pairs


def kind_of(
    record: CaseRecord, structures: Sequence[str], *, contrast_known: bool = False
) -> tuple[str, str]:
    """Say whether a case is ``contrast`` or ``native``, and by what that is known.

    Parameters
    ----------
    contrast_known : bool
        Whether another case of the exam says that it is contrast. Then silent DICOM is native,
        also if a model has already seen a heart in it.
    """
    by_words = _kind_by_words(record)
    if by_words is not None:
        return by_words
    has_masks = bool(lendable(record, structures))
    if record.case.source.get("format") == "dicom" and (contrast_known or not has_masks):
        return "native", "no contrast agent in its DICOM"
    return ("contrast", "has heart masks") if has_masks else ("native", "has no heart masks")


def _kind_by_words(record: CaseRecord) -> tuple[str, str] | None:
    kind = phase_kind(record.case.phase)
    if kind is not None:
        return kind, f"phase {record.case.phase}"
    agent = record.case.meta.get("contrast_agent", "")
    return ("contrast", "contrast agent given") if agent else None


def _pairs_of_exam(members: list[CaseRecord], structures: Sequence[str]) -> list[ScanPair]:
    known = any((_kind_by_words(record) or ("",))[0] == "contrast" for record in members)
    kinds = {r.case.id: kind_of(r, structures, contrast_known=known) for r in members}
    contrast = [record for record in members if kinds[record.case.id][0] == "contrast"]
    native = [record for record in members if kinds[record.case.id][0] == "native"]
    lent = {record.case.id: len(lendable(record, structures)) for record in contrast}
    lenders = [record for record in contrast if lent[record.case.id]]
    if contrast and native and not lenders:
        names = ", ".join(record.case.id for record in members)
        log.warning("exam of %s: left out, no contrast case of it has a heart mask", names)
    if not lenders:
        return []

    def standing(record: CaseRecord) -> tuple[int, bool, str]:
        phase = (record.case.phase or "").lower()
        return -lent[record.case.id], "arterial" not in phase, record.case.id

    best = min(lenders, key=standing)
    why = f"same exam; contrast by {kinds[best.case.id][1]}, {lent[best.case.id]} heart masks"
    if len(lenders) > 1:
        why += f", best of {len(lenders)} contrast series"
    return [
        ScanPair(best.case.id, record.case.id, f"{why}; native by {kinds[record.case.id][1]}")
        for record in native
    ]


def _check_row(where: str, row: tuple[str, str], ids: set[str]) -> None:
    for name, case_id in zip(_COLUMNS, row, strict=True):
        if not case_id:
            raise BadInput(f"{where}: no {name} case; write a case id or delete the line")
        if case_id not in ids:
            raise BadInput(
                f"{where}: {name} case {case_id!r} is not in the workspace; "
                "see 'masksmith status --cases'"
            )
    if row[0] == row[1]:
        raise BadInput(f"{where}: case {row[0]!r} is paired with itself; name two cases")
