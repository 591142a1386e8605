"""The loss where structures are undecided, against plain sums and nnU-Net's own loss."""

import json
import math
from types import SimpleNamespace

import pytest
import torch
from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss

from training.nnunet_trainers.masksmith import partial_labels
from training.nnunet_trainers.masksmith.partial_loss import (
    DiceRule,
    PartialLoss,
    PartialSampledLoss,
    dice_where_decided,
    sums_of,
)
from training.nnunet_trainers.masksmith.sampled_loss import SampledLoss
from training.nnunet_trainers.masksmith.undecided import Undecided, merge_undecided
from training.profile import PARTIAL_LABELS, TRAINERS_WITH_PARTIAL_LABELS

CPU = torch.device("cpu")
CLASSES = 5
UNKNOWN = {"half": [2, 4]}


def nnunet_loss(*, batch_dice: bool = True, ignore: int | None = None) -> DC_and_CE_loss:
    """Build the loss as nnUNetTrainer._build_loss does."""
    kind = {"batch_dice": batch_dice, "smooth": 1e-5, "do_bg": False, "ddp": False}
    return DC_and_CE_loss(kind, {}, ignore_label=ignore, dice_class=MemoryEfficientSoftDiceLoss)


def batch(seed: int = 0, size: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Make features (2, 6, ...) and labels (2, 1, ...); the second sample has no 2 and no 4."""
    torch.manual_seed(seed)
    target = torch.randint(0, CLASSES, (2, 1, size, size, size), dtype=torch.int16)
    target[1][(target[1] == 2) | (target[1] == 4)] = 0
    return torch.randn(2, 6, size, size, size), target


def confident(target: torch.Tensor) -> torch.Tensor:
    return 20.0 * torch.nn.functional.one_hot(target[:, 0].long(), CLASSES).movedim(-1, 1).float()


def looking_at(*keys: str, values=UNKNOWN) -> Undecided:
    undecided = Undecided(values, CLASSES)
    undecided.look_at(keys, CPU)
    return undecided


def partial(undecided: Undecided, kind: str, layer: torch.nn.Module):
    """Give a function of features and target: nnU-Net's loss or ours, in its partial form."""
    if kind == "ours":
        return PartialSampledLoss([layer], 40, undecided)
    whole = PartialLoss(nnunet_loss(batch_dice=kind == "batch dice"), undecided)
    return lambda features, target: whole(layer(features), target)


KINDS = pytest.mark.parametrize("kind", ["ours", "batch dice", "dice of each sample"])


@KINDS
def test_an_undecided_structure_gets_a_gradient_of_exactly_zero(kind):
    features, target = batch()
    layer = torch.nn.Conv3d(6, CLASSES, 1)
    undecided = looking_at("half", "half")
    target[0] = target[1]
    partial(undecided, kind, layer)(features, target).backward()
    for row in (2, 4):
        assert torch.equal(layer.weight.grad[row], torch.zeros_like(layer.weight[row]))
        assert layer.bias.grad[row].item() == 0.0
    for row in (0, 1, 3):
        assert layer.weight.grad[row].abs().sum() > 0


@KINDS
def test_only_the_samples_in_which_it_is_decided_teach_a_structure(kind):
    """Its gradient in a mixed batch does not depend on the undecided sample's features."""
    features, target = batch()
    layer = torch.nn.Conv3d(6, CLASSES, 1)
    undecided = looking_at("whole", "half")
    features.requires_grad_()
    logits = []
    layer.register_forward_hook(lambda _m, _i, out: logits.append(out) or out.retain_grad())
    torch.manual_seed(1)
    partial(undecided, kind, layer)(features, target).backward()
    assert layer.weight.grad[2].abs().sum() > 0
    if logits:
        assert logits[0].grad[0, 2].abs().sum() > 0
        assert torch.equal(logits[0].grad[1, [2, 4]], torch.zeros_like(logits[0][1, [2, 4]]))


@KINDS
def test_where_all_is_decided_it_is_the_ordinary_loss_to_the_bit(kind):
    features, target = batch()
    layer = torch.nn.Conv3d(6, CLASSES, 1)
    undecided = looking_at("a", "b", values={} if kind == "ours" else UNKNOWN)
    torch.manual_seed(2)
    value = partial(undecided, kind, layer)(features, target)
    value.backward()
    gradient = layer.weight.grad.clone()
    layer.zero_grad()
    torch.manual_seed(2)
    if kind == "ours":
        ordinary = SampledLoss([layer], 40)(features, target)
    else:
        ordinary = nnunet_loss(batch_dice=kind == "batch dice")(layer(features), target)
    ordinary.backward()
    assert torch.equal(value, ordinary)
    assert torch.equal(gradient, layer.weight.grad)


@pytest.mark.parametrize("batch_dice", [True, False])
@pytest.mark.parametrize("ignore", [None, CLASSES])
def test_the_partial_form_agrees_with_nnunet_where_all_is_decided(batch_dice, ignore):
    """As every process computes it in a distributed training: with a mask of nothing."""
    torch.manual_seed(0)
    logits, (_, target) = torch.randn(2, CLASSES, 8, 8, 8), batch()
    if ignore is not None:
        target[:, :, :3] = ignore
    whole = nnunet_loss(batch_dice=batch_dice, ignore=ignore)
    undecided = Undecided({}, CLASSES)
    undecided.mask = torch.zeros(2, CLASSES, dtype=torch.bool)
    value = PartialLoss(whole, undecided)(logits, target)
    assert value.item() == pytest.approx(whole(logits, target).item(), rel=1e-5)


@pytest.mark.parametrize("batch_dice", [True, False])
def test_its_value_is_that_of_a_problem_without_the_undecided_structures(batch_dice):
    """Summed up by hand: softmax of all classes, 2 and 4 added to the background."""
    torch.manual_seed(0)
    logits, (_, target) = torch.randn(2, CLASSES, 8, 8, 8), batch()
    target[0] = target[1]
    chances = logits.softmax(1)
    reduced = torch.stack(
        [chances[:, 0] + chances[:, 2] + chances[:, 4], chances[:, 1], chances[:, 3]], 1
    )
    relabelled = torch.where(target == 3, 2, target)
    entropy = -reduced.gather(1, relabelled.long()).log().mean()
    axes = (0, 2, 3, 4) if batch_dice else (2, 3, 4)
    dice = []
    for value in (1, 2):
        truth, predicted = (relabelled[:, 0] == value).float(), reduced[:, value]
        sums = [x.sum([a - (a > 0) for a in axes]) for x in (truth * predicted, truth, predicted)]
        dice.append((2 * sums[0] + 1e-5) / (sums[1] + sums[2] + 1e-5))
    expected = entropy - torch.stack(dice).mean()
    undecided = looking_at("half", "half")
    value = PartialLoss(nnunet_loss(batch_dice=batch_dice), undecided)(logits, target)
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_naive_way_differs():
    """Undecided as background pushes the structure down where it may well be."""
    features, target = batch()
    target[0] = target[1]
    layer = torch.nn.Conv3d(6, CLASSES, 1)
    nnunet_loss()(layer(features), target).backward()
    assert layer.bias.grad[2] > 0.01


def test_the_dice_of_a_structure_leaves_out_the_sample_in_which_it_is_undecided():
    """The second sample calls much of itself structure 2, and may be right."""
    _, target = batch()
    undecided = looking_at("whole", "half")
    logits = confident(target)
    talkative = logits.clone()
    talkative[1, 2, :4] = 100.0
    counted = torch.ones_like(target, dtype=torch.bool)
    sums = [
        sums_of(merge_undecided(x, undecided.mask), target, counted) for x in (logits, talkative)
    ]
    assert torch.equal(sums[0][:, :, 1], sums[1][:, :, 1])
    assert torch.equal(sums[1][:, 1, 1], torch.zeros(3))
    rule = DiceRule(batch=True, smooth=1e-5, together=False)
    decided = ~undecided.mask[:, 1:]
    for which in ([True, True, True, True], [False, True, False, False]):
        only = decided & torch.tensor(which)
        assert dice_where_decided(sums[0], only, rule).item() == pytest.approx(1, abs=1e-3)
    naive = sums_of(talkative, target, counted)
    only = torch.tensor([[False, True, False, False]] * 2)
    assert dice_where_decided(naive, only, rule).item() < 0.5


def on_one_rank(rank: int, folder: str) -> None:
    """Compute the Dice and its gradient on one of two processes, each with its own sample."""
    torch.distributed.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    logits, target = shared_batch()
    mine = logits[rank : rank + 1].clone().requires_grad_()
    undecided = Undecided(UNKNOWN, CLASSES)
    undecided.look_at(["whole", "half"][rank : rank + 1], CPU)
    assert undecided.mask is not None
    rule = DiceRule(batch=True, smooth=1e-5, together=True)
    counted = torch.ones_like(target[:1], dtype=torch.bool)
    sums = sums_of(merge_undecided(mine, undecided.mask), target[rank : rank + 1], counted)
    dice = dice_where_decided(sums, ~undecided.mask[:, 1:], rule)
    dice.backward()
    torch.save((dice.detach(), mine.grad), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def shared_batch() -> tuple[torch.Tensor, torch.Tensor]:
    _, target = batch()
    return torch.randn(2, CLASSES, 8, 8, 8, generator=torch.Generator().manual_seed(4)), target


@pytest.mark.slow
def test_two_processes_compute_the_dice_of_their_common_batch(tmp_path):
    torch.multiprocessing.spawn(on_one_rank, (str(tmp_path),), nprocs=2)
    logits, target = shared_batch()
    logits.requires_grad_()
    undecided = looking_at("whole", "half")
    merged = merge_undecided(logits, undecided.mask)
    sums = sums_of(merged, target, torch.ones_like(target, dtype=torch.bool))
    rule = DiceRule(batch=True, smooth=1e-5, together=False)
    dice = dice_where_decided(sums, ~undecided.mask[:, 1:], rule)
    dice.backward()
    for rank in range(2):
        value, gradient = torch.load(tmp_path / f"{rank}.pt")
        assert value.item() == pytest.approx(dice.item(), rel=1e-5)
        # nnU-Net sums the gradients of all processes; their mean is taken afterwards
        assert torch.allclose(gradient[0] / 2, logits.grad[rank], atol=1e-7)
    assert torch.equal(gradient[0, [2, 4]], torch.zeros(2, 8, 8, 8))


def test_the_sums_can_be_compiled_in_one_graph():
    """As on a GPU, where nnU-Net compiles its Dice; here without generating code."""
    _, target = batch()
    logits = torch.randn(2, CLASSES, 8, 8, 8)
    merged = merge_undecided(logits, looking_at("whole", "half").mask).requires_grad_()
    counted = torch.ones_like(target, dtype=torch.bool)
    compiled = torch.compile(sums_of, backend="aot_eager", fullgraph=True)
    assert torch.allclose(compiled(merged, target, counted), sums_of(merged, target, counted))


def test_merging_is_a_sum_of_probabilities_and_stands_extreme_logits():
    logits = torch.tensor([[0.0, 1.0, 2.0, -1.0, 3.0], [0.0, 1e4, -1e4, 5.0, 80.0]])
    mask = looking_at("half", "half").mask
    merged = merge_undecided(logits, mask).softmax(1)
    whole = logits.softmax(1)
    assert torch.allclose(merged[:, 0], whole[:, [0, 2, 4]].sum(1))
    assert torch.equal(merged[:, [2, 4]], torch.zeros(2, 2))
    assert torch.allclose(merged[:, [1, 3]], whole[:, [1, 3]])
    assert merge_undecided(logits.half(), mask).dtype == torch.float32


def test_deep_supervision_and_any_number_of_resolutions():
    undecided = looking_at("half", "half")
    loss = DeepSupervisionWrapper(PartialLoss(nnunet_loss(), undecided), [0.6, 0.3, 0.1])
    outputs, targets = [], []
    for size in (8, 4, 2):
        _, target = batch(size=size)
        target[0] = target[1]
        outputs.append(torch.randn(2, CLASSES, size, size, size, requires_grad=True))
        targets.append(target)
    loss(outputs, targets).backward()
    for output in outputs:
        assert torch.equal(output.grad[:, [2, 4]], torch.zeros_like(output[:, [2, 4]]))
        assert output.grad[:, 1].abs().sum() > 0
    layers = [torch.nn.Conv3d(6, CLASSES, 1) for _ in outputs]
    features = [torch.randn(2, 6, *target.shape[2:]) for target in targets]
    PartialSampledLoss(layers, 40, undecided)(features, targets).backward()
    for layer in layers:
        assert torch.equal(layer.weight.grad[[2, 4]], torch.zeros(2, 6, 1, 1, 1))


@KINDS
def test_ignored_voxels_count_for_nothing_beside_undecided_structures(kind):
    features, target = batch()
    target[:, :, :, :, :3] = CLASSES
    layer, undecided = torch.nn.Conv3d(6, CLASSES, 1), looking_at("whole", "half")
    if kind == "ours":
        loss = PartialSampledLoss([layer], 10**6, undecided, ignore=CLASSES)
    else:
        whole = nnunet_loss(batch_dice=kind == "batch dice", ignore=CLASSES)
        inner = PartialLoss(whole, undecided)

        def loss(features, target):
            return inner(layer(features), target)

    features.requires_grad_()
    value = loss(features, target)
    value.backward()
    assert torch.equal(features.grad[..., :3], torch.zeros_like(features[..., :3]))
    changed = features.detach().clone()
    changed[..., :3] += 7
    assert loss(changed, target).item() == pytest.approx(value.item(), rel=1e-5)


def test_a_batch_of_ignored_voxels_alone_is_finite():
    logits = torch.randn(2, CLASSES, 4, 4, 4, requires_grad=True)
    target = torch.full((2, 1, 4, 4, 4), CLASSES)
    loss = PartialLoss(nnunet_loss(ignore=CLASSES), looking_at("whole", "half"))
    value = loss(logits, target)
    value.backward()
    assert math.isfinite(value.item())
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_a_missing_list_of_what_is_undecided_is_an_error_not_background(tmp_path):
    with pytest.raises(FileNotFoundError, match="must know what is undecided"):
        Undecided.read(tmp_path, CLASSES)
    (tmp_path / "undecided.json").write_text(json.dumps(UNKNOWN))
    undecided = Undecided.read(tmp_path, CLASSES)
    undecided.look_at(["whole", "half"], CPU)
    assert undecided.mask.nonzero().tolist() == [[1, 2], [1, 4]]
    undecided.look_at(["whole", "other"], CPU)
    assert undecided.mask is None


def test_every_promised_trainer_exists_and_keeps_its_length_and_never_mirrors():
    for name in TRAINERS_WITH_PARTIAL_LABELS:
        trainer = getattr(partial_labels, name + PARTIAL_LABELS)
        first, stock = trainer.__bases__
        assert first is partial_labels.PartialLabels
        assert stock.__name__ == name
        assert trainer.__init__ is stock.__init__
        rule = "configure_rotation_dummyDA_mirroring_and_inital_patch_size"
        assert getattr(trainer, rule) is getattr(stock, rule)


class OneStep(partial_labels.PartialLabels):
    """A trainer without a training: only what a validation step needs."""

    def __init__(self, output: torch.Tensor, ignore: int | None = None) -> None:
        self.device, self.enable_deep_supervision = CPU, isinstance(output, list)
        self.undecided = Undecided(UNKNOWN, CLASSES)
        self.network = lambda _data: output
        loss = PartialLoss(nnunet_loss(ignore=ignore), self.undecided)
        self.loss = DeepSupervisionWrapper(loss, [0.7, 0.3]) if isinstance(output, list) else loss
        self.label_manager = SimpleNamespace(
            has_regions=False, has_ignore_label=ignore is not None, ignore_label=ignore
        )


@pytest.mark.parametrize("deep", [False, True])
def test_the_pseudo_dice_leaves_undecided_structures_out(deep):
    _, target = batch()
    output = confident(target)
    output[1, 2, :4] = 40.0  # the second sample predicts 2, which is undecided there
    output[0, 1, :, 0] = 40.0  # the first sample makes a real mistake
    data = {"data": torch.zeros(2), "target": target, "keys": ["whole", "half"]}
    if deep:
        trainer = OneStep([output, output[..., ::2]])
        data["target"] = [target, target[..., ::2]]
    else:
        trainer = OneStep(output)
    network = trainer.network
    result = trainer.validation_step(data)
    truth = target[0, 0]
    assert result["fp_hard"][1] == 0
    assert result["tp_hard"][1] == (truth == 2).sum() - (truth[:, 0] == 2).sum()
    assert result["fp_hard"][0] == (truth[:, 0] != 1).sum()
    assert math.isfinite(result["loss"])
    assert trainer.network is network
    naive = OneStep(output if not deep else [output, output[..., ::2]])
    naive.undecided.values = {}
    assert naive.validation_step(data | {"keys": ["a", "b"]})["fp_hard"][1] > 0


def test_the_pseudo_dice_leaves_ignored_voxels_out():
    _, target = batch()
    output = confident(target)
    target[:, :, :4] = CLASSES
    output[:, 3, :4] = 40.0
    result = OneStep(output, ignore=CLASSES).validation_step(
        {"data": torch.zeros(2), "target": target.clone(), "keys": ["whole", "half"]}
    )
    assert result["fp_hard"].tolist() == [0, 0, 0, 0]
    assert result["fn_hard"].tolist() == [0, 0, 0, 0]


def test_the_full_validation_counts_only_what_is_decided(tmp_path):
    def case(name, *dices):
        metrics = {str(v): {"Dice": dice, "FP": 7} for v, dice in enumerate(dices, start=1)}
        return {"reference_file": f"/x/{name}.nii.gz", "metrics": metrics}

    cases = [case("whole", 0.9, 0.8), case("half", 0.7, 0.0)]
    nothing = {"1": {"Dice": 0.8, "FP": 7}, "2": {"Dice": 0.4, "FP": 7}}
    summary = tmp_path / "summary.json"
    values = {
        "metric_per_case": cases,
        "mean": nothing,
        "foreground_mean": {"Dice": 0.6, "FP": 7},
    }
    summary.write_text(json.dumps(values))
    undecided = Undecided({"half": [2]}, 3)
    mean = partial_labels.leave_out_undecided(summary, undecided, ".nii.gz")
    after = json.loads(summary.read_text())
    assert mean == pytest.approx(0.8)
    assert after["mean"]["1"]["Dice"] == pytest.approx(0.8)
    assert after["mean"]["2"]["Dice"] == pytest.approx(0.8)
    assert math.isnan(after["metric_per_case"][1]["metrics"]["2"]["Dice"])
    assert after["foreground_mean"]["Dice"] == mean


def test_where_something_is_undecided_the_background_has_its_full_weight():
    """Else the background of the cases that decide a structure cannot keep it in its place."""
    features, target = batch()
    layer = torch.nn.Conv3d(6, CLASSES, 1)
    losses = []
    for values in ({}, UNKNOWN):
        loss = PartialSampledLoss([layer], 40, looking_at("a", "b", values=values))
        sizes = torch.tensor([900, 100, 25, 4, 0])
        losses.append(loss.evened(sizes).tolist())
        torch.manual_seed(2)
        losses.append(loss(features, target).item())
    assert losses[0] == [900, 100, 25, 4, 0]
    assert losses[2] == [1, 1, 1, 1, 1]
    assert losses[1] != losses[3]
