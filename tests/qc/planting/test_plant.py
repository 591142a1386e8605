"""Planting: what an error says it changed is what changed, and nothing else."""

import numpy as np
import pytest

from pipeline.errors import BadInput, UsageError
from pipeline.volume import Grid
from qc.planting import GRADES, KINDS, CannotPlant, Subject, draw_for, plant
from qc.planting.plant import changes_between

# At 6 mm there is one soft structure left of the smallest size.
IMPOSSIBLE = {("exchanged_names", "small")}
EVERY = [(kind.name, grade) for kind in KINDS for grade in GRADES if grade in kind.grades]


def test_there_are_many_kinds_with_names_of_their_own() -> None:
    assert len(KINDS) >= 20
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert all(set(kind.grades) <= set(GRADES) and kind.summary for kind in KINDS)


@pytest.mark.parametrize(("kind", "grade"), EVERY)
def test_an_error_changes_what_it_says_and_nothing_else(trunk: Subject, kind, grade) -> None:
    before = trunk.labels.copy()
    try:
        planted = plant(trunk, draw_for(kind, grade, 1))
    except CannotPlant:
        assert (kind, grade) in IMPOSSIBLE
        return
    assert np.array_equal(trunk.labels, before)
    assert planted.labels.dtype == trunk.labels.dtype
    touched = trunk.labels != planted.labels
    assert touched.any()
    values = {*np.unique(trunk.labels[touched]), *np.unique(planted.labels[touched])} - {0}
    assert {trunk.class_map.by_value(v).name for v in values} == set(planted.changes)
    assert set(planted.targets) & set(planted.changes)
    assert set(planted.targets) <= planted.wrong
    # Of what is no target only voxels were painted over: nothing else grew.
    for name in set(planted.changes) - set(planted.targets):
        assert planted.changes[name].after_ml < planted.changes[name].before_ml
        assert not (planted.labels[touched] == trunk.value(name)).any()
    assert all(np.isfinite(list(planted.figures.values())))
    assert planted.words


def test_the_measured_change_is_right(trunk: Subject) -> None:
    planted = plant(trunk, draw_for("cut", "gross", 5, among=["liver"]))
    change, liver = planted.changes["liver"], trunk.value("liver")
    old, new = trunk.labels == liver, planted.labels == liver
    ml = trunk.grid.voxel_ml
    assert planted.targets == ("liver",)
    assert not (new & ~old).any()
    assert (change.before_ml, change.after_ml) == pytest.approx((old.sum() * ml, new.sum() * ml))
    assert change.dice == pytest.approx(2 * new.sum() / (old.sum() + new.sum()))
    moved = (np.argwhere(new).mean(axis=0) - np.argwhere(old).mean(axis=0)) * 6
    assert change.moved_mm == pytest.approx(np.linalg.norm(moved))
    assert planted.figures["lost_share"] == pytest.approx(1 - new.sum() / old.sum())
    assert 0.5 <= planted.figures["lost_share"] <= 0.75


def test_the_same_words_give_the_same_error_and_other_seeds_another(trunk: Subject) -> None:
    first, again, other = (plant(trunk, draw_for("shifted", "medium", s)) for s in (1, 1, 2))
    assert np.array_equal(first.labels, again.labels)
    assert first.to_dict() == again.to_dict()
    assert not np.array_equal(first.labels, other.labels)


def test_a_gross_error_is_larger_than_a_small_one(trunk: Subject) -> None:
    for kind in ("cut", "eroded", "dilated", "hollow", "in_two", "shifted", "leak_into_fat"):
        dice = [
            plant(trunk, draw_for(kind, grade, 0, among=["liver"])).changes["liver"].dice
            for grade in GRADES
        ]
        assert dice == sorted(dice), kind
        assert dice[0] < 0.85 < dice[2], kind


def test_tuning_and_held_out_share_no_structure_and_no_strength(trunk: Subject) -> None:
    chosen, shares = {}, {}
    for part in ("tuning", "held_out"):
        planted = [plant(trunk, draw_for("cut", "medium", seed, part)) for seed in range(60)]
        chosen[part] = {p.targets[0] for p in planted}
        bins = np.log(np.array([p.figures["lost_share"] for p in planted if p_large(p)]) / 0.25)
        shares[part] = set((bins / np.log(0.45 / 0.25) * 6).astype(int))
    assert not chosen["tuning"] & chosen["held_out"]
    assert min(len(names) for names in chosen.values()) >= 5
    assert not shares["tuning"] & shares["held_out"]


def p_large(planted) -> bool:
    """Whether the share was not rounded much by voxels."""
    return planted.changes[planted.targets[0]].before_ml > 200


def test_only_the_named_structures_are_chosen(trunk: Subject) -> None:
    for seed in range(5):
        assert plant(trunk, draw_for("deleted", "small", seed, among=["pancreas", "rib_left_5"])
                     ).targets[0] in ("pancreas", "rib_left_5")  # fmt: skip


def test_what_is_absent_is_refused_with_a_reason(trunk: Subject) -> None:
    with pytest.raises(CannotPlant, match=r"deleted \(gross\): no whole structure .* among brain"):
        plant(trunk, draw_for("deleted", "gross", 0, among=["brain"]))


@pytest.mark.parametrize(("kind", "grade"), EVERY)
def test_an_empty_map_is_refused_by_every_kind(trunk: Subject, kind, grade) -> None:
    empty = Subject(np.zeros_like(trunk.labels), trunk.grid, trunk.class_map, trunk.ct)
    with pytest.raises(CannotPlant, match=kind):
        plant(empty, draw_for(kind, grade, 0))


def test_one_voxel_breaks_nothing(trunk: Subject) -> None:
    labels = np.zeros((4, 4, 4), np.uint8, order="F")
    labels[1, 2, 1] = trunk.value("liver")
    speck = Subject(labels, Grid((4, 4, 4), np.diag([3.0, 3.0, 3.0, 1.0])), trunk.class_map)
    for kind, grade in EVERY:
        reason = ""
        try:
            planted = plant(speck, draw_for(kind, grade, 0))
        except CannotPlant as error:
            reason = str(error)
        assert kind in reason or (planted.labels != labels).any()


def test_an_unknown_kind_or_size_is_named() -> None:
    labels = np.zeros((2, 2, 2), np.uint8)
    subject = Subject(labels, Grid((2, 2, 2), np.eye(4)), None)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no kind of error 'swaped_pair'; there are swapped_pair"):
        plant(subject, draw_for("swaped_pair", "gross", 0))
    with pytest.raises(UsageError, match="front_for_back is only made gross, not small"):
        plant(subject, draw_for("front_for_back", "small", 0))
    with pytest.raises(BadInput, match="shape"):
        changes_between(subject, np.zeros((3, 2, 2), np.uint8))


def test_any_orientation_comes_back_as_it_was(phantom, phantom_class_map) -> None:
    from pipeline.phantom import BodySettings

    same = {"seed": 4, "spacing_mm": (8.0, 8.0, 8.0), "field_of_view": "abdomen"}
    found = {}
    for codes in ("RAS", "LPS"):
        body = phantom(BodySettings(orientation=codes, **same))
        subject = Subject.of(body.labels, body.grid, phantom_class_map, body.ct)
        planted = plant(subject, draw_for("rib_on_wrong_side", "medium", 3))
        back = planted.labels_on(body.grid)
        assert back.shape == body.labels.shape
        found[codes] = (planted.targets, (back != body.labels).sum())
        assert (Subject.of(back, body.grid, phantom_class_map).labels == planted.labels).all()
    assert found["RAS"] == found["LPS"]
