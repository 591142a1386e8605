"""Settings of `masksmith simulate`."""

from itertools import pairwise
from typing import Any

from pydantic import Field

from pipeline.errors import UsageError
from pipeline.simulation.annotator import Annotator
from pipeline.simulation.rough_strokes import RoughStrokes
from pipeline.stage import StageSettings
from training.retrain_settings import Start

PAPER_ROUNDS = (5, 20, 100)
STRUCTURES = (
    "spleen", "kidney_right", "kidney_left", "liver", "stomach", "aorta",
    "lung_upper_lobe_left", "lung_lower_lobe_left", "lung_upper_lobe_right",
    "lung_middle_lobe_right", "lung_lower_lobe_right", "colon", "autochthon_left",
    "autochthon_right",
)  # fmt: skip


class SimulationSettings(StageSettings):
    """What `masksmith simulate` can be told."""

    round_sizes: tuple[int, ...] = Field(
        PAPER_ROUNDS, description="Labelled cases at which the model is trained anew"
    )
    factor: float = Field(5.0, ge=1, description="Divides the round sizes, for a CPU")
    cases: int | None = Field(
        None, ge=1, description="Bodies to choose from; none: 1.5 times those of the last round"
    )
    new_cases: int = Field(
        4, ge=1, description="Further bodies, never labelled, on which each round's model is scored"
    )
    strategies: tuple[str, ...] = Field(
        ("random", "uncertainty"), min_length=1, description="How the next cases are chosen"
    )
    seed: int = Field(1, ge=0, description="Chooses the bodies, the first cases and the strokes")
    structures: tuple[str, ...] = Field(
        STRUCTURES, min_length=1, description="Structures to label; the workspace's class map"
    )
    spacing_mm: float = Field(8.0, gt=0.5, le=12, description="Voxel size of the bodies")
    field_of_view: str = Field(
        "thorax_abdomen", description="Field of view of the bodies, or mixed: each body another"
    )
    profile: str = Field("tiny", description="Training profile of configs/retrain.yaml")
    iterations: int | None = Field(
        None, ge=1, description="Training steps of a round instead of the profile's"
    )
    warm_start: Start = Field(
        "previous",
        description="Start each round's training from the previous round's model, or fresh: with "
        "few steps a round, most of what the model knows comes from the rounds before",
    )
    good_enough_dice: float = Field(
        0.9, gt=0, le=1, description="Agreement with the truth at which a proposal is accepted"
    )
    budget_minutes: float | None = Field(
        None, gt=0, description="Time for one case after the first round; none: as long as it takes"
    )
    look_seconds: float = Field(2.0, ge=0, description="Time to judge one structure")
    boundary_error_mm: float = Field(
        3.0, ge=0, description="How far a rough stroke strays from the border (standard deviation)"
    )

    @property
    def targets(self) -> tuple[int, ...]:
        """Labelled cases at the end of each round."""
        return tuple(max(1, round(size / self.factor)) for size in self.round_sizes)

    @property
    def pool(self) -> int:
        """Bodies to choose from."""
        return self.cases if self.cases is not None else -(-3 * self.targets[-1] // 2)

    def check(self) -> None:
        """Refuse numbers of cases that make no rounds.

        Raises
        ------
        UsageError
            Naming them and what to change.
        """
        targets = self.targets
        if not targets or any(a >= b for a, b in pairwise(targets)):
            sizes = ", ".join(map(str, self.round_sizes))
            raise UsageError(
                f"round sizes {sizes} divided by {self.factor:g} give "
                f"{', '.join(map(str, targets)) or 'none'}: expected growing numbers; use a "
                "smaller --factor"
            )
        if self.pool < targets[-1]:
            raise UsageError(
                f"{self.pool} cases are fewer than the {targets[-1]} that the last round labels: "
                "raise --cases or --factor"
            )

    def annotator(self, *, first_round: bool = False) -> Annotator:
        """Give the simulated person; the first cases are labelled completely, as in the paper."""
        minutes = None if first_round else self.budget_minutes
        return Annotator(
            look_s=self.look_seconds,
            good_enough_dice=self.good_enough_dice,
            budget_s=None if minutes is None else minutes * 60,
            strokes=RoughStrokes(boundary_error_mm=self.boundary_error_mm),
        )

    def deciding(self) -> dict[str, Any]:
        """Give the settings that decide the result, as JSON values; strategies may be added."""
        return self.model_dump(mode="json", exclude={"strategies"}) | {
            "targets": list(self.targets),
            "cases": self.pool,
        }


def check_strategies(given: tuple[str, ...], known: tuple[str, ...]) -> None:
    """Refuse a strategy that does not exist or is named twice.

    Raises
    ------
    UsageError
        Naming it and those that are known.
    """
    for name in given:
        if name not in known:
            raise UsageError(f"strategy '{name}' is unknown; known: {', '.join(known)}")
    if len(set(given)) != len(given):
        raise UsageError(f"strategies {', '.join(given)}: one is named twice")
