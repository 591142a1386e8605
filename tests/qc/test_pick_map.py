"""Pick maps: what a pixel shows is what the map says, in every way it is stored."""

import base64
import io
import json
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from pipeline.anatomy import ClassMap
from pipeline.volume import Grid
from qc.legend import CaseInfo
from qc.panels import PanelRule
from qc.pick_map import PickMap, largest_places, pick_dtype
from qc.picture import Picture, Subject, render_case
from qc.picture_layout import PictureSettings, Projection
from qc.png_encoding import encode_png
from qc.scene import Framing, Tile, TileRenderer, reduced_numbers
from qc.surfaces import make_body, surface_of
from tests.qc.conftest import structure

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


def decoded(script: bytes) -> tuple[str, dict, np.ndarray]:
    """Read a script as a browser does."""
    text = script.decode("ascii")
    assert text.startswith("masksmithPickMap(")
    assert text.endswith(");\n")
    case_id, said = json.loads(f"[{text[len('masksmithPickMap(') : -3]}]")
    raw = zlib.decompress(base64.b64decode(said["deflate"]))
    values = np.frombuffer(raw, f"<u{said['bits'] // 8}")
    return case_id, said, values.reshape(said["height"], said["width"])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_image_and_script_hold_the_same_values(dtype: type) -> None:
    values = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (31, 17)).astype(dtype)
    pick_map = PickMap(values)
    image = Image.open(io.BytesIO(pick_map.png()))
    assert image.mode == {np.uint8: "L", np.uint16: "I;16"}[dtype]
    assert np.array_equal(np.asarray(image), values)
    case_id, said, same = decoded(pick_map.script("s0001"))
    assert (case_id, said["bits"]) == ("s0001", pick_map.bits)
    assert np.array_equal(same, values)


def test_values_above_255_take_16_bits() -> None:
    assert pick_dtype((1, 255)) == np.uint8
    assert pick_dtype((1, 256)) == np.uint16
    assert pick_dtype(()) == np.uint8


def test_a_png_of_colours_is_read_back_by_others() -> None:
    colours = np.random.default_rng(2).integers(0, 256, (20, 33, 3)).astype(np.uint8)
    image = Image.open(io.BytesIO(encode_png(colours, {"case": "ä"})))
    assert np.array_equal(np.asarray(image), colours)
    assert json.loads(image.text["masksmith"]) == {"case": "ä"}


def test_a_block_has_its_most_frequent_number_and_background_only_alone() -> None:
    numbers = np.array(
        [
            [0, 0, 0, 7, 3, 3, 0, 0],
            [0, 0, 0, 0, 3, 9, 5, 4],
        ],
        np.uint8,
    )
    assert reduced_numbers(numbers, 2)[0, :3].tolist() == [0, 7, 3]
    assert reduced_numbers(numbers, 2)[0, 3] in (4, 5)
    assert np.array_equal(reduced_numbers(numbers, 1), numbers)


def test_places_are_where_most_is_seen() -> None:
    picks = np.zeros((20, 40), np.uint8)
    picks[2:4, 3:5] = 1
    picks[12:18, 22:30] = 1
    picks[1, 1] = 2
    views = [(0, 0, 20, 20), (20, 0, 40, 20)]
    assert largest_places(picks, views) == {2: (1, 1, 2, 2), 1: (22, 12, 30, 18)}


@pytest.fixture(scope="module")
def renderer(driver: str) -> TileRenderer:
    return TileRenderer(Tile(120, 100, 2))


