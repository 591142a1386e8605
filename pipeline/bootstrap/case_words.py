"""By which words a case is known outside: predictions carry the names of their CTs' files.

A workspace keeps no file names, since they may hold patients' names, only a keyed hash of the path
each CT came from. Who still has the CTs can say where they lie; the hash then tells which is which.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.bootstrap.prediction_files import CaseWords, PredictionError, read_table
from pipeline.workspace import Workspace

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
    by_hash = {case.source["file"]: case.id for case in cases if "file" in case.source}
    stems = dict(_stems(workspace, cts, by_hash))
    if table is None:
        return WordsOfCases(stems)
    keys = {stem: case_id for case_id, stem in stems.items()} | {case.id: case.id for case in cases}
    listed: dict[str, str] = {}
    strangers = []
    for key, name in read_table(table).items():
        case_id = keys.get(key) or _case_of_path(workspace, key, table, by_hash)
        if case_id is None:
            strangers.append(key)
        elif case_id in listed:
            raise PredictionError(f"{table}: the case '{case_id}' comes twice, once as '{key}'")
        else:
            listed[case_id] = name
    return WordsOfCases(stems, listed, tuple(strangers))


def _stems(
    workspace: Workspace, cts: Sequence[Path], by_hash: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for path in _files(cts):
        case_id = by_hash.get(_path_hash(workspace, path))
        if case_id is not None:
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


def _case_of_path(
    workspace: Workspace, key: str, table: Path, by_hash: Mapping[str, str]
) -> str | None:
    for path in (Path(key), table.parent / key):
        case_id = by_hash.get(_path_hash(workspace, path))
        if case_id is not None:
            return case_id
    return None


def _path_hash(workspace: Workspace, path: Path) -> str:
    """Hash a path as intake does when it records where a CT came from."""
    return workspace.pseudonym("path", str(path.resolve()))
