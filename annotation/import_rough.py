"""Stage import-rough: drawings from elsewhere become masks.

Files are read, matched to structures and cases, and placed on the cases' grids in worker
processes; the driver then looks at all drawings of a case together, stores what may come in, and
tells the ledger. One bad file never stops the others.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from annotation.formats import FoundFiles, find_drawn_files
from annotation.formats.drawing import ReadLimits
from annotation.importing.case_finding import CaseFinder
from annotation.importing.case_table import case_in_table, read_case_table
from annotation.importing.intaking import CaseDesk
from annotation.importing.mapping_file import read_mapping, write_mapping
from annotation.importing.names import Match, Matcher
from annotation.importing.outcomes import COLUMNS, FileRows, left_alone, outcome_of
from annotation.importing.path_hints import HintGiver
from annotation.importing.reading import ReadFile, ReadTask, read_task
from annotation.importing.refusal import ImportRefused
from annotation.importing.settings import ImportRoughSettings
from annotation.importing.synonyms import load_synonyms
from pipeline.anatomy import find_class_map, shipped_configs
from pipeline.engine import Engine, ProcessEngine
from pipeline.errors import BadInput, NothingToDo
from pipeline.stage import Outcome, Stage
from pipeline.workspace import CaseIndex, Workspace

_MAPPING_NAME = "import_names.yaml"


def run(workspace: Workspace, settings: ImportRoughSettings, engine: Engine) -> Iterator[Outcome]:
    """Bring in the drawings under the given paths, one outcome per file.

    Raises
    ------
    NothingToDo
        If there is no file of drawings, or no case of the name given.
    BadInput
        If the mapping, the synonyms or the table cannot be used.
    """
    if settings.isolate and engine.jobs == 1:
        engine = ProcessEngine(1)
    if settings.case is not None:
        workspace.case(settings.case)
    found = _found(settings.paths)
    tasks, cts = _tasks(workspace, settings, found)
    if not tasks and not any(each.broken for each in found):
        paths = ", ".join(str(path) for path in settings.paths)
        raise NothingToDo(f"{paths}: no file of drawings; name one, or a folder that holds some")
    yield from left_alone(workspace, found, cts)
    files = _read(tasks, engine, settings)
    rows = CaseDesk(workspace, settings).take_in(files)
    mapping = _write_mapping(workspace, settings, files)
    for file in files:
        yield outcome_of(workspace, FileRows(file, rows.get(file.path, ())), mapping)


STAGE = Stage(
    name="import-rough",
    summary="Bring in what was drawn elsewhere: Slicer, ITK-SNAP, MITK, Nora, RTSTRUCT, DICOM SEG.",
    Settings=ImportRoughSettings,
    run=run,
    after=("intake", "bootstrap"),
    table=COLUMNS,
)


def _found(paths: Sequence[Path]) -> list[FoundFiles]:
    try:
        return [find_drawn_files(path) for path in paths]
    except BadInput as error:
        raise NothingToDo(str(error)) from None


def _tasks(
    workspace: Workspace, settings: ImportRoughSettings, found: Sequence[FoundFiles]
) -> tuple[list[ReadTask], dict[Path, str]]:
    """Make one task per file of drawings; the CTs among them are no drawings."""
    index = CaseIndex.of(workspace.layout, workspace.cases())
    matcher = _matcher(workspace, settings)
    table = read_case_table(settings.table, index.ids) if settings.table else {}
    giver = HintGiver(index, settings.paths)
    finder = CaseFinder(index, settings.allow_other_series)
    tasks, cts = [], {}
    every = sorted({file.path for files in found for file in files.files})
    for path in every:
        hints = giver.hints(path, case_in_table(table, path) or settings.case)
        if hints.is_ct_of is not None:
            cts[path] = hints.is_ct_of
            continue
        tasks.append(
            ReadTask(
                path=path,
                hints=hints,
                finder=finder,
                matcher=matcher,
                limits=ReadLimits(max_voxels=settings.max_voxels),
                memory_bytes=settings.memory_bytes,
                air_limit_share=settings.air_limit_share,
                name_table=settings.name_table,
            )
        )
    return tasks, cts


def _matcher(workspace: Workspace, settings: ImportRoughSettings) -> Matcher:
    configs = settings.configs or shipped_configs()
    mapping, numbering = {}, {}
    if settings.mapping is not None:
        mapping = read_mapping(settings.mapping, workspace.class_map)
    if settings.numbering is not None:
        numbering = find_class_map(settings.numbering, configs).names_by_value
    synonyms = load_synonyms(configs, workspace.class_map)
    return Matcher(workspace.class_map, synonyms, mapping, numbering)


def _read(
    tasks: Sequence[ReadTask], engine: Engine, settings: ImportRoughSettings
) -> list[ReadFile]:
    """Read the files as the engine likes, and give them in the order of their paths."""
    done = {}
    for result in engine.map(read_task, tasks, timeout_s=settings.timeout_s):
        words = f"not read: {result.error}"
        lost = ReadFile(result.item.path, refused=ImportRefused("not_read", words))
        done[result.item.path] = result.value or lost
    return [done[task.path] for task in tasks]


def _write_mapping(
    workspace: Workspace, settings: ImportRoughSettings, files: Sequence[ReadFile]
) -> Path | None:
    """Write down what was not matched, for a person to decide; None if all was."""
    unmatched: dict[str, Match] = defaultdict()
    for file in files:
        for reading in file.readings:
            if reading.match.how == "unmatched" and reading.label:
                unmatched.setdefault(reading.label, reading.match)
    wanted = settings.write_mapping or (
        None if settings.dry_run else workspace.path / _MAPPING_NAME
    )
    return write_mapping(wanted, unmatched) if unmatched and wanted else None
