"""How two masks of one structure differ, against whole arrays."""

import numpy as np
import pytest

from pipeline.workspace import MaskFileError
from pipeline.workspace.mask_change import MaskChange, mask_change, shared_box
from tests.fixtures.round_workspaces import cube


def test_crops_give_what_whole_arrays_give(round_lab):
    round_lab.case("a")
    before = round_lab.mask("a", "liver", (slice(0, 5), slice(1, 6), slice(2, 8)))
    after = round_lab.mask("a", "liver", (slice(3, 8), slice(0, 4), slice(5, 9)), round=2)
    change = mask_change(round_lab.workspace.layout, before, after)
    first, second = (round_lab.workspace.mask_array(mask) for mask in (before, after))
    assert change == MaskChange(150, 80, int((first & second).sum()))
    assert change.common_voxels == 2 * 3 * 3
    assert (change.added_voxels, change.removed_voxels) == (62, 132)
    assert change.dice == pytest.approx(2 * 18 / 230)


def test_masks_that_lie_apart_or_are_empty_share_nothing(round_lab):
    round_lab.case("a")
    empty = round_lab.mask("a", "liver")
    low, high = round_lab.mask("a", "liver", cube(3)), round_lab.mask("a", "liver", cube(3, 4))
    layout = round_lab.workspace.layout
    assert mask_change(layout, low, high) == MaskChange(27, 27, 0)
    assert mask_change(layout, low, high).dice == 0
    assert mask_change(layout, empty, low) == MaskChange(0, 27, 0)
    assert mask_change(layout, low, empty).dice == 0
    assert mask_change(layout, empty, empty).dice is None


def test_a_mask_that_is_gone_is_an_error(round_lab):
    round_lab.case("a")
    one, other = round_lab.mask("a", "liver", cube(3)), round_lab.mask("a", "liver", cube(4))
    round_lab.workspace.layout.mask("a", "liver", one.id).unlink()
    with pytest.raises(MaskFileError, match="the mask file is gone"):
        mask_change(round_lab.workspace.layout, one, other)


def test_boxes_share_a_box_or_nothing():
    first, second = np.s_[0:4, 0:4, 0:4], np.s_[2:6, 3:9, 0:1]
    assert shared_box(first, second) == np.s_[2:4, 3:4, 0:1]
    assert shared_box(first, np.s_[4:6, 0:4, 0:4]) is None
