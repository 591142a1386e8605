from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from pipeline.anatomy import ClassMap
from pipeline.phantom import PHASES, STRUCTURES, Body, BodySettings, expected_mean_hu

MakeBody = Callable[[BodySettings], Body]
COARSE = BodySettings(spacing_mm=(6.0, 6.0, 6.0))
CLEAN = BodySettings(noise_hu=0.0, field_of_view=(180.0, 460.0), in_plane_mm=(300.0, 260.0))

# Values the phantom promises, in the middle of a structure.
CORES = [
    ("native", "liver", 55),
    ("native", "aorta", 42),
    ("arterial", "aorta", 300),
    ("arterial", "spleen", 130),
    ("portal_venous", "liver", 110),
    ("portal_venous", "aorta", 155),
    ("late", "aorta", 115),
    ("native", "autochthon_left", 54),
]


def test_every_structure_of_the_class_map_is_painted(phantom_class_map: ClassMap) -> None:
    assert set(STRUCTURES) == set(phantom_class_map.names)


@pytest.mark.parametrize("phase", PHASES)
def test_mean_hu_lies_in_the_stated_range(
    phantom: MakeBody, phantom_class_map: ClassMap, phase: str
) -> None:
    body = phantom(replace(COARSE, phase=phase))
    means = ndimage.mean(body.ct, body.labels, list(phantom_class_map.values))
    wrong = {}
    for name, mean in zip(phantom_class_map.names, means, strict=True):
        low, high = expected_mean_hu(name, phase)
        if not low <= mean <= high:
            wrong[name] = (round(float(mean)), low, high)
    assert wrong == {}


@pytest.mark.parametrize(("phase", "name", "hu"), CORES)
def test_the_middle_of_a_structure_has_its_textbook_hu(
    phantom: MakeBody, phantom_class_map: ClassMap, phase: str, name: str, hu: int
) -> None:
    body = phantom(replace(CLEAN, phase=phase, spacing_mm=(4.0, 4.0, 4.0)))
    core = ndimage.binary_erosion(body.labels == phantom_class_map[name].value)
    assert np.median(body.ct[core]) == pytest.approx(hu, abs=2)


def test_lung_bone_and_air(whole_body: Body, phantom_class_map: ClassMap) -> None:
    femur = whole_body.ct[whole_body.labels == phantom_class_map["femur_left"].value]
    lung = whole_body.ct[whole_body.labels == phantom_class_map["lung_upper_lobe_left"].value]
    assert np.percentile(femur, 95) > 700
    assert 150 < np.percentile(femur, 20) < 300
    assert np.median(lung) == pytest.approx(-815, abs=8)
    assert whole_body.ct[:4, :4].mean() == pytest.approx(-1000, abs=5)


def test_noise_has_the_deviation_asked_for(phantom: MakeBody, phantom_class_map: ClassMap) -> None:
    for kernel in ("soft", "bone"):
        base = replace(CLEAN, kernel=kernel, spacing_mm=(4.0, 4.0, 4.0))
        clean, noisy = phantom(base), phantom(replace(base, noise_hu=25.0))
        inside = clean.labels > 0
        difference = (noisy.ct.astype(float) - clean.ct)[inside]
        assert difference.std() == pytest.approx(25, rel=0.05)
        assert abs(difference.mean()) < 1


def test_the_bone_kernel_is_sharper_and_grainier(phantom: MakeBody) -> None:
    base = replace(CLEAN, spacing_mm=(2.0, 2.0, 5.0), field_of_view=(230.0, 260.0))
    soft, bone = (phantom(replace(base, kernel=k)).ct for k in ("soft", "bone"))
    assert (
        np.abs(np.diff(bone.astype(int), axis=0)).mean()
        > 1.1 * np.abs(np.diff(soft.astype(int), axis=0)).mean()
    )
    noisy = phantom(replace(base, kernel="bone", noise_hu=20.0)).ct.astype(float) - bone
    neighbours = np.corrcoef(noisy[1:].ravel(), noisy[:-1].ravel())[0, 1]
    assert neighbours < 0


def test_the_table_lies_under_the_back_and_is_no_structure(phantom: MakeBody) -> None:
    base = replace(COARSE, field_of_view=(200.0, 240.0), noise_hu=0.0)
    bare, lying = phantom(base), phantom(replace(base, table=True))
    changed = np.argwhere(bare.ct != lying.ct)
    assert len(changed) > 500
    body = np.argwhere(bare.labels > 0)
    assert changed[:, 1].max() < body[:, 1].min()
    assert np.array_equal(bare.labels, lying.labels)
