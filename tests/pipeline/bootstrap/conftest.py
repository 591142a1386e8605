"""Cards, predictions and runs of bootstrap on the small workspace."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.anatomy import shipped_configs
from pipeline.bootstrap.bootstrap import STAGE
from pipeline.bootstrap.trust import TRUST_FILE_VARIABLE
from pipeline.engine import SerialEngine
from pipeline.stage import Outcome, load_settings, run_stage
from pipeline.volume import Grid, write_nifti
from pipeline.workspace import Workspace

CARD: dict[str, Any] = {
    "name": "model_a",
    "runner": "labelmaps",
    "licence": "CC0-1.0",
    "reference": "made for a test",
    "priority": 10,
    "labels": {1: "liver", 2: "spleen", 3: "kidney_right", 4: "kidney_left"},
}
BOXES = {
    1: (slice(20, 32), slice(8, 20), slice(10, 22)),
    2: (slice(4, 10), slice(6, 12), slice(12, 20)),
    3: (slice(24, 29), slice(3, 7), slice(2, 9)),
    4: (slice(6, 11), slice(3, 7), slice(2, 9)),
}


@pytest.fixture(autouse=True)
def own_trust_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "trusted.json"
    monkeypatch.setenv(TRUST_FILE_VARIABLE, str(path))
    return path


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    folder = tmp_path / "configs"
    (folder / "bootstrap" / "models").mkdir(parents=True)
    shutil.copyfile(shipped_configs() / "class_map.yaml", folder / "class_map.yaml")
    return folder


@pytest.fixture
def write_card(configs: Path) -> Callable[..., Path]:
    """Give a function that writes a card: the one above with changes; None leaves a key out."""

    def write(name: str = "model_a", **changes: object) -> Path:
        card = {**CARD, "name": name, **changes}
        said = {key: value for key, value in card.items() if value is not None}
        path = configs / "bootstrap" / "models" / f"{name}.yaml"
        path.write_text(yaml.safe_dump(said, sort_keys=False), encoding="utf-8")
        return path

    return write


@pytest.fixture
def run_bootstrap(workspace: Workspace, configs: Path) -> Callable[..., list[Outcome]]:
    """Give a function that runs the stage with some settings and returns its outcomes."""

    def run(**settings: object) -> list[Outcome]:
        given = load_settings(STAGE, configs, settings)
        return list(run_stage(STAGE, workspace, given, SerialEngine()).outcomes)

    return run


def prediction(grid: Grid, values: Mapping[int, int] | None = None) -> np.ndarray:
    """Make a label map with boxes; `values` maps a box's number to its label value."""
    labels = np.zeros(grid.shape, np.uint8, order="F")
    for number, box in BOXES.items():
        value = number if values is None else values.get(number, 0)
        labels[box] = value
    return labels


@pytest.fixture
def write_prediction(tmp_path: Path) -> Callable[..., Path]:
    """Give a function that writes a label map into the folder of predictions."""
    folder = tmp_path / "predictions"

    def write(name: str, labels: np.ndarray, grid: Grid) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_nifti(path, labels, grid)
        return path

    return write
