"""Which contrast scan lends its heart to which native scan: by exam, or by a table."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BadInput
from pipeline.workspace import CaseRecord

CONTRAST_PHASES = ("arterial", "portal", "venous", "contrast", "enhanced", "late", "delayed", "cta")
NATIVE_PHASES = ("native", "non-contrast", "noncontrast", "unenhanced", "plain", "without")
MAKERS_OF_ITS_OWN = ("transfer", "model:heart_transfer")
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

    A case is contrast or native by its phase, else by whether DICOM says a contrast agent was
    given, else contrast if it has masks of the heart. Each native case gets, of the contrast
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
    return pairs


def kind_of(record: CaseRecord, structures: Sequence[str]) -> tuple[str, str]:
    """Say whether a case is ``contrast``, ``native`` or of no use, and by what that is known."""
    case = record.case
    phase = (case.phase or "").lower()
    if phase:
        if any(word in phase for word in NATIVE_PHASES):
            return "native", f"phase {phase}"
        if any(word in phase for word in CONTRAST_PHASES):
            return "contrast", f"phase {phase}"
    agent = case.meta.get("contrast_agent", "").lower()
    if agent:
        return "contrast", "contrast agent given"
    has_masks = bool(heart_masks(record, structures))
    if case.source.get("format") == "dicom" and not has_masks:
        return "native", "no contrast agent in its DICOM"
    return ("contrast", "has heart masks") if has_masks else ("native", "has no heart masks")


def heart_masks(record: CaseRecord, structures: Sequence[str]) -> list[str]:
    """List the structures with a mask in force that another maker than the transfer made."""
    return [
        name
        for name, mask in record.in_force().items()
        if name in structures
        and mask.voxels
        and not mask.provenance.maker.startswith(MAKERS_OF_ITS_OWN)
    ]


def _pairs_of_exam(members: list[CaseRecord], structures: Sequence[str]) -> list[ScanPair]:
    kinds = {record.case.id: kind_of(record, structures) for record in members}
    lenders = [
        record
        for record in members
        if kinds[record.case.id][0] == "contrast" and heart_masks(record, structures)
    ]
    if not lenders:
        return []

    def standing(record: CaseRecord) -> tuple[int, bool, str]:
        phase = (record.case.phase or "").lower()
        return -len(heart_masks(record, structures)), "arterial" not in phase, record.case.id

    best = min(lenders, key=standing)
    count = len(heart_masks(best, structures))
    why = f"same exam; contrast by {kinds[best.case.id][1]}, {count} heart masks"
    if len(lenders) > 1:
        why += f", best of {len(lenders)} contrast series"
    return [
        ScanPair(best.case.id, record.case.id, f"{why}; native by {kinds[record.case.id][1]}")
        for record in members
        if kinds[record.case.id][0] == "native"
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
