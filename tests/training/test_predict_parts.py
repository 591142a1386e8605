from itertools import permutations

import numpy as np
import pytest

from pipeline.anatomy import load_class_map, shipped_configs
from pipeline.errors import BadInput
from tests.fixtures.pretended_models import times_loaded, write_pretended_model
from tests.fixtures.tiny_models import bright_body
from training.nnunet_model import open_model
from training.part_models import choose_models, find_models
from training.predict import PredictionInput, PredictSettings
from training.predict_parts import PartsPlan, predict_parts

CLASS_MAP = load_class_map(shipped_configs() / "class_map.yaml")
# The liver's model also takes the aorta's brighter half: an overlap.
HU = {"liver": (100, 420), "aorta": (300, 500), "sacrum": (800, 1000)}


def models_of(tmp_path):
    folders = {name: write_pretended_model(tmp_path / name, {name: HU[name]}) for name in HU}
    return folders, find_models([tmp_path], tmp_path / "unpacked")


def plan_of(models, tmp_path, **changes):
    process = PredictSettings(tmp_path / "work", threads=1)
    return PartsPlan(tuple(models), CLASS_MAP, process, **changes)


def case(name, seed=3):
    ct, _, grid = bright_body(seed)
    return PredictionInput(name, lambda: (ct, grid))


def expected_labels(ct):
    """The models work on 5 mm, as the CT: what each sees is the rule itself."""
    labels = np.zeros(ct.shape, np.uint8)
    for name in ("liver", "sacrum", "aorta"):  # by size: the smaller one last
        low, high = HU[name]
        labels[(ct >= low) & (ct < high)] = CLASS_MAP[name].value
    return labels


def broken():
    raise BadInput("the file is gone")


def test_parts_are_merged_in_any_order_and_each_model_is_loaded_once_a_group(
    tmp_path, pretended_worker
):
    folders, models = models_of(tmp_path)
    ct, _, grid = bright_body(3)
    cases = [case("a"), PredictionInput("bad", broken), case("b")]
    results = list(predict_parts(plan_of(models, tmp_path, cases_at_once=3), cases))
    assert [(each.id, each.error) for each in results] == [
        ("a", None), ("bad", "bad: the file is gone"), ("b", None)
    ]  # fmt: skip
    assert np.array_equal(results[0].labels, expected_labels(ct))
    assert np.array_equal(results[2].labels, results[0].labels)
    assert results[0].overlap_voxels == ((ct >= 300) & (ct < 420)).sum() > 0
    assert results[0].grid == grid
    assert {times_loaded(folder) for folder in folders.values()} == {1}
    for order in list(permutations(models))[1:]:
        (made,) = predict_parts(plan_of(order, tmp_path), [case("a")])
        assert np.array_equal(made.labels, results[0].labels)
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["predict.log"]


def test_a_priority_of_parts_decides_too(tmp_path, pretended_worker):
    _, models = models_of(tmp_path)
    ct, _, _ = bright_body(3)
    plan = plan_of(models, tmp_path, overlap="priority", priority=("organs",))
    (made,) = predict_parts(plan, [case("a")])
    liver = (ct >= 100) & (ct < 420)
    assert np.array_equal(made.labels == CLASS_MAP["liver"].value, liver)


def test_what_fails_in_one_part_fails_for_its_case_alone(tmp_path, pretended_worker):
    _, models = models_of(tmp_path)
    ct, _, grid = bright_body(3)
    metal = ct.copy(order="F")
    metal[5, 5, 5] = 20000
    cases = [PredictionInput("metal", lambda: (metal, grid)), case("a")]
    first, second = predict_parts(plan_of(models, tmp_path), cases)
    assert first.labels is None
    assert first.error == "metal: RuntimeError: metal"
    assert second.labels is not None


def test_structures_that_nobody_asked_for_are_background(tmp_path, pretended_worker):
    write_pretended_model(tmp_path / "both", {n: HU[n] for n in ("sacrum", "aorta")})
    models = find_models([tmp_path], tmp_path / "unpacked")
    chosen = choose_models(models, CLASS_MAP, ("aorta",), fast=False, complete=False)
    plan = plan_of(chosen, tmp_path, structures=frozenset({"aorta"}))
    assert plan.covered == ("aorta",)
    (made,) = predict_parts(plan, [case("a")])
    assert set(np.unique(made.labels)) == {0, CLASS_MAP["aorta"].value}


def test_one_model_gives_each_case_as_it_is_ready(tmp_path, pretended_worker):
    folder = write_pretended_model(tmp_path / "all", HU)
    models = find_models([tmp_path], tmp_path / "unpacked")
    made = predict_parts(plan_of(models, tmp_path, cases_at_once=1), [case("a"), case("b")])
    assert next(made).id == "a"
    assert next(made).id == "b"
    assert times_loaded(folder) == 1


@pytest.mark.slow
def test_real_weights_are_read_as_plain_values_and_code_is_refused(tiny_model, tmp_path):
    """A real checkpoint of nnU-Net loads so; one that would run something does not."""
    import shutil

    import torch

    from training.nnunet_process import NnunetError

    settings = PredictSettings(tmp_path / "work", plain_weights=True)
    models = find_models([tiny_model.folder], tmp_path / "unpacked")
    plan = PartsPlan(models, CLASS_MAP, settings)
    (made,) = predict_parts(plan, [case("a", 11)])
    assert made.error is None
    found = set(np.unique(made.labels)) - {0}
    assert found == {CLASS_MAP[name].value for name in ("liver", "aorta", "sacrum")}

    copy = tmp_path / "copy" / tiny_model.folder.name
    shutil.copytree(tiny_model.folder, copy)
    path = copy / "fold_0" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=False)
    content["more"] = RunsSomething(tmp_path / "was_run")
    torch.save(content, path)
    foreign = plan_of(find_models([copy], tmp_path / "unpacked"), tmp_path)
    harmful = PartsPlan(foreign.models, CLASS_MAP, settings)
    with pytest.raises(NnunetError, match="holds more than weights"):
        list(predict_parts(harmful, [case("a")]))
    assert not (tmp_path / "was_run").exists()
    assert open_model(copy).digest != tiny_model.digest


class RunsSomething:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (type(self.path).touch, (self.path,))
