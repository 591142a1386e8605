"""Write what an evaluation found: tables, summary, figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from training.evaluation.groups import STRUCTURE
from training.evaluation.plan import COMPARE, PREDICTIONS, Plan
from training.evaluation.results import GroupResult, PairedResult
from training.evaluation.rows import Row
from training.evaluation.settings import EvaluateSettings
from training.evaluation.tables import (
    COMPARE_METRICS,
    COMPARISON,
    GROUPS,
    METRICS,
    SUMMARY,
    write_csv,
    write_rows,
    write_summary,
)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Everything that is written.

    Attributes
    ----------
    others : sequence of Row
        Of ``--compare``.
    failures : mapping
        Case to reason.
    """

    plan: Plan
    settings: EvaluateSettings
    rows: Sequence[Row]
    others: Sequence[Row]
    groups: Sequence[GroupResult]
    pairs: Sequence[PairedResult]
    failures: Mapping[str, str]


def write_report(evaluated: Evaluated, out: Path) -> None:
    """Write tables and figures into a folder; the summary last, so that it stands for the rest."""
    from training.evaluation.figures import FIGURES, draw_figures

    plan = evaluated.plan
    for stale in (COMPARE_METRICS, COMPARISON, SUMMARY, *FIGURES):
        (out / stale).unlink(missing_ok=True)
    write_rows(out / METRICS, evaluated.rows, plan.class_map, plan.facts)
    groups = [group.to_dict() for group in evaluated.groups]
    write_csv(out / GROUPS, list(groups[0]), groups)
    if COMPARE in plan.names:
        write_rows(out / COMPARE_METRICS, evaluated.others, plan.class_map, plan.facts)
        pairs = [pair.to_dict() for pair in evaluated.pairs]
        write_csv(out / COMPARISON, list(pairs[0]) if pairs else ["kind", "name", "rows"], pairs)
    drawn = draw_figures(evaluated, out) if evaluated.settings.figures else []
    write_summary(out / SUMMARY, _summary(evaluated, drawn))


def _summary(evaluated: Evaluated, drawn: Sequence[str]) -> dict[str, Any]:
    plan, settings = evaluated.plan, evaluated.settings
    by_kind: dict[str, dict[str, Any]] = {}
    for group in evaluated.groups:
        by_kind.setdefault(group.kind, {})[group.name] = _without_name(group.to_dict())
    paired: dict[str, dict[str, Any]] = {}
    for pair in evaluated.pairs:
        paired.setdefault(pair.kind, {})[pair.name] = _without_name(pair.to_dict())
    return {
        "predictions": plan.names[PREDICTIONS],
        "compare": plan.names.get(COMPARE),
        "class_map": plan.class_map.name,
        "tolerance_mm": settings.tolerance_mm,
        "bootstrap": {"unit": "patient", "resamples": settings.resamples, "seed": settings.seed},
        "notes": [*plan.warnings, *plan.notes],
        "overall": by_kind["all"]["all"],
        "structures": by_kind.get(STRUCTURE, {}),
        "groups": {kind: it for kind, it in by_kind.items() if kind not in ("all", STRUCTURE)},
        "false_positives": _false_positives(evaluated.rows),
        "comparison": paired or None,
        "not_covered": {name: list(them) for name, them in plan.not_covered.items()},
        "failures": dict(evaluated.failures),
        "figures": list(drawn),
        "software": {"masksmith": version("masksmith")},
    }


def _without_name(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in ("kind", "name")}


def _false_positives(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """List every structure that was predicted where the truth has none, largest first."""
    wrong = sorted(
        (row for row in rows if row.found == "false_positive"),
        key=lambda row: (-row.prediction_ml, row.case, row.structure),
    )
    return [
        {"case": row.case, "structure": row.structure, "ml": round(row.prediction_ml, 4)}
        for row in wrong
    ]