@pytest.mark.rendering
def test_the_number_of_a_pixel_is_that_of_the_nearest_surface(renderer: TileRenderer) -> None:
    far = surface_of(np.ones((20, 4, 20), bool), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    near = surface_of(np.ones((8, 4, 8), bool), (1.0, 1.0, 1.0), (6.0, 12.0, 6.0))
    bodies = [(far, (220, 20, 20)), (near, (20, 20, 220))]
    views = renderer.draw(bodies, Framing((9.5, 8.0, 9.5), 3.0))
    assert views.front.numbers[50, 60] == 2
    assert views.back.numbers[50, 60] == 1
    assert views.front.numbers[50, 60 - 24] == 1
    assert views.front.numbers[5, 5] == 0
    assert np.count_nonzero(views.back.numbers == 2) == 0


@pytest.mark.rendering
def test_as_many_surfaces_as_fit_keep_their_numbers(renderer: TileRenderer) -> None:
    rng = np.random.default_rng(3)
    bodies = []
    for number in range(254):
        start = (2.0 * (number % 16), 0.0, 2.0 * (number // 16))
        dot = surface_of(np.ones((1, 1, 1), bool), (1.0, 1.0, 1.0), start)
        bodies.append((dot, tuple(int(c) for c in rng.integers(30, 255, 3))))
    views = renderer.draw(bodies, Framing((15.0, 0.0, 15.0), 3.0))
    assert set(np.unique(views.front.numbers)) == set(range(255))
    with pytest.raises(ValueError, match="255 surfaces"):
        renderer.draw([*bodies, bodies[0]], Framing((15.0, 0.0, 15.0), 3.0))


@pytest.fixture
def picture_of(
    rules: tuple[PanelRule, ...], driver: str
) -> Callable[[Subject, ClassMap], tuple[Picture, np.ndarray]]:
    settings = PictureSettings(width_px=900, view_height_px=220, supersampling=2)

    def draw(subject: Subject, class_map: ClassMap) -> tuple[Picture, np.ndarray]:
        picture = render_case(subject, class_map, rules, settings, driver=driver)
        return picture, picture.pick_map.values

    return draw


def sphere(shape: tuple[int, int, int], centre: tuple[float, ...], radius: float) -> np.ndarray:
    axes = np.indices(shape)
    away = sum((axis - middle) ** 2 for axis, middle in zip(axes, centre, strict=True))
    return away <= radius**2


@pytest.mark.rendering
def test_the_pixel_under_a_projected_voxel_names_its_structure(
    two_arms: ClassMap, picture_of: Callable
) -> None:
    shape = (60, 40, 70)
    labels = np.zeros(shape, np.uint8, order="F")
    centres = {1: (45.0, 20.0, 50.0), 2: (14.0, 20.0, 20.0)}
    for value, centre in centres.items():
        labels[sphere(shape, centre, 9)] = value
    grid = Grid(shape, AFFINE)
    picture, picks = picture_of(Subject(labels, grid, None, CaseInfo("balls")), two_arms)
    body = make_body(labels, grid)
    span = (body.span_mm(2)[0, 0], body.span_mm(1)[1, 0])
    middle = (sum(span) / 2, 39.0, 69.0)
    panel = next(panel for panel in picture.panels if panel.title == "arms")
    height = (picture.places[1][3] - picture.places[1][1]) / 38.0
    for row, from_behind in enumerate((False, True)):
        top = 118 + row * 226
        box = (panel.box[0], top, panel.box[2], top + 220)
        view = Projection(box, middle, height, from_behind)
        for value, centre in centres.items():
            for step in (np.zeros(3), *(sign * 7 * axis for axis in np.eye(3) for sign in (1, -1))):
                x, y = view.place_px((np.array(centre) + step) * 2.0)
                assert picks[round(y), round(x)] == value, (value, from_behind, step)


@pytest.mark.rendering
def test_every_coloured_pixel_of_a_view_has_the_structure_of_its_colour(
    two_arms: ClassMap, picture_of: Callable, arms: Callable, find: Callable
) -> None:
    picture, picks = picture_of(arms(ct=None), two_arms)
    views = slice(118, 118 + 2 * 226 - 6)
    for colour, value in (("red", 1), ("green", 2), ("blue", 3)):
        places = find(picture.pixels[views], colour)
        assert len(places) > 500
        assert set(picks[views][tuple(places.T)]) == {value}
    background = np.abs(picture.pixels[views].astype(int) - (11, 13, 15)).max(axis=2) <= 1
    assert not picks[views][background].any()


@pytest.mark.rendering
def test_the_ct_slice_is_picked_too_where_masks_are_drawn(
    two_arms: ClassMap, picture_of: Callable, arms: Callable
) -> None:
    labels = arms().labels.copy(order="F")
    labels[20:28, 4:24, 2:6] = 99
    picture, picks = picture_of(arms(labels=labels), two_arms)
    column = slice(20, picture.panels[0].box[0] - 6)
    lower = picks[118 + 226 : 118 + 226 + 220, column]
    assert set(np.unique(lower)) <= {0, 1, 2, 3}
    assert np.count_nonzero(lower == 3) > 300
    assert not picks[118 : 118 + 220, column].any()


@pytest.mark.rendering
def test_values_above_255_are_picked(picture_of: Callable, arms: Callable) -> None:
    class_map = ClassMap(
        "wide", (structure("arm_one", 300), structure("middle", 41000, part="trunk"))
    )
    labels = arms().labels.astype(np.uint16)
    labels[labels == 1], labels[labels == 2], labels[labels == 3] = 300, 0, 41000
    picture, picks = picture_of(arms(labels=labels), class_map)
    assert picks.dtype == np.uint16
    assert set(np.unique(picks)) == {0, 300, 41000}
    assert set(picture.places) == {300, 41000}
    _, said, same = decoded(picture.pick_map.script("wide"))
    assert said["bits"] == 16
    assert np.array_equal(same, picks)
