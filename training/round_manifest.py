"""The frozen list of what a round is trained on: which mask of which structure in which case.

Written once, before anything else happens in a round. From then on the round uses what it
names, whatever verdicts come later; that is what makes a killed round resume as the same round,
and what a prediction's provenance leads back to.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.anatomy import ClassMap
from pipeline.errors import BadInput, UsageError
from pipeline.volume import write_file_atomically
from pipeline.workspace import Layout, Workspace, digest_of, now_utc
from training.retrain_settings import RetrainSettings
from training.round_choice import Choice, State, choose, require_enough, states_of

FORMAT = 1
ALL = "all"


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
    """

    round: int
    target_cases: int
    settings: Mapping[str, Any]
    class_map_digest: str
    models: Mapping[str, Choice]
    created: str

    @property
    def digest(self) -> str:
        """Digest of everything but the time; what provenance refers to."""
        values = self.to_dict()
        del values["created"]
        return digest_of(values)

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return {
            "format": FORMAT,
            "round": self.round,
            "target_cases": self.target_cases,
            "settings": dict(self.settings),
            "class_map_digest": self.class_map_digest,
            "models": {name: choice_to_dict(choice) for name, choice in self.models.items()},
            "created": self.created,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Manifest":
        """Read what :meth:`to_dict` gave."""
        models = {name: choice_from_dict(each) for name, each in values["models"].items()}
        kept = ("round", "target_cases", "settings", "class_map_digest", "created")
        return cls(models=models, **{name: values[name] for name in kept})


def freeze_round(workspace: Workspace, settings: RetrainSettings) -> Manifest:
    """Give a round's manifest: the frozen one if there is one, else freeze it now.

    Raises
    ------
    RoundFrozen
        If it was frozen with other settings.
    TooFewCases
        If fewer cases are decided than the round needs.
    BadInput
        If the manifest is damaged, its class map is another, or masks it names are gone.
    """
    path = workspace.layout.manifest(settings.round)
    if path.is_file():
        manifest = read_manifest(workspace.layout, settings.round)
        _check_settings(manifest, settings)
    else:
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


def models_wanted(class_map: ClassMap, settings: RetrainSettings) -> dict[str, tuple[str, ...]]:
    """Name the models of a round and the structures each is asked to learn.

    Raises
    ------
    UsageError
        If a part or structure does not exist, or nothing is left.
    """
    unknown = [part for part in settings.parts if part not in class_map.parts]
    if unknown:
        raise UsageError(
            f"parts {', '.join(unknown)} are not in {class_map.name}: {', '.join(class_map.parts)}"
        )
    named = {class_map[name].name for name in settings.structures}
    wanted = [
        structure
        for structure in class_map
        if (not named or structure.name in named)
        and (not settings.parts or structure.part in settings.parts)
    ]
    if not wanted:
        raise UsageError("no structure is both in --structures and in --parts")
    if not settings.one_model_per_part:
        return {ALL: tuple(structure.name for structure in wanted)}
    groups: dict[str, tuple[str, ...]] = {}
    for structure in wanted:
        part = structure.part or "other"
        groups[part] = (*groups.get(part, ()), structure.name)
    return groups


def _make(workspace: Workspace, settings: RetrainSettings) -> Manifest:
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
    return Manifest(
        round=settings.round,
        target_cases=settings.target_cases,
        settings=settings.deciding(),
        class_map_digest=workspace.class_map.digest,
        models=models,
        created=now_utc(),
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
        f"{name} was {_shown(then.get(name))}, now {_shown(value)}"
        for name, value in now.items()
        if then.get(name) != value
    ]


def missing_masks(layout: Layout, cases: Mapping[str, Mapping[str, State]]) -> list[str]:
    """List the masks of frozen states whose files are gone, as case/structure/id."""
    return [
        f"{case}/{structure}/{state.mask_id[:12]}"
        for case, states in cases.items()
        for structure, state in states.items()
        if state.mask_id is not None and not layout.mask(case, structure, state.mask_id).is_file()
    ]


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
