import resource

import numpy as np
import pytest

from pipeline.volume.memory_ceiling import memory_ceiling


def test_memory_beyond_the_ceiling_is_refused_and_the_ceiling_is_lifted_again():
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(MemoryError), memory_ceiling(64 * 2**20):
        np.empty(2**30, np.uint8)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    assert np.empty(2**28, np.uint8).size == 2**28


def test_memory_below_the_ceiling_is_given():
    with memory_ceiling(256 * 2**20):
        assert np.ones(2**24, np.uint8).sum() == 2**24
