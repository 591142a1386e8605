import json

import pytest

from pipeline.errors import BadInput
from pipeline.workspace import Layout
from training.nnunet_dataset import DatasetSettings
from training.round_choice import Choice, State
from training.validation_patients import grow_validation, read_validation, without_unseen

PATIENTS = [f"p{number:03d}" for number in range(100)]


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def grow(layout, patients, trained=(), number=1, **settings):
    return grow_validation(layout, patients, trained, DatasetSettings(**settings), number)


def test_one_patient_in_twenty_is_chosen_once_and_kept(layout):
    chosen = grow(layout, PATIENTS[:20])
    assert len(chosen) == 1
    assert grow(layout, PATIENTS[:20], seed=77) == chosen == read_validation(layout)


def test_the_list_grows_only_by_adding_and_never_by_trained_patients(layout):
    first = grow(layout, PATIENTS[:20])
    trained = set(PATIENTS[:20]) - set(first)
    second = grow(layout, PATIENTS, trained, number=3)
    assert len(second) == 5
    assert second[:1] == first
    assert not set(second) & trained
    entries = json.loads(layout.validation_file.read_text())["patients"]
    assert [entry["since_round"] for entry in entries] == [1, 3, 3, 3, 3]
    assert grow(layout, PATIENTS[:20], trained, number=4) == second


def test_below_four_patients_none_is_kept_and_no_file_is_made(layout):
    assert grow(layout, PATIENTS[:3]) == ()
    assert not layout.validation_file.exists()


def test_when_every_other_patient_was_trained_on_fewer_are_kept(layout, caplog):
    with caplog.at_level("INFO"):
        assert grow(layout, PATIENTS[:40], PATIENTS[:40]) == ()
    assert "0 of 2 further validation patients found" in caplog.text


def test_a_number_may_be_wished_but_must_leave_somebody(layout):
    with pytest.raises(BadInput, match="5 patients for validation leave none of 5"):
        grow(layout, PATIENTS[:5], validation_cases=5)
    assert len(grow(layout, PATIENTS[:5], validation_cases=2)) == 2


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"format": 1}', '{"format": 1, "patients": [7]}', '{"format": 2, "patients": []}'],
)
def test_a_damaged_list_is_refused_and_left_alone(layout, text):
    layout.rounds_dir.mkdir()
    layout.validation_file.write_text(text)
    with pytest.raises(BadInput, match=r"rounds/validation\.json: .*restore it"):
        grow(layout, PATIENTS[:20])
    assert layout.validation_file.read_text() == text


def test_a_structure_seen_in_validation_cases_alone_is_left_out_and_says_so():
    mask, absent = State("mask", "m"), State("absent_fov")
    cases = {
        "a": {"liver": mask, "aorta": absent},
        "b": {"liver": mask},
        "v": {"liver": mask, "aorta": mask},
        "w": {"aorta": mask},
    }
    choice = Choice(("liver", "aorta"), cases)
    assert without_unseen(choice, ["v"]) == choice
    kept = without_unseen(choice, ["v", "w"])
    assert kept.structures == ("liver",)
    assert kept.cases == {"a": {"liver": mask}, "b": {"liver": mask}, "v": {"liver": mask}}
    assert "only in validation cases" in kept.left_out_structures["aorta"]
    with pytest.raises(BadInput, match="accept masks of other patients"):
        without_unseen(choice, ["a", "b", "v", "w"])
