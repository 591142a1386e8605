"""The frozen list of what a round is trained on: which mask of which structure in which case.

Written once, before anything else happens in a round. From then on the round uses what it
names, whatever verdicts come later; that is what makes a killed round resume as the same round,
and what a prediction's provenance leads back to.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import BadInput, UsageError
from pipeline.volume import write_file_atomically
from pipeline.workspace import Layout, Workspace, digest_of, now_utc
from training.nnunet_dataset import DatasetSettings
from training.parts import models_wanted
from training.retrain_settings import RetrainSettings
from training.round_choice import Choice, State, choose, require_enough, states_of
from training.validation_patients import grow_validation, without_unseen
from training.warm_start import choose_start

log = logging.getLogger(__name__)
FORMAT = 1


class RoundFrozen(UsageError):  # noqa: N818 - a state, not a fault
    """A round exists already and was frozen with other settings."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one round is trained on.

    Attributes
    ----------
    models : mapping
        Model name (``all``, or a body part) to what it is trained on.
    settings : mapping
        The deciding settings as JSON values.
    class_map_digest : str
        Of the workspace's class map at the time.
    validation : tuple of str
        Patients whose cases validate and are not trained on.
    starts : mapping
        Model name to the earlier model it starts from, or why it starts fresh; empty where every
        model starts fresh as it was told to.
    """

    round: int
    target_cases: int
    settings: Mapping[str, Any]
    class_map_digest: str
    models: Mapping[str, Choice]
    created: str
    validation: tuple[str, ...] = ()
    starts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Digest of everything but the time; what provenance refers to."""
        values = self.to_dict()
        del values["created"]
        return digest_of(values)

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values; what came later is left out while empty, for the digest."""
        values = {
            "format": FORMAT,
            "round": self.round,
            "target_cases": self.target_cases,
            "settings": dict(self.settings),
            "class_map_digest": self.class_map_digest,
            "models": {name: choice_to_dict(choice) for name, choice in self.models.items()},
            "created": self.created,
            "validation": list(self.validation),
            "starts": {name: dict(start) for name, start in self.starts.items()},
        }
        later = ("validation", "starts")
        return {name: value for name, value in values.items() if value or name not in later}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Manifest":
        """Read what :meth:`to_dict` gave."""
        models = {name: choice_from_dict(each) for name, each in values["models"].items()}
        kept = ("round", "target_cases", "settings", "class_map_digest", "created")
        return cls(
            models=models,
            validation=tuple(values.get("validation", ())),
            starts=values.get("starts", {}),
            **{name: values[name] for name in kept},
        )


def freeze_round(workspace: Workspace, settings: RetrainSettings) -> Manifest:
    """Give a round's manifest: the frozen one if there is one, else freeze it now.

    Raises
    ------
    RoundFrozen
        If it was frozen with other settings.
    TooFewCases
        If fewer cases are decided than the round needs.
    BadInput
        If the manifest is damaged or gone, its class map is another, or masks it names are gone.
    """
    path = workspace.layout.manifest(settings.round)
    if path.is_file():
        manifest = read_manifest(workspace.layout, settings.round)
        _check_settings(manifest, settings)
        _check_parts(manifest, models_wanted(workspace.class_map, settings))
        log.info("round %d: goes on with the manifest of %s", manifest.round, manifest.created)
    else:
        _check_never_frozen(workspace, settings.round)
        manifest = _make(workspace, settings)
        text = json.dumps(manifest.to_dict(), indent=1) + "\n"
        write_file_atomically(path, text.encode())
    _check_still_there(workspace, manifest)
    return manifest


def read_manifest(layout: Layout, number: int) -> Manifest:
    """Read a round's manifest; raises BadInput if it is damaged."""
    path = layout.manifest(number)
    try:
        values = json.loads(path.read_text())
        if values["format"] != FORMAT:
            raise BadInput(f"{path}: format {values['format']}, expected {FORMAT}")
        return Manifest.from_dict(values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path}: no readable manifest ({error}); restore it") from error


def rounds_frozen(layout: Layout) -> tuple[int, ...]:
    """List every round that was frozen, oldest first."""
    found = layout.rounds_dir.glob("*/manifest.json")
    return tuple(sorted(int(path.parent.name) for path in found if path.parent.name.isdecimal()))


def earlier_rounds(layout: Layout, number: int) -> tuple[int, ...]:
    """List the rounds before this one that were frozen, newest first."""
    return tuple(n for n in reversed(rounds_frozen(layout)) if n < number)


def _make(workspace: Workspace, settings: RetrainSettings) -> Manifest:
    _check_class_map(workspace, settings)
    models = _choices(workspace, settings)
    held_out = _hold_out(workspace, settings, models)
    validating = {each.id for each in workspace.cases() if (each.patient_id or each.id) in held_out}
    models = {name: without_unseen(choice, validating) for name, choice in models.items()}
    starts = {}
    if settings.warm_start == "previous":
        starts = {
            name: choose_start(workspace.layout, settings.round, name, settings.recipe()).to_dict()
            for name in models
        }
    return Manifest(
        round=settings.round,
        target_cases=settings.target_cases,
        settings=settings.deciding(),
        class_map_digest=workspace.class_map.digest,
        models=models,
        created=now_utc(),
        validation=held_out,
        starts=starts,
    )


def _choices(workspace: Workspace, settings: RetrainSettings) -> dict[str, Choice]:
    models = {}
    records = [record for record in workspace.records() if not record.excluded]
    for name, structures in models_wanted(workspace.class_map, settings).items():
        states = {
            record.case.id: states_of(record, structures, settings.admit_unreviewed)
            for record in records
        }
        at_least = 1 if settings.allow_fewer else settings.target_cases
        choice = choose(states, structures, rule=settings.undecided, at_least=at_least)
        require_enough(choice, states, at_least)
        models[name] = choice
    return models


