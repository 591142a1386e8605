"""What is drawn over the views: outlines, numbers, the edge of the CT, what it cuts off."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pipeline.anatomy import ClassMap
from pipeline.workspace import Finding
from qc.flags import number_findings, suspicions_of
from qc.look import CUT, FLAG_HIGH, FLAG_MEDIUM, FRAME
from qc.panels import PanelRule
from qc.picture import Picture, Subject, render_case
from qc.picture_layout import PictureSettings

HIGH = Finding("swap", "arm_right and arm_left changed places", ("arm_right",), {}, "high")
MEDIUM = Finding("island", "middle: an island", ("middle",), {}, "medium", (0.0, 0.0, 280.0))
LOW = Finding("hole", "arm_left has a hole", ("arm_left",), {}, "low")


@pytest.fixture
def draw(
    two_arms: ClassMap, rules: tuple[PanelRule, ...], small: PictureSettings, driver: str
) -> Callable[..., Picture]:
    def make(subject: Subject, *findings: Finding) -> Picture:
        told = replace(subject, info=replace(subject.info, suspicious=findings))
        return render_case(told, two_arms, rules, small, driver=driver)

    return make


def count(pixels: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((pixels == np.array(colour)).all(axis=2).sum())


def column_of(picture: Picture, title: str) -> np.ndarray:
    panel = next(panel for panel in picture.panels if panel.title == title)
    left, _, right, _ = panel.box
    return picture.pixels[118 : 118 + 2 * 226, left:right]


def test_findings_are_numbered_by_severity_and_low_ones_left_out() -> None:
    flags = number_findings([LOW, MEDIUM, HIGH, MEDIUM])
    assert [(flag.number, flag.finding) for flag in flags] == [(1, HIGH), (2, MEDIUM), (3, MEDIUM)]
    both = replace(MEDIUM, structures=("arm_right", "arm_right"))
    told = suspicions_of(number_findings([both, HIGH]))
    assert told["arm_right"].colour == FLAG_HIGH
    assert told["arm_right"].numbers == (1, 2)


@pytest.mark.rendering
def test_suspicious_structures_are_outlined_by_severity(draw: Callable, arms: Callable) -> None:
    picture = draw(arms(), HIGH, MEDIUM, LOW)
    plain = draw(arms())
    arms_column, trunk = column_of(picture, "arms"), column_of(picture, "trunk")
    assert count(arms_column, FLAG_HIGH) > 300
    assert count(arms_column, FLAG_MEDIUM) == 0
    assert count(trunk, FLAG_MEDIUM) > 300
    assert count(trunk, FLAG_HIGH) == 0
    assert count(plain.pixels, FLAG_HIGH) == count(plain.pixels, FLAG_MEDIUM) == 0
    # Only around it: what is inside still shows the structure, and picking does not change.
    left, top, right, bottom = picture.places[1]
    inside = (slice(top + 8, bottom - 8), slice(left + 8, right - 8))
    assert count(picture.pixels[inside], FLAG_HIGH) == 0
    assert np.array_equal(
        picture.pick_map.values[: plain.pixels.shape[0]],
        plain.pick_map.values[: picture.pixels.shape[0]],
    )


@pytest.mark.rendering
def test_findings_are_listed_below_and_marked_in_the_legend(draw: Callable, arms: Callable) -> None:
    plain, picture = draw(arms()), draw(arms(), HIGH, MEDIUM)
    added = picture.pixels.shape[0] - plain.pixels.shape[0]
    assert added == 2 * 24
    listed = picture.pixels[plain.pixels.shape[0] - 40 : plain.pixels.shape[0] - 40 + added]
    assert count(listed, FLAG_HIGH) > 100
    assert count(listed, FLAG_MEDIUM) > 100
    legend = picture.pixels[118 + 2 * 226 : plain.pixels.shape[0] - 40]
    assert count(legend, FLAG_HIGH) > 40
    assert count(legend, FLAG_MEDIUM) > 40


@pytest.mark.rendering
def test_a_place_is_ringed_where_it_is(draw: Callable, arms: Callable) -> None:
    missing = Finding("missing", "tail is missing", ("tail",), {}, "high", (40.0, 0.0, 240.0))
    column = column_of(draw(arms(), missing), "trunk")[:220]
    rows, columns = np.nonzero((column == np.array(FLAG_HIGH)).all(axis=2))
    assert rows.size > 20
    # World x grows to the patient's right, which is on the left from the front.
    assert columns.mean() < column.shape[1] / 2


@pytest.mark.rendering
def test_many_findings_do_not_grow_the_picture_without_end(draw: Callable, arms: Callable) -> None:
    many = [replace(MEDIUM, words=f"island {number}", place_mm=None) for number in range(200)]
    picture = draw(arms(), *many)
    assert len(picture.flags) == 200
    assert picture.pixels.shape[0] == draw(arms()).pixels.shape[0] + 5 * 24


@pytest.mark.rendering
def test_the_end_of_the_ct_is_framed_and_what_it_cuts_is_bright(
    draw: Callable, arms: Callable
) -> None:
    whole = draw(arms())
    assert count(whole.pixels, CUT) == 0
    frame = (column_of(whole, "trunk") == np.array(FRAME)).all(axis=2)
    rows = np.flatnonzero(frame.sum(axis=1) > 60)
    top, bottom = rows[0], rows[rows < 220][-1]
    labels = arms().labels.copy(order="F")
    labels[20:28, 4:24, :] = 3
    cut = draw(arms(labels=labels))
    assert cut.findings.cut == {3}
    bright = (column_of(cut, "trunk")[:220] == np.array(CUT)).all(axis=2)
    lines = np.flatnonzero(bright.sum(axis=1) > 10)
    assert abs(lines[0] - top) <= 2
    assert abs(lines[-1] - bottom) <= 2
    across = np.flatnonzero(bright[lines[0]])
    assert np.ptp(across) + 1 == pytest.approx(cut.places[3][2] - cut.places[3][0], abs=8)


@pytest.mark.rendering
def test_a_finding_about_something_unknown_is_listed_only(draw: Callable, arms: Callable) -> None:
    odd = Finding("odd", "tooth: what is it", ("tooth",), {}, "high", (0.0, 0.0, 240.0))
    picture = draw(arms(), odd)
    assert count(picture.pixels[118 : 118 + 2 * 226], FLAG_HIGH) == 0
    assert count(picture.pixels[118 + 2 * 226 :], FLAG_HIGH) > 100
