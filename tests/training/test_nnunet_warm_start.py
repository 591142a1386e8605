import json
from types import SimpleNamespace

import pytest
import torch

from benchmarks.untrained_models import TINY, build_network
from training import nnunet_checkpoints
from training.nnunet_warm_start import carried_over, find_misfit, start_from, take_over_plans

OLD = {"background": 0, "liver": 1, "aorta": 2}
NEW = {"background": 0, "spleen": 1, "aorta": 2, "liver": 3}


def network(classes: int, seed: int, **changes: object) -> torch.nn.Module:
    """Build nnU-Net's own U-Net with random weights."""
    torch.manual_seed(seed)
    return build_network(TINY, classes, deep_supervision=True, **changes)


def heads(weights: dict[str, torch.Tensor]) -> list[str]:
    return [name for name in weights if ".seg_layers." in name]


def test_rows_of_the_last_layers_follow_the_name_of_the_structure():
    earlier, fresh = network(3, 1).state_dict(), network(4, 2).state_dict()
    result = carried_over(fresh, earlier, NEW, OLD)
    assert heads(result)
    for name in heads(result):
        assert torch.equal(result[name][0], earlier[name][0])
        assert torch.equal(result[name][3], earlier[name][1])
        assert torch.equal(result[name][2], earlier[name][2])
        assert torch.equal(result[name][1], fresh[name][1])
    body = [name for name in result if name not in heads(result)]
    assert all(torch.equal(result[name], earlier[name]) for name in body)


def test_an_ignore_label_has_no_row_and_takes_none():
    earlier, fresh = network(3, 1).state_dict(), network(3, 2).state_dict()
    result = carried_over(fresh, earlier, OLD | {"ignore": 3}, OLD | {"ignore": 3})
    assert all(torch.equal(result[name], earlier[name]) for name in result)


def test_networks_of_other_shapes_do_not_fit_and_say_where():
    small = network(3, 1).state_dict()
    assert find_misfit(small, network(7, 2).state_dict()) == ""
    wider = network(3, 1, features_per_stage=[8, 8]).state_dict()
    assert "was (4,), now (8,)" in find_misfit(wider, small)
    deeper = network(3, 1, n_conv_per_stage=[2, 1]).state_dict()
    assert "layers differ, such as" in find_misfit(deeper, small)
    assert "layers differ, such as" in find_misfit(small, deeper)


@pytest.fixture
def earlier(tmp_path):
    """Give the job entry of an earlier model on disk, and its weights."""
    weights = network(3, 1).state_dict()
    checkpoint = tmp_path / "checkpoint_final.pth"
    torch.save({"network_weights": weights}, checkpoint)
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": OLD}))
    digest = nnunet_checkpoints.digest_of_weights(weights)
    return {"model": str(tmp_path), "checkpoint": str(checkpoint), "weights": digest}, weights


def trainer_of(net: torch.nn.Module) -> SimpleNamespace:
    return SimpleNamespace(was_initialized=True, network=net, dataset_json={"labels": NEW})


def test_a_trainer_starts_from_the_earlier_weights(earlier):
    start, weights = earlier
    net = network(4, 2)
    said = start_from(trainer_of(net), start, nnunet_checkpoints)
    assert said == {"loaded": True, "carried": ["aorta", "liver"], "fresh": ["spleen"]}
    first = next(name for name in weights if ".seg_layers." not in name)
    assert torch.equal(net.state_dict()[first], weights[first])


def test_a_compiled_network_is_loaded_all_the_same(earlier):
    start, weights = earlier
    net = network(4, 2)
    wrapped = torch.nn.Module()
    wrapped._orig_mod = net
    assert start_from(trainer_of(wrapped), start, nnunet_checkpoints)["loaded"]
    first = next(name for name in weights if ".seg_layers." not in name)
    assert torch.equal(net.state_dict()[first], weights[first])


def test_a_network_that_does_not_fit_stays_as_it_is(earlier):
    start, _ = earlier
    net = network(4, 2, features_per_stage=[8, 8])
    before = {name: value.clone() for name, value in net.state_dict().items()}
    said = start_from(trainer_of(net), start, nnunet_checkpoints)
    assert said["loaded"] is False
    assert said["why"].startswith("another architecture")
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_weights_that_changed_since_the_freeze_are_refused(earlier):
    start, _ = earlier
    with pytest.raises(RuntimeError, match="changed after this round was frozen"):
        start_from(trainer_of(network(4, 2)), start | {"weights": "0" * 64}, nnunet_checkpoints)


def test_the_earlier_plans_are_taken_over_under_the_new_name(tmp_path):
    model, raw, done = tmp_path / "model", tmp_path / "raw", tmp_path / "preprocessed"
    for folder in (model, raw / "Dataset501_b", done / "Dataset501_b"):
        folder.mkdir(parents=True)
    plans = {
        "plans_name": "nnUNetPlans",
        "dataset_name": "Dataset501_a",
        "configurations": {"x": 1},
    }
    (model / "plans.json").write_text(json.dumps(plans))
    for name in ("dataset.json", "splits_final.json"):
        (raw / "Dataset501_b" / name).write_text(f'{{"from": "{name}"}}')
    job = {
        "warm_start": {"model": str(model)},
        "plans": "nnUNetPlans",
        "dataset_name": "Dataset501_b",
        "preprocessed": str(done),
        "raw": str(raw),
    }
    take_over_plans(job)
    written = json.loads((done / "Dataset501_b" / "nnUNetPlans.json").read_text())
    assert written == plans | {"dataset_name": "Dataset501_b"}
    assert (
        done / "Dataset501_b" / "splits_final.json"
    ).read_text() == '{"from": "splits_final.json"}'
    with pytest.raises(ValueError, match="the earlier model has nnUNetPlans, expected other"):
        take_over_plans(job | {"plans": "other"})
