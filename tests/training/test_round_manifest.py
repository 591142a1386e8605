import json

import numpy as np
import pytest

from pipeline.errors import BadInput
from pipeline.workspace import MaskFileError, Provenance, Round, Verdict, write_mask
from tests.fixtures.tiny_models import (
    STRUCTURES,
    accept,
    add_bright_case,
    bright_body,
    tiny_settings,
)
from training.round_cases import FrozenCase, training_cases
from training.round_choice import State, TooFewCases
from training.round_manifest import RoundFrozen, freeze_round, read_manifest


@pytest.fixture
def decided(workspace):
    """Give a workspace with two cases in which everything is accepted, one with nothing."""
    add_bright_case(workspace, "a", 1, STRUCTURES)
    add_bright_case(workspace, "b", 2, STRUCTURES)
    add_bright_case(workspace, "c", 3)
    return workspace


def settings(**changes):
    return tiny_settings(round_sizes=(2, 3), **changes)


def test_a_manifest_lists_the_accepted_masks_and_is_written_once(decided):
    manifest = freeze_round(decided, settings())
    path = decided.layout.manifest(1)
    written = path.read_bytes()
    choice = manifest.models["all"]
    assert choice.structures == tuple(n for n in decided.class_map.names if n in STRUCTURES)
    accepted = decided.accepted("a")
    assert choice.cases["a"] == {n: State("mask", accepted[n].id) for n in STRUCTURES}
    assert choice.left_out_cases == {"c": "undecided: liver, aorta, sacrum"}
    assert freeze_round(decided, settings()) == manifest
    assert path.read_bytes() == written


def test_verdicts_after_the_freeze_do_not_change_the_round(decided):
    manifest = freeze_round(decided, settings())
    decided.record_verdicts([Verdict("a", "absent_anatomy", "anna", "liver")])
    assert freeze_round(decided, settings()) == manifest


def test_the_digest_ignores_only_the_time(decided):
    from dataclasses import replace

    manifest = freeze_round(decided, settings())
    assert replace(manifest, created="later").digest == manifest.digest
    assert replace(manifest, round=2).digest != manifest.digest


def test_unreviewed_masks_are_admitted_only_when_asked_and_are_marked(decided):
    manifest = freeze_round(decided, settings(round=2, admit_unreviewed=("model",)))
    states = manifest.models["all"].cases["c"]
    assert {state.unreviewed for state in states.values()} == {"model"}
    text = json.loads(decided.layout.manifest(2).read_text())
    assert text["models"]["all"]["unreviewed"] == {"model": 3}


def test_too_few_cases_freeze_nothing(decided):
    with pytest.raises(TooFewCases, match="needs 3 decided cases, found 2: 1 missing"):
        freeze_round(decided, settings(round=2))
    assert not decided.layout.manifest(2).exists()
    manifest = freeze_round(decided, settings(round=2, allow_fewer=True))
    assert sorted(manifest.models["all"].cases) == ["a", "b"]
    assert manifest.target_cases == 3


def test_a_partial_round_comes_back_from_its_file_with_what_is_undecided(decided):
    accept(decided, "c", ["liver"])
    manifest = freeze_round(decided, settings())
    choice = read_manifest(decided.layout, 1).models["all"]
    assert choice == manifest.models["all"]
    assert sorted(choice.cases) == ["a", "b", "c"]
    assert choice.undecided_in("c") == {"aorta", "sacrum"}
    assert freeze_round(decided, settings()) == manifest
    class_map = decided.class_map.subset(choice.structures)
    cases = {case.id: case for case in training_cases(decided, choice, class_map)}
    assert cases["a"].undecided == frozenset()
    assert cases["c"].undecided == {"aorta", "sacrum"}
    _, labels, _ = cases["c"].load()
    assert np.array_equal(labels, np.where(bright_body(3)[1] == 1, 1, 0))


def test_the_other_rules_still_leave_out(decided):
    accept(decided, "c", ["liver"])
    by_case = freeze_round(decided, settings(undecided="leave_out_case"))
    assert sorted(by_case.models["all"].cases) == ["a", "b"]
    with pytest.raises(RoundFrozen, match="undecided was leave_out_case, now partial"):
        freeze_round(decided, settings())


