"""Rounds on synthetic bodies, from the first drawing to the last model, for several strategies.

::

    folder/
      simulation_settings.json   what decides the result
      first_round/               one workspace that all strategies share: round 1
      random/                    a copy of it, taken on with one strategy: rounds 2, 3, ...
      ...                        each with its cases and its score per round
      simulation.csv .json .png  what was found

Every step leaves its result; killed anywhere, the same call goes on where it stopped.
"""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.anatomy import find_class_map
from pipeline.engine import Engine
from pipeline.errors import BadInput, MasksmithError, UsageError
from pipeline.simulation.annotating import Task, annotate_case, is_annotated, work_on
from pipeline.simulation.annotator import Action, seconds_without_proposals
from pipeline.simulation.bodies import Bodies, make_workspace, number_of
from pipeline.simulation.choosing import FIRST, cases_to_label
from pipeline.simulation.pace import BY_HAND, ROUGHLY, Pace
from pipeline.simulation.results import ACTIONS, ByHand, RoundResult, Simulation, write_json
from pipeline.simulation.scoring import Score, score_by_hand, score_model, strokes_seed
from pipeline.simulation.settings import SimulationSettings, check_strategies
from pipeline.stage import Outcome, run_stage
from pipeline.workspace import Workspace
from training.case_choice import CaseChoiceSettings
from training.choice_settings import STRATEGIES
from training.profile import Profile, load_profile
from training.retrain import STAGE
from training.retrain_settings import RetrainSettings

SETTINGS_FILE = "simulation_settings.json"
SHARED = "first_round"
_RECIPE = "simulated"

Tell = Callable[[Outcome], None]


@dataclass(frozen=True)
class Loop:
    """One simulation in one folder.

    Attributes
    ----------
    recipe : Profile
        How a round's model is trained.
    choice : CaseChoiceSettings
        Everything about the choice but the weights.
    tell : callable
        Hears of every step that ended.
    """

    folder: Path
    settings: SimulationSettings
    bodies: Bodies
    recipe: Profile
    choice: CaseChoiceSettings
    engine: Engine
    tell: Tell

    def run(self) -> Simulation:
        """Go through all rounds of all strategies.

        Raises
        ------
        BadInput
            If the folder holds a simulation with other settings, or something else.
        MasksmithError
            If a model cannot be trained or used.
        """
        freeze_settings(self.folder, self.deciding())
        by_hand = self._by_hand()
        first = self._first_round()
        rounds: list[RoundResult] = []
        for strategy in self.settings.strategies:
            rounds += [first.of(strategy), *self._further_rounds(strategy)]
        return Simulation(self.deciding(), by_hand, rounds)

    @property
    def steps(self) -> int:
        """Count the rounds of all strategies."""
        return 1 + len(self.settings.strategies) * (len(self.settings.targets) - 1)

    def deciding(self) -> dict[str, Any]:
        """Give everything that decides the result, as JSON values."""
        return self.settings.deciding() | {"recipe": self.recipe.digest}

    def _by_hand(self) -> ByHand:
        path = self.folder / "by_hand.json"
        if not path.is_file():
            write_json(path, score_by_hand(self.bodies).to_dict())
        return ByHand(**json.loads(path.read_text(encoding="utf-8")))

    def _first_round(self) -> RoundResult:
        folder = self.folder / SHARED
        workspace = make_workspace(folder, self.bodies)
        return self._round(workspace, FIRST, 1)

    def _further_rounds(self, strategy: str) -> Iterator[RoundResult]:
        if len(self.settings.targets) < 2:
            return
        workspace = fork(self.folder / SHARED, self.folder / strategy)
        for number in range(2, len(self.settings.targets) + 1):
            yield self._round(workspace, strategy, number)

    def _round(self, workspace: Workspace, strategy: str, number: int) -> RoundResult:
        """Choose, label, train, score: each once."""
        folder = workspace.layout.root.with_name(f"{workspace.layout.root.name}_steps")
        path = folder / f"round_{number}.json"
        subject = f"round {number}" if number == 1 else f"{strategy}, round {number}"
        if path.is_file():
            result = RoundResult(**json.loads(path.read_text(encoding="utf-8")))
            self.tell(Outcome(subject, "kept", _note(result)))
            return result
        target = self.settings.targets[number - 1]
        chosen = cases_to_label(
            workspace, folder / f"round_{number}_cases.json", strategy, self.choice, target
        )
        self._label(workspace, chosen, number)
        self._train(workspace, number)
        score = score_model(workspace.layout.round_dir(number), self.bodies, self.recipe)
        result = self._result(workspace, strategy, number, chosen, score)
        write_json(path, result.to_dict())
        self.tell(Outcome(subject, "done", _note(result)))
        return result

    def _label(self, workspace: Workspace, chosen: Sequence[str], number: int) -> None:
        annotator = self.settings.annotator(first_round=number == 1)
        with workspace.driver_lock("simulate"):
            for case in chosen:
                if is_annotated(workspace.record(case)):
                    continue
                body = number_of(case)
                seed = (*strokes_seed(self.bodies, body), number)
                truth = self.bodies.truth(body)
                annotate_case(workspace, Task(case, truth, number, seed), annotator)

    def round_settings(self, number: int) -> RetrainSettings:
        """Give the settings of a round's training."""
        return RetrainSettings.model_validate(
            {
                "round": number,
                "profile": _RECIPE,
                "profiles": {_RECIPE: self.recipe},
                "structures": self.bodies.class_map.names,
                "round_sizes": self.settings.targets,
                "undecided": "partial",
                "warm_start": self.settings.warm_start if number > 1 else "fresh",
                "allow_fewer": True,
                # New bodies are the test; every labelled one is learned from.
                "validation_cases": 0,
                "next_cases": {"count": 0},
            }
        )

    def _train(self, workspace: Workspace, number: int) -> None:
        report = run_stage(STAGE, workspace, self.round_settings(number), self.engine)
        if report.failures:
            first = report.failures[0]
            raise MasksmithError(f"{workspace.path}, round {number}: {first.subject}: {first.note}")

    def _result(
        self,
        workspace: Workspace,
        strategy: str,
        number: int,
        chosen: Sequence[str],
        score: Score,
    ) -> RoundResult:
        names = self.bodies.class_map.names
        minutes, actions = work_on(workspace, set(chosen), names)
        return RoundResult(
            strategy=strategy,
            round=number,
            cases=self.settings.targets[number - 1],
            labelled=len(chosen),
            minutes_per_case=minutes,
            hand_minutes_per_case=self._minutes_from_nothing(chosen, BY_HAND),
            rough_minutes_per_case=self._minutes_from_nothing(chosen, ROUGHLY),
            dice=score.mean_dice,
            minutes_per_new_case=score.minutes,
            **_counts(actions),
            dice_of_structures=score.dice,
        )

    def _minutes_from_nothing(self, cases: Sequence[str], pace: Pace) -> float:
        seconds = [
            seconds_without_proposals(
                self.bodies.truth(number).values(), self.bodies.body(number).grid.spacing_mm, pace
            )
            for number in map(number_of, cases)
        ]
        return float(np.mean(seconds)) / 60


