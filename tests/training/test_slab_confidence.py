import numpy as np
import pytest
import torch

from training import slab_confidence
from training.slab_confidence import ConfidenceSums


def entropy(p):
    return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))


def logits_of(probabilities):
    """Give logits, shape (heads, 1, 1, voxels), whose softmax are these rows of probabilities."""
    rows = torch.log(torch.tensor(probabilities, dtype=torch.float64)).float()
    return rows.T[:, None, None, :].contiguous()


def summed(logits, labels, regions=False, cover=None):
    heads = logits.shape[0]
    values = range(1, heads + 1) if regions else range(heads)
    sums = ConfidenceSums(list(values), regions=regions)
    cover = torch.ones(logits.shape[1:]) if cover is None else cover
    sums.add(logits, cover, np.asarray(labels, np.uint8).reshape(logits.shape[1:]))
    return sums.per_value()


def test_means_and_uncertain_voxels_of_four_voxels_by_hand():
    """Background, liver, aorta; one sure liver, one doubtful liver, one aorta, one background."""
    logits = logits_of([[0.05, 0.9, 0.05], [0.25, 0.65, 0.1], [0.05, 0.05, 0.9], [0.6, 0.3, 0.1]])
    found = summed(logits, [1, 1, 2, 0])
    liver, aorta = found[1], found[2]
    assert set(found) == {1, 2}
    assert liver["probability"] == pytest.approx((0.9 + 0.65) / 2, abs=1e-6)
    assert liver["uncertain_voxels"] == 2  # 0.65 in the liver, 0.3 beside it
    expected = (entropy(0.9) + entropy(0.65) + entropy(0.3)) / 3
    assert liver["entropy_bits"] == pytest.approx(expected, abs=1e-6)
    assert aorta["probability"] == pytest.approx(0.9, abs=1e-6)
    assert aorta["uncertain_voxels"] == 0
    assert aorta["entropy_bits"] == pytest.approx(entropy(0.9), abs=1e-6)


def test_a_structure_nobody_labelled_may_still_be_uncertain_somewhere():
    found = summed(logits_of([[0.55, 0.45, 1e-9], [0.99, 0.01, 1e-9]]), [0, 0])
    assert found[1]["probability"] == 0
    assert found[1]["uncertain_voxels"] == 1
    assert found[1]["entropy_bits"] == pytest.approx(entropy(0.45), abs=1e-6)
    assert found[2] == {"probability": 0.0, "entropy_bits": 0.0, "uncertain_voxels": 0}


def test_certainty_gives_no_entropy_and_no_nan():
    logits = torch.tensor([[-500.0], [500.0]]).reshape(2, 1, 1, 1)
    (of,) = summed(logits, [1]).values()
    assert of["probability"] == 1
    assert of["entropy_bits"] == pytest.approx(0, abs=1e-12)


def test_regions_have_a_sigmoid_each_and_nest():
    """A voxel may be sure of both regions; its label is that of the inner one."""
    shares = torch.tensor([[0.95, 0.7, 0.5], [0.9, 0.25, 0.1]], dtype=torch.float64)
    logits = torch.logit(shares).float()[:, None, None, :]
    found = summed(logits, [2, 1, 0], regions=True)
    assert found[1]["probability"] == pytest.approx(0.7, abs=1e-6)
    assert found[1]["uncertain_voxels"] == 2
    expected = (entropy(0.7) + entropy(0.5)) / 2
    assert found[1]["entropy_bits"] == pytest.approx(expected, abs=1e-6)
    assert found[2]["probability"] == pytest.approx(0.9, abs=1e-6)
    expected = (entropy(0.9) + entropy(0.25)) / 2
    assert found[2]["entropy_bits"] == pytest.approx(expected, abs=1e-6)
    assert found[2]["uncertain_voxels"] == 1


def test_chunks_and_weights_change_nothing(monkeypatch):
    """Weighted sums over slabs give what a plain softmax over everything gives."""
    generator = torch.Generator().manual_seed(5)
    logits = 2 * torch.randn((4, 6, 5, 7), generator=generator)
    cover = 1 + 9 * torch.rand((6, 5, 7), generator=generator)
    labels = logits.argmax(0).numpy()
    share = logits.double().softmax(0).numpy()
    monkeypatch.setattr(slab_confidence, "CHUNK_NUMBERS", 300)
    sums = ConfidenceSums(range(4), regions=False)
    for part in (slice(0, 4), slice(4, 6)):
        sums.add(logits[:, part] * cover[part], cover[part], labels[part])
    for value, of in sums.per_value().items():
        inside, unsure = labels == value, (share[value] >= 0.2) & (share[value] <= 0.8)
        assert of["uncertain_voxels"] == unsure.sum()
        assert of["probability"] == pytest.approx(share[value][inside].mean(), abs=1e-5)
        looked_at = entropy(share[value][inside | unsure])
        assert of["entropy_bits"] == pytest.approx(looked_at.mean(), abs=1e-5)
