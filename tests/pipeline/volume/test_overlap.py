import math
import tracemalloc

import numpy as np
import pytest

from pipeline.errors import BadInput
from pipeline.volume import Overlap, label_overlaps, mask_overlap, on_union_box


def two_maps(seed: int, shape: tuple[int, int, int], largest: int, dtype: type, order: str = "F"):
    rng = np.random.default_rng(seed)
    maps = rng.integers(0, largest + 1, (2, *shape)).astype(dtype)
    maps[:, :3] = 0
    return np.array(maps[0], order=order), np.array(maps[1], order=order)


@pytest.mark.parametrize(
    ("largest", "dtype", "order"), [(6, np.uint8, "F"), (9, np.int32, "C"), (3000, np.uint16, "F")]
)
def test_every_label_is_counted_as_one_at_a_time(largest, dtype, order):
    truth, prediction = two_maps(1, (20, 9, 11), largest, dtype, order)
    found = label_overlaps(truth, prediction)
    values = sorted((set(np.unique(truth)) | set(np.unique(prediction))) - {0})
    assert list(found) == values
    for value in values:
        a, b = truth == value, prediction == value
        assert found[value] == Overlap(a.sum(), b.sum(), (a & b).sum())


def test_pieces_add_up_to_the_whole():
    truth, prediction = two_maps(2, (130, 130, 130), 4, np.uint8)
    found = label_overlaps(truth, prediction)
    assert sum(overlap.truth_voxels for overlap in found.values()) == np.count_nonzero(truth)
    assert found[3].both_voxels == np.count_nonzero((truth == 3) & (prediction == 3))


def test_no_copy_in_64_bits_is_made():
    truth, prediction = two_maps(3, (200, 200, 200), 5, np.uint8)
    tracemalloc.start()
    label_overlaps(truth, prediction)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * truth.nbytes


def test_a_label_of_one_map_only_has_dice_0_and_two_empty_maps_have_none():
    truth, prediction = np.zeros((2, 4, 4, 4), np.uint8)
    assert label_overlaps(truth, prediction) == {}
    truth[0, 0, 0], prediction[1, 1, 1] = 7, 9
    found = label_overlaps(truth, prediction)
    assert found == {7: Overlap(1, 0, 0), 9: Overlap(0, 1, 0)}
    assert found[7].dice == 0
    assert math.isnan(Overlap(0, 0, 0).dice)
    assert Overlap(3, 1, 1).dice == 0.5


@pytest.mark.parametrize(
    ("truth", "words"),
    [
        (np.zeros((2, 2, 3), np.uint8), "shapes differ"),
        (np.zeros((2, 2, 2), np.float32), "float32, expected whole numbers"),
        (np.full((2, 2, 2), -3, np.int16), "the label -3"),
    ],
)
def test_what_is_no_pair_of_label_maps_is_refused(truth, words):
    with pytest.raises(BadInput, match=words):
        label_overlaps(truth, np.zeros((2, 2, 2), np.uint8))


def test_crops_overlap_as_their_whole_masks_do():
    rng = np.random.default_rng(4)
    truth, prediction = rng.random((2, 9, 10, 11)) > 0.4
    first = (slice(1, 6), slice(2, 9), slice(0, 11))
    for second in (
        (slice(4, 9), slice(0, 5), slice(3, 4)),
        (slice(6, 9), slice(0, 5), slice(3, 4)),
    ):
        whole = np.zeros((2, 9, 10, 11), bool)
        whole[0][first], whole[1][second] = truth[first], prediction[second]
        found = mask_overlap(truth[first], first, prediction[second], second)
        assert found == Overlap(whole[0].sum(), whole[1].sum(), (whole[0] & whole[1]).sum())
        a, b = on_union_box(truth[first], first, prediction[second], second)
        assert a.shape == b.shape == (8, 9, 11)
        assert (a.sum(), b.sum(), (a & b).sum()) == (
            found.truth_voxels,
            found.prediction_voxels,
            found.both_voxels,
        )


def test_a_crop_that_does_not_fill_its_box_is_refused():
    box = (slice(0, 2), slice(0, 2), slice(0, 2))
    with pytest.raises(BadInput, match=r"\(2, 2, 1\) does not fill its box of shape \(2, 2, 2\)"):
        mask_overlap(np.ones((2, 2, 1), bool), box, np.ones((2, 2, 2), bool), box)
