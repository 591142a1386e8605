"""Which earlier model a round's model starts from, on folders as finished trainings leave them."""

import json
import shutil
from pathlib import Path

import pytest

from pipeline.errors import BadInput
from pipeline.workspace import Layout
from tests.fixtures.tiny_models import tiny_profile
from training.profile import Profile, SmallNetwork
from training.warm_start import Start, choose_start, open_start

RECIPE = tiny_profile()
STOCK = Profile.model_validate({"trainer": "nnUNetTrainerNoMirroring", "spacing_mm": 6.0})


def finish(layout: Layout, number: int, name: str, recipe: Profile, weights: str) -> Path:
    """Write what a finished training leaves behind."""
    folder = layout.round_dir(number) / name
    model = folder / "nnunet" / "results" / f"Dataset501_{name}"
    model /= f"{recipe.trainer}__{recipe.plans_name}__{recipe.configuration}"
    (model / "fold_0").mkdir(parents=True)
    architecture = recipe.network.plan_changes()["architecture"] if recipe.network else {}
    plans = {"configurations": {recipe.configuration: {"architecture": architecture}}}
    (model / "plans.json").write_text(json.dumps(plans))
    (model / "dataset.json").write_text('{"labels": {}}')
    (model / "fold_0" / "checkpoint_final.pth").write_bytes(b"x")
    record = {"weights_digest": weights, "spacing_mm": recipe.spacing_mm}
    (model / "masksmith_model.json").write_text(json.dumps(record))
    (folder / "train.done.json").write_text("{}")
    return model


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def test_the_newest_finished_model_of_that_name_is_chosen(layout):
    finish(layout, 1, "ribs", RECIPE, "w1")
    second = finish(layout, 2, "ribs", RECIPE, "w2")
    finish(layout, 3, "organs", RECIPE, "w3")
    unfinished = finish(layout, 4, "ribs", RECIPE, "w4")
    (layout.round_dir(4) / "ribs" / "train.done.json").unlink()
    start = choose_start(layout, 5, "ribs", RECIPE)
    assert (start.round, start.weights, start.why_fresh) == (2, "w2", "")
    assert layout.root / start.folder == second != unfinished
    assert choose_start(layout, 2, "ribs", RECIPE).round == 1
    opened = open_start(layout, start.to_dict())
    assert opened.weights == "w2"
    job = opened.to_job()
    assert Path(job["checkpoint"]) == second.resolve() / "fold_0" / "checkpoint_final.pth"


def test_the_first_round_starts_fresh_and_says_why(layout):
    start = choose_start(layout, 1, "all", RECIPE)
    assert start == Start(why_fresh="no earlier round has a finished model 'all'")
    assert open_start(layout, start.to_dict()) is None
    assert open_start(layout, None) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spacing_mm": 3.0}, "its spacing is 6 mm, now 3 mm"),
        ({"spacing_mm": None}, "its spacing is 6 mm, now the data's"),
        (
            {"network": SmallNetwork(patch_size=(32, 32, 32), features=(8, 16))},
            "its network has other layers",
        ),
        ({"network": None}, "it has nnUNetPlans, 3d_masksmith, now nnUNetPlans, 3d_fullres"),
        (
            {"planner": "nnUNetPlannerResEncM"},
            "it has nnUNetPlans, 3d_masksmith, now nnUNetResEncUNetMPlans",
        ),
    ],
)
def test_a_recipe_for_another_network_starts_fresh_and_says_why(layout, change, words):
    finish(layout, 1, "all", RECIPE, "w1")
    start = choose_start(layout, 2, "all", RECIPE.model_copy(update=change))
    assert start.round is None
    assert f"round 1's model cannot be started from: {words}" in start.why_fresh


def test_another_patch_or_length_of_training_is_no_hindrance(layout):
    finish(layout, 1, "all", RECIPE, "w1")
    network = SmallNetwork(patch_size=(48, 48, 64), features=(8, 16, 32))
    longer = tiny_profile(epochs=50).model_copy(update={"network": network})
    assert choose_start(layout, 2, "all", longer).round == 1


def test_nnunets_own_plans_are_taken_over_whatever_they_say(layout):
    finish(layout, 1, "all", STOCK, "w1")
    assert choose_start(layout, 2, "all", STOCK).round == 1


def test_a_start_that_is_gone_or_was_trained_again_is_refused(layout):
    model = finish(layout, 1, "all", RECIPE, "w1")
    start = choose_start(layout, 2, "all", RECIPE).to_dict()
    record = json.loads((model / "masksmith_model.json").read_text())
    (model / "masksmith_model.json").write_text(json.dumps(record | {"weights_digest": "w9"}))
    with pytest.raises(BadInput, match="was trained again after this round was frozen"):
        open_start(layout, start)
    shutil.rmtree(model)
    with pytest.raises(BadInput, match=r"model of round 1 .* cannot be read .*--warm-start fresh"):
        open_start(layout, start)
