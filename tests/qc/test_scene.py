"""The renderer: colours as in the legend, memory given back, errors not swallowed."""

import numpy as np
import psutil
import pytest

from qc.look import BACKGROUND
from qc.rendering_probe import prepare_driver
from qc.scene import Framing, Tile, TileRenderer
from qc.surfaces import Surface, surface_of

pytestmark = pytest.mark.rendering

TILE = Tile(120, 100, 1)


@pytest.fixture(scope="module")
def renderer(driver: str) -> TileRenderer:
    prepare_driver(driver)
    return TileRenderer(TILE)


def cube(size: int) -> Surface:
    return surface_of(np.ones((size, size, size), bool), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))


@pytest.mark.parametrize("colour", [(253, 165, 148), (40, 80, 220), (90, 110, 20)])
def test_a_face_towards_the_viewer_has_the_colour_of_its_patch(
    renderer: TileRenderer, colour: tuple[int, int, int]
) -> None:
    views = renderer.draw([(cube(21), colour)], Framing((10.0, 10.0, 10.0), 3.0))
    for seen in (views.front.pixels, views.back.pixels):
        assert np.abs(seen[50, 60].astype(int) - colour).max() < 30


def test_a_cube_fills_its_place_and_nothing_else(renderer: TileRenderer) -> None:
    views = renderer.draw([(cube(21), (200, 200, 200))], Framing((10.0, 10.0, 10.0), 3.0))
    filled = np.abs(views.front.pixels.astype(int) - BACKGROUND).sum(axis=2) > 60
    rows, columns = np.nonzero(filled)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == pytest.approx((63, 63), abs=3)
    assert (rows.mean(), columns.mean()) == pytest.approx((49.5, 59.5), abs=1)


def test_the_nearer_structure_hides_the_farther_one(renderer: TileRenderer) -> None:
    near = surface_of(np.ones((9, 2, 9), bool), (1.0, 1.0, 1.0), (6.0, 18.0, 6.0))
    bodies = [(cube(12), (220, 20, 20)), (near, (20, 20, 220))]
    views = renderer.draw(bodies, Framing((10.0, 10.0, 10.0), 3.0))
    assert views.front.pixels[50, 60, 2] > 100 > views.front.pixels[50, 60, 0]
    assert views.back.pixels[50, 60, 0] > 100 > views.back.pixels[50, 60, 2]


def test_after_a_draw_the_tile_is_empty_again(renderer: TileRenderer) -> None:
    renderer.draw([(cube(9), (255, 255, 255))], Framing((4.0, 4.0, 4.0), 3.0))
    assert np.abs(renderer.blank().astype(int) - BACKGROUND).max() <= 1
    nothing = Surface(
        np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint32)
    )
    empty = renderer.draw([(nothing, (255, 0, 0))], Framing((0.0, 0.0, 0.0), 1.0))
    assert np.abs(empty.front.pixels.astype(int) - BACKGROUND).max() <= 1


def test_an_error_while_drawing_is_raised(renderer: TileRenderer) -> None:
    torn = cube(5)
    wrong = Surface(torn.points_mm, torn.normals[:, :2], torn.triangles)
    with pytest.raises(ValueError, match=r".+"):
        renderer.draw([(wrong, (255, 0, 0))], Framing((0.0, 0.0, 0.0), 1.0))
    assert np.abs(renderer.blank().astype(int) - BACKGROUND).max() <= 1


def test_graphics_memory_is_given_back(renderer: TileRenderer) -> None:
    def draw(count: int) -> int:
        for _ in range(count):
            renderer.draw([(surface, (200, 100, 50))], Framing((40.0, 40.0, 40.0), 1.0))
        return psutil.Process().memory_info().rss

    surface = cube(120)
    megabytes = (surface.points_mm.nbytes * 3 + surface.triangles.nbytes) / 1e6
    before = draw(3)
    after = draw(12)
    assert (after - before) / 1e6 < 4 * megabytes
