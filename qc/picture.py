"""One picture of one case: all structures in panels, from the front and the back, beside the CT."""

from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap
from pipeline.volume import Grid, to_canonical
from qc.ct_views import (
    centre_of_tissue,
    coronal_projection,
    sagittal_slice,
    width_of_tissue_mm,
)
from qc.flag_list import draw_flag_list
from qc.flags import Flag, number_findings, suspicions_of
from qc.legend import CaseInfo, Findings, draw_footer, draw_header, draw_legend, draw_title
from qc.look import Colour
from qc.marks import draw_places, mark_cuts, outline_suspicious
from qc.panels import LegendRow, Panel, PanelRule, assign_panels, legend_rows, slugs_of
from qc.pick_map import PickMap, PixelBox, largest_places, pick_dtype
from qc.picture_layout import (
    HEADER_PX,
    MARGIN_PX,
    Column,
    PictureSettings,
    Projection,
    columns_of,
    content_span_mm,
    lay_out,
)
from qc.rendering_probe import prepare_driver, require_rendering
from qc.scene import Framing, Tile, TileRenderer
from qc.sheet import Pixels, Sheet, mask_overlay
from qc.surfaces import Body, Surface, make_body


@dataclass(frozen=True, eq=False)
class Subject:
    """What is drawn.

    Attributes
    ----------
    labels : ndarray of integer, shape (I, J, K)
        0 is background.
    grid : Grid
        Of ``labels`` and ``ct``.
    ct : ndarray of int16, shape (I, J, K), or None
        Hounsfield units.
    info : CaseInfo
        What the picture says in words.
    """

    labels: NDArray[np.integer[Any]]
    grid: Grid
    ct: NDArray[np.int16] | None
    info: CaseInfo


@dataclass(frozen=True, slots=True)
class PanelPlace:
    """Where a panel stands in the picture, from its title to its legend.

    Attributes
    ----------
    slug : str
        Its title as a name for files.
    box : tuple of int
        Left, top, right, bottom in pixels.
    """

    title: str
    slug: str
    box: PixelBox


@dataclass(frozen=True, eq=False)
class Picture:
    """A drawn case.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
    overview : ndarray of uint8, shape (less height, width, 3)
        The row of views from the front without words, for a thumbnail.
    findings : Findings
        What was drawn and what was not.
    pick_map : PickMap
        Which structure each pixel shows.
    places : mapping of int to box
        Where each structure is seen largest; one that is hidden in all views is not in it.
    panels : tuple of PanelPlace
    flags : tuple of Flag
        The findings that are drawn.
    """

    pixels: Pixels
    overview: Pixels
    findings: Findings
    pick_map: PickMap
    places: Mapping[int, PixelBox]
    panels: tuple[PanelPlace, ...]
    flags: tuple[Flag, ...]


def render_case(
    subject: Subject,
    class_map: ClassMap,
    rules: Sequence[PanelRule],
    settings: PictureSettings,
    *,
    driver: str | None = None,
) -> Picture:
    """Draw one case.

    Parameters
    ----------
    subject : Subject
    class_map : ClassMap
        What the label values mean.
    rules : sequence of PanelRule
        Which structure is drawn where.
    settings : PictureSettings
    driver : str, optional
        As for :func:`warm_renderer`.

    Raises
    ------
    MissingDependency
        If this machine has no graphics driver.
    """
    panels = assign_panels(class_map, rules)
    legends = [legend_rows(panel) for panel in panels]
    body = make_body(subject.labels, subject.grid, finest_mm=settings.finest_mm)
    flags = number_findings(subject.info.suspicious)
    findings = findings_of(body, class_map, subject.info)
    ct = None if subject.ct is None else to_canonical(subject.ct, subject.grid)
    width_mm = None if ct is None or body.values else width_of_tissue_mm(*ct)
    lines = [len(rows) for rows in legends]
    layout = lay_out(panels, lines, body, settings, body_width_mm=width_mm, flags=len(flags))
    sheet = Sheet(layout, pick_dtype(class_map.values))
    columns = layout.columns[1:]
    views = _show_panels(sheet, panels, body, warm_renderer(tile_of(panels, settings), driver))
    if ct is not None:
        _show_ct(sheet, ct, body, class_map)
    boxes = [layout.view_box(column, row) for column in columns for row in range(2)]
    places = largest_places(sheet.picks, boxes)
    _mark(sheet, views, (body, class_map), (flags, findings), places)
    overview = sheet.overview()
    for panel, column, legend in zip(panels, columns, legends, strict=True):
        _write_panel(sheet, column, (panel, legend), findings)
    _write_around(sheet, subject, class_map, (findings, flags))
    return Picture(
        pixels=sheet.pixels(),
        overview=overview,
        findings=findings,
        pick_map=PickMap(sheet.picks),
        places=places,
        panels=tuple(
            PanelPlace(panel.title, slug, layout.panel_box(column))
            for panel, slug, column in zip(panels, slugs_of(panels), columns, strict=True)
        ),
        flags=flags,
    )


