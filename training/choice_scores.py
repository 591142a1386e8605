"""Strategies that rank the candidates by what the ledger and the findings say of them.

Every strategy gives each candidate a score, the higher the sooner; NaN where it has nothing to
go by. Scores depend on what a case is, never on where it stands in a file or a table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Protocol

import numpy as np

from pipeline.workspace import Case
from pipeline.workspace.case_findings import CaseFindings
from pipeline.workspace.finding_file import Severity
from training.choice_cohort import Cohort, Floats

_SHOWN = 3
_ENTROPY = 1
_FOV_STEP_MM = 200
# So that a case in which nothing asked for is likely to be seen is drawn last, but can be drawn.
_LEAST_CHANCE = 1e-6
_SEVERITY_WEIGHTS: Mapping[Severity, float] = {"high": 2.0, "medium": 1.0, "low": 0.25}


class Scorer(Protocol):
    """One strategy on one cohort of N candidates."""

    @property
    def nothing(self) -> str:
        """What is missing where no candidate has a score."""
        ...

    def scores(self, chosen: Sequence[int]) -> Floats:
        """Score every candidate while some are chosen already: shape (N,)."""
        ...

    def reason(self, place: int) -> str:
        """Say in words why a candidate stands where it stands."""
        ...


def draws(cases: Sequence[Case], seed: int, round_number: int) -> Floats:
    """Draw a number between 0 and 1 for each case, the same in whatever company it stands."""
    return np.array([_draw(f"{seed}:{round_number}:{case.id}") for case in cases], float)


def _draw(text: str) -> float:
    return (int.from_bytes(sha256(text.encode()).digest()[:6]) + 0.5) / 2**48


@dataclass(frozen=True, eq=False)
class ForegroundRandom:
    """Draws cases; those that likely hold what is decided in few cases are drawn sooner.

    A structure needs cases the more, the fewer it is decided in: 1 / (1 + cases), where a case
    chosen now counts as one that will be. The chance of a case is the share of all need that it
    likely meets. Drawing without putting back: the largest ``draw ** (1 / chance)`` (Efraimidis
    and Spirakis 2006).
    """

    cohort: Cohort
    draws: Floats
    nothing: str = "there is no candidate"

    @cached_property
    def likely(self) -> Floats:
        """How likely each undecided structure is seen in each case: shape (N, S), 0 to 1.

        Where nobody looked it is as likely as in the cases in which somebody did.
        """
        there, looked = self.cohort.there, ~np.isnan(self.cohort.there)
        seen = np.nansum(there, axis=0) + 1
        share = seen / (looked.sum(axis=0) + 1)
        return np.where(looked, np.nan_to_num(there), share) * self.cohort.undecided

    def scores(self, chosen: Sequence[int]) -> Floats:
        """Give the draw of every candidate."""
        chance = np.maximum(self.likely @ self._need(chosen), _LEAST_CHANCE)
        return np.asarray(self.draws ** (1 / chance))

    def _need(self, chosen: Sequence[int]) -> Floats:
        expected = self.cohort.decided + self.likely[list(chosen)].sum(axis=0)
        need = 1 / (1 + expected)
        return np.asarray(need / need.sum())

    def reason(self, place: int) -> str:
        """Say what of the undecided a case likely holds."""
        undecided, likely = self.cohort.undecided[place], self.likely[place] > 1 / 2
        scarce = [p for p in np.argsort(self.cohort.decided, kind="stable") if likely[p]]
        named = [f"{self.cohort.structures[p]} ({self.cohort.decided[p]})" for p in scarce[:_SHOWN]]
        words = f"drawn; likely holds {int(likely.sum())} of {int(undecided.sum())} undecided"
        return f"{words}; decided in fewest cases: {', '.join(named)}" if named else words


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Cases of whose undecided masks the model was least sure.

    Within each structure the masks of all candidates are ranked by mean entropy, by mean
    probability and by uncertain volume, from 0 for the surest to 1; a vessel is compared with
    vessels only. A case's score is the mean over its structures.
    """

    cohort: Cohort
    nothing: str = "no mask says how sure its model was of it"

    @cached_property
    def by_structure(self) -> Floats:
        """Rank of each structure of each case, 0 to 1: shape (N, S); NaN where not known."""
        probability, entropy, volume = np.moveaxis(self.cohort.confidence, -1, 0)
        empty = ~(self.cohort.there > 0)
        # Nothing found and nothing in doubt: the structure is not there, which is no doubt.
        sure = empty & ~(volume > 0)
        doubt = [entropy, np.where(empty, np.nan, 1 - probability), volume]
        ranks = np.stack([_ranks(np.where(sure, np.nan, each)) for each in doubt])
        return _mean(ranks, axis=0)

    @cached_property
    def _scores(self) -> Floats:
        return _mean(self.by_structure, axis=1)

    def scores(self, chosen: Sequence[int]) -> Floats:
        """Give the mean rank of every candidate."""
        return self._scores

    def reason(self, place: int) -> str:
        """Name the structures with the highest ranks, and their entropy."""
        entropy = self.cohort.confidence[place, :, _ENTROPY]
        worst = _largest(self.by_structure[place])
        named = [f"{self.cohort.structures[p]} (entropy {entropy[p]:.2f} bit)" for p in worst]
        return f"least sure of {', '.join(named)}"


