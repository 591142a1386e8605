"""The kinds of errors one by one: is the mistake the one its name says?"""

import numpy as np
import pytest
from scipy import ndimage

from pipeline.volume import Grid
from qc.planting import CannotPlant, Subject, draw_for, plant

TOUCHING = np.ones((3, 3, 3))


def error(subject: Subject, kind: str, grade: str, seed: int = 0, among=None):
    planted = plant(subject, draw_for(kind, grade, seed, among=among))
    after = Subject(planted.labels, subject.grid, subject.class_map, subject.ct)
    return planted, after


def middle_mm(subject: Subject, name: str) -> np.ndarray:
    points = np.argwhere(subject.labels == subject.value(name)).mean(axis=0)
    return subject.grid.affine[:3, :3] @ points + subject.grid.affine[:3, 3]


def test_a_swapped_pair_lies_on_each_others_side(trunk: Subject) -> None:
    planted, after = error(trunk, "swapped_pair", "gross", among=["kidney_left"])
    assert planted.targets == ("kidney_left", "kidney_right")
    assert middle_mm(after, "kidney_left") == pytest.approx(middle_mm(trunk, "kidney_right"))
    assert middle_mm(trunk, "kidney_left")[0] < middle_mm(after, "kidney_left")[0]


def test_ribs_on_the_wrong_side_leave_their_own_name(trunk: Subject) -> None:
    planted, after = error(trunk, "rib_on_wrong_side", "medium", among=["rib_left_6"])
    assert planted.targets == ("rib_left_6", "rib_right_6")
    assert "rib_left_6" not in after.boxes
    both = np.isin(trunk.labels, trunk.values(["rib_left_6", "rib_right_6"]))
    assert np.array_equal(after.labels == trunk.value("rib_right_6"), both)


def test_half_a_rib_on_the_wrong_side_is_its_outer_half(trunk: Subject) -> None:
    _, after = error(trunk, "rib_on_wrong_side", "small", among=["rib_right_6"])
    kept = np.argwhere(after.labels == trunk.value("rib_right_6"))[:, 0]
    lost = np.argwhere(
        (trunk.labels == trunk.value("rib_right_6")) & (after.labels == trunk.value("rib_left_6"))
    )[:, 0]
    assert kept.max() <= lost.min()


def test_renumbered_vertebrae_keep_their_voxels(trunk: Subject) -> None:
    planted, after = error(trunk, "renumbered_vertebrae", "gross")
    step = int(planted.figures["step"])
    row = trunk.chain("vertebrae_")
    names = [n for n in trunk.class_map.names if n.startswith("vertebrae_")][::-1]
    for name in row[1:-1]:
        renamed = names[names.index(name) + step]
        assert np.array_equal(
            after.labels == trunk.value(renamed), trunk.labels == trunk.value(name)
        )


def test_numbers_swapped_at_a_distance_of_the_grade(trunk: Subject) -> None:
    for grade, low, high in (("gross", 4, 99), ("medium", 2, 3), ("small", 1, 1)):
        planted, _ = error(trunk, "swapped_vertebrae", grade)
        assert low <= planted.figures["apart"] <= high


def test_what_is_deleted_between_has_neighbours_left(trunk: Subject) -> None:
    planted, after = error(trunk, "deleted_between", "gross")
    assert len(planted.targets) == 3
    assert not set(planted.targets) & set(after.boxes)
    prefix = planted.targets[0].rstrip("0123456789").rstrip("CTL")
    left = after.chain(prefix)
    old = trunk.chain(prefix)
    first = old.index(planted.targets[0])
    assert old[first - 1] in left
    assert old[first + 3] in left


def test_a_hollow_organ_keeps_its_outline(trunk: Subject) -> None:
    _, after = error(trunk, "hollow", "gross", among=["liver"])
    old, new = (s.labels == s.value("liver") for s in (trunk, after))
    assert np.array_equal(ndimage.binary_fill_holes(new), ndimage.binary_fill_holes(old))
    assert new.sum() < 0.75 * old.sum()


def test_a_structure_in_two_is_in_two(trunk: Subject) -> None:
    for grade in ("gross", "medium", "small"):
        _, after = error(trunk, "in_two", grade, among=["aorta"])
        _, before = ndimage.label(trunk.crop("aorta"), TOUCHING)
        pieces, count = ndimage.label(after.labels == trunk.value("aorta"), TOUCHING)
        sizes = np.sort(np.bincount(pieces.ravel())[1:])
        assert count > before
        assert sizes[-2] > 5


def test_a_rib_loses_the_end_at_the_spine(trunk: Subject) -> None:
    spine = middle_mm(trunk, "vertebrae_T7")
    for rib in ("rib_left_7", "rib_right_7"):
        _, after = error(trunk, "rib_without_head", "gross", among=[rib])
        nearest = [
            np.linalg.norm(
                (np.argwhere(s.labels == s.value(rib)) * 6 + s.grid.affine[:3, 3]) - spine, axis=1
            ).min()
            for s in (trunk, after)
        ]
        assert nearest[1] > nearest[0] + 15


def test_every_third_slice_is_empty(trunk: Subject) -> None:
    _, after = error(trunk, "empty_slices", "medium", among=["liver"])
    rows = trunk.boxes["liver"][2]
    filled = (after.labels == trunk.value("liver")).any(axis=(0, 1))[rows]
    assert np.isin(np.diff(np.flatnonzero(~filled)), 3).all()
    assert 0.2 < (~filled).mean() < 0.45