def findings_of(body: Body, class_map: ClassMap, info: CaseInfo) -> Findings:
    """Compare what the label map holds with what the class map knows."""
    known = frozenset(class_map.values)
    return Findings(
        present=body.values & known,
        cut=body.cut & known,
        absent=frozenset(info.absent),
        unknown=tuple(sorted(body.values - known)),
        suspicions=suspicions_of(number_findings(info.suspicious)),
    )


def tile_of(panels: Sequence[Panel], settings: PictureSettings) -> Tile:
    """Give the size in which views are drawn: the same for every case, so that one stays warm."""
    columns = columns_of(panels, settings.width_px)
    widest = max(column.width_px for column in columns[1:])
    return Tile(widest, settings.view_height_px, settings.supersampling)


@lru_cache(maxsize=1)
def warm_renderer(tile: Tile, driver: str | None = None) -> TileRenderer:
    """Give this process's renderer, made at the first call.

    Parameters
    ----------
    tile : Tile
    driver : str, optional
        What :func:`qc.rendering_probe.require_rendering` found out; asked here if not given.

    Raises
    ------
    MissingDependency
        If this machine has no graphics driver.
    """
    prepare_driver(driver or require_rendering())
    return TileRenderer(tile)


@dataclass(frozen=True, slots=True)
class _ShownPanel:
    """A panel with something in it, and how the body got into its two views."""

    panel: Panel
    column: Column
    projections: tuple[Projection, Projection]


def _show_panels(
    sheet: Sheet, panels: Sequence[Panel], body: Body, renderer: TileRenderer
) -> list[_ShownPanel]:
    """Draw every panel; while one is drawn, the surfaces of the next are made."""
    shown = [
        (panel, column, span)
        for panel, column in zip(panels, sheet.layout.columns[1:], strict=True)
        if (span := content_span_mm(panel, body)) is not None
    ]
    views = []
    with ThreadPoolExecutor(1) as maker:
        made = deque(maker.submit(_surfaces_of, panel, body) for panel, _, _ in shown)
        for panel, column, span in shown:
            framing = _framing(span, body, sheet.layout.px_per_mm)
            there = [s.value for s in panel.structures if s.value in body.values]
            values = np.array([0, *there], sheet.picks.dtype)
            sheet.paste_views(renderer.draw(made.popleft().result(), framing), column, values)
            front, back = (
                Projection(
                    sheet.layout.view_box(column, row),
                    framing.centre_mm,
                    framing.px_per_mm,
                    row == 1,
                )
                for row in range(2)
            )
            views.append(_ShownPanel(panel, column, (front, back)))
    return views


