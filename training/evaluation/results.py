"""Averages of rows by group, with intervals, and what averages would hide: false positives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.anatomy import ClassMap
from training.evaluation.groups import Group, groups_of, ordered
from training.evaluation.patient_bootstrap import Interval, PatientSums, bootstrap_means
from training.evaluation.rows import CaseFacts, Row


@dataclass(frozen=True, slots=True)
class Setting:
    """What averages are made with.

    Attributes
    ----------
    class_map : ClassMap
        Of the truth: parts, categories, order.
    facts : mapping
        By case.
    resamples, seed : int
        Of the bootstrap.
    """

    class_map: ClassMap
    facts: Mapping[str, CaseFacts]
    resamples: int
    seed: int


@dataclass(frozen=True, slots=True)
class GroupResult:
    """One group.

    Attributes
    ----------
    rows : int
        Structures in cases that enter the averages: the truth has them.
    missed : int
        Of these, where the prediction has nothing; they count as 0.
    absent : int
        Where the truth has nothing; never part of the averages.
    false_positives : int
        Of these, where the prediction has something.
    """

    kind: str
    name: str
    rows: int
    cases: int
    patients: int
    dice: Interval
    nsd: Interval
    missed: int
    absent: int
    false_positives: int
    false_positive_ml: float
    truth_from_prediction: int

    def to_dict(self) -> dict[str, Any]:
        """Give one flat line of a table; None for what is not a number."""
        return _cells(self)


@dataclass(frozen=True, slots=True)
class PairedResult:
    """One group of two predictions, on the rows that both of them cover."""

    kind: str
    name: str
    rows: int
    cases: int
    patients: int
    dice: Interval
    other_dice: Interval
    dice_difference: Interval
    nsd: Interval
    other_nsd: Interval
    nsd_difference: Interval

    def to_dict(self) -> dict[str, Any]:
        """Give one flat line of a table; None for what is not a number."""
        return _cells(self)


def _cells(result: GroupResult | PairedResult) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in result.__dataclass_fields__:
        value = getattr(result, name)
        if isinstance(value, Interval):
            values |= interval_cells(name, value)
        else:
            values[name] = round(value, 4) if isinstance(value, float) else value
    return values


def interval_cells(name: str, interval: Interval) -> dict[str, float | None]:
    """Give mean, low and high as cells of a table, six decimals; None for NaN."""
    parts = {"": interval.mean, "_low": interval.low, "_high": interval.high}
    return {
        f"{name}{part}": None if value != value else round(value, 6)
        for part, value in parts.items()
    }


def group_results(rows: Sequence[Row], setting: Setting) -> list[GroupResult]:
    """Average rows in every group they form."""
    members = _members(rows, setting)
    counted = {group: [row for row in its if row.counts] for group, its in members.items()}
    dice = _intervals(counted, {id(row): row.dice for row in rows}, setting)
    nsd = _intervals(counted, {id(row): row.nsd for row in rows}, setting)
    return [_result(group, members[group], dice[group], nsd[group]) for group in members]


def paired_results(
    rows: Sequence[Row], others: Sequence[Row], setting: Setting
) -> list[PairedResult]:
    """Compare two predictions on the structures and cases that both cover, patients paired."""
    other_of = {(row.case, row.structure): row for row in others}
    common = [row for row in rows if row.counts and (row.case, row.structure) in other_of]
    members = _members(common, setting)
    found: dict[str, dict[Group, Interval]] = {}
    for metric in ("dice", "nsd"):
        ours = {id(row): getattr(row, metric) for row in common}
        theirs = {id(row): getattr(other_of[row.case, row.structure], metric) for row in common}
        difference = {key: ours[key] - theirs[key] for key in ours}
        found[metric] = _intervals(members, ours, setting)
        found[f"other_{metric}"] = _intervals(members, theirs, setting)
        found[f"{metric}_difference"] = _intervals(members, difference, setting)
    return [
        _pair(group, its, {name: by_group[group] for name, by_group in found.items()})
        for group, its in members.items()
    ]


def _pair(group: Group, rows: Sequence[Row], found: Mapping[str, Interval]) -> PairedResult:
    values: dict[str, Any] = {**_counts(rows), **found}
    return PairedResult(kind=group[0], name=group[1], **values)


def _members(rows: Sequence[Row], setting: Setting) -> dict[Group, list[Row]]:
    found: dict[Group, list[Row]] = {}
    for row in rows:
        for group in groups_of(row, setting.class_map, setting.facts):
            found.setdefault(group, []).append(row)
    return {group: found[group] for group in ordered(list(found), setting.class_map)}


def _intervals(
    members: Mapping[Group, Sequence[Row]], values: Mapping[int, float | None], setting: Setting
) -> dict[Group, Interval]:
    patients = {row.patient: 0 for its in members.values() for row in its}
    patients = {name: number for number, name in enumerate(sorted(patients))}
    if not patients:
        return dict.fromkeys(members, Interval(*[float("nan")] * 3))
    cells = [
        (values[id(row)], patients[row.patient], number)
        for number, its in enumerate(members.values())
        for row in its
    ]
    sums = PatientSums.of(
        [cell[0] or 0.0 for cell in cells],
        [cell[1] for cell in cells],
        [cell[2] for cell in cells],
        (len(patients), len(members)),
    )
    intervals = bootstrap_means(sums, setting.resamples, setting.seed)
    return dict(zip(members, intervals, strict=True))


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    return {
        "rows": len(rows),
        "cases": len({row.case for row in rows}),
        "patients": len({row.patient for row in rows}),
    }


def _result(group: Group, rows: Sequence[Row], dice: Interval, nsd: Interval) -> GroupResult:
    wrong = [row for row in rows if row.found == "false_positive"]
    return GroupResult(
        kind=group[0],
        name=group[1],
        **_counts([row for row in rows if row.counts]),
        dice=dice,
        nsd=nsd,
        missed=sum(row.found == "missed" for row in rows),
        absent=sum(not row.counts for row in rows),
        false_positives=len(wrong),
        false_positive_ml=sum(row.prediction_ml for row in wrong),
        truth_from_prediction=sum(row.truth_from_prediction for row in rows),
    )
