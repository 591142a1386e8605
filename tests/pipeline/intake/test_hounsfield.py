import numpy as np
import pytest

from pipeline.intake.hounsfield import whole_hounsfield_units
from pipeline.intake.refusal import Refused


def test_int16_stays_as_it_is():
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    voxels, notes = whole_hounsfield_units(values)
    assert np.array_equal(voxels, values)
    assert voxels.flags.f_contiguous
    assert notes == ()


def test_real_numbers_are_rounded_to_the_nearest_and_that_is_noted():
    values = np.array([[[-999.6, 0.4], [40.0, 1023.37]]], np.float32)
    voxels, notes = whole_hounsfield_units(values)
    assert voxels.tolist() == [[[-1000, 0], [40, 1023]]]
    assert voxels.dtype == np.int16
    assert notes == ("3 values rounded to whole HU",)


@pytest.mark.parametrize("dtype", [np.int32, np.uint16, np.float64, np.int64])
def test_few_values_beyond_16_bits_are_clipped_and_that_is_noted(dtype):
    values = np.zeros((20, 20, 20), dtype)
    values[0, 0, 0] = 40_000
    voxels, notes = whole_hounsfield_units(values)
    assert voxels[0, 0, 0] == 32767
    assert notes == ("1 values clipped to -32768..32767",)


def test_many_values_beyond_16_bits_are_refused():
    with pytest.raises(Refused, match=r"9,000 of 9,000 values outside -32768\.\.32767"):
        whole_hounsfield_units(np.full((10, 30, 30), 70_000, np.int32))


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_with_their_slice(broken):
    values = np.zeros((4, 4, 4), np.float32)
    values[1, 2, 3] = broken
    with pytest.raises(Refused, match="1 NaN or infinite values in slice 3"):
        whole_hounsfield_units(values)