def test_leaks_go_where_they_say(trunk: Subject) -> None:
    for kind, into in (("leak_into_lung", "lung"), ("leak_into_bone", "bone")):
        planted, after = error(trunk, kind, "medium")
        name = planted.targets[0]
        gained = (after.labels == trunk.value(name)) & (trunk.labels != trunk.value(name))
        lost_by = {trunk.class_map.by_value(v) for v in np.unique(trunk.labels[gained])}
        assert lost_by
        assert all(s.name.startswith("lung_") or s.category == into for s in lost_by)
        assert gained.sum() * trunk.grid.voxel_ml == pytest.approx(
            planted.figures["gained_ml"], abs=1e-6
        )
        near = ndimage.binary_dilation(trunk.labels == trunk.value(name), TOUCHING, 3)
        assert (gained & near).any()


def test_growth_up_to_the_neighbours_takes_nothing_from_them(trunk: Subject) -> None:
    planted, _ = error(trunk, "dilated", "gross", among=["spleen"])
    assert set(planted.changes) == {"spleen"}
    assert 1.9 <= planted.changes["spleen"].after_ml / planted.changes["spleen"].before_ml <= 3.1


def test_a_shift_is_as_long_as_it_says(trunk: Subject) -> None:
    planted, after = error(trunk, "shifted", "gross", among=["spleen"])
    moved = np.linalg.norm(middle_mm(after, "spleen") - middle_mm(trunk, "spleen"))
    assert 27 <= planted.figures["shift_mm"] <= 63
    assert moved == pytest.approx(planted.figures["shift_mm"], abs=6)


def test_another_room_is_far_up_or_down(trunk: Subject) -> None:
    planted, after = error(trunk, "another_room", "gross", among=["spleen", "kidney_left"])
    name = planted.targets[0]
    assert abs(middle_mm(after, name) - middle_mm(trunk, name))[2] >= 100


def test_islands_lie_apart(trunk: Subject) -> None:
    planted, after = error(trunk, "island", "medium", among=["liver"])
    gained = (after.labels != trunk.labels) & (after.labels == trunk.value("liver"))
    away = ndimage.distance_transform_edt(trunk.labels != trunk.value("liver"), sampling=6)
    assert away[gained].min() > 60
    assert trunk.body[gained].all()
    many, scattered = error(trunk, "islands", "gross", among=["liver"])
    _, count = ndimage.label(scattered.labels == trunk.value("liver"), TOUCHING)
    assert many.figures["islands"] >= 50
    assert count > 10
    assert planted.figures["islands"] == 1


def test_slices_slip_in_their_plane(trunk: Subject) -> None:
    planted, after = error(trunk, "slipped_slices", "gross", among=["liver"])
    old, new = (s.labels == s.value("liver") for s in (trunk, after))
    changed = np.flatnonzero((old != new).any(axis=(0, 1)))
    rows = trunk.boxes["liver"][2]
    assert len(changed) == pytest.approx(0.5 * (rows.stop - rows.start), abs=1.5)
    assert (np.diff(changed) == 1).all()
    assert 20 <= planted.figures["shift_mm"] <= 50


def test_the_whole_map_can_be_mirrored_and_turned(trunk: Subject) -> None:
    mirrored = error(trunk, "mirrored", "gross")[1]
    assert middle_mm(mirrored, "liver")[0] < middle_mm(mirrored, "spleen")[0]
    upside_down = error(trunk, "upside_down", "gross")[1]
    assert np.array_equal(upside_down.labels, trunk.labels[:, :, ::-1])
    turned = error(trunk, "front_for_back", "gross")[1]
    assert np.array_equal(turned.labels, trunk.labels[:, ::-1])


def lower_part(trunk: Subject, name: str) -> Subject:
    """Give the trunk up to the upper end of a structure."""
    stop = trunk.boxes[name][2].stop
    i, j, _ = trunk.grid.shape
    labels = np.asfortranarray(trunk.labels[..., :stop])
    return Subject(labels, Grid((i, j, stop), trunk.grid.affine), trunk.class_map, None)


def test_a_rib_that_the_field_cuts_loses_no_end_that_lies_outside(trunk: Subject) -> None:
    below = lower_part(trunk, "vertebrae_L1")
    cut = [n for n in below.boxes if n.startswith("rib_") and not below.is_whole(n)]
    assert cut
    with pytest.raises(CannotPlant, match="no whole rib"):
        error(below, "rib_without_head", "gross", among=cut)


def test_slivers_of_vertebrae_are_not_renumbered(trunk: Subject) -> None:
    low, high = trunk.boxes["vertebrae_L3"][2].start + 1, trunk.boxes["vertebrae_L1"][2].stop - 1
    i, j, _ = trunk.grid.shape
    labels = np.asfortranarray(trunk.labels[..., low:high])
    few = Subject(labels, Grid((i, j, high - low), trunk.grid.affine), trunk.class_map, None)
    assert len(few.chain("vertebrae_")) >= 3
    with pytest.raises(CannotPlant, match=r"\d whole vertebrae_\*, expected 3"):
        error(few, "renumbered_vertebrae", "gross")
