import pytest

from pipeline.workspace import Provenance, Verdict
from training.round_choice import State, TooFewCases, choose, require_enough, states_of

MASK, EMPTY, ABSENT = State("mask", "id"), State("empty", "id"), State("absent_fov")
NAMES = ("aorta", "liver", "spleen")
MODEL = Provenance("model", "model:m")


def known(**structures: State) -> dict[str, State]:
    return structures


FULL = known(aorta=MASK, liver=MASK, spleen=MASK)


def test_partial_takes_whatever_is_decided_from_every_case():
    states = {
        "a": known(aorta=MASK),
        "b": known(liver=MASK, spleen=ABSENT),
        "c": known(aorta=EMPTY, spleen=MASK),
        "d": {},
    }
    choice = choose(states, NAMES, rule="partial", at_least=99)
    assert choice.structures == NAMES
    assert choice.cases == {case: states[case] for case in "abc"}
    assert choice.left_out_cases == {"d": "undecided: aorta, liver, spleen"}
    assert choice.left_out_structures == {}
    assert choice.is_partial
    assert choice.undecided_in("a") == {"liver", "spleen"}
    assert choice.undecided_in("b") == {"aorta"}
    require_enough(choice, states, 3)
    with pytest.raises(TooFewCases, match="needs 4 decided cases, found 3: 1 missing"):
        require_enough(choice, states, 4)


def test_partial_leaves_out_what_nobody_has_and_the_cases_that_know_nothing_else():
    states = {"a": known(aorta=MASK, liver=ABSENT), "b": known(liver=EMPTY)}
    choice = choose(states, NAMES, rule="partial", at_least=1)
    assert choice.structures == ("aorta",)
    assert choice.cases == {"a": {"aorta": MASK}}
    assert not choice.is_partial
    assert choice.left_out_structures == {
        "liver": "present in none of the 1 training cases",
        "spleen": "undecided in all 2 cases",
    }
    assert choice.left_out_cases == {"b": "undecided: aorta"}


def test_partial_with_nothing_decided_chooses_nothing():
    choice = choose({"a": {}, "b": {}}, NAMES, rule="partial", at_least=1)
    assert choice.cases == {}
    assert choice.structures == ()
    with pytest.raises(TooFewCases, match="found 0: 1 missing"):
        require_enough(choice, {"a": {}, "b": {}}, 1)


def test_partial_is_the_whole_where_everything_is_decided():
    states = {"a": FULL, "b": FULL | known(spleen=ABSENT)}
    whole = choose(states, NAMES, rule="leave_out_case", at_least=1)
    assert choose(states, NAMES, rule="partial", at_least=1) == whole
    assert not whole.is_partial


def test_named_structures_leave_out_the_cases_in_which_one_is_undecided():
    states = {"a": FULL, "b": known(aorta=MASK, liver=MASK), "c": FULL}
    choice = choose(states, NAMES, rule="leave_out_case", at_least=1)
    assert choice.structures == NAMES
    assert sorted(choice.cases) == ["a", "c"]
    assert choice.left_out_cases == {"b": "undecided: spleen"}
    assert choice.left_out_structures == {}


def test_otherwise_undecided_structures_are_left_out_and_never_background():
    states = {"a": FULL, "b": known(aorta=MASK, liver=ABSENT), "c": FULL}
    choice = choose(states, NAMES, rule="leave_out_structure", at_least=3)
    assert choice.structures == ("aorta", "liver")
    assert sorted(choice.cases) == ["a", "b", "c"]
    assert choice.left_out_structures == {"spleen": "undecided in 1 of 3 cases"}
    for structures in choice.cases.values():
        assert set(structures) == set(choice.structures)


def test_a_few_complete_cases_are_worth_more_than_many_with_one_structure():
    states = {f"full{i}": FULL for i in range(3)}
    states |= {f"thin{i}": known(liver=MASK) for i in range(6)}
    choice = choose(states, NAMES, rule="leave_out_structure", at_least=3)
    assert choice.structures == NAMES
    assert sorted(choice.cases) == ["full0", "full1", "full2"]
    needs_more = choose(states, NAMES, rule="leave_out_structure", at_least=5)
    assert needs_more.structures == ("liver",)
    assert len(needs_more.cases) == 9


def test_every_case_that_decides_the_structures_is_used():
    states = {f"c{i}": FULL for i in range(7)}
    assert len(choose(states, NAMES, rule="leave_out_structure", at_least=5).cases) == 7


def test_a_structure_present_in_no_case_cannot_be_learned():
    states = {"a": FULL | known(spleen=ABSENT), "b": FULL | known(spleen=EMPTY)}
    for rule in ("leave_out_case", "leave_out_structure"):
        choice = choose(states, NAMES, rule=rule, at_least=1)
        assert choice.structures == ("aorta", "liver")
        assert choice.left_out_structures == {"spleen": "present in none of the 2 training cases"}
        assert sorted(choice.cases) == ["a", "b"]


def test_too_few_cases_name_how_many_are_missing_and_what_to_do():
    states = {"a": FULL, "b": known(aorta=MASK, liver=MASK), "c": {}}
    choice = choose(states, NAMES, rule="leave_out_case", at_least=5)
    with pytest.raises(TooFewCases) as caught:
        require_enough(choice, states, 5)
    message = str(caught.value)
    assert "needs 5 decided cases, found 1: 4 missing" in message
    assert "--allow-fewer" in message
    assert "Closest: b: undecided: spleen; c: undecided: aorta, liver, spleen" in message
    assert caught.value.exit_code == 3
    require_enough(choice, states, 1)


def test_no_decided_case_at_all_is_too_few_even_when_fewer_are_allowed():
    choice = choose({"a": {}}, NAMES, rule="leave_out_structure", at_least=1)
    with pytest.raises(TooFewCases, match="found 0: 1 missing"):
        require_enough(choice, {"a": {}}, 1)


def test_states_come_from_acceptance_absence_and_nothing_else(workspace, add_case, add_masks):
    case = add_case("s1")
    masks = add_masks(case, MODEL, include_empty=["aorta"])
    names = (*sorted(masks), "brain")
    assert states_of(workspace.record("s1"), names, ()) == {}
    workspace.record_verdicts(
        [
            Verdict("s1", "accept", "anna", "liver", masks["liver"].id),
            Verdict("s1", "accept", "anna", "aorta", masks["aorta"].id),
            Verdict("s1", "absent_anatomy", "anna", "spleen"),
            Verdict("s1", "absent_fov", "anna", "brain"),
        ]
    )
    assert states_of(workspace.record("s1"), names, ()) == {
        "liver": State("mask", masks["liver"].id),
        "aorta": State("empty", masks["aorta"].id),
        "spleen": State("absent_anatomy"),
        "brain": State("absent_fov"),
    }


def test_admitted_origins_count_unreviewed_unless_marked_to_fix(workspace, add_case, add_masks):
    case = add_case("s1")
    masks = add_masks(case, MODEL)
    workspace.record_verdicts([Verdict("s1", "fix", "anna", "spleen", masks["spleen"].id)])
    states = states_of(workspace.record("s1"), tuple(masks), ("model",))
    assert states == {
        name: State("mask", masks[name].id, "model") for name in ("liver", "kidney_right")
    }
    assert states_of(workspace.record("s1"), tuple(masks), ("rough",)) == {}


def test_states_survive_json():
    for state in (MASK, EMPTY, ABSENT, State("mask", "x", "rough")):
        assert State.from_dict(state.to_dict()) == state
    assert ABSENT.to_dict() == {"state": "absent_fov"}