def _counts(actions: Counter[Action]) -> dict[str, int]:
    return {action: actions[action] for action in ACTIONS}


def prepare(
    folder: Path, settings: SimulationSettings, configs: Path, engine: Engine, tell: Tell
) -> Loop:
    """Put a simulation together from its settings and the settings files.

    Raises
    ------
    UsageError
        If a strategy or the profile is not known, or the numbers of cases make no rounds.
    ClassMapError
        If a structure is not one of the shipped class map's.
    """
    settings.check()
    check_strategies(settings.strategies, STRATEGIES)
    class_map = find_class_map("class_map", configs).subset(settings.structures, name="simulation")
    return Loop(
        folder=folder,
        settings=settings,
        bodies=Bodies(settings, class_map),
        recipe=_recipe(settings, configs),
        choice=CaseChoiceSettings.model_validate(
            {"seed": settings.seed, "structures": class_map.names}
        ),
        engine=engine,
        tell=tell,
    )


def _recipe(settings: SimulationSettings, configs: Path) -> Profile:
    """Give the profile at the spacing of the bodies, with as many steps as were asked for."""
    recipe = load_profile(settings.profile, configs)
    changes: dict[str, Any] = {"spacing_mm": settings.spacing_mm}
    if settings.iterations is not None:
        if recipe.training is None:
            raise UsageError(
                f"profile '{settings.profile}' uses a stock trainer, whose steps are fixed: leave "
                "--iterations out"
            )
        epochs = min(recipe.training.epochs, settings.iterations)
        steps = {"epochs": epochs, "iterations": -(-settings.iterations // epochs)}
        changes["training"] = recipe.training.model_copy(update=steps)
    return recipe.model_copy(update=changes)


def freeze_settings(folder: Path, deciding: dict[str, Any]) -> None:
    """Keep the settings with a new simulation; compare them with those of one that was begun.

    Raises
    ------
    BadInput
        If they differ, naming what, or if the folder holds something that no simulation made.
    """
    path = folder / SETTINGS_FILE
    if not path.is_file():
        if folder.exists() and any(not p.name.startswith(".") for p in folder.iterdir()):
            raise BadInput(f"{folder} holds other files: name a new or empty folder with --out")
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, deciding)
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    other = [
        f"{name} was {before.get(name)}, now {value}"
        for name, value in json.loads(json.dumps(deciding)).items()
        if before.get(name) != value
    ]
    if other:
        raise BadInput(
            f"{folder} was begun with other settings ({'; '.join(other)}): repeat those, or name "
            "another folder with --out"
        )


def fork(source: Path, target: Path) -> Workspace:
    """Copy a workspace in one piece, to go on in its own way."""
    if not target.is_dir():
        part = target.with_name(f".{target.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(source, part)
        part.rename(target)
    return Workspace.open(target)


def _note(result: RoundResult) -> str:
    return (
        f"{result.labelled} cases labelled, {result.minutes_per_case:.1f} min each; Dice "
        f"{result.dice:.3f}; a new case would take {result.minutes_per_new_case:.1f} min"
    )
