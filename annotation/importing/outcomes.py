"""How a run is told: a table for the person who watches, and a record without names for the ledger.

File names and the names of drawings may hold a patient's. A person needs them to find what was
refused, so they are shown; the ledger keeps a keyed hash of the path and the kinds of refusals.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from annotation.formats import FoundFiles
from annotation.importing.intaking import Result
from annotation.importing.reading import ReadFile
from pipeline.stage import Outcome
from pipeline.workspace import Workspace
from pipeline.workspace.pseudonym import path_pseudonym

COLUMNS = ("file", "drawing", "case", "structure", "voxels", "ml", "slices", "placed", "what")
"""Of the table; each outcome's figures hold its rows under ``rows``."""

_FAULTS = ("unmatched",)
_WORDS: Mapping[str, str] = {
    "left out": "left out, as the mapping says",
    "empty": "nothing was drawn; not stored. If it is not there, say so with masksmith verdict",
}
_AIR_NOTE_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class FileRows:
    """A file and what became of each of its drawings."""

    file: ReadFile
    results: Sequence[Result]


def left_alone(
    workspace: Workspace, found: Sequence[FoundFiles], cts: Mapping[Path, str]
) -> Iterator[Outcome]:
    """Tell of the files that are not read: broken ones, CTs, and what holds no drawings."""
    for files in found:
        for broken in files.broken:
            yield _outcome(workspace, broken.path, "failed", broken.reason, {"kind": "broken"})
        aside: dict[tuple[Path, str], int] = Counter()
        for ignored in files.ignored:
            aside[ignored.path.parent, ignored.reason] += 1
        for (folder, reason), count in aside.items():
            words = f"{count} file{'s' if count > 1 else ''} left aside: {reason}"
            yield _outcome(workspace, folder, "kept", words, {"kind": "aside", "files": count})
    for path, case_id in cts.items():
        words = f"the CT of {case_id}, no drawing"
        yield _outcome(workspace, path, "kept", words, {"kind": "ct", "case": case_id})


def outcome_of(workspace: Workspace, rows: FileRows, mapping: Path | None) -> Outcome:
    """Tell what became of one file."""
    file = rows.file
    lines = [_row(file, result) for result in rows.results]
    kinds = [_kind(result) for result in rows.results]
    figures: dict[str, Any] = {"format": file.format, "kinds": dict(Counter(kinds))}
    if file.case is not None:
        figures["case"] = file.case.id
    if file.refused is not None:
        figures["refused"] = file.refused.kind
    kept = [_without_names(line) for line in lines]
    return _outcome(
        workspace,
        file.path,
        _status(file, kinds),
        _words(rows, kinds, mapping),
        {**figures, "rows": kept},
        shown={**figures, "rows": lines, "notes": list(file.notes)},
    )


def _outcome(
    workspace: Workspace,
    path: Path,
    status: Literal["done", "kept", "failed"],
    words: str,
    figures: Mapping[str, Any],
    shown: Mapping[str, Any] | None = None,
) -> Outcome:
    """Make an outcome whose record names neither file nor drawing."""
    subject = f"file {path_pseudonym(workspace.layout, path)[:12]}"
    told = Outcome(str(path), status, words, figures if shown is None else shown)
    return Outcome(subject, status, _record_note(figures), figures, shown=told)


def _record_note(figures: Mapping[str, Any]) -> str:
    kinds = figures.get("kinds") or {figures.get("refused") or figures.get("kind", ""): 1}
    what = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if kind)
    case = figures.get("case")
    refused = figures.get("refused")
    said = f"{what}; refused: {refused}" if refused and refused not in what else what
    return f"{case}: {said}" if case else said


def _kind(result: Result) -> str:
    reading = result.reading
    if result.stored is not None:
        return result.stored.status
    if reading.refused is not None:
        return reading.refused.kind
    if reading.match.structure is None:
        return reading.match.how.replace(" ", "_")
    return "empty" if reading.mask is not None else "waiting"