@dataclass(frozen=True, eq=False)
class Findings:
    """Cases with most findings about what is undecided, each weighted by kind and severity."""

    cohort: Cohort
    findings: CaseFindings
    weights: Mapping[str, float]
    nothing: str = "no finding speaks of an undecided structure"

    @cached_property
    def _kinds(self) -> Mapping[str, dict[str, list[float]]]:
        """Weights of the findings that count, by case and kind.

        One that names no structure is about all.
        """
        undecided = {
            case.id: set(self.cohort.names(np.flatnonzero(row)))
            for case, row in zip(self.cohort.cases, self.cohort.undecided, strict=True)
        }
        kinds: dict[str, dict[str, list[float]]] = {}
        for each in self.findings.found:
            names, finding = undecided.get(each.case_id, set()), each.finding
            about = not finding.structures or bool(names & set(finding.structures))
            weight = self.weights.get(finding.kind, 1.0) * _SEVERITY_WEIGHTS[finding.severity]
            if about and weight:
                own = kinds.setdefault(each.case_id, {})
                own.setdefault(finding.kind, []).append(weight)
        return kinds

    @cached_property
    def _scores(self) -> Floats:
        sums = [
            sum(sum(found[kind]) for kind in sorted(found))
            for found in (self._kinds.get(case.id, {}) for case in self.cohort.cases)
        ]
        return np.array([score or np.nan for score in sums], float)

    def scores(self, chosen: Sequence[int]) -> Floats:
        """Give the weighted findings of every candidate."""
        return self._scores

    def reason(self, place: int) -> str:
        """Count the findings by kind, the heaviest first."""
        found = self._kinds[self.cohort.cases[place].id]
        order = sorted(found, key=lambda kind: (-sum(found[kind]), kind))
        return f"findings: {', '.join(f'{len(found[kind])} {kind}' for kind in order)}"


@dataclass(frozen=True, eq=False)
class Rarity:
    """Cases unlike those decided so far: age, scanner, phase, length of the field of view.

    The score is the mean over the four of 1 / (1 + decided cases alike), where a case chosen now
    counts as decided; what is not known of a case counts nothing.
    """

    cohort: Cohort
    nothing: str = "no case is decided yet, or no candidate differs from the others"

    @cached_property
    def _traits(self) -> list[dict[str, str]]:
        return [traits(case) for case in self.cohort.cases]

    @cached_property
    def _decided(self) -> Counter[tuple[str, str]]:
        return Counter(pair for case in self.cohort.decided_cases for pair in traits(case).items())

    def scores(self, chosen: Sequence[int]) -> Floats:
        """Give the rarity of every candidate; NaN for all where it tells none apart."""
        alike = self._decided + Counter(p for i in chosen for p in self._traits[i].items())
        rare = [sum(1 / (1 + alike[pair]) for pair in own.items()) / 4 for own in self._traits]
        known = self.cohort.decided_cases and len(set(rare)) > 1
        return np.array(rare if known else [np.nan] * len(rare), float)

    def reason(self, place: int) -> str:
        """Say how many decided cases share each trait, the rarest first."""
        own = sorted(self._traits[place].items(), key=lambda pair: (self._decided[pair], pair))
        said = [f"{what} {value} in {self._decided[what, value]}" for what, value in own]
        return f"of {len(self.cohort.decided_cases)} decided cases: {', '.join(said)}"


def traits(case: Case) -> dict[str, str]:
    """Give the traits by which cases are told apart; those that are not known are missing."""
    age = case.meta.get("age", "")
    scanner = " ".join(
        word for name in ("manufacturer", "scanner_model") if (word := case.meta.get(name, ""))
    )
    found = {
        "age": f"{int(age) // 10 * 10}–{int(age) // 10 * 10 + 9}" if age.isdecimal() else "",
        "scanner": scanner,
        "phase": case.phase or "",
        "field of view": _length(case),
    }
    return {name: value for name, value in found.items() if value}


def _length(case: Case) -> str:
    axes, _ = case.grid.world_axes()
    steps = int(case.grid.extent_mm[axes.index(2)] // _FOV_STEP_MM)
    return f"{steps * _FOV_STEP_MM}–{(steps + 1) * _FOV_STEP_MM} mm"


def _ranks(values: Floats) -> Floats:
    """Rank each column's known values from 0 to 1; equal values share the middle rank."""
    ranks = np.full(values.shape, np.nan)
    for column in range(values.shape[1]):
        known = np.flatnonzero(~np.isnan(values[:, column]))
        own = values[known, column]
        ordered = np.sort(own)
        below = np.searchsorted(ordered, own, "left") + np.searchsorted(ordered, own, "right")
        alone = len(own) < 2
        ranks[known, column] = 0.5 if alone else (below - 1) / (2 * (len(own) - 1))
    return ranks


def _mean(values: Floats, axis: int) -> Floats:
    """Mean of the known values; NaN where there are none."""
    known = (~np.isnan(values)).sum(axis=axis)
    return np.asarray(
        np.where(known > 0, np.nansum(values, axis=axis) / np.maximum(known, 1), np.nan)
    )


def _largest(values: Floats) -> list[int]:
    """Places of the largest known values, the largest first."""
    order = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")
    return [int(place) for place in order[:_SHOWN] if not np.isnan(values[place])]