def test_excluded_cases_are_not_asked(decided):
    decided.record_verdicts([Verdict("a", "exclude_case", "anna")])
    manifest = freeze_round(decided, settings(allow_fewer=True))
    assert sorted(manifest.models["all"].cases) == ["b"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"profile": "other"}, "profile was test, now other"),
        ({"admit_unreviewed": ("model",)}, "admit_unreviewed was none, now model"),
        ({"validation_cases": 1}, "validation_cases was none, now 1"),
        ({"spacing_mm": 3.0}, "spacing_mm was 6.0, now 3.0"),
    ],
)
def test_a_frozen_round_refuses_other_settings(decided, change, words):
    freeze_round(decided, settings())
    profiles = settings().profiles
    changed = settings(**{"profiles": {**profiles, "other": profiles["test"]}, **change})
    with pytest.raises(RoundFrozen, match=words) as caught:
        freeze_round(decided, changed)
    assert "--round 2" in str(caught.value)


def test_device_and_allow_fewer_may_change(decided):
    manifest = freeze_round(decided, settings())
    assert freeze_round(decided, settings(device="gpu:1", allow_fewer=True)) == manifest


def test_a_damaged_manifest_is_named(decided):
    freeze_round(decided, settings())
    decided.layout.manifest(1).write_text('{"format": 1')
    with pytest.raises(BadInput, match=r"manifest\.json: no readable manifest"):
        read_manifest(decided.layout, 1)


def test_a_manifest_that_is_gone_is_not_made_anew(decided):
    manifest = freeze_round(decided, settings())
    decided.record_round(Round(1, 2, manifest.digest, manifest.created))
    decided.layout.manifest(1).unlink()
    with pytest.raises(
        BadInput, match=r"manifest\.json is gone, but round 1 was frozen on .*: restore"
    ):
        freeze_round(decided, settings())
    assert not decided.layout.manifest(1).exists()


def test_missing_masks_are_counted_and_named(decided):
    manifest = freeze_round(decided, settings())
    for case_id in ("a", "b"):
        mask_id = manifest.models["all"].cases[case_id]["liver"].mask_id
        decided.layout.mask(case_id, "liver", mask_id).unlink()
    with pytest.raises(BadInput, match="2 masks it names are gone, such as a/liver/"):
        freeze_round(decided, settings())


def test_frozen_cases_load_ct_and_labels_of_the_chosen_structures(decided):
    choice = freeze_round(decided, settings()).models["all"]
    class_map = decided.class_map.subset(choice.structures)
    case = training_cases(decided, choice, class_map)[0]
    assert (case.id, case.patient) == ("a", "p-a")
    ct, labels, grid = case.load()
    truth_ct, truth, truth_grid = bright_body(1)
    assert np.array_equal(ct, truth_ct)
    assert grid.same_as(truth_grid)
    for position, name in enumerate(STRUCTURES, start=1):
        assert np.array_equal(labels == class_map[name].value, truth == position)


def test_a_mask_changed_on_disk_is_not_trained_on(decided):
    choice = freeze_round(decided, settings()).models["all"]
    mask_id = choice.cases["a"]["liver"].mask_id
    path = decided.layout.mask("a", "liver", mask_id)
    case = decided.case("a")
    other = np.zeros(case.grid.shape, bool)
    other[1:3, 1:3, 1:3] = True
    forged = write_mask(decided.layout, case, "liver", other, Provenance("model", "model:x"))
    path.write_bytes(decided.layout.mask("a", "liver", forged.id).read_bytes())
    load = FrozenCase(decided.layout, case, choice.cases["a"], decided.class_map)
    with pytest.raises(MaskFileError, match="content has digest"):
        load()


def test_accepted_masks_win_over_unreviewed_ones_where_they_overlap(decided):
    case = decided.case("a")
    box = np.zeros(case.grid.shape, bool)
    box[10:20, 10:20, 10:20] = True
    accepted = write_mask(decided.layout, case, "liver", box, Provenance("rough", "person:anna"))
    small = box.copy()
    small[15:] = False
    unreviewed = write_mask(decided.layout, case, "aorta", small, Provenance("model", "model:m"))
    states = {
        "liver": State("mask", accepted.id),
        "aorta": State("mask", unreviewed.id, "model"),
    }
    class_map = decided.class_map.subset(states)
    _, labels, _ = FrozenCase(decided.layout, case, states, class_map)()
    assert set(np.unique(labels)) == {0, class_map["liver"].value}
