"""An aging study as files: what is drawn as tables, what is left out, the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from qc.aging import AgingStudy, Curve
from qc.aging_figure import draw_aging
from qc.figure_style import save_png
from qc.measurement_table import Row, write_table

POINTS: dict[str, type] = {
    "quantity": str, "case": str, "patient": str, "age": float, "sex": str, "phase": str,
    "volume_ml": float, "mean_hu": float,
}  # fmt: skip
FITS: dict[str, type] = {
    "quantity": str, "measure": str, "group": str, "scans": int, "patients": int, "r2": float,
    "a": float, "b": float, "c": float, "youngest": float, "oldest": float, "turning_age": float,
}  # fmt: skip
CURVES: dict[str, type] = {
    "quantity": str, "measure": str, "group": str, "age": float, "fit": float, "low": float,
    "high": float,
}  # fmt: skip
LEFT_OUT: dict[str, type] = {"quantity": str, "reason": str, "case": str}

_MOST_TOGETHER = 6


def write_aging(study: AgingStudy, curves: Sequence[Curve], out: Path) -> list[str]:
    """Write tables and figures into a folder; give the names of the files.

    Raises
    ------
    BadInput
        If the folder cannot be written.
    """
    tables: dict[str, tuple[dict[str, type], list[Row]]] = {
        "points.csv": (POINTS, [asdict(point) for point in study.points]),
        "fits.csv": (FITS, [fit_row(curve) for curve in curves]),
        "curves.csv": (CURVES, [row for curve in curves for row in _curve_rows(curve)]),
        "left_out.csv": (LEFT_OUT, _left_out_rows(study)),
    }
    for name, (columns, rows) in tables.items():
        write_table(out / name, columns, rows)
    figures = _figures(study)
    for name, quantities in figures.items():
        save_png(draw_aging(study, curves, quantities), out / name)
    return [*figures, *tables]


def fit_row(curve: Curve) -> Row:
    """Give the cells of one fit; empty ones where there is none."""
    row: Row = {
        "quantity": curve.quantity,
        "measure": curve.measure,
        "group": curve.group,
        "scans": curve.scans,
    }
    fit = curve.fit
    if fit is None:
        return row
    a, b, c = fit.coefficients
    return row | {
        "patients": fit.patients,
        "r2": fit.r2,
        "a": a,
        "b": b,
        "c": c,
        "youngest": float(fit.ages[0]),
        "oldest": float(fit.ages[-1]),
        "turning_age": fit.turning_age,
    }


def left_out_counts(study: AgingStudy) -> list[dict[str, Any]]:
    """Say for each reason how many cases it left out, and which."""
    return [
        {"quantity": quantity, "reason": reason, "count": len(cases), "cases": cases}
        for (quantity, reason), cases in sorted(study.left_out.items())
    ]


def _figures(study: AgingStudy) -> dict[str, tuple[str, ...]]:
    quantities = study.request.quantities
    if len(quantities) <= _MOST_TOGETHER:
        return {"aging.png": quantities}
    return {f"aging_{quantity}.png": (quantity,) for quantity in quantities}


def _curve_rows(curve: Curve) -> list[Row]:
    fit = curve.fit
    if fit is None:
        return []
    said = {"quantity": curve.quantity, "measure": curve.measure, "group": curve.group}
    return [
        said | {"age": float(age), "fit": float(at), "low": float(low), "high": float(high)}
        for age, at, low, high in zip(fit.ages, fit.curve, fit.low, fit.high, strict=True)
    ]


def _left_out_rows(study: AgingStudy) -> list[Row]:
    return [
        {"quantity": quantity or "all", "reason": reason, "case": case}
        for (quantity, reason), cases in sorted(study.left_out.items())
        for case in cases
    ]
