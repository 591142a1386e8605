"""Small label maps with two coloured bodies, and small pictures of them."""

from collections.abc import Callable

import numpy as np
import pytest

from pipeline.anatomy import ClassMap, Structure
from pipeline.volume import Grid
from qc.legend import CaseInfo
from qc.panels import PanelRule
from qc.picture import Subject
from qc.picture_layout import PictureSettings


def structure(name: str, value: int, **fields: object) -> Structure:
    known = {"part": "bones", "category": "bone", "side": None, "mirror": None}
    colours = {"colour": (200, 40, 40), "snomed": None, "neighbours": ()}
    return Structure(name=name, value=value, **{**known, **colours, **fields})


@pytest.fixture
def two_arms() -> ClassMap:
    """A class map of our own: a red right arm, a green left arm, a blue middle, one unseen."""
    return ClassMap(
        "two_arms",
        (
            structure("arm_right", 1, side="right", mirror="arm_left", colour=(220, 30, 30)),
            structure("arm_left", 2, side="left", mirror="arm_right", colour=(30, 200, 30)),
            structure("middle", 3, part="trunk", category="organ", colour=(40, 60, 230)),
            structure("tail", 7, part="trunk", category="organ", colour=(230, 220, 30)),
        ),
    )


@pytest.fixture
def rules() -> tuple[PanelRule, ...]:
    return (PanelRule(title="arms", names=("arm_*",)), PanelRule(title="trunk", parts=("trunk",)))


@pytest.fixture
def small() -> PictureSettings:
    """Settings of a picture that is drawn fast; the same everywhere, so one renderer serves all."""
    return PictureSettings(width_px=900, view_height_px=220, supersampling=1)


@pytest.fixture
def arms() -> Callable[..., Subject]:
    """Give a function that makes a subject: the right arm at large x, the left one in front."""

    def make(**keywords: object) -> Subject:
        labels = np.zeros((48, 30, 40), np.uint8, order="F")
        labels[36:44, 8:20, 6:34] = 1
        labels[4:12, 8:20, 6:20] = 2
        labels[20:28, 4:24, 10:30] = 3
        ct = np.full(labels.shape, -1000, np.int16, order="F")
        ct[2:46, 2:28, :] = 40
        ct[labels == 1] = 700
        affine = np.diag([4.0, 4.0, 4.0, 1.0])
        affine[:3, 3] = (-96, -60, 200)
        info = CaseInfo("case-1", sources={"round 1": 3}, accepted=2)
        parts = {"labels": labels, "grid": Grid(labels.shape, affine), "ct": ct, "info": info}
        return Subject(**{**parts, **keywords})

    return make


def pixels_of(picture: np.ndarray, colour: str) -> np.ndarray:
    """Find pixels of a hue, however they are lit: (row, column) places."""
    red, green, blue = (picture[..., channel].astype(int) for channel in range(3))
    found = {
        "red": (red > 2 * green) & (red > 2 * blue) & (red > 60),
        "green": (green > 2 * red) & (green > 2 * blue) & (green > 60),
        "blue": (blue > 2 * red) & (blue > 2 * green) & (blue > 60),
    }
    return np.argwhere(found[colour])


@pytest.fixture
def find() -> Callable[[np.ndarray, str], np.ndarray]:
    return pixels_of
