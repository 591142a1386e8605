"""How two masks of one structure differ, against whole arrays."""

from dataclasses import replace

import pytest

from pipeline.volume.surface_distance import normalised_surface_dice
from pipeline.workspace import MaskFileError
from pipeline.workspace.mask_change import MaskChange, mask_change
from tests.fixtures.round_workspaces import cube


def test_crops_give_what_whole_arrays_give(round_lab):
    case = round_lab.case("a")
    before = round_lab.mask("a", "liver", (slice(0, 5), slice(1, 6), slice(2, 8)))
    after = round_lab.mask("a", "liver", (slice(3, 8), slice(0, 4), slice(5, 9)), round=2)
    layout = round_lab.workspace.layout
    change = mask_change(layout, before, after)
    first, second = (round_lab.workspace.mask_array(mask) for mask in (before, after))
    assert change == MaskChange(150, 80, int((first & second).sum()))
    assert change.common_voxels == 2 * 3 * 3
    assert (change.added_voxels, change.removed_voxels) == (62, 132)
    assert change.dice == pytest.approx(2 * 18 / 230)
    whole = normalised_surface_dice(first, second, case.grid.spacing_mm, 3.0)
    assert 0 < whole < 1
    with_surfaces = mask_change(layout, before, after, case.grid.spacing_mm)
    assert with_surfaces.nsd == pytest.approx(whole, abs=1e-12)
    assert replace(with_surfaces, nsd=None) == change


def test_masks_that_lie_apart_or_are_empty_share_nothing(round_lab):
    case = round_lab.case("a")
    empty = round_lab.mask("a", "liver")
    low, high = round_lab.mask("a", "liver", cube(3)), round_lab.mask("a", "liver", cube(3, 4))
    layout = round_lab.workspace.layout
    assert mask_change(layout, low, high) == MaskChange(27, 27, 0)
    assert mask_change(layout, low, high).dice == 0
    assert mask_change(layout, empty, low) == MaskChange(0, 27, 0)
    assert mask_change(layout, low, empty).dice == 0
    assert mask_change(layout, empty, empty).dice is None
    spacing = case.grid.spacing_mm
    assert mask_change(layout, empty, low, spacing) == MaskChange(0, 27, 0, 0.0)
    assert mask_change(layout, empty, empty, spacing).nsd is None
    assert mask_change(layout, low, low, spacing) == MaskChange(27, 27, 27, 1.0)


def test_a_mask_that_is_gone_is_an_error(round_lab):
    round_lab.case("a")
    one, other = round_lab.mask("a", "liver", cube(3)), round_lab.mask("a", "liver", cube(4))
    round_lab.workspace.layout.mask("a", "liver", one.id).unlink()
    with pytest.raises(MaskFileError, match="the mask file is gone"):
        mask_change(round_lab.workspace.layout, one, other)
