"""Masks of a made-up case on their way out, on grids of every kind."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from annotation.formats.writers import Making, Outgoing, Segment
from annotation.formats.writers.source_series import SourceSeries, read_series
from pipeline.anatomy import ClassMap, load_class_map, shipped_configs
from pipeline.volume import Grid, bounding_box
from tests.fixtures.dicom_series import write_ct_series

SHAPE = (40, 32, 12)


def tilted(degrees: float = 20.0) -> np.ndarray:
    """Give axial slices turned about z: rows and columns oblique, the normal straight."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    affine = np.eye(4)
    affine[:3, 0] = np.array([-c, s, 0]) * 0.8
    affine[:3, 1] = np.array([-s, -c, 0]) * 1.1
    affine[:3, 2] = (0, 0, 2.5)
    affine[:3, 3] = (30, 41, -77)
    return affine


def placed(steps: tuple[float, float, float]) -> np.ndarray:
    affine = np.diag([*steps, 1.0])
    affine[:3, 3] = (31.5, -12.25, 7)
    return affine


GRIDS = {
    "dicom": Grid(SHAPE, placed((-0.9, -0.9, 3.0))),
    "anisotropic": Grid(SHAPE, placed((-0.5, -1.75, 4.0))),
    "ras": Grid(SHAPE, placed((1.5, 1.5, 1.5))),
    "lps to the feet": Grid(SHAPE, placed((-1.0, -1.0, -2.0))),
    "oblique": Grid(SHAPE, tilted()),
}


@pytest.fixture(scope="session")
def class_map() -> ClassMap:
    return load_class_map(shipped_configs() / "class_map.yaml")


@pytest.fixture(params=list(GRIDS))
def grid(request: pytest.FixtureRequest) -> Grid:
    """Go through grids of every kind."""
    return GRIDS[request.param]


def truth() -> dict[str, np.ndarray]:
    """Give masks that overlap, have holes, islands and single voxels, and one empty mask."""
    noise = np.random.default_rng(7)
    masks = {name: np.zeros(SHAPE, np.bool_) for name in NAMES}
    masks["liver"][4:30, 5:25, 1:9] = noise.random((26, 20, 8)) < 0.85
    masks["kidney_left"][20:36, 18:30, 4:11] = True
    masks["kidney_left"][25:29, 22:26, 5:8] = False
    masks["hip_left"][0, 0, 0] = True
    masks["hip_left"][38:40, 30:32, 11] = True
    return masks


NAMES = ("liver", "kidney_left", "hip_left", "spleen")
MAKING = {"liver": Making("AUTOMATIC", "model:btcv", "2.1"), "kidney_left": Making("MANUAL")}


@pytest.fixture(scope="session")
def masks() -> dict[str, np.ndarray]:
    """Give the masks, each on the whole grid; the spleen's is empty."""
    return truth()


@pytest.fixture
def make_outgoing(class_map: ClassMap) -> Callable[[Grid], Outgoing]:
    """Give a function that puts the masks on a grid."""

    def make(grid: Grid) -> Outgoing:
        segments = []
        for structure in class_map:
            if structure.name not in NAMES:
                continue
            mask = truth()[structure.name]
            box = bounding_box(mask) or (slice(0, 1), slice(0, 1), slice(0, 1))
            making = MAKING.get(structure.name, Making("SEMIAUTOMATIC", "round:1"))
            segments.append(Segment(structure, None, box, mask[box], making))
        return Outgoing("s0001", grid, tuple(segments), NAMES, class_map.name)

    return make


@pytest.fixture
def make_series(tmp_path: Path) -> Callable[[Grid], SourceSeries]:
    """Give a function that writes a series on a grid and reads it back."""

    def make(grid: Grid) -> SourceSeries:
        write_ct_series(tmp_path / "series", np.zeros(grid.shape, np.int16), grid)
        return read_series(sorted((tmp_path / "series").glob("*.dcm")))

    return make
