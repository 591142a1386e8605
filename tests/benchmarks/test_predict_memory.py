import sys

import numpy as np
import pytest

from benchmarks.predict_memory import agreement, table_of
from benchmarks.process_memory import Limits, run_measured
from pipeline.volume import Grid, write_nifti

HOLDS = "import time; held = bytearray(300 << 20); held[::4096] = b'x' * len(held[::4096])"


def run(code, tmp_path, limits):
    return run_measured([sys.executable, "-c", code], {}, tmp_path / "log", limits)


def test_the_memory_of_children_counts_too(tmp_path):
    inner = HOLDS + "; time.sleep(1)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    measured = run(code, tmp_path, Limits(4.0))
    assert measured.stopped == ""
    assert 0.29 < measured.peak_own_gib <= measured.peak_gib < 0.6
    assert measured.seconds > 1


def test_a_program_is_stopped_at_its_limits(tmp_path):
    measured = run(HOLDS + "; time.sleep(60)", tmp_path, Limits(0.1))
    assert measured.stopped == "needs more than 0.1 GiB"
    measured = run("import time; time.sleep(60)", tmp_path, Limits(4.0, minutes=0.01))
    assert measured.stopped == "not ready after 0.01 minutes"
    assert measured.seconds < 30


def test_a_program_that_fails_says_its_last_word(tmp_path):
    measured = run("raise SystemExit('no luck')", tmp_path, Limits(4.0))
    assert measured.stopped == "exit 1: no luck"


def test_structures_of_many_voxels_are_told_apart(tmp_path):
    grid = Grid((30, 30, 30), np.eye(4))
    first, second = np.zeros((2, 30, 30, 30), np.uint8)
    first[:, :, :15] = second[:, :, :14] = 1
    first[0, 0, 29] = second[0, 1, 29] = 2
    for name, values in (("a", first), ("b", second)):
        write_nifti(tmp_path / f"{name}.nii.gz", np.asfortranarray(values), grid)
    found = agreement(tmp_path / "a.nii.gz", tmp_path / "b.nii.gz")
    assert found["large"] == 1
    assert found["dice_large"] == pytest.approx(28 / 29)
    assert found["dice_mean"] == pytest.approx(14 / 29)


def test_agreement_is_that_of_the_voxels(tmp_path):
    grid = Grid((4, 1, 1), np.eye(4))
    for name, values in (("a", [0, 1, 1, 2]), ("b", [0, 1, 2, 2])):
        write_nifti(tmp_path / f"{name}.nii.gz", np.array(values, np.uint8).reshape(4, 1, 1), grid)
    found = agreement(tmp_path / "a.nii.gz", tmp_path / "b.nii.gz")
    assert found["equal_voxels"] == 0.75
    assert found["dice_mean"] == pytest.approx(2 / 3)
    assert found["dice_any"] == 1
    assert found["dice_all"] == pytest.approx(2 / 3)
    assert found["large"] == 0
    assert found["dice_large"] is None
    assert found["structures"] == 2


def test_the_table_says_shares_and_who_was_stopped():
    base = {"slices": 140, "seconds": 10.0, "peak_gib": 1.0, "peak_own_gib": 0.9, "stopped": ""}
    shares = {"memory_share": 0.25, "time_share": 0.5, "equal_voxels": 0.99, "structures": 104}
    dice = {"dice_mean": 0.97, "dice_all": 0.99, "large": 80, "dice_large": 0.98}
    small = {"dice_large": None, "large": 0}
    rows = [
        {**base, "name": "masksmith predict"},
        {**base, "name": "nnUNetv2_predict", **shares, **dice},
        {**base, "name": "nnUNetv2_predict", **shares, **dice, **small},
        {**base, "name": "nnUNetv2_predict", "slices": 280, "stopped": "needs more than 9.0 GiB"},
    ]
    lines = table_of(rows, 3.0).splitlines()
    assert lines[4] == "| 140 | masksmith predict | 10 | 1.0 GiB | 0.9 GiB |  |"
    assert "0.25 of its memory (goal 0.4)" in lines[5]
    together = "Dice of all structures together 0.990, "
    assert f"{together}mean of the 80 above 10000 voxels 0.980, mean of all 104 0.970 |" in lines[5]
    assert f"{together}mean of all 104 0.970 |" in lines[6]
    assert "stopped: needs more than 9.0 GiB" in lines[7]
