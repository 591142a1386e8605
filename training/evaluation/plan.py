"""What is compared with what: every case's truth and predictions, before anything is loaded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.anatomy import ClassMap
from training.evaluation.rows import CaseFacts, CaseTask
from training.evaluation.settings import EvaluateSettings
from training.evaluation.sources import Source

PREDICTIONS, COMPARE = "predictions", "compare"


@dataclass(frozen=True, slots=True)
class Problem:
    """A case that cannot be compared, or not with everything, and why."""

    case_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All comparisons of a run.

    Attributes
    ----------
    class_map : ClassMap
        Of the truth.
    names : mapping
        How the predictions are called in tables and figures, by ``predictions`` and ``compare``.
    not_covered : mapping
        By the same: structures that have truth and that these predictions do not cover.
    notes, warnings : tuple of str
        What a reader of the figures must know; warnings: why they may flatter.
    """

    class_map: ClassMap
    names: Mapping[str, str]
    tasks: tuple[CaseTask, ...]
    problems: tuple[Problem, ...]
    facts: Mapping[str, CaseFacts]
    not_covered: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gathered:
    """Sources by case, as one kind of place gives them.

    Attributes
    ----------
    predictions : mapping
        By ``predictions`` and ``compare``, then by case.
    named : mapping
        How these are called.
    expected : mapping
        Where a case's prediction was looked for, by the same.
    """

    class_map: ClassMap
    truth: Mapping[str, Source]
    predictions: Mapping[str, Mapping[str, Source]]
    named: Mapping[str, str]
    expected: Mapping[str, str]
    facts: Mapping[str, CaseFacts]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def make_plan(gathered: Gathered, settings: EvaluateSettings) -> Plan:
    """Pair truth and predictions by case.

    Raises
    ------
    ClassMapError
        If a structure that was asked for is not in the class map of the truth.
    """
    structures = wanted_structures(gathered.class_map, settings.structures)
    covered = {
        name: frozenset().union(*(source.covered for source in by_case.values()))
        for name, by_case in gathered.predictions.items()
    }
    problems, tasks = list(gathered.problems), []
    for case_id, truth in gathered.truth.items():
        problems += _without_prediction(case_id, gathered)
        if case_id not in gathered.predictions[PREDICTIONS]:
            continue
        tasks.append(
            CaseTask(
                case_id=case_id,
                facts=gathered.facts[case_id],
                truth=truth,
                predictions={
                    name: by_case[case_id]
                    for name, by_case in gathered.predictions.items()
                    if case_id in by_case
                },
                covered=covered,
                structures=structures,
                tolerance_mm=settings.tolerance_mm,
            )
        )
    return Plan(
        class_map=gathered.class_map,
        names=gathered.named,
        tasks=tuple(tasks),
        problems=tuple(problems),
        facts=gathered.facts,
        not_covered=_not_covered(gathered, structures, covered),
        notes=gathered.notes,
        warnings=gathered.warnings,
    )


def wanted_structures(class_map: ClassMap, names: Iterable[str]) -> frozenset[str]:
    """Give the named structures, or all; raises ClassMapError with near names."""
    return frozenset(class_map[name].name for name in names) or frozenset(class_map.names)


def _without_prediction(case_id: str, gathered: Gathered) -> list[Problem]:
    return [
        Problem(
            case_id,
            f"has truth, but no prediction in {gathered.expected[name]}; predict it, or take the "
            "case out of the truth",
        )
        for name, by_case in gathered.predictions.items()
        if case_id not in by_case
    ]


def _not_covered(
    gathered: Gathered, structures: frozenset[str], covered: Mapping[str, frozenset[str]]
) -> dict[str, tuple[str, ...]]:
    with_truth = frozenset().union(*(source.covered for source in gathered.truth.values()))
    names = [name for name in gathered.class_map.names if name in with_truth & structures]
    return {
        key: tuple(name for name in names if name not in by_key) for key, by_key in covered.items()
    }
