"""The layout: the same columns for every case, and the largest scale at which nothing is lost."""

from itertools import pairwise

import numpy as np
import pytest

from pipeline.anatomy import ClassMap
from pipeline.volume import Grid
from qc.panels import Panel, PanelRule, assign_panels
from qc.picture_layout import (
    Column,
    PictureSettings,
    columns_of,
    content_span_mm,
    lay_out,
    legend_columns,
)
from qc.surfaces import Body, make_body

SETTINGS = PictureSettings(width_px=1200, view_height_px=400)


@pytest.fixture
def panels(two_arms: ClassMap, rules: tuple[PanelRule, ...]) -> tuple[Panel, ...]:
    return assign_panels(two_arms, rules)


def body(shape: tuple[int, int, int], spacing_mm: float = 2.0, fill: bool = True) -> Body:
    labels = np.zeros(shape, np.uint8, order="F")
    if fill:
        labels[shape[0] // 4 : shape[0] // 2] = 1
        labels[shape[0] // 2 :] = 2
    return make_body(labels, Grid(shape, np.diag([spacing_mm] * 3 + [1.0])))


def test_columns_share_the_width_and_do_not_overlap(panels: tuple[Panel, ...]) -> None:
    columns = columns_of(panels, 1200)
    assert len(columns) == 3
    for one, next_one in pairwise(columns):
        assert one.left_px + one.width_px < next_one.left_px
    assert columns[-1].left_px + columns[-1].width_px <= 1200


def test_many_panels_become_narrow_but_never_vanish(two_arms: ClassMap) -> None:
    panels = [Panel(PanelRule(title=str(n)), two_arms.structures) for n in range(40)]
    assert min(column.width_px for column in columns_of(panels, 800)) == 150


def test_the_widest_structure_just_fits(panels: tuple[Panel, ...]) -> None:
    wide = body((400, 20, 20))
    layout = lay_out(panels, [1, 2], wide, SETTINGS)
    low, high = content_span_mm(panels[0], wide)
    assert (high - low) == pytest.approx(600)
    room = layout.columns[1].width_px
    assert room - 20 <= (high - low) * layout.px_per_mm <= room


@pytest.mark.parametrize("shape", [(20, 20, 1), (20, 20, 40), (20, 20, 1000), (3, 3, 3)])
def test_views_are_neither_too_low_nor_too_high(
    panels: tuple[Panel, ...], shape: tuple[int, int, int]
) -> None:
    subject = body(shape)
    layout = lay_out(panels, [1, 2], subject, SETTINGS)
    assert 220 <= layout.view_height_px <= 400
    assert subject.grid.extent_mm[2] * layout.px_per_mm <= 400 + 1e-6
    assert layout.px_per_mm <= 4.0


def test_without_structures_the_body_decides(panels: tuple[Panel, ...]) -> None:
    empty = body((100, 100, 50), fill=False)
    assert content_span_mm(panels[0], empty) is None
    layout = lay_out(panels, [1, 2], empty, SETTINGS, body_width_mm=400.0)
    assert layout.px_per_mm == pytest.approx((layout.columns[0].width_px - 16) / 400)


def test_long_legends_are_set_in_columns_and_the_sheet_grows(panels: tuple[Panel, ...]) -> None:
    assert legend_columns(Column(0, 400), 5) == 1
    assert legend_columns(Column(0, 400), 26) == 2
    assert legend_columns(Column(0, 150), 26) == 1
    short = lay_out(panels, [1, 2], body((20, 20, 20)), SETTINGS)
    long = lay_out(panels, [1, 90], body((20, 20, 20)), SETTINGS)
    assert long.legend_lines > short.legend_lines
    assert long.height_px > short.height_px
