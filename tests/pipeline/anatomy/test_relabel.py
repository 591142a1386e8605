import tracemalloc

import numpy as np
import pytest

from pipeline.anatomy import ClassMap, Structure, find_class_map, relabel, shipped_configs
from pipeline.errors import BadInput
from pipeline.volume import read_nifti


def class_map(**values):
    return ClassMap(
        "target",
        tuple(
            Structure(name, value, None, None, None, None, (1, 2, 3), None)
            for name, value in values.items()
        ),
    )


TARGET = class_map(spleen=1, liver=5, heart=200)


def test_values_move_by_name():
    labels = np.array([[[0, 1, 2], [3, 2, 1]]], dtype=np.uint8)
    done = relabel(labels, {1: "liver", 2: "spleen", 3: "heart"}, TARGET)
    assert done.label_map.tolist() == [[[0, 5, 1], [200, 1, 5]]]
    assert done.label_map.dtype == np.uint8
    assert done.unmatched == {}


def test_what_has_no_place_is_reported_with_its_voxels():
    labels = np.array([0, 1, 7, 7, 7, 9, 1], dtype=np.int16)
    done = relabel(labels, {1: "spleen", 7: "pancreas", 8: "skull"}, TARGET)
    assert done.label_map.tolist() == [0, 1, 0, 0, 0, 0, 1]
    assert done.unmatched == {7: 3, 9: 1}


def test_two_values_of_one_name_become_one_structure():
    done = relabel(np.array([1, 2, 3]), {1: "liver", 2: "liver"}, TARGET)
    assert done.label_map.tolist() == [5, 5, 0]
    assert done.unmatched == {3: 1}


@pytest.mark.parametrize("order", ["C", "F"])
def test_shape_and_memory_order_are_kept(order):
    labels = np.zeros((3, 4, 5), dtype=np.uint8, order=order)
    labels[1, 2, 3] = 1
    done = relabel(labels, {1: "liver"}, TARGET).label_map
    assert done.shape == (3, 4, 5)
    assert done.flags.f_contiguous == labels.flags.f_contiguous
    assert np.argwhere(done == 5).tolist() == [[1, 2, 3]]


def test_views_that_are_not_contiguous_are_read_right():
    labels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)[::-1, :, ::2]
    done = relabel(labels, {12: "liver", 10: "spleen"}, TARGET)
    assert np.argwhere(done.label_map == 5).tolist() == np.argwhere(labels == 12).tolist()
    assert np.argwhere(done.label_map == 1).tolist() == np.argwhere(labels == 10).tolist()
    assert len(done.unmatched) == 9


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_every_usual_voxel_type_gives_the_same_answer(dtype):
    labels = np.array([0, 3, 3, 120], dtype=dtype)
    done = relabel(labels, {3: "heart"}, TARGET)
    assert done.label_map.tolist() == [0, 200, 200, 0]
    assert done.unmatched == {120: 1}


def test_negative_and_huge_values_are_handled():
    labels = np.array([-4, 0, 70_000, 2_000_000_000, -4])
    done = relabel(labels, {70_000: "liver", -4: "spleen"}, TARGET)
    assert done.label_map.tolist() == [1, 0, 5, 0, 1]
    assert done.unmatched == {2_000_000_000: 1}


def test_target_values_above_255_are_stored_in_16_bits():
    done = relabel(np.array([1], dtype=np.uint8), {1: "liver"}, class_map(liver=300))
    assert done.label_map.dtype == np.uint16
    assert done.label_map.tolist() == [300]


def test_an_empty_array_stays_empty():
    done = relabel(np.zeros((0, 2), dtype=np.uint8), {1: "liver"}, TARGET)
    assert done.label_map.shape == (0, 2)
    assert done.unmatched == {}


def test_counts_add_up_over_pieces_and_memory_stays_small():
    rng = np.random.default_rng(0)
    labels = np.asfortranarray(rng.integers(0, 4, size=(160, 160, 160), dtype=np.uint8))
    tracemalloc.start()
    done = relabel(labels, {1: "liver", 2: "spleen"}, TARGET)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    table = np.array([0, 5, 1, 0], dtype=np.uint8)
    assert np.array_equal(done.label_map, table[labels])
    assert done.unmatched == {3: int(np.count_nonzero(labels == 3))}
    assert peak < 3 * labels.nbytes


@pytest.mark.parametrize("voxel", [0.5, np.nan, np.inf])
def test_fractions_are_refused(voxel):
    with pytest.raises(BadInput, match="whole numbers"):
        relabel(np.array([1.0, voxel]), {1: "liver"}, TARGET)


def test_a_named_background_and_an_array_of_texts_are_refused():
    with pytest.raises(BadInput, match="value 0 is named 'liver', but 0 is background"):
        relabel(np.array([0]), {0: "liver"}, TARGET)
    with pytest.raises(BadInput, match="found type <U1"):
        relabel(np.array(["a"]), {1: "liver"}, TARGET)


@pytest.mark.real_data
def test_a_real_label_map_of_totalsegmentator_2_moves_to_the_104(real_data):
    folder = real_data / "ct_abdomen_pelvis_native_ts"
    labels = read_nifti(folder / "example_seg_fast_force_split.nii.gz").array
    theirs = find_class_map("totalsegmentator_v2", shipped_configs())
    ours = find_class_map("masksmith_104", shipped_configs())
    done = relabel(labels, theirs.names_by_value, ours)
    assert len(np.unique(done.label_map)) - 1 == 57
    assert {theirs.by_value(value).name: n for value, n in done.unmatched.items()} == {
        "prostate": 549,
        "vertebrae_S1": 1796,
        "spinal_cord": 1553,
        "costal_cartilages": 2325,
    }
    for name in ("liver", "iliac_vena_left", "rib_right_12"):
        assert np.array_equal(done.label_map == ours[name].value, labels == theirs[name].value)
