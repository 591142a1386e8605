"""What share of the planted errors people caught: by person, size, structure and kind."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.workspace import Verdict, Workspace
from pipeline.workspace.planted import removed_plants
from qc.audit.catching import is_caught, rules_caught
from qc.audit.truth import PlantTruth, all_truths
from qc.planting import GRADES
from qc.planting.catch_rate import CatchRate

MANY = "many structures"
_MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class Look:
    """One person and one planted case.

    Attributes
    ----------
    truth : PlantTruth
    by : str
    is_caught : bool or None
        None: this person decided nothing about the case.
    """

    truth: PlantTruth
    by: str
    is_caught: bool | None


@dataclass(frozen=True, slots=True)
class Catches:
    """Catch rates of one person, of all people, or of the rules.

    Attributes
    ----------
    by : str
    total : CatchRate
    by_grade, by_structure, by_kind : dict of str to CatchRate
    undecided : int
        Planted cases about which nothing was decided: they count neither way.
    """

    by: str
    total: CatchRate
    by_grade: dict[str, CatchRate]
    by_structure: dict[str, CatchRate]
    by_kind: dict[str, CatchRate]
    undecided: int

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        groups = {name: getattr(self, name) for name in ("by_grade", "by_structure", "by_kind")}
        return {
            "by": self.by,
            "total": self.total.to_dict(),
            **{
                name: {key: rate.to_dict() for key, rate in group.items()}
                for name, group in groups.items()
            },
            "undecided": self.undecided,
        }


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What became of all planted cases.

    Attributes
    ----------
    planted, removed : int
        Cases in the workspace now, and those taken out again.
    people : Catches
        All people together: each counts for each case of which they decided something.
    reviewers : tuple of Catches
        By name.
    rules : Catches
        What `masksmith plausibility` found in the same cases.
    looks : tuple of Look
    """

    planted: int
    removed: int
    people: Catches
    reviewers: tuple[Catches, ...]
    rules: Catches
    looks: tuple[Look, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return {
            "planted": self.planted,
            "removed": self.removed,
            "people": self.people.to_dict(),
            "reviewers": [catches.to_dict() for catches in self.reviewers],
            "rules": self.rules.to_dict(),
            "cases": [
                {
                    "case": look.truth.case_id,
                    "by": look.by,
                    "caught": look.is_caught,
                    "kind": look.truth.kind,
                    "grade": look.truth.grade,
                    "targets": list(look.truth.targets),
                    "words": look.truth.words,
                }
                for look in self.looks
            ],
        }


def audit_report(workspace: Workspace, *, count_undecided: bool = False) -> AuditReport:
    """Count what people and rules caught of all that was ever planted here.

    Parameters
    ----------
    workspace : Workspace
    count_undecided : bool
        Count a planted case about which a person decided nothing as missed: right where people
        look through every case and flag only what is wrong.

    Raises
    ------
    BadInput
        If the file of a planted case cannot be read.
    """
    layout = workspace.layout
    truths = all_truths(layout)
    removed = removed_plants(layout)
    # A real case may have come in since under the id of one that was taken out.
    said = {
        t.case_id: t.verdicts if t.case_id in removed else workspace.ledger.verdicts(t.case_id)
        for t in truths
    }
    reviewers = sorted({verdict.by for verdicts in said.values() for verdict in verdicts})
    looks = tuple(
        Look(truth, by, _caught(truth, said[truth.case_id], by, count_undecided=count_undecided))
        for by in reviewers
        for truth in truths
    )
    machine = [Look(truth, "rules", rules_caught(layout, truth)) for truth in truths]
    return AuditReport(
        planted=len(truths) - len(removed),
        removed=len(removed),
        people=_catches("everybody", looks),
        reviewers=tuple(_catches(by, [k for k in looks if k.by == by]) for by in reviewers),
        rules=_catches("rules", machine),
        looks=looks,
    )


def _caught(
    truth: PlantTruth, verdicts: Iterable[Verdict], by: str, *, count_undecided: bool
) -> bool | None:
    own = [verdict for verdict in verdicts if verdict.by == by]
    if not own:
        return False if count_undecided else None
    return is_caught(truth, own)


def _catches(by: str, looks: Sequence[Look]) -> Catches:
    decided = [look for look in looks if look.is_caught is not None]
    grades = _grouped(decided, lambda truth: [truth.grade])
    return Catches(
        by=by,
        total=_rate(decided),
        by_grade={grade: grades[grade] for grade in GRADES if grade in grades},
        by_structure=_grouped(decided, _structures),
        by_kind=_grouped(decided, lambda truth: [truth.kind]),
        undecided=len(looks) - len(decided),
    )


def _structures(truth: PlantTruth) -> Sequence[str]:
    return truth.targets if len(truth.targets) <= _MOST_NAMED else [MANY]


def _grouped(
    looks: Iterable[Look], keys: Callable[[PlantTruth], Sequence[str]]
) -> dict[str, CatchRate]:
    groups: dict[str, list[Look]] = {}
    for look in looks:
        for key in keys(look.truth):
            groups.setdefault(key, []).append(look)
    return {key: _rate(groups[key]) for key in sorted(groups)}


def _rate(looks: Sequence[Look]) -> CatchRate:
    return CatchRate(sum(bool(look.is_caught) for look in looks), len(looks))
