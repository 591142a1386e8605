"""Labels carried from contrast to native phantoms, against their exact truth."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import BadInput
from pipeline.transfer.carry import Carried, CarrySettings, transfer_labels
from pipeline.transfer.registration import RegistrationSettings
from pipeline.transfer.working_scan import Scan
from pipeline.volume import Grid
from tests.fixtures.heart_pairs import HeartPair, heart_pair, mean_dice

COARSE = CarrySettings(RegistrationSettings(spacing_mm=5.0, knots_mm=60.0))
NO_WARP = CarrySettings(RegistrationSettings(spacing_mm=5.0, knots_mm=60.0, smallest_gain=0.6))


def whole(carried: Carried, grid: Grid) -> np.ndarray:
    labels = np.zeros(grid.shape, carried.labels.dtype)
    labels[carried.box] = carried.labels
    return labels


@pytest.fixture(scope="module")
def shifted() -> tuple[HeartPair, Carried]:
    pair = heart_pair((8.0, -6.0, 20.0))
    return pair, transfer_labels(pair.contrast, pair.labels, pair.native, COARSE)


def test_a_shift_of_22_mm_is_recovered(shifted):
    pair, carried = shifted
    assert mean_dice(pair.labels, pair.truth) < 0.45
    assert mean_dice(whole(carried, pair.native.grid), pair.truth) > 0.85
    assert carried.registration.kept[0] == "rigid"
    assert carried.displacement_mm == pytest.approx(22.4, abs=2.5)
    assert carried.refusal == ""


def test_the_figures_say_what_changed(shifted):
    found = shifted[1].registration
    assert found.after.mutual_information > 1.3 * found.before.mutual_information
    assert found.after.lung_dice > found.before.lung_dice + 0.05
    assert set(found.stages) == {"world", "rigid", "bspline"}


def test_all_six_structures_are_whole(shifted):
    assert shifted[1].structures == (1, 2, 3, 4, 5, 6)
    assert shifted[1].cuts == {}


def test_nothing_is_kept_where_nothing_helps():
    pair = heart_pair()
    carried = transfer_labels(pair.contrast, pair.labels, pair.native, NO_WARP)
    assert carried.registration.kept == ()
    assert carried.displacement_mm == 0.0
    assert np.array_equal(whole(carried, pair.native.grid), pair.labels)


def test_a_native_scan_on_another_grid_gets_its_labels_there(shifted):
    pair, _ = shifted
    # Other axes, another order, a field of view of its own.
    flipped, grid = _turned(pair.native)
    carried = transfer_labels(pair.contrast, pair.labels, Scan(flipped, grid), COARSE)
    truth, _ = _turned(Scan(pair.truth, pair.native.grid))
    assert mean_dice(whole(carried, grid), truth) > 0.85


def test_what_the_contrast_scan_cuts_off_is_not_written():
    pair = heart_pair()
    middle = int(np.argwhere(pair.labels == 3)[:, 2].mean())
    cut = Scan(pair.contrast.ct[:, :, middle:], _from_slice(pair.contrast.grid, middle))
    carried = transfer_labels(cut, pair.labels[:, :, middle:], pair.native, COARSE)
    assert carried.cuts[3].by == "contrast"
    assert not carried.cuts[3].written
    assert carried.cuts[3].voxels > 10
    assert 3 not in carried.structures
    assert not (carried.labels == 3).any()
    assert 6 in carried.structures  # the pulmonary artery lies above


def test_what_only_the_native_scan_cuts_off_is_written_and_said():
    pair = heart_pair()
    middle = int(np.argwhere(pair.labels == 3)[:, 2].mean())
    cut = Scan(pair.native.ct[:, :, middle:], _from_slice(pair.native.grid, middle))
    carried = transfer_labels(pair.contrast, pair.labels, cut, COARSE)
    lost = int((pair.truth[:, :, :middle] == 3).sum())
    assert (carried.cuts[3].by, carried.cuts[3].written) == ("native", True)
    assert carried.cuts[3].voxels == pytest.approx(lost, rel=0.35)
    assert carried.cuts[3].ml == pytest.approx(carried.cuts[3].voxels * 0.216)
    assert (carried.labels == 3).any()


def test_scans_that_show_other_things_are_refused_with_figures():
    pair = heart_pair()
    upside_down = Scan(np.asfortranarray(pair.native.ct[:, :, ::-1]), pair.native.grid)
    carried = transfer_labels(pair.contrast, pair.labels, upside_down, COARSE)
    assert "lung Dice" in carried.refusal
    assert "expected 0.85 or more" in carried.refusal
    assert "one scan is mirrored up-down: mutual information" in carried.refusal


def test_a_heart_that_lies_farther_than_the_margin_is_refused_not_cut(shifted):
    pair, _ = shifted
    narrow = replace(COARSE, margin_mm=8.0)
    carried = transfer_labels(pair.contrast, pair.labels, pair.native, narrow)
    assert "raise margin_mm" in carried.refusal


def test_a_heart_outside_the_native_scan_gives_no_mask_and_says_so():
    pair = heart_pair()
    top = int(np.argwhere(pair.truth > 0)[:, 2].max()) + 2
    above = Scan(pair.native.ct[:, :, top:], _from_slice(pair.native.grid, top))
    carried = transfer_labels(pair.contrast, pair.labels, above, COARSE)
    assert carried.structures == ()
    assert {(cut.by, cut.written) for cut in carried.cuts.values()} == {("native", False)}
    assert not carried.labels.any()


def test_what_both_scans_cut_off_at_one_border_is_written_and_said():
    pair = heart_pair()
    middle = int(np.argwhere(pair.labels == 3)[:, 2].mean())
    grid = _from_slice(pair.contrast.grid, middle)
    contrast, native = (
        Scan(pair.contrast.ct[:, :, middle:], grid),
        Scan(pair.native.ct[:, :, middle:], grid),
    )
    carried = transfer_labels(contrast, pair.labels[:, :, middle:], native, NO_WARP)
    assert (carried.cuts[3].by, carried.cuts[3].written) == ("native", True)
    assert 3 in carried.structures


def test_scans_far_apart_are_refused():
    pair = heart_pair()
    affine = np.array(pair.native.grid.affine)
    affine[2, 3] += 2000
    far = Scan(pair.native.ct, Grid(pair.native.grid.shape, affine))
    with pytest.raises(BadInput, match="frame of reference"):
        transfer_labels(pair.contrast, pair.labels, far, COARSE)


def test_no_labels_are_refused():
    pair = heart_pair()
    with pytest.raises(BadInput, match="is empty"):
        transfer_labels(pair.contrast, np.zeros_like(pair.labels), pair.native, COARSE)


def test_limits_are_settings():
    pair = heart_pair()
    strict = replace(NO_WARP, least_body_dice=1.0)
    carried = transfer_labels(pair.contrast, pair.labels, pair.native, strict)
    assert carried.refusal.startswith("body Dice 0.9")


def _turned(scan: Scan) -> tuple[np.ndarray, Grid]:
    """Give the same scan with its axes swapped and flipped."""
    array = scan.ct[::-1].transpose(2, 1, 0)
    affine = np.array(scan.grid.affine)
    affine[:3, 3] += affine[:3, 0] * (scan.grid.shape[0] - 1)
    affine[:3, 0] *= -1
    affine = affine[:, [2, 1, 0, 3]]
    return np.asfortranarray(array), Grid(array.shape, affine)


def _from_slice(grid: Grid, first: int) -> Grid:
    return grid.crop(
        (slice(0, grid.shape[0]), slice(0, grid.shape[1]), slice(first, grid.shape[2]))
    )
