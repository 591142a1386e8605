"""Labels looked up through displacements that are known exactly."""

import numpy as np
import pytest

from pipeline.transfer import label_look_up
from pipeline.transfer.alignment import Alignment
from pipeline.transfer.label_look_up import displacement_on, lattice_of, look_up_labels
from pipeline.transfer.registration import Registration
from pipeline.volume import Grid

CONTRAST = Grid((20, 20, 20), np.diag([2.0, 2.0, 2.0, 1.0]))
NOTHING = {"world": Alignment(0.0, None, None, 1.0)}


def moved_by(*shift_mm: float) -> Registration:
    grid = Grid((12, 12, 12), np.diag([5.0, 5.0, 5.0, 1.0]))
    way = np.broadcast_to(np.float32(shift_mm), (12, 12, 12, 3)).copy()
    return Registration(way, grid, NOTHING, (), {"as_is": 1.0})


def block() -> np.ndarray:
    labels = np.zeros(CONTRAST.shape, np.uint8, order="F")
    labels[4:10, 5:11, 6:12] = 3
    labels[10:13, 5:11, 6:12] = 7
    return labels


def test_without_a_way_the_labels_stay() -> None:
    values, unseen, moved = look_up_labels(CONTRAST, moved_by(0, 0, 0), block(), CONTRAST)
    assert np.array_equal(values, block())
    assert not unseen.any()
    assert moved == 0.0


def test_a_shift_of_whole_voxels_moves_them_exactly() -> None:
    values, unseen, moved = look_up_labels(CONTRAST, moved_by(4, -2, 6), block(), CONTRAST)
    assert np.array_equal(values[2:8, 6:12, 3:9], np.full((6, 6, 6), 3))
    assert values.sum() == block().sum()
    # What would come from beyond the contrast scan's border was not seen.
    assert np.array_equal(np.flatnonzero(unseen[:, 5, 5]), [18, 19])
    assert np.array_equal(np.flatnonzero(unseen[5, :, 5]), [0])
    assert np.array_equal(np.flatnonzero(unseen[5, 5]), [17, 18, 19])
    assert moved == pytest.approx(np.sqrt(56), abs=1e-4)


def test_slabs_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = look_up_labels(CONTRAST, moved_by(3, 1, -5), block(), CONTRAST)
    monkeypatch.setattr(label_look_up, "_VOXELS_AT_ONCE", 1000)
    parts = look_up_labels(CONTRAST, moved_by(3, 1, -5), block(), CONTRAST)
    assert np.array_equal(parts[0], whole[0])
    assert np.array_equal(parts[1], whole[1])
    assert parts[2] == pytest.approx(whole[2])


def test_between_two_labels_the_stronger_wins_and_no_gap_opens() -> None:
    values, _, _ = look_up_labels(CONTRAST, moved_by(0.8, 0, 0), block(), CONTRAST)
    row = values[:, 7, 8]
    assert set(row[row > 0]) == {3, 7}
    first, last = np.flatnonzero(row)[[0, -1]]
    assert (row[first : last + 1] > 0).all()


def test_a_lattice_goes_on_beyond_the_grid() -> None:
    part = lattice_of(CONTRAST, np.array([-3, 0, 18]), np.array([2, 5, 23]))
    assert part.shape == (5, 5, 5)
    assert part.origin_mm == pytest.approx((-6, 0, 36))
    assert part.spacing_mm == CONTRAST.spacing_mm


def test_the_way_is_interpolated_and_goes_on_beyond_its_grid() -> None:
    found = moved_by(0, 0, 0)
    found.displacement_mm[..., 2] = np.arange(12)[:, None, None]
    way = displacement_on(Grid((3, 1, 1), np.diag([2.5, 1, 1, 1])), found)
    assert way[2, :, 0, 0] == pytest.approx([0, 0.5, 1])
    far = np.diag([1.0, 1, 1, 1])
    far[0, 3] = 500
    assert displacement_on(Grid((1, 1, 1), far), found)[2].item() == pytest.approx(11)
