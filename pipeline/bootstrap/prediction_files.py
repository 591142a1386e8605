"""Find the predictions of a case on disk, by pattern or by a table.

A prediction is one label map (`s0001.nii.gz`) or one binary mask per structure
(`s0001/segmentations/liver.nii.gz`). Patterns are tried in their order; the first that finds
something wins.
"""

import csv
import glob
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import BadInput

STRUCTURE = "{structure}"
CASE_PLACEHOLDERS = ("{case}", "{stem}")
_MASK_PATTERNS = (f"{STRUCTURE}.nii.gz", f"{STRUCTURE}.nii")
_TABLE_COLUMNS = ("case", "file")


class PredictionError(BadInput):
    """Predictions cannot be told apart by case: a bad pattern or table."""


@dataclass(frozen=True, slots=True)
class CaseWords:
    """The words by which one case may be found.

    Attributes
    ----------
    case_id : str
    stem : str or None
        The name of its CT's file without `.nii.gz`, if the file was shown.
    listed : str or None
        What the table of predictions names for it.
    """

    case_id: str
    stem: str | None = None
    listed: str | None = None


@dataclass(frozen=True, slots=True)
class PredictionFiles:
    """The files of one prediction: one label map, or masks by the model's structure names."""

    label_map: Path | None = None
    masks: Mapping[str, Path] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files, sorted by structure."""
        if self.label_map is not None:
            return (self.label_map,)
        return tuple(path for _, path in sorted(self.masks.items()))


def find_by_patterns(
    folder: Path, patterns: Sequence[str], words: CaseWords
) -> PredictionFiles | None:
    """Find a case's prediction below a folder; None if no pattern finds one.

    Parameters
    ----------
    folder : Path
        The predictions' folder.
    patterns : sequence of str
        Relative paths with `{case}` or `{stem}` and, for one mask per structure, `{structure}`.
    words : CaseWords
        What stands for `{case}` and `{stem}`.
    """
    for pattern in patterns:
        filled = _fill(pattern, words)
        found = None if filled is None else _look(folder, filled)
        if found is not None:
            return found
    return None


def check_patterns(patterns: Sequence[str], case_count: int, where: str) -> None:
    """Refuse patterns that would give one file to several cases, or that cannot be filled.

    Raises
    ------
    PredictionError
        Naming the pattern.
    """
    for pattern in patterns:
        placeholders = re.findall(r"\{[^}]*\}", pattern)
        strange = [word for word in placeholders if word not in (*CASE_PLACEHOLDERS, STRUCTURE)]
        if strange:
            raise PredictionError(
                f"{where}: pattern '{pattern}': found {strange[0]}, expected {{case}}, {{stem}} "
                "or {structure}"
            )
        if pattern.count(STRUCTURE) > 1:
            raise PredictionError(f"{where}: pattern '{pattern}' holds {STRUCTURE} twice")
        if case_count > 1 and not any(word in pattern for word in CASE_PLACEHOLDERS):
            raise PredictionError(
                f"{where}: pattern '{pattern}' has neither {{case}} nor {{stem}} and would give "
                f"the same file to {case_count} cases; name the one case with --cases"
            )


def read_table(path: Path) -> dict[str, str]:
    """Read a CSV with the columns `case` and `file`.

    Raises
    ------
    PredictionError
        If it cannot be read, a column is missing, a cell is empty or a case comes twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PredictionError(f"{path}: cannot be read as a table: {error}") from error
    table: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        case, name = (str(row.get(column) or "").strip() for column in _TABLE_COLUMNS)
        if not case or not name:
            raise PredictionError(f"{path}:{number}: expected the columns case,file, found {row}")
        if case in table:
            raise PredictionError(f"{path}:{number}: the case '{case}' comes twice")
        table[case] = name
    return table


def find_listed(folder: Path, words: CaseWords) -> PredictionFiles | None:
    """Find what the table names for a case; None if it does not list the case.

    A listed folder holds one mask per structure, named after it.

    Raises
    ------
    PredictionError
        If what the table names is not there.
    """
    if words.listed is None:
        return None
    path = folder / words.listed
    if path.is_file():
        return PredictionFiles(label_map=path)
    for pattern in _MASK_PATTERNS:
        found = _look(path, pattern)
        if found is not None:
            return found
    raise PredictionError(
        f"{path}: the table names it for case '{words.case_id}', but there is neither a file nor "
        "a folder with masks"
    )


def _fill(pattern: str, words: CaseWords) -> str | None:
    if "{stem}" in pattern and words.stem is None:
        return None
    return pattern.replace("{case}", words.case_id).replace("{stem}", words.stem or "")


def _look(folder: Path, filled: str) -> PredictionFiles | None:
    if STRUCTURE not in filled:
        path = folder / filled
        return PredictionFiles(label_map=path) if path.is_file() else None
    before, after = filled.split(STRUCTURE)
    wildcard = f"{glob.escape(before)}*{glob.escape(after)}"
    name_in = re.compile(re.escape(before) + "([^/]+)" + re.escape(after))
    masks: dict[str, Path] = {}
    for name in sorted(glob.glob(wildcard, root_dir=folder)):
        match = name_in.fullmatch(name)
        if match and (folder / name).is_file():
            masks[match[1]] = folder / name
    return PredictionFiles(masks=masks) if masks else None
