"""The promotion guard: a structure that fell behind the rounds before does not come into force.

Each structure of a round is compared, on the fixed validation cases, with the newest earlier
round that was promoted for it. One that fell by more than the margin in Dice, in the share of
cases it is missed in or in the share of false positives is not promoted: its masks of this round
are not stored, so those in force stay, by the one rule there is. A person can overrule that.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline.errors import BadInput, UsageError
from pipeline.stage import Outcome
from pipeline.workspace import Layout
from training.structure_scores import Score
from training.training_record import read_json, write_json

EVERY = "all"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Comparison:
    """One structure of a round beside the round before.

    Attributes
    ----------
    against : int or None
        The newest earlier round that was promoted for it; None where there is none.
    now, before : Score
        On the same cases.
    promoted : bool
        Whether its masks of this round are stored.
    overruled : bool
        Whether a person asked for that although it fell.
    """

    against: int | None
    now: Score
    before: Score | None = None
    promoted: bool = True
    overruled: bool = False

    def fall(self, margin: float) -> str:
        """Say in which figures the structure fell by more than the margin; empty if in none."""
        before = self.before
        if before is None:
            return ""
        falls = []
        if before.dice is not None and before.dice - (self.now.dice or 0) > margin:
            falls.append(f"Dice {before.dice:.3f} -> {self.now.dice or 0:.3f}")
        for what, old, new, cases in (
            ("missed", before.missed, self.now.missed, self.now.present),
            ("false positives", before.false_positives, self.now.false_positives, self.now.absent),
        ):
            if cases and (new - old) / cases > margin:
                falls.append(f"{what} {old} -> {new} of {cases} cases")
        return ", ".join(falls)

    def to_dict(self) -> dict[str, Any]:
        """Give JSON values."""
        return {
            "promoted": self.promoted,
            "overruled": self.overruled,
            "against_round": self.against,
            "now": self.now.to_dict(),
            "before": self.before.to_dict() if self.before else None,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Comparison":
        """Read what :meth:`to_dict` gave."""
        return cls(
            against=values["against_round"],
            now=Score(**values["now"]),
            before=Score(**values["before"]) if values["before"] else None,
            promoted=values["promoted"],
            overruled=values["overruled"],
        )


@dataclass(frozen=True, slots=True)
class Promotion:
    """How one model of a round compares with the rounds before.

    Attributes
    ----------
    weights : str
        Digest of the model's weights; figures of other weights do not count.
    cases : tuple of str
        Validation cases that were predicted.
    structures : mapping
        Structure to comparison, all of the model.
    """

    model: str
    weights: str
    margin: float
    cases: tuple[str, ...]
    structures: Mapping[str, Comparison]

    @property
    def promoted(self) -> tuple[str, ...]:
        """Structures whose masks of this round are stored."""
        return tuple(name for name, each in self.structures.items() if each.promoted)

    @property
    def compared(self) -> tuple[str, ...]:
        """Structures for which there was something to compare with."""
        return tuple(name for name, each in self.structures.items() if each.before is not None)

    def decided(self, margin: float, anyway: Collection[str]) -> "Promotion":
        """Apply a margin and a person's wish; what was promoted once stays promoted."""
        decided = {}
        for name, each in self.structures.items():
            fell = bool(each.fall(margin))
            wanted = each.overruled or EVERY in anyway or name in anyway
            decided[name] = replace(each, promoted=wanted or not fell, overruled=fell and wanted)
        return replace(self, margin=margin, structures=decided)

    def to_dict(self) -> dict[str, Any]:
        """Give JSON values."""
        return {
            "weights": self.weights,
            "margin": self.margin,
            "validation_cases": list(self.cases),
            "structures": {name: each.to_dict() for name, each in self.structures.items()},
        }

    @classmethod
    def from_dict(cls, model: str, values: Mapping[str, Any]) -> "Promotion":
        """Read what :meth:`to_dict` gave."""
        return cls(
            model=model,
            weights=values["weights"],
            margin=values["margin"],
            cases=tuple(values["validation_cases"]),
            structures={
                name: Comparison.from_dict(each) for name, each in values["structures"].items()
            },
        )


def read_promotions(layout: Layout, round_number: int) -> dict[str, Promotion]:
    """Read how the models of a round compare; empty where nothing was compared yet.

    Raises
    ------
    BadInput
        If the file is damaged.
    """
    path = layout.promotion(round_number)
    if not path.is_file():
        return {}
    try:
        models = read_json(path)["models"]
        return {name: Promotion.from_dict(name, each) for name, each in models.items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{path}: no readable promotion ({error!r}); delete it, and the same round compares "
            "again"
        ) from error


def write_promotion(layout: Layout, round_number: int, promotion: Promotion) -> None:
    """Put one model's promotion beside those of the round's other models."""
    models = read_promotions(layout, round_number) | {promotion.model: promotion}
    values: dict[str, Any] = {"format": _FORMAT, "round": round_number}
    values["models"] = {name: each.to_dict() for name, each in models.items()}
    write_json(layout.promotion(round_number), values)


def check_promote_anyway(names: Collection[str], structures: Collection[str]) -> None:
    """Refuse a wish to promote what no model of the round learned.

    Raises
    ------
    UsageError
        Naming the structure.
    """
    unknown = sorted(set(names) - set(structures) - {EVERY})
    if unknown:
        raise UsageError(
            f"--promote-anyway {unknown[0]}: no model of this round learned it; name structures "
            f"of the round, or '{EVERY}'"
        )


def promotion_outcomes(promotion: Promotion, subject: str) -> Iterator[Outcome]:
    """Say how a model compares, and of each structure that fell what follows and what to do.

    Nothing is said where there was nothing to compare with.
    """
    compared, margin = promotion.compared, promotion.margin
    if not compared:
        return
    held_back = [name for name in compared if not promotion.structures[name].promoted]
    number = len(promotion.cases)
    yield Outcome(
        f"{subject}, promotion",
        "done",
        f"{len(compared) - len(held_back)} of {len(compared)} structures promoted, compared with "
        f"earlier rounds on {number} validation case{'s' if number != 1 else ''}",
        {"compared": len(compared), "not_promoted": held_back, "margin": margin},
    )
    for name in compared:
        each = promotion.structures[name]
        fall = f"{each.fall(margin)} against round {each.against}, margin {margin:g}"
        if each.overruled:
            yield Outcome(f"{subject}, {name}", "done", f"promoted anyway, as told: {fall}")
        elif not each.promoted:
            advice = f"'--promote-anyway {name}' stores them, other masks or another round may help"
            note = f"not promoted: {fall}; its masks of this round are not stored; {advice}"
            yield Outcome(f"{subject}, {name}", "failed", note, each.to_dict())
