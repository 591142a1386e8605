"""What a final model is made of: its place, its cases, and the frozen list of their masks.

The split is frozen once for all parts of a model, and each part's manifest like a round's. Who
comes into the workspace later is not part of that model.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.errors import BadInput, UsageError
from pipeline.workspace import CaseRecord, Workspace, digest_of, now_utc
from training.final_settings import FinalSettings
from training.final_split import (
    Split,
    draw_split,
    patients_of,
    read_frozen_split,
    read_split,
    write_split,
)
from training.nnunet_dataset import DatasetSettings
from training.parts import parts_named
from training.profile import Profile
from training.round_choice import Choice, State, choose, states_of
from training.round_manifest import (
    changed_settings,
    choice_from_dict,
    choice_to_dict,
    missing_masks,
)
from training.training_plan import TrainingPlan
from training.training_record import read_json, write_json

FORMAT = 1
_WHOLE = ""
SPLIT_FILE, SPLIT_RECORD, MANIFEST_FILE = "split.csv", "split.json", "manifest.json"


class FinalFrozen(UsageError):  # noqa: N818 - a state, not a fault
    """A final model exists already and was begun with other settings."""


@dataclass(frozen=True, slots=True)
class FinalModel:
    """One network to train: what it is asked to learn and where it is made.

    Attributes
    ----------
    name : str
        Such as ``final-1.5mm-ribs``.
    whole_folder : Path
        Of the model with all its parts; the split stands there.
    folder : Path
        Of this network: below `whole_folder` where there are parts, else the same.
    structures : tuple of str
        Asked for, in the order of the class map.
    part : str or None
        The body part, where there are several.
    """

    workspace: Workspace
    settings: FinalSettings
    name: str
    whole_folder: Path
    folder: Path
    structures: tuple[str, ...]
    part: str | None
    dataset_number: int

    def profile(self, manifest: "FinalManifest") -> Profile:
        """Give the recipe, with the form of its trainer that the data need."""
        chosen = self.settings.training_profile()
        return chosen.for_partial_labels() if manifest.choice.is_partial else chosen

    @property
    def manifest_file(self) -> Path:
        """Where the frozen manifest stands."""
        return self.folder / MANIFEST_FILE

    def plan(self, manifest: "FinalManifest") -> TrainingPlan:
        """Say how it is trained."""
        profile = self.profile(manifest)
        return TrainingPlan(
            folder=self.folder,
            name=re.sub(r"[^A-Za-z0-9]+", "_", self.name),
            class_map=self.workspace.class_map.subset(manifest.choice.structures),
            profile=profile,
            dataset=DatasetSettings(profile.spacing_mm, held_out=manifest.held_out),
            record={"manifest": manifest.digest, "model": self.name},
            dataset_number=self.dataset_number,
        )


@dataclass(frozen=True, slots=True)
class FinalManifest:
    """What one final model is trained and tested on.

    Attributes
    ----------
    choice : Choice
        Cases of training and validation.
    test : mapping
        Case id to structure to state, of the cases it never learns from.
    settings : mapping
        The deciding settings as JSON values.
    split : Split
        Of the cases of both.
    """

    name: str
    settings: Mapping[str, Any]
    class_map_digest: str
    choice: Choice
    test: Mapping[str, Mapping[str, State]]
    split: Split
    created: str

    @property
    def digest(self) -> str:
        """Digest of everything but the time: the digest of the data."""
        values = self.to_dict()
        del values["created"]
        return digest_of(values)

    @property
    def validation(self) -> tuple[str, ...]:
        """Cases that validate."""
        return tuple(case for case in self.split.cases("val") if case in self.choice.cases)

    @property
    def held_out(self) -> frozenset[str]:
        """Patients that validate."""
        return frozenset(self.split.patients[case] for case in self.validation)

    @property
    def training(self) -> tuple[str, ...]:
        """Cases that are learned from."""
        return tuple(case for case in self.split.cases("train") if case in self.choice.cases)

    def states(self, case_id: str) -> Mapping[str, State]:
        """Give what is known about a case of any side."""
        return self.choice.cases.get(case_id) or self.test[case_id]

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return {
            "format": FORMAT,
            "model": self.name,
            "settings": dict(self.settings),
            "class_map_digest": self.class_map_digest,
            "data": choice_to_dict(self.choice),
            "test": {
                case: {name: state.to_dict() for name, state in states.items()}
                for case, states in self.test.items()
            },
            "split": {
                case: [self.split.patients[case], self.split.sides[case]]
                for case in self.split.cases("train", "val", "test")
            },
            "created": self.created,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "FinalManifest":
        """Read what :meth:`to_dict` gave."""
        return cls(
            name=values["model"],
            settings=values["settings"],
            class_map_digest=values["class_map_digest"],
            choice=choice_from_dict(values["data"]),
            test={
                case: {name: State.from_dict(state) for name, state in states.items()}
                for case, states in values["test"].items()
            },
            split=Split(
                {case: patient for case, (patient, _) in values["split"].items()},
                {case: side for case, (_, side) in values["split"].items()},
            ),
            created=values["created"],
        )


def final_models(workspace: Workspace, settings: FinalSettings) -> tuple[FinalModel, ...]:
    """Name the networks of a final model, or those of the parts asked for.

    Raises
    ------
    UsageError
        If model, profile or part is unknown, or parts are asked of a model without.
    """
    recipe = settings.recipe
    settings.training_profile()
    if settings.parts and not recipe.one_model_per_part:
        raise UsageError(
            f"model '{settings.model}' is one network for all structures; leave --parts out"
        )
    per_part, class_map = recipe.one_model_per_part, workspace.class_map
    every = parts_named(class_map, ()) if per_part else {_WHOLE: class_map.names}
    unknown = [part for part in settings.parts if part not in every]
    if unknown:
        raise UsageError(f"{class_map.name} has no part {unknown[0]}; parts: {', '.join(every)}")
    whole = workspace.layout.final_model_dir(settings.full_name)
    numbers = {part: recipe.dataset_number + place for place, part in enumerate(every)}
    return tuple(
        FinalModel(
            workspace=workspace,
            settings=settings,
            name=f"{whole.name}-{part}" if per_part else whole.name,
            whole_folder=whole,
            folder=whole / part if per_part else whole,
            structures=structures,
            part=part or None,
            dataset_number=numbers[part],
        )
        for part, structures in every.items()
        if part in (settings.parts or every)
    )


def split_of(model: FinalModel) -> Split:
    """Give the frozen split of a model, else the one its settings lead to; nothing is written.

    Raises
    ------
    FinalFrozen
        If it was frozen by another rule.
    BadInput
        If there are too few patients, or the CSV is not a split of this workspace.
    """
    settings, path = model.settings, model.whole_folder / SPLIT_FILE
    if not path.is_file():
        return _new_split(model.workspace, settings)
    frozen = read_frozen_split(path)
    said = read_json(model.whole_folder / SPLIT_RECORD)
    if said.get("digest") != digest_of(frozen.to_csv()):
        raise BadInput(f"{path}: was changed since it was frozen; restore it from a backup")
    changed = changed_settings(said["rule"], settings.split_rule())
    if settings.split is not None and not changed:
        given = read_split(settings.split, frozen.patients)
        changed = ["the CSV names other sides"] if given.sides != frozen.sides else []
    if changed:
        raise FinalFrozen(
            f"{path}: the split was frozen by another rule ({'; '.join(changed)}): repeat it, or "
            f"move {model.whole_folder} away to begin anew"
        )
    return frozen


def manifest_of(model: FinalModel, split: Split) -> FinalManifest:
    """Give the frozen manifest of a model, else the one that would be frozen now.

    Raises
    ------
    FinalFrozen
        If it was frozen with other settings.
    BadInput
        If it is damaged, its class map is another, or masks it names are gone.
    """
    if not model.manifest_file.is_file():
        return _make(model, split)
    manifest = read_final_manifest(model.manifest_file)
    changed = changed_settings(manifest.settings, model.settings.deciding())
    if changed:
        raise FinalFrozen(
            f"{model.manifest_file}: was frozen with other settings ({'; '.join(changed)}): repeat "
            f"them, or move {model.folder} away to begin anew"
        )
    _check_still_there(model, manifest)
    return manifest


def freeze(model: FinalModel, split: Split, manifest: FinalManifest) -> None:
    """Write split and manifest, each once; nothing that is there is replaced."""
    record = model.whole_folder / SPLIT_RECORD
    if not record.is_file():
        write_split(split, model.whole_folder / SPLIT_FILE)
        said = {"rule": model.settings.split_rule(), "digest": digest_of(split.to_csv())}
        write_json(record, said | {"created": now_utc()})
    if not model.manifest_file.is_file():
        write_json(model.manifest_file, manifest.to_dict())
    if model.folder != model.whole_folder and not (model.folder / SPLIT_FILE).is_file():
        write_split(manifest.split, model.folder / SPLIT_FILE)


def read_final_manifest(path: Path) -> FinalManifest:
    """Read a final model's manifest; raises BadInput if it is damaged."""
    values = read_json(path)
    try:
        if values["format"] != FORMAT:
            raise BadInput(f"{path}: format {values['format']}, expected {FORMAT}")
        return FinalManifest.from_dict(values)
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path}: no readable manifest ({error}); restore it") from error


