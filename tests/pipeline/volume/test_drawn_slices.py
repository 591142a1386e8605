import numpy as np
import pytest

from pipeline.errors import BadInput
from pipeline.volume import Box, Grid
from pipeline.volume.drawn_slices import DrawnSlices, drawn_slices, is_sparse, runs_of

GRID = Grid((40, 30, 50), np.diag([1.0, 1.0, 3.0, 1.0]))
BOX: Box = (slice(5, 35), slice(2, 22), slice(10, 30))


def test_a_solid_mask_is_one_run_of_the_ct_s_slices() -> None:
    found = drawn_slices(np.ones((30, 20, 20), np.bool_), BOX, GRID)
    assert (found.axis_name, found.text, found.drawn, found.skipped) == ("k", "10-29", 20, 0)


def test_every_fifth_slice() -> None:
    crop = np.zeros((30, 20, 20), np.bool_)
    crop[:, :, ::5] = True
    found = drawn_slices(crop, BOX, GRID)
    assert (found.axis_name, found.text) == ("k", "10,15,20,25")
    assert (found.drawn, found.skipped) == (4, 12)


def test_sagittal_slices_with_gaps_count_before_the_ct_s_own() -> None:
    crop = np.zeros((30, 20, 20), np.bool_)
    crop[::4] = True
    crop[1] = True
    found = drawn_slices(crop, BOX, GRID)
    assert (found.axis_name, found.text) == ("i", "5-6,9,13,17,21,25,29,33")


def test_two_parts_of_one_organ_are_no_drawn_slices() -> None:
    crop = np.ones((30, 20, 20), np.bool_)
    crop[10:20] = False
    assert drawn_slices(crop, BOX, GRID).text == "10-29"
    assert not is_sparse(crop, 0)


def test_the_slice_axis_is_the_thickest_in_any_orientation() -> None:
    turned = np.zeros((4, 4))
    turned[2, 0], turned[0, 1], turned[1, 2], turned[3, 3] = 5, 1, 1, 1
    crop = np.ones((3, 3, 3), np.bool_)
    box = (slice(0, 3), slice(1, 4), slice(2, 5))
    assert drawn_slices(crop, box, Grid((9, 9, 9), turned)).text == "0-2"
    even = Grid((9, 9, 9), np.eye(4))
    assert drawn_slices(crop, box, even).axis_name == "k"


@pytest.mark.parametrize("text", ["", "3", "3-7", "0,2,4-9,11"])
def test_text_is_read_again(text: str) -> None:
    assert DrawnSlices.parse("j", text).text == text


@pytest.mark.parametrize(
    ("axis", "text"), [("x", "3"), ("", "3"), ("k", "3-"), ("k", "7-3"), ("k", "5,3"), ("k", "a")]
)
def test_other_text_is_refused(axis: str, text: str) -> None:
    with pytest.raises(BadInput, match="expected 3-7,10 along k"):
        DrawnSlices.parse(axis, text)


def test_runs() -> None:
    assert runs_of([]) == ()
    assert runs_of([1, 2, 3, 7, 9, 10]) == ((1, 3), (7, 7), (9, 10))