def _hold_out(
    workspace: Workspace, settings: RetrainSettings, models: Mapping[str, Choice]
) -> tuple[str, ...]:
    """Keep the validation patients out of the round, with new ones where it has grown."""
    layout = workspace.layout
    patient_of = {case.id: case.patient_id or case.id for case in workspace.cases()}
    chosen = {patient_of[case] for choice in models.values() for case in choice.cases}
    trained: set[str] = set()
    for number in rounds_frozen(layout):
        manifest = read_manifest(layout, number)
        cases = {case for choice in manifest.models.values() for case in choice.cases}
        trained |= {patient_of.get(case, case) for case in cases} - set(manifest.validation)
    wish = DatasetSettings(validation_cases=settings.validation_cases, seed=settings.seed)
    return grow_validation(layout, chosen, trained, wish, settings.round)


def _check_class_map(workspace: Workspace, settings: RetrainSettings) -> None:
    """Refuse another class map than that of the round before, unless told to go on."""
    earlier = earlier_rounds(workspace.layout, settings.round)
    if not earlier or settings.allow_other_class_map:
        return
    before = read_manifest(workspace.layout, earlier[0])
    if before.class_map_digest != workspace.class_map.digest:
        raise BadInput(
            f"{workspace.layout.class_map_file}: is not the class map of round {earlier[0]} "
            f"(digest {workspace.class_map.digest[:12]}, was {before.class_map_digest[:12]}): "
            "restore it; or, if structures were added or renamed on purpose, go on with "
            "--allow-other-class-map"
        )


def _check_never_frozen(workspace: Workspace, number: int) -> None:
    frozen = [each for each in workspace.ledger.rounds() if each.number == number]
    if frozen:
        raise BadInput(
            f"{workspace.layout.manifest(number)} is gone, but round {number} was frozen on "
            f"{frozen[0].created}: restore rounds/{number} from a backup, or start a round that "
            "is not in 'masksmith status'"
        )


def _check_settings(manifest: Manifest, settings: RetrainSettings) -> None:
    changed = changed_settings(manifest.settings, settings.deciding())
    if changed:
        raise RoundFrozen(
            f"round {manifest.round} was frozen with other settings ({'; '.join(changed)}): "
            f"repeat them, or start a new round with --round {manifest.round + 1}"
        )


def changed_settings(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say of each deciding setting that is not what it was: its name, what it was, what it is."""
    return [
        f"{name} was {_shown(then[name])}, now {_shown(value)}"
        for name, value in now.items()
        # What was frozen before there was a setting was made without it.
        if name in then and then[name] != value
    ]


def missing_masks(layout: Layout, cases: Mapping[str, Mapping[str, State]]) -> list[str]:
    """List the masks of frozen states whose files are gone, as case/structure/id."""
    return [
        f"{case}/{structure}/{state.mask_id[:12]}"
        for case, states in cases.items()
        for structure, state in states.items()
        if state.mask_id is not None and not layout.mask(case, structure, state.mask_id).is_file()
    ]


def _check_parts(manifest: Manifest, wanted: Mapping[str, Sequence[str]]) -> None:
    """Refuse a part whose file names other structures than when the round was frozen."""
    for name, structures in wanted.items():
        choice = manifest.models.get(name)
        frozen = {*choice.structures, *choice.left_out_structures} if choice else set()
        if frozen != set(structures):
            raise RoundFrozen(
                f"round {manifest.round} was frozen with {len(frozen)} structures in '{name}', now "
                f"there are {len(structures)}: restore the file of that part, or start a new round "
                f"with --round {manifest.round + 1}"
            )


def _check_still_there(workspace: Workspace, manifest: Manifest) -> None:
    path = workspace.layout.manifest(manifest.round)
    if manifest.class_map_digest != workspace.class_map.digest:
        raise BadInput(f"{path}: was made with another class map than the workspace has now")
    missing: list[str] = []
    for choice in manifest.models.values():
        missing += missing_masks(workspace.layout, choice.cases)
    if missing:
        raise BadInput(
            f"{path}: {len(missing)} masks it names are gone, such as {', '.join(missing[:3])}; "
            "restore them from a backup, or start a new round"
        )


def choice_to_dict(choice: Choice) -> dict[str, Any]:
    """Give a choice as plain JSON values, with a count of unreviewed masks for people."""
    return {
        "structures": list(choice.structures),
        "cases": {
            case: {name: state.to_dict() for name, state in states.items()}
            for case, states in choice.cases.items()
        },
        "unreviewed": _count_unreviewed(choice),
        "left_out_structures": dict(choice.left_out_structures),
        "left_out_cases": dict(choice.left_out_cases),
    }


def choice_from_dict(values: Mapping[str, Any]) -> Choice:
    """Read what :func:`choice_to_dict` gave."""
    return Choice(
        structures=tuple(values["structures"]),
        cases={
            case: {name: State.from_dict(state) for name, state in states.items()}
            for case, states in values["cases"].items()
        },
        left_out_structures=values["left_out_structures"],
        left_out_cases=values["left_out_cases"],
    )


def _count_unreviewed(choice: Choice) -> dict[str, int]:
    counts: dict[str, int] = {}
    for states in choice.cases.values():
        for state in states.values():
            if state.unreviewed is not None:
                counts[state.unreviewed] = counts.get(state.unreviewed, 0) + 1
    return dict(sorted(counts.items()))


def _shown(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(str, value)) or "none"
    return "none" if value is None else str(value)[:40]
