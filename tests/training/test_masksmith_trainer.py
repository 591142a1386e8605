import pytest
import torch

from training.nnunet_trainers.masksmith.quick_augmentation import quickly_augmented
from training.nnunet_trainers.masksmith.sampled_loss import SampledLoss, _dice, _entropy
from training.nnunet_trainers.masksmith.trainer import _schedule


def patch(classes: int = 5, size: int = 24) -> tuple[torch.Tensor, torch.Tensor, torch.nn.Conv3d]:
    """Make features, labels with a rare structure, and a last layer."""
    torch.manual_seed(0)
    target = torch.zeros(2, 1, size, size, size, dtype=torch.int16)
    target[:, :, 2:14, 2:14, 2:14] = 1
    target[:, :, 15:22, 15:22, 15:22] = 2
    target[0, :, 20, 3:5, 3:5] = 3
    features = torch.randn(2, 6, size, size, size) + target
    return features, target, torch.nn.Conv3d(6, classes, 1)


def whole_loss(features, target, layer) -> tuple[torch.Tensor, torch.Tensor]:
    logits = layer(features).movedim(1, -1).flatten(0, -2)
    labels = target.flatten().long()
    sizes = torch.bincount(labels, minlength=layer.weight.shape[0])
    ones = torch.ones(len(labels))
    return _entropy(logits, labels, ones, sizes), _dice(logits, labels, ones, sizes)


def test_with_all_voxels_drawn_it_is_the_loss_of_the_whole_patch():
    features, target, layer = patch()
    entropy, dice = whole_loss(features, target, layer)
    loss = SampledLoss([layer], per_structure=10**6)(features, target)
    assert loss.item() == pytest.approx((entropy - dice).item(), rel=1e-4)


def test_a_draw_estimates_the_loss_of_the_whole_patch():
    features, target, layer = patch()
    entropy, dice = whole_loss(features, target, layer)
    draws = torch.stack(
        [SampledLoss([layer], per_structure=100)(features, target) for _ in range(40)]
    )
    assert draws.mean().item() == pytest.approx((entropy - dice).item(), abs=0.03)
    assert draws.std() > 0


def test_the_dice_term_counts_only_structures_in_the_patch():
    _, target, _ = patch()
    labels = target.flatten().long()
    perfect = 50.0 * torch.nn.functional.one_hot(labels, 5).float()
    sizes = torch.bincount(labels, minlength=5)
    ones = torch.ones(len(labels))
    assert _dice(perfect, labels, ones, sizes).item() == pytest.approx(1.0, abs=1e-5)
    wrong = perfect.roll(1, dims=1)
    assert _dice(wrong, labels, ones, sizes).item() < 0.1


def test_gradients_reach_features_and_last_layer():
    features, target, layer = patch()
    features.requires_grad_()
    SampledLoss([layer], per_structure=50)(features, target).backward()
    assert layer.weight.grad.abs().sum() > 0
    rare = features.grad[0, :, 20, 3:5, 3:5]
    assert rare.abs().sum() > 0


def test_a_patch_of_background_alone_has_a_finite_loss():
    features, target, layer = patch()
    loss = SampledLoss([layer], per_structure=50)(features, torch.zeros_like(target))
    assert torch.isfinite(loss)


def test_ignored_voxels_are_never_drawn_and_change_nothing():
    features, target, layer = patch()
    ignored = target.clone()
    ignored[:, :, :, :, :4] = 5
    elsewhere = torch.where(ignored == 5, 50.0, 0.0)
    loss = SampledLoss([layer], 10**6, ignore=5)
    value = loss(features, ignored)
    assert loss(features + elsewhere, ignored).item() == pytest.approx(value.item(), rel=1e-5)
    rest = SampledLoss([layer], 10**6)(features[..., 4:], ignored[..., 4:])
    assert value.item() == pytest.approx(rest.item(), rel=1e-4)


def test_a_patch_of_ignored_voxels_alone_teaches_nothing():
    features, target, layer = patch()
    loss = SampledLoss([layer], 50, ignore=5)(features, torch.full_like(target, 5))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(layer.weight.grad, torch.zeros_like(layer.weight))


def test_an_ignore_label_that_no_voxel_has_changes_no_bit():
    features, target, layer = patch()
    torch.manual_seed(3)
    plain = SampledLoss([layer], 50)(features, target)
    torch.manual_seed(3)
    assert torch.equal(SampledLoss([layer], 50, ignore=5)(features, target), plain)


def test_the_learning_rate_rises_and_falls():
    values = [_schedule(step / 100) for step in range(100)]
    assert values[0] < 0.1
    assert max(values) == pytest.approx(1.0, abs=0.01)
    assert values.index(max(values)) == 5
    assert values[-1] < 0.02


def test_with_deep_supervision_every_resolution_counts_the_same():
    features, target, layer = patch()
    coarse, coarse_target = features[:, :, ::2, ::2, ::2], target[:, :, ::2, ::2, ::2]
    other = torch.nn.Conv3d(6, 5, 1)
    many = 10**6
    fine = SampledLoss([layer], many)(features, target)
    rough = SampledLoss([other], many)(coarse, coarse_target)
    both = SampledLoss([layer, other], many)([features, coarse], [target, coarse_target])
    assert both.item() == pytest.approx((fine + rough).item() / 2, rel=1e-4)


def halves(count: int) -> dict:
    """Make a batch whose left half is structure 1 and bright, its right half 2 and dark."""
    target = torch.ones(count, 1, 24, 24, 24, dtype=torch.int16)
    target[..., 12:] = 2
    data = torch.where(target == 1, 5.0, -5.0)
    return {"data": data, "target": [target, target[:, :, ::2, ::2, ::2]], "keys": ["c"] * count}


def test_quick_augmentation_moves_image_and_labels_together_and_never_mirrors():
    torch.manual_seed(0)
    batch = halves(12)
    result = quickly_augmented(batch)
    data, (fine, coarse) = result["data"], result["target"]
    assert data.shape == (12, 1, 24, 24, 24)
    assert coarse.shape == (12, 1, 12, 12, 12)
    assert fine.dtype == torch.int16
    assert not torch.equal(fine, batch["target"][0])
    assert ((data > 0) == (fine == 1))[fine > 0].float().mean() > 0.97
    for sample in fine:
        left, right = sample[..., :6], sample[..., 18:]
        assert (left[left > 0] == 1).all()
        assert (right[right > 0] == 2).all()
    agree = coarse == fine[:, :, ::2, ::2, ::2]
    assert agree.float().mean() > 0.9


def test_quick_augmentation_cuts_some_fields_of_view_short_as_nnunet_pads():
    torch.manual_seed(1)
    result = quickly_augmented(halves(60))
    empty = (result["target"][0] == 0).flatten(3).all(-1)[:, 0]
    cut = empty.any(1)
    assert 0.1 < cut.float().mean() < 0.5
    assert (result["data"][:, 0][empty] == 0).all()
    assert empty.sum(1).max() <= 12


def test_quick_augmentation_is_seeded_and_leaves_its_input_alone():
    batch = halves(2)
    before = batch["data"].clone()
    torch.manual_seed(3)
    first = quickly_augmented(batch)["data"]
    torch.manual_seed(3)
    assert torch.equal(quickly_augmented(batch)["data"], first)
    assert torch.equal(batch["data"], before)
