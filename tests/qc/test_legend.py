"""Words in a picture: what is present, missing, cut, absent, and on which side."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipeline.anatomy import ClassMap
from pipeline.volume import Grid
from qc.legend import (
    CaseInfo,
    Findings,
    count_sources,
    draw_header,
    draw_legend,
    draw_title,
    words_of,
)
from qc.look import MISSING, TEXT, font
from qc.panels import LegendRow, PanelRule, assign_panels, legend_rows
from qc.picture_layout import Column


@pytest.fixture
def row(two_arms: ClassMap) -> LegendRow:
    [panel] = assign_panels(two_arms.subset(("arm_right", "arm_left")), (PanelRule(title="a"),))
    [row] = legend_rows(panel)
    return row


def findings(present: set[int], cut: set[int] = frozenset(), absent: set[str] = frozenset()):
    return Findings(frozenset(present), frozenset(cut), frozenset(absent), ())


@pytest.mark.parametrize(
    ("said", "words", "colour"),
    [
        (findings({1, 2}), "arm", TEXT),
        (findings({1}), "arm", TEXT),
        (findings(set()), "arm", MISSING),
        (findings({1, 2}, cut={1, 2}), "arm  (cut)", TEXT),
        (findings({1, 2}, cut={2}), "arm  (cut L)", TEXT),
        (findings({2}, absent={"arm_right"}), "arm  (absent R)", TEXT),
        (findings(set(), absent={"arm_right", "arm_left"}), "arm  (absent)", MISSING),
    ],
)
def test_a_line_says_which_side_is_meant(
    row: LegendRow, said: Findings, words: str, colour: tuple[int, int, int]
) -> None:
    assert words_of(row, said) == (words, colour)


def test_a_structure_that_is_there_is_present_whatever_was_said(two_arms: ClassMap) -> None:
    said = findings({1}, absent={"arm_right", "tail"})
    standings = [said.standing(structure) for structure in two_arms]
    assert standings == ["present", "missing", "missing", "absent"]
    assert said.count(two_arms.structures) == "1 of 4"


def test_the_right_patch_stands_left(row: LegendRow) -> None:
    sheet = Image.new("RGB", (200, 30))
    draw_legend(ImageDraw.Draw(sheet), Column(0, 200), 0, [row], findings({1, 2}))
    pixels = np.asarray(sheet)
    red = np.argwhere((pixels == (220, 30, 30)).all(axis=2))
    green = np.argwhere((pixels == (30, 200, 30)).all(axis=2))
    assert len(red) == len(green) == 14 * 14
    assert red[:, 1].max() < green[:, 1].min()


def test_a_missing_side_keeps_a_hollow_patch_in_its_place(row: LegendRow) -> None:
    sheet = Image.new("RGB", (200, 30))
    draw_legend(ImageDraw.Draw(sheet), Column(0, 200), 0, [row], findings({2}))
    pixels = np.asarray(sheet)
    hollow = np.argwhere((pixels == MISSING).all(axis=2))
    assert not (pixels == (220, 30, 30)).all(axis=2).any()
    assert len(hollow) == 4 * 13
    assert hollow[:, 1].max() < np.argwhere((pixels == (30, 200, 30)).all(axis=2))[:, 1].min()


def test_a_count_without_room_is_left_out() -> None:
    column = Column(10, 120)
    sheet = Image.new("RGB", (400, 40))
    draw_title(ImageDraw.Draw(sheet), column, 0, "a long title that takes room", "24 of 24")
    narrow = np.asarray(sheet).any(axis=2).nonzero()[1]
    assert narrow.max() <= 10 + 6 + font(18).getlength("a long title that takes room") + 2


def test_unknown_values_are_written_even_in_a_narrow_picture() -> None:
    said = Findings(frozenset(), frozenset(), frozenset(), tuple(range(200, 230)))
    sheet = Image.new("RGB", (800, 84))
    grid = Grid((10, 10, 10), np.eye(4))
    info = CaseInfo("x" * 60, sources={f"model {n}": n for n in range(20)})
    draw_header(ImageDraw.Draw(sheet), info, grid, "0 of 4", said)
    assert np.asarray(sheet)[52:84].any()


def test_sources_are_counted_the_most_frequent_first() -> None:
    words = ["model a", "round 1", "round 1"]
    assert list(count_sources(words).items()) == [("round 1", 2), ("model a", 1)]
