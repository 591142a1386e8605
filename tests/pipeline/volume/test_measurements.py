import numpy as np
import pytest

from pipeline.volume import Grid, Measurement, measure_labels

GRID = Grid((2, 2, 3), np.diag([1.0, 2.0, 5.0, 1.0]))


def test_volume_and_mean_hu_of_each_structure():
    labels = np.zeros(GRID.shape, np.uint8)
    ct = np.full(GRID.shape, -1000, np.int16)
    labels[0, 0, 0], ct[0, 0, 0] = 7, 40
    labels[1, 1, 2], ct[1, 1, 2] = 7, 61
    labels[0, 1, 1], ct[0, 1, 1] = 2, -30
    found = measure_labels(labels, ct, GRID, (2, 7, 9))
    assert found == {
        2: Measurement(1, pytest.approx(0.01), -30.0),
        7: Measurement(2, pytest.approx(0.02), 50.5),
        9: Measurement(0, 0.0, None),
    }


def test_values_that_nobody_asked_for_are_left_out():
    labels = np.full(GRID.shape, 200, np.uint8)
    found = measure_labels(labels, np.zeros(GRID.shape, np.int16), GRID, (1,))
    assert found == {1: Measurement(0, 0.0, None)}


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match="differ"):
        measure_labels(np.zeros((2, 2, 2), np.uint8), np.zeros(GRID.shape), GRID, ())
