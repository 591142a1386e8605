import numpy as np

from pipeline.volume import bounding_box, grow_box, label_boxes, occurring_values


def test_boxes_hold_each_label_tightly():
    labels = np.zeros((9, 8, 7), np.uint8, order="F")
    labels[1:3, 2:5, 6] = 4
    labels[8, 0, 0:2] = 200
    assert label_boxes(labels) == {
        4: (slice(1, 3), slice(2, 5), slice(6, 7)),
        200: (slice(8, 9), slice(0, 1), slice(0, 2)),
    }
    assert bounding_box(labels == 4) == (slice(1, 3), slice(2, 5), slice(6, 7))


def test_nothing_has_no_box():
    assert bounding_box(np.zeros((2, 2, 2), bool)) is None
    assert label_boxes(np.zeros((2, 2, 2), np.uint8)) == {}


def test_growing_stops_at_the_border():
    box = (slice(0, 2), slice(3, 4), slice(5, 6))
    assert grow_box(box, 2, (10, 5, 10)) == (slice(0, 4), slice(1, 5), slice(3, 8))


def test_values_are_found_in_both_orders_of_memory() -> None:
    labels = np.zeros((30, 31, 32), np.uint16)
    labels[0, 0, 0], labels[29, 30, 31] = 3, 60000
    assert occurring_values(labels) == [3, 60000]
    assert occurring_values(np.asfortranarray(labels)) == [3, 60000]
