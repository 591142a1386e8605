from itertools import permutations

import numpy as np
import pytest

from pipeline.anatomy import load_class_map, shipped_configs
from pipeline.errors import UsageError
from training.part_merging import PartMerger, ranks_of

CLASS_MAP = load_class_map(shipped_configs() / "class_map.yaml")
SPLEEN, L5, AORTA = (CLASS_MAP[n].value for n in ("spleen", "vertebrae_L5", "aorta"))


def merged(maps, ranks):
    merger = PartMerger(CLASS_MAP, maps[0].shape, ranks)
    for labels in maps:
        merger.add(np.asfortranarray(labels))
    return merger.labels, merger.overlap_voxels


def row(*values):
    return np.array(values, np.uint8).reshape(-1, 1, 1)


ORGANS = row(0, SPLEEN, SPLEEN, SPLEEN, SPLEEN, 0)
BONES = row(L5, L5, 0, L5, 0, 0)
VESSELS = row(0, 0, AORTA, AORTA, 0, 0)
VOXELS = {SPLEEN: 4, L5: 3, AORTA: 2}


def test_the_smaller_structure_gets_the_voxel_whatever_the_order():
    ranks = ranks_of(CLASS_MAP, "smaller", voxels=VOXELS)
    for maps in permutations([ORGANS, BONES, VESSELS]):
        labels, overlap = merged(maps, ranks)
        assert labels.ravel().tolist() == [L5, L5, AORTA, AORTA, SPLEEN, 0]
        assert overlap == 3  # voxels 1, 2 and 3; the last of them claimed by all three


def test_a_priority_of_parts_gives_the_voxel_to_the_first_whatever_the_order():
    priority = ("organs", "vertebrae")
    ranks = ranks_of(CLASS_MAP, "priority", voxels=VOXELS, priority=priority)
    for maps in permutations([ORGANS, BONES, VESSELS]):
        labels, _ = merged(maps, ranks)
        assert labels.ravel().tolist() == [L5, SPLEEN, SPLEEN, SPLEEN, SPLEEN, 0]


def test_equal_sizes_are_decided_by_the_class_map_not_by_the_order():
    ranks = ranks_of(CLASS_MAP, "smaller", voxels={SPLEEN: 1, L5: 1})
    for maps in permutations([row(SPLEEN), row(L5)]):
        assert merged(maps, ranks)[0].ravel().tolist() == [SPLEEN]


def test_random_maps_in_any_order_end_the_same():
    rng = np.random.default_rng(3)
    maps = []
    for part in CLASS_MAP.parts:
        values = [0, *(s.value for s in CLASS_MAP.in_part(part))]
        maps.append(rng.choice(values, (9, 8, 7)).astype(np.uint8))
    voxels = {int(v): int((m == v).sum()) for m in maps for v in np.unique(m) if v}
    ranks = ranks_of(CLASS_MAP, "smaller", voxels=voxels)
    first = merged(maps, ranks)
    for order in permutations(maps, len(maps)):
        again = merged(order, ranks)
        assert np.array_equal(again[0], first[0])
        assert again[1] == first[1]
    for place in np.ndindex(first[0].shape):
        claims = [m[place] for m in maps if m[place]]
        expected = min(claims, key=lambda v: (voxels[v], CLASS_MAP.values.index(v)), default=0)
        assert first[0][place] == expected


def test_a_part_that_does_not_exist_is_refused():
    with pytest.raises(UsageError, match="priority names 'bones'"):
        ranks_of(CLASS_MAP, "priority", voxels={}, priority=("bones",))
