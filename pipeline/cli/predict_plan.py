"""What `masksmith predict` needs before it reads a CT: models, class map, the look of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.call import Call
from pipeline.errors import BadInput, MissingDependency

if TYPE_CHECKING:
    from pipeline.anatomy import ClassMap
    from qc.drawing import Style
    from training.part_models import PartModel
    from training.predict_parts import PartsPlan
    from training.predict_settings import PredictFilesSettings

FINAL, FINAL_FAST = "final-1.5mm", "final-3mm"


def make_plan(settings: PredictFilesSettings, call: Call, scratch: Path) -> PartsPlan:
    """Find and choose the models.

    Raises
    ------
    MissingDependency
        If there are none, or none for what is asked.
    BadInput, UsageError
        If one is damaged, or they do not fit together.
    """
    from pipeline.anatomy import load_class_map
    from training.part_models import choose_models, find_models
    from training.predict import PredictSettings
    from training.predict_parts import PartsPlan

    class_map = load_class_map(class_map_file(settings, call))
    wanted = _wanted(settings, class_map)
    found = find_models(settings.models or (_final(settings, call),), scratch / "models")
    complete = not settings.models
    chosen = choose_models(found, class_map, wanted, fast=settings.fast, complete=complete)
    process = PredictSettings(
        work_dir=scratch / "work",
        device=settings.device,
        threads=settings.threads or call.engine().jobs,
        tile_step=settings.tile_step,
        plain_weights=True,
    )
    return PartsPlan(
        models=_of_one_orientation(chosen),
        class_map=class_map,
        process=process,
        structures=frozenset(wanted),
        overlap=settings.overlap,
        priority=settings.priority,
        cases_at_once=settings.cases_at_once,
    )


def class_map_file(settings: PredictFilesSettings, call: Call) -> Path:
    """Return the class map that was named, else the workspace's, else that of the settings."""
    from pipeline.anatomy import class_map_path
    from pipeline.workspace import Layout

    if settings.class_map is not None:
        return class_map_path(settings.class_map, call.configs_path)
    own = Layout(call.workspace_path).class_map_file
    return own if own.is_file() else call.configs_path / "class_map.yaml"


def preview_style(configs: Path, class_map: ClassMap) -> tuple[Style, str]:
    """Return the look of pictures, as the gallery's, and the graphics driver.

    Raises
    ------
    MissingDependency
        If this machine has no graphics driver.
    """
    from pipeline.stage import load_settings
    from qc.drawing import Style
    from qc.gallery import STAGE, GallerySettings
    from qc.rendering_probe import require_rendering

    settings = load_settings(STAGE, configs)
    if not isinstance(settings, GallerySettings):
        raise TypeError(f"expected GallerySettings, found {type(settings).__name__}")
    return Style(class_map, settings.panels, settings.picture()), require_rendering()


def _wanted(settings: PredictFilesSettings, class_map: ClassMap) -> tuple[str, ...]:
    """Return the structures that were asked for; none means all.

    Raises
    ------
    ClassMapError
        If there is no such structure, naming the nearest.
    BadInput
        If there is no such part.
    """
    names = [class_map[name].name for name in settings.structures]
    for part in settings.parts:
        inside = class_map.in_part(part)
        if not inside:
            known = ", ".join(class_map.parts)
            raise BadInput(f"no part '{part}' in the class map {class_map.name}; there are {known}")
        names += [structure.name for structure in inside]
    return tuple(dict.fromkeys(names))


def _final(settings: PredictFilesSettings, call: Call) -> Path:
    """Return where `masksmith train-final` puts its models.

    Raises
    ------
    MissingDependency
        If nothing is there.
    """
    from pipeline.workspace import Layout

    models = Layout(call.workspace_path).models_dir
    path = models / (FINAL_FAST if settings.fast else FINAL)
    if not path.is_dir():
        kind = "3mm" if settings.fast else "1.5mm"
        raise MissingDependency(
            f"no trained models at {path}: train them (masksmith train-final --model {kind}), or "
            "name others with --models, such as a round's folder"
        )
    return path


def _of_one_orientation(chosen: tuple[PartModel, ...]) -> tuple[PartModel, ...]:
    orientations = {part.model.orientation for part in chosen}
    if len(orientations) > 1:
        raise BadInput(f"models of several orientations: {', '.join(sorted(orientations))}")
    return chosen
