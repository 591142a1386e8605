import numpy as np
import pytest

from benchmarks.partial_labels import GROUPS, LOSSES, QUICK, profile_of, scan_of, table, variants


@pytest.fixture(scope="module")
def bodies(phantom_class_map):
    """Give two small bodies with the labels of the structures measured, and their class map."""
    names = tuple(
        name for name in phantom_class_map.names if any(name in group for group in GROUPS)
    )
    part = phantom_class_map.subset(names)
    return [scan_of(number, phantom_class_map, part) for number in range(2)], part


def test_the_halves_are_disjoint_and_the_ways_differ_in_what_they_call_undecided(bodies):
    scans, part = bodies
    ways = variants(scans, part)
    for number, scan in enumerate(scans):
        known = {part[name].value for name in GROUPS[number]}
        assert known <= set(np.unique(scan.labels))
        for way in ("partial labels", "undecided = background"):
            labels = ways[way][number].load()[1]
            assert set(np.unique(labels)) == {0, *known}
            assert np.array_equal(labels[labels > 0], scan.labels[labels > 0])
        assert ways["partial labels"][number].undecided == set(GROUPS[1 - number])
        assert ways["undecided = background"][number].undecided == frozenset()
        assert np.array_equal(ways["all decided"][number].load()[1], scan.labels)


def test_the_table_names_the_half_of_each_structure(bodies):
    _, part = bodies
    text = table(part, {"one": np.full(10, 0.5), "two": np.linspace(0, 0.9, 10)})
    assert "| liver (A) | 0.50 |" in text
    assert "| spleen (B) | 0.50 |" in text
    assert text.splitlines()[-1] == "| mean | 0.50 | 0.45 |"


def test_every_way_gets_the_same_steps():
    for voxels in LOSSES.values():
        training = profile_of(QUICK, voxels).training
        assert (training.epochs, training.iterations) == (QUICK.epochs, QUICK.iterations)
        assert training.voxels_per_structure == voxels
