"""The simulated person at a real workspace: stored as a person's work, once."""

import numpy as np
import pytest

from pipeline.simulation.annotating import (
    Task,
    annotate_case,
    is_annotated,
    work_on,
)
from pipeline.simulation.annotator import Annotator, dice
from pipeline.simulation.rough_strokes import RoughStrokes
from pipeline.workspace import Provenance, write_mask
from tests.fixtures.workspaces import BLOBS, small_grid

ROUND = Provenance("round", "round:1", round=1)
STEADY = Annotator(strokes=RoughStrokes(pencil_mm=1.0, boundary_error_mm=0.0))
NAMES = ("liver", "spleen", "kidney_right", "brain")


def true_masks() -> dict[str, np.ndarray]:
    masks = {name: np.zeros(small_grid().shape, bool) for name in NAMES}
    for name, box in BLOBS.items():
        masks[name][box] = True
    return masks


@pytest.fixture
def proposed(workspace, add_case):
    """A case with a good proposal of the liver, half a spleen, no kidney, and a false brain."""
    case, masks = add_case("b1"), true_masks()
    masks["spleen"][:, :, 16:] = False
    masks["brain"][1, 1, 1] = True
    del masks["kidney_right"]
    made = {
        name: write_mask(workspace.layout, case, name, mask, ROUND) for name, mask in masks.items()
    }
    workspace.record_masks(made.values())
    return made


def task(**fields) -> Task:
    return Task("b1", true_masks(), 2, (1, 7), **fields)


def test_masks_and_verdicts_are_those_of_a_person(workspace, proposed):
    assert not is_annotated(workspace.record("b1"))
    handled = annotate_case(workspace, task(), STEADY)
    assert [each.action for each in handled] == ["accepted", "corrected", "drawn", "absent"]
    record = workspace.record("b1")
    accepted = record.accepted()
    assert accepted["liver"] == proposed["liver"]
    spleen = accepted["spleen"].provenance
    assert (spleen.origin, spleen.maker) == ("human", "person:simulated")
    assert spleen.parents == (proposed["spleen"].id,)
    assert spleen.about["seconds"] == f"{handled[1].drawing_s:.1f}"
    assert accepted["kidney_right"].provenance.parents == ()
    assert dice(workspace.mask_array(accepted["spleen"]), true_masks()["spleen"]) == 1.0
    assert record.presence(["brain"])["brain"] == "absent_fov"
    assert is_annotated(record)


def test_effort_says_of_the_work_what_the_model_says(workspace, proposed):
    handled = annotate_case(workspace, task(), STEADY)
    minutes, actions = work_on(workspace, {"b1"}, NAMES)
    assert minutes * 60 == pytest.approx(sum(each.seconds for each in handled), abs=0.2)
    assert actions == {"accepted": 1, "corrected": 1, "drawn": 1, "absent": 1, "left": 0}


def test_what_there_was_no_time_for_stays_undecided(workspace, proposed):
    hurried = Annotator(budget_s=8.0, strokes=STEADY.strokes)
    annotate_case(workspace, task(), hurried)
    record = workspace.record("b1")
    assert set(record.accepted()) == {"liver"}
    last = {v.structure: v.decision for v in record.verdicts}
    assert last == {"liver": "accept", "spleen": "fix", "brain": "absent_fov"}
    assert work_on(workspace, {"b1"}, NAMES)[1]["left"] == 2


def test_killed_before_the_verdicts_it_stores_the_same_masks_once(workspace, proposed, monkeypatch):
    def killed(verdicts):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(workspace, "record_verdicts", killed)
        with pytest.raises(KeyboardInterrupt):
            annotate_case(workspace, task(), STEADY)
    before = {mask.id for mask in workspace.masks("b1")}
    assert len(before) == 5
    assert not is_annotated(workspace.record("b1"))
    annotate_case(workspace, task(), STEADY)
    assert {mask.id for mask in workspace.masks("b1")} == before
    assert work_on(workspace, {"b1"}, NAMES)[1]["corrected"] == 1
