"""Settings of the choice which cases are corrected next."""

import math
from collections.abc import Mapping
from typing import Literal, get_args

from pydantic import Field, field_validator

from pipeline.stage import StageSettings

Strategy = Literal["random", "uncertainty", "disagreement", "findings", "rarity"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)

# Mostly random: no query strategy has reliably beaten foreground-aware random choice in 3-D
# segmentation (nnActive, Lüth et al. 2025, arXiv:2511.19183). The others share the rest alike.
_WEIGHTS: Mapping[str, float] = {
    "random": 0.6,
    "uncertainty": 0.1,
    "disagreement": 0.1,
    "findings": 0.1,
    "rarity": 0.1,
}
# Findings about an exam or a scan rather than about masks that a person could correct.
_FINDING_WEIGHTS: Mapping[str, float] = {
    "contrast_doubtful": 0.0,
    "pair_refused": 0.0,
    "rib_touching_separated": 0.25,
}


class CaseChoiceSettings(StageSettings):
    """How the cases to correct next are chosen."""

    weights: Mapping[str, float] = Field(
        default=dict(_WEIGHTS),
        description="Share of the cases that each strategy chooses: random, uncertainty, "
        "disagreement, findings, rarity; one that is not named chooses none",
    )
    seed: int = Field(default=1234, ge=0, description="Of everything that is drawn")
    structures: tuple[str, ...] = Field(
        default=(),
        description="Structures that are still to be corrected; none: all of the class map",
    )
    compared_cases: int = Field(
        default=200,
        ge=1,
        description="Cases of which the masks of two rounds are read and compared",
    )
    finding_weights: Mapping[str, float] = Field(
        default=dict(_FINDING_WEIGHTS),
        description="What one finding of a kind counts; a kind that is not named counts 1",
    )

    @field_validator("weights")
    @classmethod
    def _known_and_positive(cls, weights: Mapping[str, float]) -> Mapping[str, float]:
        unknown = sorted(set(weights) - set(STRATEGIES))
        if unknown:
            raise ValueError(f"no strategy {', '.join(unknown)}; there are {', '.join(STRATEGIES)}")
        _require_finite(weights)
        if not sum(weights.values()):
            raise ValueError("every strategy weighs 0; give at least one of them more")
        return weights

    @field_validator("finding_weights")
    @classmethod
    def _none_negative(cls, weights: Mapping[str, float]) -> Mapping[str, float]:
        _require_finite(weights)
        return weights


class NextCasesSettings(CaseChoiceSettings):
    """How many cases a round asks people to correct next, and how they are chosen."""

    count: int = Field(
        default=10, ge=0, description="Cases to correct after the round; 0: none are chosen"
    )


def _require_finite(weights: Mapping[str, float]) -> None:
    for name, weight in weights.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"{name} weighs {weight}, expected 0 or more")
