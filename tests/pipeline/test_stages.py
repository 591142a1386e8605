"""The table of stages."""

import pytest

from pipeline.stage import Stage
from pipeline.stages import STAGES, StageRef


def test_the_stages_stand_in_the_order_in_which_a_ct_travels():
    assert [ref.name for ref in STAGES] == [
        "intake",
        "bootstrap",
        "transfer-heart",
        "import-rough",
        "retrain",
        "train-final",
        "evaluate",
        "stats",
        "plausibility",
        "gallery",
    ]
    before = set()
    for ref in STAGES:
        assert set(ref.load().after) <= before
        before.add(ref.name)


@pytest.mark.parametrize("ref", STAGES, ids=lambda ref: ref.name)
def test_a_stage_loads_under_its_name_and_summary(ref):
    stage = ref.load()
    assert isinstance(stage, Stage)
    assert (stage.name, stage.summary) == (ref.name, ref.summary)


def test_an_entry_under_another_name_is_refused():
    wrong = StageRef("outtake", "pipeline.intake.intake", "?")
    with pytest.raises(TypeError, match="exports the stage 'intake', expected 'outtake'"):
        wrong.load()
