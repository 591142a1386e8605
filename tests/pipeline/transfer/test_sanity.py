"""Millilitres and brightness of a carried pair."""

import numpy as np

from pipeline.transfer.alignment import Alignment
from pipeline.transfer.carry import Carried
from pipeline.transfer.registration import Registration
from pipeline.transfer.sanity import doubts, sanity_figures
from pipeline.transfer.working_scan import Scan
from pipeline.volume import Grid

SHAPE = (10, 10, 10)
NAMES = {1: "heart_myocardium", 2: "heart_ventricle_left"}


def figures(contrast_hu: int, native_hu: int, carried_voxels: int = 4) -> dict:
    labels = np.zeros(SHAPE, np.uint8)
    labels[:5], labels[5] = 1, 2
    contrast = Scan(np.where(labels == 2, contrast_hu, 90), Grid(SHAPE, np.diag([5.0, 5, 4, 1])))
    native = Scan(np.full(SHAPE, native_hu), Grid(SHAPE, np.diag([5.0, 5, 8, 1])))
    lying = np.zeros((2, 2, 2), np.uint8)
    lying.flat[:carried_voxels] = 2
    box = (slice(3, 5),) * 3
    found = Registration(
        np.zeros((1, 1, 1, 3), np.float32),
        Grid((1, 1, 1), np.eye(4)),
        {"world": Alignment(0, None, None, 1)},
        (),
        {"as_is": 1.0},
    )
    return sanity_figures(
        contrast, labels, native, Carried(lying, box, (2,), {}, found, 0.0), NAMES
    )


def test_volumes_count_the_voxels_of_each_grid() -> None:
    assert figures(300, 40)["volume_ml"] == {
        "heart_myocardium": {"contrast": 50.0, "native": 0.0},
        "heart_ventricle_left": {"contrast": 10.0, "native": 0.8},
    }


def test_only_blood_is_measured_and_what_is_not_there_is_left_out() -> None:
    assert figures(300, 40)["blood_hu"] == {"contrast": 300.0, "native": 40.0}
    assert figures(300, 40, carried_voxels=0)["blood_hu"] == {"contrast": 300.0}


def test_a_contrast_scan_that_is_hardly_brighter_is_doubted() -> None:
    assert doubts(figures(300, 40), "c1") == ()
    assert doubts(figures(60, 40, carried_voxels=0), "c1") == ()
    (finding,) = doubts(figures(60, 40), "c1")
    assert finding.kind == "contrast_doubtful"
    assert finding.words.startswith("the blood of the contrast scan c1 has 60 HU, that of this")
    assert finding.figures == {"contrast": 60.0, "native": 40.0}