def _status(file: ReadFile, kinds: Sequence[str]) -> Literal["done", "kept", "failed"]:
    harmless = {"stored", "kept", "left_out", "elsewhere", "empty"}
    if file.refused is not None or not set(kinds) <= harmless:
        return "failed"
    return "done" if "stored" in kinds else "kept"


def _words(rows: FileRows, kinds: Sequence[str], mapping: Path | None) -> str:
    """Say in one line what became of a file."""
    file = rows.file
    if file.refused is not None:
        return file.refused.words
    parts = [file.case.id if file.case else ""]
    for kind, results in _by_kind(rows.results, kinds).items():
        parts.append(_kind_words(kind, results, mapping))
    return "; ".join(part for part in (*parts, *file.notes) if part)


def _by_kind(results: Sequence[Result], kinds: Sequence[str]) -> dict[str, list[Result]]:
    grouped: dict[str, list[Result]] = defaultdict(list)
    for result, kind in zip(results, kinds, strict=True):
        grouped[kind].append(result)
    return grouped


def _kind_words(kind: str, results: Sequence[Result], mapping: Path | None) -> str:
    names = ", ".join(_name(result) for result in results)
    if kind in ("stored", "kept"):
        if len(results) == 1:
            return f"{names} {_what(results[0])}"
        waiting = sum(r.stored is not None and not r.stored.in_force for r in results)
        return f"{len(results)} {kind}{f', {waiting} of them not in force' if waiting else ''}"
    if kind == "unmatched":
        hint = f"; fill in {mapping} and give it as --mapping" if mapping else ""
        reasons = ", ".join(f"'{r.reading.label}' ({_what(r)})" for r in results)
        return f"not matched: {reasons}{hint}"
    if kind in ("left_out", "elsewhere", "empty"):
        words = {"left_out": "left out by the mapping", "empty": "empty, not stored"}
        return f"{len(results)} {words.get(kind, 'not in the class map')}: {names}"
    return "; ".join(f"{_name(result)}: {_what(result)}" for result in results)


def _name(result: Result) -> str:
    return result.reading.match.structure or result.reading.label


def _what(result: Result) -> str:
    """Say what became (or would become) of one drawing."""
    reading = result.reading
    if result.stored is not None:
        return "; ".join((result.stored.words, *result.notes))
    if reading.refused is not None:
        return f"refused: {reading.refused.words}"
    match = reading.match
    if match.how == "left out":
        return _WORDS["left out"]
    if match.structure is None:
        perhaps = f"; perhaps {', '.join(match.candidates)}" if match.candidates else ""
        return f"{match.reason}{perhaps}"
    return _WORDS["empty"] if reading.mask is not None else "its file is refused"


def _row(file: ReadFile, result: Result) -> dict[str, Any]:
    reading, case = result.reading, file.case
    voxels = reading.mask.voxels if reading.mask is not None else None
    notes = list(reading.notes)
    if reading.air_share > _AIR_NOTE_SHARE:
        notes.append(f"{reading.air_share:.0%} of it in the air around the body")
    mask = result.stored.mask if result.stored is not None else None
    return {
        "file": file.path.name,
        "drawing": reading.label,
        "case": case.id if case else None,
        "structure": reading.match.structure,
        "voxels": voxels,
        "ml": None if voxels is None or case is None else round(voxels * case.grid.voxel_ml, 3),
        "slices": _slices(result),
        "placed": "; ".join([reading.how, *notes] if reading.how else notes) or None,
        "what": _what(result),
        "air_share": round(reading.air_share, 4),
        "mask": mask.id if mask is not None else None,
    }


def _slices(result: Result) -> str | None:
    slices = result.reading.slices
    if slices is None:
        return None
    gaps = f", {slices.skipped} skipped" if slices.skipped else ""
    return f"{slices.drawn} along {slices.axis_name}{gaps}"


def _without_names(row: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of a row what may stand in the ledger."""
    return {
        name: value
        for name, value in row.items()
        if name in ("structure", "voxels", "ml", "slices", "air_share", "mask")
    }
