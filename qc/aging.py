"""Volume and density over age: which scans count for a structure, and which do not and why.

Paper, section 3.6: how the volume and the mean Hounsfield units of a structure change over the
lifespan. A structure that the border of the CT cuts has neither its volume nor its mean, so its
scan is left out, and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.anatomy import ClassMap
from pipeline.errors import BadInput
from pipeline.workspace import CaseRecord, Presence, Workspace
from qc.aging_fit import QuadraticFit, fit_quadratic
from qc.measurement_table import Row, age_years, case_rows
from qc.measuring import read_measurements

MEASURES = {"volume_ml": "volume (ml)", "mean_hu": "mean density (HU)"}
GROUPS = ("all", "f", "m")

EXCLUDED, NOT_MEASURED, NO_AGE, OTHER_PHASE = WHOLE_CASE_REASONS = (
    "case excluded",
    "not measured as it is now",
    "age not known",
    "another phase",
)
NO_MASK, ABSENT, CUT, NOT_ACCEPTED = (
    "no mask",
    "absent",
    "cut by the border of the CT",
    "not accepted",
)


@dataclass(frozen=True, slots=True)
class AgingRequest:
    """What is to be looked at.

    Attributes
    ----------
    quantities : tuple of str
        A structure, or several with + between them, which are taken together.
    phase : str or None
        Only cases of this contrast phase.
    accepted_only : bool
        Only masks that a person accepted.
    """

    quantities: tuple[str, ...]
    phase: str | None = None
    accepted_only: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """One scan of a figure."""

    quantity: str
    case: str
    patient: str
    age: float
    sex: str
    phase: str
    volume_ml: float
    mean_hu: float


@dataclass(frozen=True, slots=True)
class Curve:
    """The fit of one measure in one group; None where there is too little for one."""

    quantity: str
    measure: str
    group: str
    scans: int
    fit: QuadraticFit | None


@dataclass(slots=True)
class AgingStudy:
    """What is drawn, and what is not.

    Attributes
    ----------
    points : list of Point
    left_out : dict
        (quantity, reason) to case ids; the quantity is "" for a reason that is the case's.
    """

    request: AgingRequest
    points: list[Point] = field(default_factory=list)
    left_out: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def of(self, quantity: str, group: str = "all") -> list[Point]:
        """Give the points of one quantity, of all or of one sex."""
        return [
            point
            for point in self.points
            if point.quantity == quantity and group in ("all", point.sex)
        ]

    def curves(self) -> list[Curve]:
        """Fit every measure of every quantity, for all, women and men."""
        return [
            Curve(quantity, measure, group, len(points), _fit(points, measure))
            for quantity in self.request.quantities
            for measure in MEASURES
            for group in GROUPS
            for points in [self.of(quantity, group)]
        ]

    def phases(self, quantity: str) -> dict[str, int]:
        """Count the points of a quantity by contrast phase; density depends on it."""
        counts: dict[str, int] = {}
        for point in self.of(quantity):
            phase = point.phase or "phase not known"
            counts[phase] = counts.get(phase, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: -item[1]))


def aging_study(workspace: Workspace, request: AgingRequest) -> AgingStudy:
    """Collect what `masksmith stats` measured of the structures asked for.

    Raises
    ------
    BadInput
        If a structure is not in the workspace's class map.
    """
    parts = {text: _parts(text, workspace.class_map) for text in request.quantities}
    study = AgingStudy(request)
    names = list(dict.fromkeys(name for several in parts.values() for name in several))
    for record in workspace.records():
        known = read_measurements(workspace.layout, record)
        reason = _whole_case(record, known, request)
        if reason or known is None:
            study.left_out.setdefault(("", reason or NOT_MEASURED), []).append(record.case.id)
            continue
        rows = {row["structure"]: row for row in case_rows(record, known, names)}
        for text, structures in parts.items():
            _add(study, record, text, [rows.get(name) for name in structures])
    return study


def _parts(text: str, class_map: ClassMap) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split("+")))
    unknown = [name for name in names if name not in class_map]
    if unknown:
        from difflib import get_close_matches

        close = get_close_matches(unknown[0], class_map.names, n=3)
        hint = f"; close: {', '.join(close)}" if close else ""
        raise BadInput(f"no structure {unknown[0]!r} in class map '{class_map.name}'{hint}")
    return names


def _whole_case(
    record: CaseRecord, known: Mapping[str, Any] | None, request: AgingRequest
) -> str | None:
    if record.excluded:
        return EXCLUDED
    if age_years(record.case.meta) is None:
        return NO_AGE
    if request.phase is not None and record.case.phase != request.phase:
        return OTHER_PHASE
    return NOT_MEASURED if known is None else None


def _add(study: AgingStudy, record: CaseRecord, text: str, rows: Sequence[Row | None]) -> None:
    case = record.case
    reason = next(_reasons(rows, accepted_only=study.request.accepted_only), None)
    if reason is not None:
        study.left_out.setdefault((text, reason), []).append(case.id)
        return
    found = [row for row in rows if row is not None]
    voxels = sum(row["voxels"] for row in found)
    study.points.append(
        Point(
            quantity=text,
            case=case.id,
            patient=case.patient_id or case.id,
            age=age_years(case.meta) or 0.0,
            sex=case.meta.get("sex", ""),
            phase=case.phase or "",
            volume_ml=sum(row["volume_ml"] for row in found),
            mean_hu=sum(row["mean_hu"] * row["voxels"] for row in found) / voxels,
        )
    )


def _reasons(rows: Iterable[Row | None], *, accepted_only: bool) -> Iterator[str]:
    """Give why a case does not count for a quantity; nothing if it does."""
    for row in rows:
        if row is None or row["presence"] == "empty":
            yield NO_MASK
        elif row["presence"] != Presence.PRESENT:
            yield ABSENT
        elif row["touches_border"]:
            yield CUT
        elif accepted_only and not row["accepted"]:
            yield NOT_ACCEPTED


def _fit(points: Sequence[Point], measure: str) -> QuadraticFit | None:
    return fit_quadratic(
        [point.age for point in points],
        [getattr(point, measure) for point in points],
        [point.patient for point in points],
    )
