"""Sets of voxels in boxes: compared, and changes carried over to what lay hidden."""

import numpy as np

from annotation.patches import NOTHING, Patch, around, changed

SHAPE = (12, 10, 8)


def patch(where) -> Patch:
    whole = np.zeros(SHAPE, np.bool_)
    whole[where] = True
    box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(whole))
    return Patch(whole[box], box)


def whole(of: Patch) -> np.ndarray:
    array = np.zeros(SHAPE, np.bool_)
    array[of.box] |= of.crop
    return array


def test_patches_of_other_boxes_are_compared_by_voxels():
    large, small = patch(np.s_[2:6, 2:6, 2:6]), patch(np.s_[3:8, 3:5, 2:6])
    assert around(large.box, small.box) == (slice(2, 8), slice(2, 6), slice(2, 6))
    assert small.added_to(large) == 2 * 2 * 4
    assert large.added_to(small) == 64 - 3 * 2 * 4
    assert not large.same_as(small)
    padded = Patch(whole(small), tuple(slice(0, n) for n in SHAPE))
    assert padded.same_as(small)
    assert NOTHING.voxels == 0
    assert NOTHING.added_to(large) == 0


def test_a_change_keeps_what_lay_hidden_under_another_structure():
    given = patch(np.s_[2:8, 2:8, 2:6])
    hidden = np.s_[4:6, 4:6, 2:6]
    shown = whole(given)
    shown[hidden] = False
    written = Patch(shown, tuple(slice(0, n) for n in SHAPE))
    edited = shown.copy()
    edited[8, 2:8, 2:6] = True  # painted
    edited[2, 2:8, 2:6] = False  # erased
    result = changed(given, written, Patch(edited, written.box))
    expected = whole(given)
    expected[8, 2:8, 2:6], expected[2, 2:8, 2:6] = True, False
    assert np.array_equal(whole(result), expected)


def test_no_change_gives_the_mask_and_erasing_all_gives_nothing():
    given = patch(np.s_[2:8, 2:8, 2:6])
    assert changed(given, given, given).same_as(given)
    assert changed(given, given, NOTHING).voxels == 0
    assert changed(NOTHING, NOTHING, given).same_as(given)
