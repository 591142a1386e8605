from pathlib import Path

import numpy as np
import pytest

from benchmarks.transfer import (
    dice,
    lesion_line,
    moved_pair,
    scans_of,
    table,
)
from pipeline.anatomy import ClassMap
from pipeline.transfer.heart_manifest import HEART_STRUCTURES


def test_dice_of_half_and_of_nothing() -> None:
    first, second = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    assert dice(first, second) == 0.5
    assert dice(first & ~first, second & ~second) == 1.0
    assert dice(first, second & ~second) == 0.0


def test_a_pair_is_the_same_heart_once_without_contrast(phantom_class_map: ClassMap) -> None:
    heart = phantom_class_map.subset(HEART_STRUCTURES)
    pair = moved_pair(3, 15.0, phantom_class_map)
    contrast, native = scans_of(pair, phantom_class_map, heart)
    assert set(np.unique(contrast.labels)) == set(np.unique(native.labels)) == set(range(7))
    blood = heart["heart_ventricle_left"].value
    assert contrast.ct[contrast.labels == blood].mean() > 200
    assert 20 < native.ct[native.labels == blood].mean() < 70
    length = np.linalg.norm(pair.displacement_mm, axis=-1)[native.labels > 0]
    assert 4 < length.mean() < 16


def test_a_table_ends_with_the_mean(phantom_class_map: ClassMap) -> None:
    heart = phantom_class_map.subset(HEART_STRUCTURES)
    lines = table(heart, ["a"], [np.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])]).splitlines()
    assert len(lines) == 9
    assert lines[-1] == "| mean of the six | 0.500 |"


def test_without_the_real_scans_it_says_so(tmp_path: Path) -> None:
    assert "not measured" in lesion_line(tmp_path)


@pytest.mark.real_data
def test_a_real_lesion_carried_from_ct_to_pet_fits(real_data: Path) -> None:
    line = lesion_line(real_data)
    value = float(line.split("Dice ")[1].split()[0])
    assert value > 0.98, line
