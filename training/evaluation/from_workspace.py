"""Truth and predictions from a workspace: what people accepted, on one side of a split."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from pipeline.anatomy import ClassMap
from pipeline.errors import BadInput, NothingToDo, UsageError
from pipeline.volume.label_files import find_case_files
from pipeline.workspace import Case, CaseRecord, Mask, Presence, Workspace
from training.evaluation.from_files import class_maps, named_predictions
from training.evaluation.groups import case_groups
from training.evaluation.plan import Gathered, Problem
from training.evaluation.rows import CaseFacts
from training.evaluation.settings import ALL_CASES, EvaluateSettings
from training.evaluation.sources import Source, WorkspaceSource, file_source
from training.final_split import patients_of, read_split
from training.round_manifest import read_manifest, rounds_frozen

SPLIT_FILE = "split.csv"
_ABSENT = (Presence.ABSENT_FOV, Presence.ABSENT_ANATOMY)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The cases that are evaluated, and how they were chosen."""

    records: tuple[CaseRecord, ...]
    note: str


def gather_workspace(workspace: Workspace, settings: EvaluateSettings) -> Gathered:
    """Collect accepted masks as truth and the predictions of a maker or folder.

    Raises
    ------
    UsageError
        If something that this needs was not given, or does not belong to it.
    NothingToDo
        If there is no such maker, folder or split, or no case on that side.
    BadInput
        If the split or a class map cannot be read, or the class map is another than the
        workspace's.
    """
    _check(settings)
    records = tuple(record for record in workspace.records() if not record.excluded)
    maps = class_maps(settings, workspace.class_map)
    if maps["truth"].digest != workspace.class_map.digest:
        raise BadInput(
            f"class map '{maps['truth'].name}' is not that of {workspace.path}, whose accepted "
            "masks are the truth; name it with --predictions-class-map if it is that of the "
            "predictions"
        )
    chosen = _chosen(workspace, settings, records)
    truth = {record.case.id: _truth(workspace, record) for record in chosen.records}
    empty = [case_id for case_id, source in truth.items() if not source.covered]
    predictions = {
        name: _predictions(workspace, records, given, maps[name], settings)
        for name, given in named_predictions(settings).items()
    }
    return Gathered(
        class_map=workspace.class_map,
        truth={case_id: source for case_id, source in truth.items() if case_id not in empty},
        predictions=predictions,
        named=named_predictions(settings),
        expected=named_predictions(settings),
        facts=_facts(record.case for record in records),
        problems=() if settings.split == ALL_CASES else tuple(map(_undecided, empty)),
        notes=(chosen.note,),
        warnings=tuple(_taught(workspace, named_predictions(settings).values(), truth)),
    )


def _check(settings: EvaluateSettings) -> None:
    if not settings.predictions:
        raise UsageError(
            "evaluate: say what is evaluated: --predictions MAKER or PATH; to compare files "
            "without a workspace also --truth PATH"
        )
    if settings.cases is not None:
        raise UsageError("evaluate: --cases belongs to --truth; a workspace knows its patients")


def _chosen(
    workspace: Workspace, settings: EvaluateSettings, records: tuple[CaseRecord, ...]
) -> Chosen:
    if settings.split == ALL_CASES:
        return Chosen(records, "every case with an accepted mask, training cases among them")
    path = _split_path(workspace, settings)
    patients = patients_of(workspace.cases())
    wanted = set(read_split(path, patients).cases(settings.side))
    found = tuple(record for record in records if record.case.id in wanted)
    if not found:
        raise NothingToDo(f"{path}: no case of {workspace.path} stands on side '{settings.side}'")
    return Chosen(found, f"{settings.side} side of {path}")


def _split_path(workspace: Workspace, settings: EvaluateSettings) -> Path:
    """Find the split: the file, that of the named model, or that of the model evaluated."""
    named = settings.split or (settings.predictions or "").removeprefix("model:")
    folders = [workspace.layout.models_dir / each for each in (named, f"final-{named}")]
    tried = [Path(named)] if settings.split else []
    # A maker's name may hold what a path may not; it is only looked up, never made.
    tried += [folder / SPLIT_FILE for folder in folders] if "/" not in named else []
    for path in tried:
        if path.is_file():
            return path
    if settings.split:
        raise NothingToDo(
            f"no split '{named}': found neither that file nor {folders[-1] / SPLIT_FILE}"
        )
    raise UsageError(
        "evaluate: say which cases: --split CSV, --split MODEL for the split of a final model, or "
        "--split all for every case with an accepted mask"
    )


def _truth(workspace: Workspace, record: CaseRecord) -> WorkspaceSource:
    there = record.presence(workspace.class_map.names)
    absent = frozenset(name for name, presence in there.items() if presence in _ABSENT)
    masks = {name: mask for name, mask in record.accepted().items() if name in workspace.class_map}
    return WorkspaceSource(workspace.layout, record.case, masks, absent)


def _undecided(case_id: str) -> Problem:
    return Problem(
        case_id,
        "nothing in it is decided, so there is no truth; accept masks with 'masksmith verdict', or "
        "take the case out of the split",
    )


def _predictions(
    workspace: Workspace,
    records: tuple[CaseRecord, ...],
    given: str,
    class_map: ClassMap,
    settings: EvaluateSettings,
) -> Mapping[str, Source]:
    by_maker = {record.case.id: masks for record in records if (masks := _masks_of(record, given))}
    if by_maker:
        cases = {record.case.id: record.case for record in records}
        return {
            case_id: WorkspaceSource(workspace.layout, cases[case_id], masks)
            for case_id, masks in by_maker.items()
        }
    if Path(given).exists():
        return {
            case_id: file_source(files, class_map, ignore_unknown=settings.ignore_unknown)
            for case_id, files in find_case_files(Path(given), class_map).items()
        }
    raise NothingToDo(
        f"'{given}' is neither a path nor a maker of masks in {workspace.path}; "
        f"{_makers(records, given)}"
    )


def _taught(workspace: Workspace, named: Iterable[str], cases: Iterable[str]) -> Iterator[str]:
    """Say which of the cases taught the round whose predictions are scored."""
    known, patients = rounds_frozen(workspace.layout), patients_of(workspace.cases())
    for maker in named:
        number = maker.removeprefix("round:")
        if not maker.startswith("round:") or not number.isdigit() or int(number) not in known:
            continue
        manifest = read_manifest(workspace.layout, int(number))
        taught = {case for model in manifest.models.values() for case in model.cases}
        both = sorted(
            case for case in taught & set(cases) if patients.get(case) not in manifest.validation
        )
        if both:
            shown = ", ".join(both[:5]) + (" ..." if both[5:] else "")
            yield f"{len(both)} of the cases taught {maker}, so its figures flatter: {shown}"


def _masks_of(record: CaseRecord, maker: str) -> dict[str, Mask]:
    """Give the newest mask of a maker for every structure."""
    newest: dict[str, Mask] = {}
    for mask in sorted(record.masks, key=lambda mask: (mask.provenance.created, mask.id)):
        if mask.provenance.maker == maker:
            newest[mask.structure] = mask
    return newest


def _makers(records: Iterable[CaseRecord], given: str) -> str:
    known = sorted({mask.provenance.maker for record in records for mask in record.masks})
    near = get_close_matches(given, known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{hint}it has masks of: {', '.join(known) or 'nobody'}"


def _facts(cases: Iterable[Case]) -> dict[str, CaseFacts]:
    every = tuple(cases)
    patients = patients_of(every)
    return {
        case.id: CaseFacts(patients[case.id], case_groups(case.phase, case.meta)) for case in every
    }
