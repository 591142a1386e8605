"""Truth and predictions from paths; no workspace is needed."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.anatomy import ClassMap, find_class_map, shipped_configs
from pipeline.errors import UsageError
from pipeline.volume.label_files import CaseFiles, find_case_files
from training.evaluation.case_table import read_case_table
from training.evaluation.plan import COMPARE, PREDICTIONS, Gathered, Problem
from training.evaluation.rows import CaseFacts
from training.evaluation.settings import EvaluateSettings
from training.evaluation.sources import file_source

_DEFAULT_MAP = "class_map"


def gather_files(settings: EvaluateSettings) -> Gathered:
    """Find the cases of ``--truth``, ``--predictions`` and ``--compare``.

    Raises
    ------
    UsageError
        If something that this needs was not given, or does not belong to it.
    NothingToDo
        If a path is not there or holds no case.
    ClassMapError
        If there is no such class map.
    BadInput
        If the table of cases cannot be read.
    """
    truth_path = _checked(settings)
    maps = class_maps(settings, None)
    truth = find_case_files(truth_path, maps["truth"])
    predictions: dict[str, dict[str, CaseFiles]] = {}
    for name, path in named_predictions(settings).items():
        found = find_case_files(Path(path), maps[name])
        predictions[name] = _as_the_one_case(truth_path, truth, Path(path), found)
    facts, warnings = _facts(settings.cases, truth)
    return Gathered(
        class_map=maps["truth"],
        truth={
            case_id: file_source(files, maps["truth"], ignore_unknown=settings.ignore_unknown)
            for case_id, files in truth.items()
        },
        predictions={
            name: {
                case_id: file_source(files, maps[name], ignore_unknown=settings.ignore_unknown)
                for case_id, files in found.items()
            }
            for name, found in predictions.items()
        },
        named=named_predictions(settings),
        expected=named_predictions(settings),
        facts=facts,
        problems=tuple(_without_truth(truth_path, truth, predictions)),
        warnings=warnings,
    )


def named_predictions(settings: EvaluateSettings) -> dict[str, str]:
    """Give what was asked for as ``predictions`` and, if given, ``compare``."""
    given = {PREDICTIONS: settings.predictions, COMPARE: settings.compare}
    return {name: value for name, value in given.items() if value}


def class_maps(settings: EvaluateSettings, of_workspace: ClassMap | None) -> dict[str, ClassMap]:
    """Load the class maps of truth, predictions and comparison.

    Parameters
    ----------
    of_workspace : ClassMap or None
        What counts where ``--class-map`` names none; the 104 structures without a workspace.
    """
    configs = settings.configs or shipped_configs()
    if settings.class_map or of_workspace is None:
        truth = find_class_map(settings.class_map or _DEFAULT_MAP, configs)
    else:
        truth = of_workspace
    others = {PREDICTIONS: settings.predictions_class_map, COMPARE: settings.compare_class_map}
    return {"truth": truth} | {
        name: find_class_map(given, configs) if given else truth for name, given in others.items()
    }


def _checked(settings: EvaluateSettings) -> Path:
    if settings.truth is None:
        raise UsageError("evaluate: --truth PATH is missing")
    missing = [
        flag
        for flag, value in (
            ("--predictions PATH", settings.predictions),
            ("--out DIR", settings.out),
        )
        if not value
    ]
    if missing:
        raise UsageError(f"evaluate: with --truth also give {' and '.join(missing)}")
    if settings.split:
        raise UsageError("evaluate: --split belongs to a workspace; leave it or --truth out")
    return settings.truth


def _as_the_one_case(
    truth_path: Path, truth: Mapping[str, CaseFiles], path: Path, found: dict[str, CaseFiles]
) -> dict[str, CaseFiles]:
    """Pair two paths that are each one case, whatever they are called."""
    if _is_one_case(truth_path, truth) and _is_one_case(path, found):
        return dict(zip(truth, found.values(), strict=True))
    return found


def _is_one_case(path: Path, found: Mapping[str, CaseFiles]) -> bool:
    return len(found) == 1 and next(iter(found.values())).place in (path, path / "segmentations")


def _without_truth(
    truth_path: Path,
    truth: Mapping[str, CaseFiles],
    predictions: Mapping[str, Mapping[str, CaseFiles]],
) -> list[Problem]:
    return [
        Problem(
            case_id,
            f"{files.place}: a prediction without truth in {truth_path}; add its truth, or take it "
            "away",
        )
        for found in predictions.values()
        for case_id, files in found.items()
        if case_id not in truth
    ]


def _facts(
    table: Path | None, truth: Mapping[str, CaseFiles]
) -> tuple[dict[str, CaseFacts], tuple[str, ...]]:
    if table is None:
        note = "every case counts as a patient of its own; say otherwise with --cases CSV"
        return {case: CaseFacts(case) for case in truth}, (note,) if len(truth) > 1 else ()
    known = read_case_table(table)
    alone = [case for case in truth if case not in known]
    note = f"{table} does not name {', '.join(alone[:5])}{' ...' if alone[5:] else ''}: each is "
    facts = {case: known.get(case, CaseFacts(case)) for case in truth}
    return facts, (f"{note}taken for a patient of its own",) if alone else ()
