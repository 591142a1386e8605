"""Pictures: every structure at its place and side, whatever comes in."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pipeline.anatomy import ClassMap
from pipeline.volume import Grid
from qc.legend import CaseInfo
from qc.panels import PanelRule, assign_panels
from qc.picture import Picture, Subject, render_case
from qc.picture_layout import Column, PictureSettings, columns_of, lay_out
from qc.surfaces import make_body

pytestmark = pytest.mark.rendering

Find = Callable[[np.ndarray, str], np.ndarray]
Rules = tuple[PanelRule, ...]


@pytest.fixture
def draw(
    two_arms: ClassMap, rules: Rules, small: PictureSettings, driver: str
) -> Callable[[Subject], Picture]:
    return lambda subject: render_case(subject, two_arms, rules, small, driver=driver)


@pytest.fixture
def column(two_arms: ClassMap, rules: Rules, small: PictureSettings) -> dict[str, Column]:
    panels = assign_panels(two_arms, rules)
    names = ["CT", *(panel.title for panel in panels)]
    return dict(zip(names, columns_of(panels, small.width_px), strict=True))


def view(picture: Picture, column: Column, row: int) -> np.ndarray:
    """Cut one view out of a picture: the two rows are 220 px high, 6 px apart."""
    top = 118 + row * 226
    return picture.pixels[top : top + 220, column.left_px : column.left_px + column.width_px]


def side(places: np.ndarray, width: int) -> str:
    return "left" if places[:, 1].mean() < width / 2 else "right"


def test_sides_change_places_between_front_and_back(
    draw: Callable, arms: Callable, column: dict[str, Column], find: Find
) -> None:
    picture = draw(arms())
    arms_column = column["arms"]
    front, back = (view(picture, arms_column, row) for row in range(2))
    assert side(find(front, "red"), arms_column.width_px) == "left"
    assert side(find(front, "green"), arms_column.width_px) == "right"
    assert side(find(back, "red"), arms_column.width_px) == "right"
    assert side(find(back, "green"), arms_column.width_px) == "left"
    # The right arm reaches higher: rows count from the head down.
    assert find(front, "red")[:, 0].min() < find(front, "green")[:, 0].min() - 20


def test_a_structure_shows_in_its_own_panel_only(
    draw: Callable, arms: Callable, column: dict[str, Column], find: Find
) -> None:
    picture = draw(arms())
    assert len(find(view(picture, column["trunk"], 0), "blue")) > 500
    assert len(find(view(picture, column["arms"], 0), "blue")) == 0
    assert len(find(view(picture, column["trunk"], 0), "red")) == 0


def test_the_size_in_the_picture_is_the_size_in_the_body(
    draw: Callable,
    arms: Callable,
    two_arms: ClassMap,
    rules: Rules,
    small: PictureSettings,
    column: dict[str, Column],
    find: Find,
) -> None:
    subject = arms()
    panels = assign_panels(two_arms, rules)
    scale = lay_out(panels, [2, 2], make_body(subject.labels, subject.grid), small).px_per_mm
    red = find(view(draw(subject), column["arms"], 0), "red")
    height_px, width_px = np.ptp(red, axis=0) + 1
    assert height_px == pytest.approx(28 * 4 * scale, abs=5)
    assert width_px == pytest.approx(8 * 4 * scale, abs=5)


@pytest.mark.parametrize(
    ("order", "flips"), [((0, 1, 2), (0, 1)), ((2, 0, 1), (0,)), ((1, 0, 2), ())]
)
def test_orientation_of_the_file_does_not_change_the_picture(
    draw: Callable, arms: Callable, order: tuple[int, ...], flips: tuple[int, ...]
) -> None:
    plain = arms()
    affine = np.array(plain.grid.affine)[:, [*order, 3]]
    labels, ct = (np.flip(a.transpose(order), flips) for a in (plain.labels, plain.ct))
    for axis in flips:
        affine[:3, 3] += affine[:3, axis] * (labels.shape[axis] - 1)
        affine[:3, axis] *= -1
    turned = arms(labels=labels, ct=ct, grid=Grid(labels.shape, affine))
    # Below the header, which names size and orientation.
    assert np.array_equal(draw(plain).pixels[84:], draw(turned).pixels[84:])


def test_an_oblique_volume_is_drawn_along_its_own_axes(draw: Callable, arms: Callable) -> None:
    plain = arms()
    angle = np.deg2rad(15)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    oblique = arms(grid=Grid(plain.grid.shape, turn @ plain.grid.affine))
    difference = np.abs(draw(plain).overview.astype(int) - draw(oblique).overview.astype(int))
    assert (difference > 30).mean() < 0.001


def test_what_is_missing_is_grey_and_counted(draw: Callable, arms: Callable, find: Find) -> None:
    labels = arms().labels.copy(order="F")
    labels[labels == 2] = 0
    picture = draw(arms(labels=labels))
    assert picture.findings.present == {1, 3}
    assert picture.findings.count([]) == "0 of 0"
    legend = picture.pixels[118 + 2 * 226 :]
    assert len(find(legend, "green")) == 0
    assert len(find(legend, "red")) > 100
    assert len(find(draw(arms()).pixels[118 + 2 * 226 :], "green")) > 100


def test_unknown_label_values_are_reported(draw: Callable, arms: Callable) -> None:
    labels = arms().labels.copy(order="F")
    labels[0:2, 0:2, 0:2] = 99
    picture = draw(arms(labels=labels))
    assert picture.findings.unknown == (99,)
    amber = (np.abs(picture.pixels[:84].astype(int) - (224, 168, 60)).sum(axis=2) < 40).sum()
    plain = (np.abs(draw(arms()).pixels[:84].astype(int) - (224, 168, 60)).sum(axis=2) < 40).sum()
    assert plain == 0
    assert amber > 100


def test_no_structures_at_all_still_gives_the_ct(draw: Callable, arms: Callable) -> None:
    picture = draw(arms(labels=np.zeros((48, 30, 40), np.uint8, order="F")))
    assert picture.findings.present == frozenset()
    assert picture.overview[:, :200].max() > 100
    assert picture.pixels.shape[1] <= 900


def test_no_ct_still_gives_the_masks(
    draw: Callable, arms: Callable, column: dict[str, Column], find: Find
) -> None:
    assert len(find(view(draw(arms(ct=None)), column["arms"], 0), "red")) > 500


@pytest.mark.parametrize("shape", [(48, 30, 1), (1, 30, 40), (48, 1, 40), (2, 2, 400)])
def test_flat_and_thin_volumes_are_drawn(
    draw: Callable, arms: Callable, shape: tuple[int, int, int]
) -> None:
    labels = np.ones(shape, np.uint8, order="F")
    grid = Grid(shape, np.diag([4.0, 4.0, 4.0, 1.0]))
    picture = draw(Subject(labels, grid, np.zeros(shape, np.int16, order="F"), CaseInfo("flat")))
    assert picture.findings.present == {1}
    assert picture.findings.cut == {1}
    assert 500 < picture.pixels.shape[0] < 900


def test_one_voxel_is_drawn_where_it_is(
    draw: Callable, arms: Callable, column: dict[str, Column], find: Find
) -> None:
    labels = np.zeros((48, 30, 40), np.uint8, order="F")
    labels[40, 15, 30] = 1
    labels[8, 15, 10] = 2
    front = view(draw(arms(labels=labels)), column["arms"], 0)
    red, green = find(front, "red"), find(front, "green")
    assert 1 <= len(red) <= 40
    assert red[:, 1].mean() < green[:, 1].mean()
    assert red[:, 0].mean() < green[:, 0].mean()


def test_sixteen_bit_labels_are_drawn(draw: Callable, arms: Callable) -> None:
    wide = arms().labels.astype(np.uint16)
    assert np.array_equal(draw(arms(labels=wide)).pixels, draw(arms()).pixels)


def test_words_of_the_case_change_the_header_only(draw: Callable, arms: Callable) -> None:
    plain = arms()
    other = replace(plain, info=replace(plain.info, case_id="s0042", accepted=0))
    one, two = draw(plain).pixels, draw(other).pixels
    assert not np.array_equal(one[:84], two[:84])
    assert np.array_equal(one[84:], two[84:])


def test_all_absent_is_a_picture_too(
    draw: Callable, arms: Callable, two_arms: ClassMap, find: Find
) -> None:
    nothing = arms(labels=np.zeros((48, 30, 40), np.uint8, order="F"))
    picture = draw(replace(nothing, info=CaseInfo("none", absent=two_arms.names)))
    assert picture.findings.absent == set(two_arms.names)
    assert len(find(picture.pixels[118 + 2 * 226 :], "red")) == 0
    assert not picture.pick_map.values.any()
    assert picture.places == {}
    assert [panel.slug for panel in picture.panels] == ["arms", "trunk"]