def _mark(
    sheet: Sheet,
    views: Sequence[_ShownPanel],
    drawn: tuple[Body, ClassMap],
    found: tuple[Sequence[Flag], Findings],
    places: Mapping[int, PixelBox],
) -> None:
    """Draw where the CT ends, what it cuts off, and what is suspicious."""
    (body, class_map), (flags, findings) = drawn, found
    for shown in views:
        column = (shown.column.left_px, shown.column.width_px)
        for row, projection in enumerate(shown.projections):
            frame = projection.field_of_view_px(body)
            sheet.frame(frame, column, row)
            if findings.cut:
                mark_cuts(sheet, findings.cut, frame, projection.box)
    if not flags:
        return
    boxes = [projection.box for shown in views for projection in shown.projections]
    ct_slice = sheet.layout.view_box(sheet.layout.columns[0], 1)
    outline_suspicious(sheet, class_map, findings.suspicions, [*boxes, ct_slice])
    projections = {
        structure.value: shown.projections
        for shown in views
        for structure in shown.panel.structures
    }
    values = {structure.name: structure.value for structure in class_map}
    draw_places(sheet, flags, values, projections, (places, body))


def _surfaces_of(panel: Panel, body: Body) -> list[tuple[Surface, Colour]]:
    return [
        (body.surface(structure.value), structure.colour)
        for structure in panel.structures
        if structure.value in body.values
    ]


def _framing(span_mm: tuple[float, float], body: Body, px_per_mm: float) -> Framing:
    sizes, steps = body.grid.shape, body.grid.spacing_mm
    _, y, z = ((size - 1) / 2 * step for size, step in zip(sizes, steps, strict=True))
    return Framing((sum(span_mm) / 2, y, z), px_per_mm)


def _write_panel(
    sheet: Sheet,
    column: Column,
    content: tuple[Panel, Sequence[LegendRow]],
    findings: Findings,
) -> None:
    panel, legend = content
    count = findings.count(panel.structures)
    draw_title(sheet.pen, column, HEADER_PX, panel.title, count)
    draw_legend(sheet.pen, column, sheet.layout.legend_top_px, legend, findings)
    if not any(structure.value in findings.present for structure in panel.structures):
        sheet.write_empty(column, "none present")


def _show_ct(
    sheet: Sheet, volume: tuple[NDArray[np.int16], Grid], body: Body, class_map: ClassMap
) -> None:
    ct, grid = volume
    sheet.paste_ct(coronal_projection(ct, grid), 0)
    share = _midline(ct, body, class_map)
    flat = sagittal_slice(ct, grid, min(int(share * ct.shape[0]), ct.shape[0] - 1))
    plane = body.labels[min(int(share * body.grid.shape[0]), body.grid.shape[0] - 1)]
    sheet.paste_ct(flat, 1, mask_overlay(plane, _colour_table(class_map, body)))


def _midline(ct: NDArray[np.int16], body: Body, class_map: ClassMap) -> float:
    """Find where to cut, as a share of the first axis: through the middle bones, else the body."""
    middles = [
        (body.boxes[s.value][0].start + body.boxes[s.value][0].stop) / 2
        for s in class_map
        if s.side is None and s.category == "bone" and s.value in body.boxes
    ]
    if middles:
        return float(median(middles) / body.grid.shape[0])
    middle, _ = centre_of_tissue(ct)
    return float((middle + 0.5) / ct.shape[0])


def _colour_table(class_map: ClassMap, body: Body) -> NDArray[np.uint8]:
    table = np.zeros((max(*class_map.values, *body.values, 0) + 1, 3), np.uint8)
    for structure in class_map:
        table[structure.value] = structure.colour
    return table


def _write_around(
    sheet: Sheet, subject: Subject, class_map: ClassMap, found: tuple[Findings, Sequence[Flag]]
) -> None:
    findings, flags = found
    draw_title(sheet.pen, sheet.layout.columns[0], HEADER_PX, "CT", "")
    if subject.ct is None:
        sheet.write_empty(sheet.layout.columns[0], "no CT")
    sheet.write_marks()
    count = findings.count(class_map.structures)
    draw_header(sheet.pen, subject.info, subject.grid, count, findings)
    scale = sheet.layout.px_per_mm
    draw_footer(sheet.pen, MARGIN_PX + 6, sheet.layout.height_px, scale=scale)
    if flags:
        draw_flag_list(sheet.pen, sheet.layout, flags)
