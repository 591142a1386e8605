"""By which words a case is known outside: predictions carry the names of their CTs' files.

A workspace keeps no file names, since they may hold patients' names, only a keyed hash of the path
each CT came from. Who still has the CTs can say where they lie; the hash then tells which is which.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.bootstrap.prediction_files import CaseWords, PredictionError, read_table
from pipeline.workspace import CaseIndex, Workspace

_NIFTI_ENDINGS = (".nii.gz", ".nii")


@dataclass(frozen=True, slots=True)
class WordsOfCases:
    """The words of all cases of a run, and what of the table fits no case."""

    stems: Mapping[str, str] = field(default_factory=dict)
    listed: Mapping[str, str] = field(default_factory=dict)
    strangers: tuple[str, ...] = ()

    def of(self, case_id: str) -> CaseWords:
        """Give the words of one case."""
        return CaseWords(case_id, self.stems.get(case_id), self.listed.get(case_id))


def words_of_cases(
    workspace: Workspace, cts: Sequence[Path] = (), table: Path | None = None
) -> WordsOfCases:
    """Find out by which words the cases of a workspace are known outside.

    Parameters
    ----------
    workspace : Workspace
    cts : sequence of Path
        Files, or folders with files, that were taken in; links are followed as intake did.
    table : Path, optional
        CSV with the columns `case` (a case id, a stem of `cts`, or the path of the CT, from the
        current folder or the table's) and `file`.

    Raises
    ------
    PredictionError
        If a CT is not there, the table cannot be read, or it names one case twice.
    """
    cases = workspace.cases()
    index = CaseIndex.of(workspace.layout, cases)
    stems = dict(_stems(index, cts))
    if table is None:
        return WordsOfCases(stems)
    keys = {stem: case_id for case_id, stem in stems.items()} | {case.id: case.id for case in cases}
    listed: dict[str, str] = {}
    strangers = []
    for key, name in read_table(table).items():
        case_id = keys.get(key) or _case_of_path(index, key, table)
        if case_id is None:
            strangers.append(key)
        elif case_id in listed:
            raise PredictionError(f"{table}: the case '{case_id}' comes twice, once as '{key}'")
        else:
            listed[case_id] = name
    return WordsOfCases(stems, listed, tuple(strangers))


def _stems(index: CaseIndex, cts: Sequence[Path]) -> Iterator[tuple[str, str]]:
    for path in _files(cts):
        for case_id in index.of_file(path):
            yield case_id, _stem(path)


def _files(cts: Sequence[Path]) -> Iterator[Path]:
    for path in cts:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.name.endswith(_NIFTI_ENDINGS))
        elif path.is_file():
            yield path
        else:
            raise PredictionError(f"{path}: no such CT or folder of CTs")


def _stem(path: Path) -> str:
    for ending in _NIFTI_ENDINGS:
        if path.name.endswith(ending):
            return path.name.removesuffix(ending)
    return path.stem


def _case_of_path(index: CaseIndex, key: str, table: Path) -> str | None:
    for path in (Path(key), table.parent / key):
        for case_id in index.of_file(path):
            return case_id
    return None