def is_there(state: State | None) -> bool:
    """Tell whether a structure is known to have voxels in a case."""
    return state is not None and state.kind == "mask"


def newcomers(model: FinalModel, split: Split) -> int:
    """Count the cases with a decided structure that a split does not know."""
    found = _decided_records(model.workspace, model.settings)
    return sum(record.case.id not in split.sides for record in found)


def _new_split(workspace: Workspace, settings: FinalSettings) -> Split:
    if settings.split is not None:
        known = [record.case for record in workspace.records() if not record.excluded]
        return read_split(settings.split, patients_of(known))
    cases = [record.case for record in _decided_records(workspace, settings)]
    return draw_split(patients_of(cases), settings.split_proportions, settings.seed)


def _decided_records(workspace: Workspace, settings: FinalSettings) -> Iterator[CaseRecord]:
    """Give the cases in which anything is decided: a case nobody looked at stands on no side."""
    for record in workspace.records():
        if not record.excluded and states_of(
            record, workspace.class_map.names, settings.admit_unreviewed
        ):
            yield record


def _make(model: FinalModel, split: Split) -> FinalManifest:
    settings, workspace = model.settings, model.workspace
    records = {record.case.id: record for record in workspace.records() if not record.excluded}
    states = {
        case: states_of(records[case], model.structures, settings.admit_unreviewed)
        for case in split.sides
        if case in records
    }
    learned = {case: states[case] for case in states if split.sides[case] != "test"}
    rule = "leave_out_case" if settings.undecided == "refuse" else settings.undecided
    choice = choose(learned, model.structures, rule=rule, at_least=1)
    choice = _without_empty_classes(choice, split)
    test = {
        case: {name: state for name, state in states[case].items() if name in choice.structures}
        for case in split.cases("test")
        if case in states
    }
    return FinalManifest(
        name=model.name,
        settings=settings.deciding(),
        class_map_digest=workspace.class_map.digest,
        choice=choice,
        test=test,
        split=split.only([*choice.cases, *test]),
        created=now_utc(),
    )


def _without_empty_classes(choice: Choice, split: Split) -> Choice:
    """Leave out what no training case shows; the choice itself also counts validation cases."""
    training = [case for case in choice.cases if split.sides[case] == "train"]
    empty = {
        name: f"present in none of the {len(training)} training cases"
        for name in choice.structures
        if not any(is_there(choice.cases[case].get(name)) for case in training)
    }
    kept = tuple(name for name in choice.structures if name not in empty)
    return replace(
        choice,
        structures=kept,
        cases={
            case: {name: state for name, state in known.items() if name in kept}
            for case, known in choice.cases.items()
        },
        left_out_structures={**choice.left_out_structures, **empty},
    )


def _check_still_there(model: FinalModel, manifest: FinalManifest) -> None:
    path = model.manifest_file
    if manifest.class_map_digest != model.workspace.class_map.digest:
        raise BadInput(f"{path}: was made with another class map than the workspace has now")
    layout = model.workspace.layout
    missing = missing_masks(layout, manifest.choice.cases) + missing_masks(layout, manifest.test)
    if missing:
        raise BadInput(
            f"{path}: {len(missing)} masks it names are gone, such as {', '.join(missing[:3])}; "
            f"restore them from a backup, or move {model.folder} away to begin anew"
        )
