"""Which trained models predict together: those of five body parts, or one for all structures.

A set is found in folders and zips, and chosen by spacing: the finest, or the coarsest where it
shall go fast. What is asked for and in no model is an error that says what is there.
"""

import json
import zipfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.anatomy import ClassMap
from pipeline.errors import BadInput, MissingDependency, UsageError
from training.nnunet_model import NnunetModel, open_model

ZIP_NAME, CARD_NAME = "model.zip", "model_card.json"
_NAMES_SHOWN = 4
# What plans may name: networks are made by name, and a foreign file must not choose any callable.
_NETWORKS = ("dynamic_network_architectures.", "nnunetv2.")
_SAME_SPACING_MM = 0.01


@dataclass(frozen=True)
class PartModel:
    """One model of a set.

    Attributes
    ----------
    name : str
        How messages name it: its folder or file.
    card : dict
        Its model card, as `masksmith train-final` writes it; empty without one.
    """

    name: str
    model: NnunetModel
    card: dict[str, Any]

    @cached_property
    def structures(self) -> tuple[str, ...]:
        """What it segments."""
        return tuple(self.model.names_by_value.values())

    @cached_property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Spacing it predicts at, along the axes of its images.

        Raises
        ------
        BadInput
            If the plans do not say.
        """
        plans = _plans_of(self.model)
        try:
            spacing = _from_configuration(plans, self._configuration, "spacing")
            order = [spacing[axis] for axis in plans["transpose_backward"]]
            z, y, x = (float(step) for step in order)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise BadInput(
                f"{self.model.folder}/plans.json: no spacing of {self._configuration} ({error}); "
                "only 3D models are supported"
            ) from None
        return (x, y, z)

    @property
    def _configuration(self) -> str:
        return self.model.folder.name.split("__")[-1]

    @property
    def is_one_of_several(self) -> bool:
        """Whether its card says that it is one body part of a whole."""
        return bool(self.card.get("part"))


def find_models(paths: Sequence[Path], unpack_into: Path) -> tuple[PartModel, ...]:
    """Find every trained model in files and folders.

    Parameters
    ----------
    paths : sequence of Path
        Zips; model folders; folders above them, such as a round's or ``models/final-1.5mm``.
    unpack_into : Path
        Where zips are unpacked.

    Raises
    ------
    MissingDependency
        If a path is not there or holds no trained model.
    BadInput
        If a model is damaged.
    """
    found: dict[Path, PartModel] = {}
    for path in paths:
        if not path.exists():
            raise MissingDependency(
                f"{path}: no such model; train it (masksmith train-final) or name one (--models)"
            )
        here = list(_below(path))
        if not here:
            raise MissingDependency(
                f"{path}: no trained nnU-Net model in it (a zip, or a folder with plans.json, "
                "dataset.json, fold_*/checkpoint_final.pth)"
            )
        for place, name, card in here:
            model = open_model(place, unpack_into=unpack_into)
            require_whole(model)
            found[model.folder.resolve()] = PartModel(name, model, card)
    return tuple(found.values())


def choose_models(
    models: Sequence[PartModel],
    class_map: ClassMap,
    wanted: Collection[str],
    *,
    fast: bool,
    complete: bool,
) -> tuple[PartModel, ...]:
    """Choose the models that are needed, in an order that does not depend on where they lie.

    Parameters
    ----------
    wanted : collection of str
        Structures; none: all that the models know.
    fast : bool
        Take the coarsest spacing instead of the finest.
    complete : bool
        Whether all structures of the class map are expected where `wanted` is empty. Models
        whose cards say that they are one part of several expect it anyway.

    Raises
    ------
    MissingDependency
        If a structure is in none of them.
    UsageError
        If one is in two of them.
    BadInput
        If a model knows structures that the class map does not.
    """
    spacings = sorted(min(part.spacing_mm) for part in models)
    chosen_mm = spacings[-1] if fast else spacings[0]
    chosen = [p for p in models if abs(min(p.spacing_mm) - chosen_mm) < _SAME_SPACING_MM]
    known: dict[str, PartModel] = {}
    for part in chosen:
        _require_known(part, class_map)
        for name in part.structures:
            if name in known:
                raise UsageError(
                    f"{name} is in two models, {known[name].name} and {part.name}: name one of "
                    "them with --models"
                )
            known[name] = part
    everything = complete or any(part.is_one_of_several for part in chosen)
    asked = tuple(wanted) or (class_map.names if everything else tuple(known))
    _require_there(asked, known, class_map)
    needed = {id(known[name]) for name in asked}
    order = {name: place for place, name in enumerate(class_map.names)}
    kept = [part for part in chosen if id(part) in needed]
    return tuple(sorted(kept, key=lambda part: min(order[name] for name in part.structures)))


def require_whole(model: NnunetModel) -> None:
    """Check that checkpoints are whole and that plans name a network of nnU-Net's.

    Raises
    ------
    BadInput
        Naming the file.
    """
    for fold in model.folds:
        path = model.folder / f"fold_{fold}" / model.checkpoint
        try:
            with zipfile.ZipFile(path) as checkpoint:
                damaged = checkpoint.testzip()
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as error:
            raise _damaged(path, str(error)) from None
        if damaged is not None:
            raise _damaged(path, f"bad checksum of {damaged}")
    for name in _network_names(_plans_of(model)):
        if not name.startswith(_NETWORKS):
            raise BadInput(
                f"{model.folder}/plans.json: network class '{name}' is not one of nnU-Net's; "
                "a model of a foreign network needs masksmith bootstrap and its 'command' runner"
            )


def _damaged(path: Path, why: str) -> BadInput:
    return BadInput(f"{path}: damaged checkpoint ({why}); copy or train the model again")


def _below(path: Path) -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """Give place, name and card of each model at or below a path."""
    if path.is_file():
        yield path, str(path), _read_card(path.with_name(CARD_NAME))
        return
    folders = [
        plans.parent
        for plans in sorted(path.glob("**/plans.json"))
        if (plans.parent / "dataset.json").is_file()
        and any(plans.parent.glob(f"fold_*/{NnunetModel.checkpoint}"))
    ]
    for folder in folders:
        yield folder, str(folder), _card_above(folder, path)
    for archive in sorted({*path.glob("*.zip"), *path.glob(f"**/{ZIP_NAME}")}):
        # Beside an exported zip usually lies what it was packed from.
        if not any(archive.parent in folder.parents for folder in folders):
            yield archive, str(archive), _read_card(archive.with_name(CARD_NAME))


def _card_above(folder: Path, top: Path) -> dict[str, Any]:
    """Find the card of a model folder, in it or above it, not above what was named."""
    for place in (folder, *folder.parents):
        card = _read_card(place / CARD_NAME)
        if card or place == top:
            return card
    return {}


def _read_card(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        card = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: not a readable model card ({error})") from None
    return card if isinstance(card, dict) else {}


def _plans_of(model: NnunetModel) -> dict[str, Any]:
    path = model.folder / "plans.json"
    try:
        plans = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read ({error}); copy the model again") from None
    if not isinstance(plans, dict):
        raise BadInput(f"{path}: no nnU-Net plans; copy the model again")
    return plans


def _from_configuration(plans: dict[str, Any], name: str, key: str) -> Any:
    """Look a key up in a configuration and in what it inherits from."""
    seen: set[str] = set()
    while name not in seen:
        seen.add(name)
        configuration = plans["configurations"][name]
        if key in configuration:
            return configuration[key]
        name = configuration.get("inherits_from", name)
    raise KeyError(key)


def _network_names(plans: dict[str, Any]) -> Iterable[str]:
    for configuration in plans.get("configurations", {}).values():
        name = configuration.get("architecture", {}).get("network_class_name")
        if name is not None:
            yield str(name)


def _require_known(part: PartModel, class_map: ClassMap) -> None:
    unknown = [name for name in part.structures if name not in class_map]
    if unknown:
        raise BadInput(
            f"{part.name}: {_some(unknown)} not in the class map {class_map.name}; give the one "
            "it was trained with (--class-map)"
        )


def _require_there(asked: Iterable[str], known: Collection[str], class_map: ClassMap) -> None:
    missing = [name for name in asked if name not in known]
    if not missing:
        return
    here = _by_part([name for name in class_map.names if name in known], class_map)
    raise MissingDependency(
        f"no model for {_by_part(missing, class_map)}; there are models for {here}: train what is "
        "missing (masksmith train-final), or say what you want with --structures or --parts"
    )


def _by_part(names: Sequence[str], class_map: ClassMap) -> str:
    """Say structures by body part, whole parts by their name alone."""
    words = []
    for part in dict.fromkeys(class_map[name].part for name in names):
        mine = [name for name in names if class_map[name].part == part]
        if part is not None and len(mine) == len(class_map.in_part(part)):
            words.append(f"{part} (all {len(mine)})")
        else:
            words.append(_some(mine))
    return ", ".join(words) or "nothing"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more
