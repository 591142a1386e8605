"""Which cases people correct next: several strategies, mixed by weights, drawn from a seed.

::

    choice = next_cases(workspace, CaseChoiceSettings(), count=20, round_number=1)
    for chosen in choice.chosen:
        chosen.case_id, chosen.strategy, chosen.score, chosen.reason

Each strategy gets its share of the cases and takes its best ones that are not chosen yet, one
case of a patient before a second one; what a strategy cannot fill is drawn at random. The same
workspace, settings and round give the same cases. The choice is kept with the round.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import numpy as np

from pipeline.engine import Engine, SerialEngine
from pipeline.errors import UsageError
from pipeline.workspace import Workspace
from pipeline.workspace.case_findings import case_findings
from training.choice_cohort import Cohort, Floats, read_cohort
from training.choice_disagreement import Disagreement
from training.choice_record import CaseChoice, ChosenCase, recorded_choice, write_choice
from training.choice_scores import (
    Findings,
    ForegroundRandom,
    Rarity,
    Scorer,
    Uncertainty,
    draws,
)
from training.choice_settings import STRATEGIES, CaseChoiceSettings, Strategy

__all__ = [
    "CaseChoice",
    "CaseChoiceSettings",
    "ChosenCase",
    "next_cases",
    "quotas_of",
    "recorded_choice",
]

_DIGITS = 6
_SHOWN = 3
_RANDOM: Strategy = "random"


def next_cases(
    workspace: Workspace,
    settings: CaseChoiceSettings,
    *,
    count: int,
    round_number: int,
    engine: Engine | None = None,
) -> CaseChoice:
    """Choose the cases to correct after a round, and keep the choice with it.

    Parameters
    ----------
    workspace : Workspace
    settings : CaseChoiceSettings
    count : int
        How many; fewer are chosen where there are fewer candidates.
    round_number : int
        0 before the first round.
    engine : Engine, optional
        Where masks are compared; this process by default.

    Returns
    -------
    CaseChoice
        Also written to ``rounds/N/next_cases.json``. Without a candidate nothing is chosen.

    Raises
    ------
    UsageError
        When `count` is below 1 or the round below 0.
    ClassMapError
        When there is no such structure.
    """
    if count < 1 or round_number < 0:
        raise UsageError(
            f"{count} cases after round {round_number}: expected 1 case or more and a round of 0 "
            "(before the first) or later"
        )
    cohort = read_cohort(workspace, settings.structures)
    quotas = quotas_of(settings, count, round_number)
    table = _Table(cohort, draws(cohort.cases, settings.seed, round_number))
    table.seat(quotas, workspace, settings, engine or SerialEngine())
    chosen = table.choose(quotas)
    choice = CaseChoice(
        round=round_number,
        count=count,
        settings=settings.model_dump(mode="json"),
        candidates=len(cohort),
        quotas=quotas,
        chosen=tuple(chosen),
        notes=tuple(table.all_notes(count)),
    )
    write_choice(workspace.layout, choice)
    return choice


def quotas_of(settings: CaseChoiceSettings, count: int, round_number: int) -> dict[str, int]:
    """Share the cases out by the weights: largest remainder, equal remainders by the seed."""
    weights = {name: settings.weights.get(name, 0.0) for name in STRATEGIES}
    whole = sum(weights.values())
    shares = {name: count * weight / whole for name, weight in weights.items() if weight}
    quotas: dict[str, int] = {name: int(share + 1e-9) for name, share in shares.items()}
    order = _seeded(settings, round_number)
    by_remainder = sorted(
        shares, key=lambda name: (-round(shares[name] - quotas[name], 9), order[name])
    )
    for name in by_remainder[: count - sum(quotas.values())]:
        quotas[name] += 1
    return quotas


def _seeded(settings: CaseChoiceSettings, round_number: int) -> dict[str, float]:
    return {
        name: int.from_bytes(sha256(f"{settings.seed}:{round_number}:{name}".encode()).digest()[:6])
        for name in STRATEGIES
    }


class _Table:
    """Candidates on the table, and those taken from it so far."""

    def __init__(self, cohort: Cohort, drawn: Floats) -> None:
        self.cohort = cohort
        self.draws = drawn
        self.patients = np.unique(np.array(cohort.patients, str), return_inverse=True)[1]
        self.taken: dict[int, tuple[Strategy, float]] = {}
        self.scorers: dict[Strategy, Scorer] = {}
        self.notes: list[str] = []
        self.not_compared: list[str] = []

    def seat(
        self,
        quotas: Mapping[str, int],
        workspace: Workspace,
        settings: CaseChoiceSettings,
        engine: Engine,
    ) -> None:
        """Call in the strategies that are to choose a case, and the draw that stands in."""
        for name in STRATEGIES:
            if quotas.get(name) or name == _RANDOM:
                self.scorers[name] = self._scorer(name, workspace, settings, engine)

    def _scorer(
        self, name: Strategy, workspace: Workspace, settings: CaseChoiceSettings, engine: Engine
    ) -> Scorer:
        cohort = self.cohort
        if name == "uncertainty":
            return Uncertainty(cohort)
        if name == "disagreement":
            most = settings.compared_cases
            return Disagreement(workspace, cohort, self.draws, engine, most, self.not_compared)
        if name == "findings":
            found = case_findings(workspace.layout, (case.id for case in cohort.cases))
            self.notes += [f"findings: not read: {line}" for line in found.damaged]
            return Findings(cohort, found, settings.finding_weights)
        return Rarity(cohort) if name == "rarity" else ForegroundRandom(cohort, self.draws)

    def choose(self, quotas: Mapping[str, int]) -> list[ChosenCase]:
        """Let each strategy take its cases, those that know something before the draw."""
        drawn = quotas.get(_RANDOM, 0)
        for name in STRATEGIES:
            if name != _RANDOM and quotas.get(name):
                drawn += quotas[name] - self._take(name, quotas[name])
        self._take(_RANDOM, drawn)
        before = {name: scorer.scores([]) for name, scorer in self.scorers.items()}
        return [self._chosen(place, before) for place in self.taken]

    def all_notes(self, count: int) -> list[str]:
        """Say what could not be done, and whether fewer cases than `count` were there."""
        notes, missed = list(self.notes), sorted(self.not_compared)
        if missed:
            shown = "; ".join(missed[:_SHOWN])
            notes.append(f"disagreement: {len(missed)} cases were not compared, such as {shown}")
        if len(self.taken) < count:
            notes.append(
                f"{count} cases were asked for, {len(self.cohort)} have something undecided"
            )
        return notes

    def _take(self, name: Strategy, quota: int) -> int:
        """Take up to a quota of cases and say how many were taken."""
        scorer = self.scorers[name]
        for done in range(quota):
            scores = scorer.scores(list(self.taken))
            place = self._best(scores)
            if place is None:
                self._note_handed_over(name, scorer, scores, quota - done)
                return done
            self.taken[place] = (name, float(scores[place]))
        return quota

    def _best(self, scores: Floats) -> int | None:
        """Give the best candidate with a score, of the patients from whom fewest were taken."""
        taken = np.zeros(len(self.cohort), bool)
        taken[list(self.taken)] = True
        if taken.all():
            return None
        per_patient = np.bincount(self.patients[taken], minlength=len(self.cohort))[self.patients]
        fit = ~taken & ~np.isnan(scores) & (per_patient == per_patient[~taken].min())
        places = np.flatnonzero(fit)
        order = np.lexsort((self.draws[places], scores[places]))
        return int(places[order[-1]]) if len(places) else None

    def _note_handed_over(self, name: Strategy, scorer: Scorer, scores: Floats, left: int) -> None:
        if name == _RANDOM:
            return
        why = scorer.nothing if np.isnan(scores).all() else "no further case has anything to go by"
        cases = "1 case was" if left == 1 else f"{left} cases were"
        self.notes.append(f"{name}: {why}; {cases} drawn at random instead")

    def _chosen(self, place: int, before: Mapping[Strategy, Floats]) -> ChosenCase:
        name, score = self.taken[place]
        known: dict[str, float] = {name: score}
        known |= {n: float(s[place]) for n, s in before.items() if n != name}
        scores = {n: round(value, _DIGITS) for n, value in known.items() if not np.isnan(value)}
        reason = self.scorers[name].reason(place)
        return ChosenCase(self.cohort.cases[place].id, name, scores[name], reason, scores)
