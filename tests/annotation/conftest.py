"""A small workspace with a case of overlapping masks, and what to do with it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from annotation.sessions import SessionRequest, open_session
from pipeline.workspace import Case, Mask, Provenance, Workspace, write_mask


@pytest.fixture
def model() -> Provenance:
    """Give the provenance of a bootstrap model."""
    return Provenance("model", "model:btcv", software={"masksmith": "0.1.0"})


@pytest.fixture
def case(add_case: Callable[..., Case]) -> Case:
    """Give a recorded case without masks."""
    return add_case("s0001")


@pytest.fixture
def add_mask(workspace: Workspace) -> Callable[..., Mask]:
    """Give a function that stores and records a mask: ``add_mask(case, "liver", box, made)``."""

    def add(case: Case, structure: str, where: object, made: Provenance) -> Mask:
        array = np.zeros(case.grid.shape, np.bool_)
        array[where] = True
        mask = write_mask(workspace.layout, case, structure, array, made)
        workspace.record_masks([mask])
        return mask

    return add


BOXES = {
    "liver": np.s_[18:32, 6:20, 8:22],
    "gallbladder": np.s_[20:24, 8:12, 10:14],
    "stomach": np.s_[6:20, 6:18, 12:24],
    "spleen": np.s_[4:8, 4:10, 14:22],
}
"""The gallbladder lies within the liver, the stomach overlaps it by two columns."""


@pytest.fixture
def drawn_case(case: Case, add_mask: Callable[..., Mask], model: Provenance) -> Case:
    """Give a case with the masks of :data:`BOXES` by a model."""
    for name, box in BOXES.items():
        add_mask(case, name, box, model)
    return case


@pytest.fixture
def session(workspace, drawn_case, tmp_path):
    """Give the folder of a Slicer session with liver, stomach and an aorta to be drawn."""
    request = SessionRequest(
        "s0001", ("liver", "stomach", "aorta"), "slicer", tmp_path / "s", by="anna"
    )
    return open_session(workspace, request).folder


@pytest.fixture
def snap(workspace, drawn_case, tmp_path):
    """Give the folder of an ITK-SNAP session with liver and stomach."""
    request = SessionRequest("s0001", ("liver", "stomach"), "itksnap", tmp_path / "s", by="anna")
    return open_session(workspace, request).folder


def saved(folder: Path) -> list[str]:
    """List the files below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
